"""Cells on the terminal: a text in colours, or where there are none, a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rich.cells import cell_len
from rich.console import Console
from rich.style import Style
from rich.text import Text

from tumbler.chat.cells import Cell
from tumbler.chat.printable import visible

LEVELS: Final = (
    (0.9, "≥ 90 %", "black on #5fafd7", "black on cyan"),
    (0.5, "≥ 50 %", "black on #d7ffff", "black on green"),
    (0.1, "≥ 10 %", "black on #ffffaf", "black on yellow"),
    (0.01, "≥ 1 %", "black on #ffaf5f", "black on magenta"),
    (0.0, "< 1 %", "white on #d70000", "white on red"),
)
"""From which probability on, its name, its style in 256 colours and in 16. Also for the colour-blind: near
ColorBrewer's RdYlBu."""
UNKNOWN: Final = "dim"
MARK: Final = "+"
"""Before a row of the table whose token the model wrote."""
TOKEN, BAR = 18, 8
STOPPED: Final = " [stopped]"
BLOCKS: Final = " ▏▎▍▌▋▊▉█"


def coloured(console: Console) -> bool:
    return console.color_system is not None and not console.no_color


def style(share: float | None, console: Console) -> str:
    if share is None:
        return UNKNOWN
    many, few = next((many, few) for least, _, many, few in LEVELS if share >= least)
    return few if console.color_system in ("standard", "windows") else many


def percent(share: float | None) -> str:
    """`93.1 %`, `0.52 %`, `< 0.01 %`, `> 99.9 %`"""
    if share is None:
        return "-"
    if share < 0.0001 or 0.9995 <= share < 1:
        return "< 0.01 %" if share < 0.5 else "> 99.9 %"
    return f"{100 * share:.1f} %" if share >= 0.01 else f"{100 * share:.2f} %"


def bar(share: float | None) -> str:
    """In eighths of a place."""
    eighths = round((share or 0) * BAR * 8)
    return ("█" * (eighths // 8) + BLOCKS[eighths % 8].strip()).ljust(BAR)


def legend(console: Console) -> Text:
    """What the colours mean."""
    text = Text("probability  ", "dim")
    for least, name, _, _ in LEVELS:
        text.append(f" {name} ", style(least, console)).append(" ")
    return text.append("  bold", "bold").append(": written by the model", "dim")


class Flow:
    """Writes cells as they come, as a text whose spaces and line breaks can be seen; breaks lines between tokens."""

    def __init__(self, console: Console) -> None:
        self._console, self._column = console, 0

    def put(self, cell: Cell) -> None:
        shown = in_flow(cell.text)
        if self._column and self._column + cell_len(shown) > self._console.width:
            self._break()
        colours = Style.parse(style(cell.share, self._console)) + Style(bold=cell.written)
        self._console.print(Text(shown, colours), end="", soft_wrap=True)
        self._column += cell_len(shown)
        if "\n" in cell.text:
            self._break()

    def end(self, stopped: bool) -> None:
        if stopped:
            self._console.print(Text(STOPPED, "dim"), end="")
            self._column += len(STOPPED)
        self._break()

    def _break(self) -> None:
        if self._column:
            self._console.print()
        self._column = 0


class Rows:
    """Writes cells as rows of a table as they come: token, probability, what else could have stood there."""

    def __init__(self, console: Console, alternatives: bool) -> None:
        self._console = console
        names = f"  {'token':<{TOKEN}} {'probability':<{BAR + 10}}{'likeliest there; ' if alternatives else ''}"
        self._print(Text(f"{names}{MARK} written by the model", "dim"))

    def put(self, cell: Cell) -> None:
        row = Text(f"{MARK if cell.written else ' '} ")
        token = visible(cell.text)
        row.append(token + " " * (TOKEN - cell_len(token)), "bold" if cell.written else "")
        row.append(f" {percent(cell.share):>8} ")
        colour = Style.parse(style(cell.share, self._console)).bgcolor
        row.append(bar(cell.share), Style(color=colour)).append(" ")
        for text, share in cell.top:
            row.append(f" {visible(text)}", "bold" if text == cell.text else "").append(f" {percent(share)} ", "dim")
        self._print(row)

    def end(self, stopped: bool) -> None:
        if stopped:
            self._print(Text(STOPPED, "dim"))

    def _print(self, row: Text) -> None:
        row.rstrip()
        terminal = self._console.is_terminal
        self._console.print(row, no_wrap=terminal, overflow="ellipsis" if terminal else None, soft_wrap=not terminal)


def table(console: Console, cells: Iterable[Cell]) -> None:
    """The cells with their alternatives, below a text."""
    console.print()
    rows = Rows(console, alternatives=True)
    for cell in cells:
        rows.put(cell)


def in_flow(text: str) -> str:
    """A token within a text: spaces that stand beside other characters may stay spaces."""
    return visible(text) if text.isspace() else "".join(c if c == " " else visible(c) for c in text)
