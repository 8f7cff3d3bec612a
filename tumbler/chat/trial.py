"""A grammar is first compiled by a process of its own: by some, llguidance hangs or overflows its stack.

The file is run as that process too, so it imports nothing of tumbler (the model's libraries take seconds to load).
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from typing import Final

from llguidance import LLMatcher, LLParserLimits, LLTokenizer

SECONDS: Final = 5
"""Of the processor."""
PATIENCE: Final = 60
"""Seconds by the clock, on a machine that is busy with other work."""
BYTES: Final = 2**30
STACK: Final = 2**20
"""A part of what any thread has that compiles the grammar later: what passes here, passes there."""
TOO_MUCH: Final = f"compiling it needs more than {SECONDS} seconds, {BYTES >> 20} MB, or is nested too deeply"


def limits() -> LLParserLimits:
    """A tenth of llguidance's defaults to a half; most of them hold for each token."""
    return LLParserLimits(
        initial_lexer_fuel=500_000,
        max_grammar_size=100_000,
        step_lexer_fuel=100_000,
        step_max_items=20_000,
        max_items_in_row=1_000,
        max_lexer_states=10_000,
        verbose_errors=False,
    )


def fault(grammar: str) -> str | None:
    """Why llguidance cannot take the grammar, in its own words or TOO_MUCH; None when it can."""
    command = [sys.executable, "-P", __file__]
    try:
        done = subprocess.run(command, input=grammar.encode(), capture_output=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return TOO_MUCH
    if done.returncode:
        assert done.returncode < 0, done.stderr.decode()  # a signal ended it; an exit code of its own is a mistake here
        return TOO_MUCH
    return done.stdout.decode() or None


def _try() -> None:
    _limit()
    grammar = sys.stdin.buffer.read().decode()
    matcher = LLMatcher(LLTokenizer("byte"), grammar, log_level=0, limits=limits())
    sys.stdout.buffer.write(matcher.get_error().encode())
    sys.stdout.flush()


def _limit() -> None:
    with contextlib.suppress(ImportError):  # Windows has none; PATIENCE is left
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    threading.stack_size(STACK)
    thread = threading.Thread(target=_try)
    thread.start()
    thread.join()
