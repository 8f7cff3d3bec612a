"""Sessions at a real pseudo-terminal, and in pipes: keys, history, escape sequences of a hostile model."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tumbler.text.conversation import Message, read_conversations

READY = "lists the commands)"
"""Stands beside an empty prompt."""
UP, ALT_ENTER, CTRL_C, CTRL_D = "\x1b[A", "\x1b\r", "\x03", "\x04"
HOSTILE = "\x1b]\x07 \n"
"""The beginning and the end of OSC, by which a terminal takes a title, a clipboard or a link."""


class Session:
    """A person at a terminal who types when the screen shows what they wait for."""

    def __init__(self, terminal: int, process: subprocess.Popen[bytes]) -> None:
        self._terminal, self._process = terminal, process
        self.seen = b""
        """What came since the last key."""

    def wait(self, text: str, seconds: float = 90) -> None:
        ends = time.monotonic() + seconds
        while text.encode() not in self.seen:
            assert time.monotonic() < ends, f"no {text!r} in {self.seen!r}"
            if select.select([self._terminal], [], [], 0.1)[0]:
                self.seen += os.read(self._terminal, 65536)

    def type(self, keys: str, wait: str = READY) -> bytes:
        """Press the keys and wait for what they bring about. -> all that was shown since"""
        self.seen = b""
        os.write(self._terminal, keys.encode())
        self.wait(wait)
        return self.seen

    def end(self) -> int:
        os.write(self._terminal, CTRL_D.encode())
        return self._process.wait(30)


@contextmanager
def session(home: Path, *arguments: str) -> Iterator[Session]:
    """A verb of the program, begun at a pseudo-terminal."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "XDG_STATE_HOME": str(home), "PROMPT_TOOLKIT_NO_CPR": "1"}
    environment |= {"TERM": "xterm-256color", "COLUMNS": "100", "OMP_NUM_THREADS": "1"}
    environment.pop("NO_COLOR", None)
    command = [sys.executable, "-m", "tumbler", *arguments]
    process = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # Ctrl-C goes to whom the terminal belongs
    )
    os.close(theirs)
    try:
        found = Session(ours, process)
        found.wait(READY)
        yield found
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def messages(file: Path) -> tuple[Message, ...]:
    return next(read_conversations(file)).messages


def test_control_c_stops_the_answer_and_the_history_outlives_the_session(
    writes: Callable[[str], Path], tmp_path: Path
) -> None:
    model, stopped, later = str(writes("h")), tmp_path / "stopped.jsonl", tmp_path / "later.jsonl"
    with session(tmp_path, "chat", model, "--max-tokens", "16000") as talk:
        talk.type('"""one\r', wait="... ")
        talk.type('two"""\r', wait="hhhhhhhh")
        assert b"[stopped]" in talk.type(CTRL_C)
        assert b"saved" in talk.type(f"/save {stopped}\r")
        assert b"Ctrl-D or /exit ends" in talk.type(CTRL_C)
        assert talk.end() == 0
    with session(tmp_path, "chat", model, "--max-tokens", "3") as talk:
        for _ in range(2):
            talk.type(UP, wait="")
        talk.wait("two")
        assert b"hhh" in talk.type("\r")
        assert b"hhh" in talk.type(f"three{ALT_ENTER}four\r")
        talk.type(f"/save {later}\r")
        assert talk.end() == 0
    question, answer = messages(stopped)
    assert question == Message("user", "one\ntwo")
    assert set(answer.content) == {"h"}
    assert 8 <= len(answer.content) < 16000
    assert [message.content for message in messages(later)] == ["one\ntwo", "hhh", "three\nfour", "hhh"]
    history = next((tmp_path / "tumbler").iterdir())
    assert history.name == "chat_history"
    assert history.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("verb", ["chat", "playground"])
def test_escape_sequences_of_a_model_do_not_reach_the_terminal(
    writes: Callable[[str], Path], tmp_path: Path, verb: str
) -> None:
    sampling = ["--max-tokens", "60", "--temperature", "1", "--seed", "1"]
    with session(tmp_path, verb, str(writes(HOSTILE)), *sampling) as talk:
        shown = talk.type("hello\r")
        if verb == "playground":
            talk.type("/top 5\r")
            shown += talk.type("hello\r")
            assert b"\\x1b" in shown
        assert talk.end() == 0
    assert b"]" in shown
    left = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", shown)  # the colours and the line editor's own
    assert b"\x1b" not in left
    assert b"\x07" not in left


@pytest.mark.parametrize("verb", ["chat", "playground"])
def test_a_pipe_gets_an_answer_a_line_and_no_escapes(writes: Callable[[str], Path], verb: str) -> None:
    command = [sys.executable, "-m", "tumbler", verb, str(writes(HOSTILE)), "--max-tokens", "40", "--verbose"]
    done = subprocess.run(
        [*command, "--temperature", "1", "--seed", "1"], input=b"hello\nand?\n", capture_output=True, timeout=120
    )
    assert done.returncode == 0
    assert done.stderr.count(b"40 tokens") == 2
    assert b"]" in done.stdout
    for shown in (done.stdout, done.stderr):
        assert b"\x1b" not in shown
        assert b"\x07" not in shown
        assert b">>>" not in shown
