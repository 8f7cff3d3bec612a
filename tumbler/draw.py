"""The terminal's picture of each shape of view.

Every text from outside is shown as plain text, never as markup or as a terminal's control sequence.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import plotille
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from tumbler.html.numbers import compact, share, size
from tumbler.views import Curve, Flow, Funnel, Histogram, Samples, Table, View

PLOT_WIDTH, PLOT_HEIGHT, BAR, FLOW_BAR = 56, 12, 36, 18
FLOW_GROUPS = 3
"""Groups of a flow that are shown beside the whole."""
TABLE_ROWS = 24
HISTOGRAM_BLOCKS = (("█", "green"), ("░", "red"), ("▒", "cyan"), ("▓", "yellow"))


def draw(view: View) -> RenderableType:
    """A view for the terminal."""
    match view:
        case Funnel():
            return _draw_funnel(view)
        case Flow():
            return _draw_flow(view)
        case Curve():
            return _draw_curve(view)
        case Histogram():
            return _draw_histogram(view)
        case Samples():
            return _draw_samples(view)
        case Table():
            return _draw_table(view)


def _draw_funnel(view: Funnel) -> RenderableType:
    """A row a rule: `rule:detail` reasons of one rule are added up (`tumbler explain` has them apart)."""
    rules: dict[str, int] = {}
    for reason, count in view.dropped:
        rule = reason.partition(":")[0]
        rules[rule] = rules.get(rule, 0) + count
    grid = Grid.grid(padding=(0, 2))
    left = view.read
    grid.add_row(f"{number(left)} {view.unit} read", Text("█" * BAR, style="green"), "")
    for rule, count in rules.items():
        left -= count
        bar = Text("█" * round(BAR * left / max(view.read, 1)), style="green")
        bar.append("░" * max(1, round(BAR * count / max(view.read, 1))) if count else "", style="red")
        grid.add_row(Text(clean(rule)), bar, f"-{number(count)}")
    share = view.kept / max(view.read, 1)
    grid.add_row(Text(f"{number(view.kept)} {view.unit} kept", style="bold"), "", f"{share:.1%}")
    return Padding(grid, (0, 0, 0, 2))


def _draw_flow(view: Flow) -> RenderableType:
    """A row a step: what is left behind it, of everything together and of the first groups."""
    whole, *others = view.groups[: 1 + FLOW_GROUPS]
    first, last = whole[1][0], whole[1][-1]
    grid = Grid(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("", "", "left", "bytes", *(clean(group) for group, _ in others)):
        grid.add_column(name, justify="right" if name else "left", no_wrap=True)
    entered = _left(first.items_in, first.bytes_in, [passages[0].items_in for _, passages in others])
    grid.add_row(f"{view.unit} in", _bar(first.items_in, 0, first.items_in), *entered)
    for place, item in enumerate(whole[1]):
        bar = _bar(item.items_out, item.items_in - item.items_out, first.items_in)
        stayed = [passages[place].items_out for _, passages in others]
        grid.add_row(Text(clean(item.step)), bar, *_left(item.items_out, item.bytes_out, stayed))
    kept = f"{number(last.items_out)} {view.unit} kept, {share(last.items_out, first.items_in)}"
    return Padding(Group(grid, Text(kept, style="bold")), (0, 0, 0, 2))


def _bar(left: int, taken: int, whole: int) -> Text:
    filled = round(FLOW_BAR * left / max(whole, 1))
    lost = max(1, round(FLOW_BAR * (left + taken) / max(whole, 1)) - filled) if taken else 0
    return Text("█" * filled, style="green").append("░" * min(lost, FLOW_BAR - filled), style="red")


def _left(items: int, bytes_left: int, groups: Sequence[int]) -> list[str]:
    return [number(items), size(bytes_left), *map(number, groups)]


def _draw_curve(view: Curve) -> RenderableType:
    figure = plotille.Figure()
    figure.width, figure.height, figure.origin, figure.with_colors = PLOT_WIDTH, PLOT_HEIGHT, False, True
    figure.x_label, figure.y_label = view.x, view.y
    figure.x_ticks_fkt = lambda low, _high: f"{low:.0f}"
    figure.y_ticks_fkt = lambda low, _high: f"{low:.2f}"
    xs = [x for _, points in view.series for x, _ in points]
    figure.set_x_limits(0, max(xs, default=1))
    colours = ("green", "magenta", "cyan", "yellow")
    for (name, points), colour in zip(view.series, colours * len(view.series), strict=False):
        last = f"{clean(name)} (ends at {points[-1][1]:.3f})" if points else clean(name)
        figure.plot([x for x, _ in points], [y for _, y in points], label=last, lc=colour)
    return Text.from_ansi(figure.show(legend=True))


def _draw_histogram(view: Histogram) -> RenderableType:
    """A row a bin, stacked like the page's columns."""
    tallest = max((sum(counts) for _, _, counts in view.bins), default=0) or 1
    grid = Grid.grid(padding=(0, 2))
    for low, high, counts in view.bins:
        bar = Text()
        for count, (block, style) in zip(counts, HISTOGRAM_BLOCKS, strict=False):
            bar.append(block * round(BAR * count / tallest), style=style)
        grid.add_row(f"{compact(low)} to {compact(high)}", bar, " + ".join(map(number, counts)))
    legend = Text(f"{clean(view.unit)} by {clean(view.x)}: {', '.join(map(clean, view.names))}", style="dim")
    return Padding(Group(legend, grid), (0, 0, 0, 2))


def _draw_samples(view: Samples) -> RenderableType:
    lines = []
    for prompt, output, note in view.items:
        remark = f"   ({clean(note)})" if note else ""
        lines.append(Text.assemble("  ", (clean(prompt), "bold"), (" ▸ ", "cyan"), clean(output), (remark, "dim")))
    return Group(*lines)


def _draw_table(view: Table) -> RenderableType:
    grid = Grid(box=None, padding=(0, 2), header_style="dim")
    for place, column in enumerate(view.columns):
        numbers = bool(view.rows) and all(is_number(row[place]) for row in view.rows)
        grid.add_column(clean(column), justify="right" if numbers else "left")
    for row in view.rows[:TABLE_ROWS]:
        grid.add_row(*(Text(number(cell) if is_number(cell) else clean(str(cell))) for cell in row))
    more = len(view.rows) - TABLE_ROWS
    return Group(grid, Text(f"  and {more} more rows", style="dim")) if more > 0 else grid


def number(value: object) -> str:
    """A figure for reading: thousands grouped, four significant digits for fractions."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def clean(text: str) -> str:
    """The text without control characters, so that no terminal takes it for a command."""
    return "".join(char if unicodedata.category(char) not in ("Cc", "Cf") else " " for char in text)


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
