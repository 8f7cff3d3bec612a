"""The loop that `tumbler chat` and `tumbler playground` share: each line is said to the model, or is a command."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from tumbler.chat.line import Called, Said, meaning
from tumbler.chat.printable import printable
from tumbler.errors import UserError
from tumbler.recipe import nearest

ENDS: Final = ("exit", "quit", "bye")
HELPS: Final = ("help", "?")
KEYS: Final = (
    ('"""', "begins and ends a text of several lines"),
    ("Alt-Enter", "begins a new line"),
    ("Ctrl-C", "stops the answer; what was written stays"),
    ("Ctrl-D", "ends"),
)


@dataclass(frozen=True)
class Command:
    usage: str
    """`/save FILE`: the name, and what may stand behind it."""
    about: str
    do: Callable[[str], None]
    """Told what stands behind the name."""

    @property
    def name(self) -> str:
        return self.usage.split()[0].removeprefix("/")


def converse(lines: Iterable[str], commands: Sequence[Command], say: Callable[[str], None]) -> None:
    """Do what each line asks, up to /exit; a mistake is told in one line, and the next line comes."""
    for line in lines:
        meant = meaning(line)
        if isinstance(meant, Called) and meant.name in ENDS:
            return
        try:
            _obey(meant, commands, say)
        except UserError as error:
            tell(str(error))
        except KeyboardInterrupt:
            print(file=sys.stderr)


def tell(text: str) -> None:
    """A word to the person, beside the answers: on standard error."""
    console = Console(stderr=True, highlight=False)
    console.print(Text(printable(text), "dim"), soft_wrap=not console.is_terminal)


def grid(rows: Iterable[tuple[str, str]]) -> None:
    """Names and what they mean, on standard error."""
    table = Grid.grid(padding=(0, 2))
    for name, text in rows:
        table.add_row(Text("  " + printable(name)), Text(printable(text), "dim"))
    Console(stderr=True, highlight=False).print(table)


def _obey(meant: Called | Said, commands: Sequence[Command], say: Callable[[str], None]) -> None:
    if isinstance(meant, Called):
        _named(commands, meant.name)(meant.rest)
    elif meant.text.strip():
        say(meant.text)


def _named(commands: Sequence[Command], name: str) -> Callable[[str], None]:
    table = {command.name: command.do for command in commands}
    if name in HELPS:
        return lambda _: grid([*((c.usage, c.about) for c in commands), ("/exit", "ends"), *KEYS])
    if name not in table:
        near = nearest(f"/{name}", [f"/{known}" for known in (*table, *ENDS, HELPS[0])])
        raise UserError(f"no command '/{name}'{near}; /help lists them")
    return table[name]
