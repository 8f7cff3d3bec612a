"""Lines from the keyboard, with editing and a history that outlives the session; or from a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import platformdirs
from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import create_output
from prompt_toolkit.shortcuts import CompleteStyle

from tumbler.chat.command import tell
from tumbler.chat.line import is_open
from tumbler.errors import UserError

PROMPT: Final = ">>> "


def at_keyboard() -> bool:
    """Whether someone types and can see what they type."""
    return sys.stdin.isatty() and (sys.stdout.isatty() or sys.stderr.isatty())


def lines(verb: str, commands: Sequence[str], hint: str) -> Iterator[str]:
    """What is typed, up to Ctrl-D; or the lines of standard input. `verb` names the history's file."""
    if not at_keyboard():
        yield from _piped()
        return
    session = _session(verb, commands, hint)
    while True:
        try:
            yield session.prompt()
            print(file=sys.stderr)
        except KeyboardInterrupt:
            tell("Ctrl-D or /exit ends")
        except EOFError:
            return


def _piped() -> Iterator[str]:
    try:
        yield from sys.stdin
    except UnicodeDecodeError as error:
        raise UserError(f"standard input: not UTF-8 ({error.reason} at byte {error.start}); convert it") from error


def _session(verb: str, commands: Sequence[str], hint: str) -> PromptSession[str]:
    return PromptSession(
        FormattedText([("ansicyan bold", PROMPT)]),
        multiline=Condition(lambda: is_open(get_app().current_buffer.text)),
        prompt_continuation=FormattedText([("ansicyan", "... ")]),
        placeholder=lambda: FormattedText([("ansibrightblack", "" if get_app().is_done else hint)]),
        history=_history(platformdirs.user_state_path("tumbler") / f"{verb}_history"),
        completer=WordCompleter([f"/{name}" for name in (*commands, "help", "exit")], sentence=True),
        complete_while_typing=False,
        complete_style=CompleteStyle.READLINE_LIKE,
        reserve_space_for_menu=0,
        key_bindings=_keys(),
        output=None if sys.stdout.isatty() else create_output(sys.stderr),  # None also minds TERM=dumb
    )


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys


def _history(file: Path) -> History:
    """The file is the person's alone; where none can be written, the history lasts as long as the session."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
    except OSError as error:
        tell(f"the history will not be kept: {error}")
        return InMemoryHistory()
    return FileHistory(str(file))
