"""`tumbler generate` and `tumbler chat`: a model at the terminal, or in a pipe."""

from __future__ import annotations

import contextlib
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, TextIO

from tumbler.chat.events import Event, Text
from tumbler.chat.load import ChatModel, load_chat
from tumbler.chat.respond import complete, respond
from tumbler.chat.structures import Structure
from tumbler.engine import Sampling
from tumbler.errors import UserError
from tumbler.text.conversation import Conversation, Message

HELP: Final = "/reset begins anew, /exit or Ctrl-D ends, Ctrl-C stops an answer"

BIDI: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks that make text read otherwise than it is (CVE-2021-42574)."""


def generate(
    model: Path,
    prompt: str,
    sampling: Sampling,
    stop: Sequence[str] = (),
    *,
    structure: Structure | None = None,
    out: TextIO | None = None,
) -> None:
    """Print what the model writes after `prompt`, as it comes."""
    _show(complete(load_chat(model, slots=1), prompt, sampling, stop, structure), out or sys.stdout)


def chat(
    model: Path,
    sampling: Sampling,
    message: str | None = None,
    system: str | None = None,
    *,
    structure: Structure | None = None,
    lines: Iterable[str] | None = None,
    out: TextIO | None = None,
) -> None:
    """Talk with the model: one `message`, or each of `lines` (default: what is typed, or standard input)."""
    talk = Talk(load_chat(model, slots=1), sampling, system, out or sys.stdout, structure)
    if message is not None:
        talk.say(message)
        return
    for line in _typed(model.name) if lines is None else lines:
        if not _command(talk, line.strip()):
            return


class Talk:
    """A conversation in memory, answered on `out`."""

    def __init__(
        self,
        model: ChatModel,
        sampling: Sampling,
        system: str | None,
        out: TextIO,
        structure: Structure | None = None,
    ) -> None:
        self._model, self._sampling, self._out, self._structure = model, sampling, out, structure
        self._opening = (Message("system", system),) if system else ()
        self._messages: tuple[Message, ...] = self._opening

    def say(self, text: str) -> None:
        """Answer one message; both are remembered. UserError, and nothing remembered, when it is too long."""
        asked = (*self._messages, Message("user", text))
        events = respond(self._model, Conversation(asked, "chat"), self._sampling, structure=self._structure)
        self._messages = (*asked, Message("assistant", _show(events, self._out)))

    def reset(self) -> None:
        self._messages = self._opening


def _command(talk: Talk, line: str) -> bool:
    """Do what a line asks; False when it asks to end."""
    if line in ("/exit", "/quit", "/bye"):
        return False
    if line == "/reset":
        talk.reset()
    elif line.startswith("/"):
        print(HELP, file=sys.stderr)
    elif line:
        try:
            talk.say(line)
        except UserError as error:
            print(f"{error}; or /reset", file=sys.stderr)
    return True


def _typed(name: str) -> Iterator[str]:
    """Lines from standard input; with a prompt, history and line editing where someone types."""
    if not sys.stdin.isatty():
        yield from sys.stdin
        return
    with contextlib.suppress(ImportError):  # Windows has none
        import readline  # noqa: F401  (its import gives `input` history and editing)
    print(f"{name}: {HELP}", file=sys.stderr)
    while True:
        try:
            yield input("> ")
        except (EOFError, KeyboardInterrupt):
            print()
            return


def _show(events: Iterator[Event], out: TextIO) -> str:
    """Write an answer as it comes; Ctrl-C ends the answer only. -> what the model wrote."""
    written = []
    try:
        for event in events:
            if isinstance(event, Text):
                written.append(event.text)
                out.write(printable(event.text))
                out.flush()
    except KeyboardInterrupt:
        out.write(" [stopped]")
    out.write("\n")
    out.flush()
    return "".join(written)


def printable(text: str) -> str:
    """The text without control characters (but line feed and tab) and without reordering marks.

    What a model writes is untrusted: an escape sequence could rewrite the screen or the clipboard.
    """
    return "".join(c for c in text if c in "\n\t" or not (unicodedata.category(c) == "Cc" or c in BIDI))
