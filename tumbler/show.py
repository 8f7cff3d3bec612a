"""The terminal's pictures of artifacts: one line a finished step, the closing screen, the lineage.

Reads manifests and views only; knows no stage. Every text from outside is shown as plain text,
never as markup or as a terminal's control sequence.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import plotille
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table as Grid
from rich.text import Text

from tumbler import views
from tumbler.artifact import MANIFEST, Artifact, lineage, open_artifact
from tumbler.errors import UserError
from tumbler.views import Curve, Funnel, Samples, Table, View

CLOSING = ("crawl/funnel", "corpus/funnel", "pretrain/loss", "eval/completions", "eval/answers", "eval/scores")
"""The views of the closing screen, as STEP'S STAGE/VIEW, in the order of the data."""
PLOT_WIDTH, PLOT_HEIGHT, BAR = 56, 12, 36


def step_done(name: str, artifact: Artifact, fresh: bool) -> None:
    """One line: what the step made, how long it took, where it lies."""
    facts = "  ".join(f"{key} {number(value)}" for key, value in artifact.facts.items() if _is_number(value))
    state = f"{artifact.manifest.get('seconds', 0):.1f} s" if fresh else "there already"
    mark = ("✓ ", "bold green") if fresh else ("· ", "dim")
    line = Text.assemble(mark, (f"{name:<9}", "bold"), (f"{state:>14}  ", "dim"), clean(facts))
    Console(stderr=True, highlight=False).print(line, no_wrap=True, overflow="ellipsis")


def run_done(artifacts: Sequence[Artifact], program: str) -> None:
    """The closing screen of `tumbler run`; `program` is what a person types for tumbler."""
    console = Console(highlight=False)
    console.print(closing(artifacts))
    console.print()
    console.print(_header("Where everything lies, and how to go on"))
    for line in ways_on(artifacts, program):
        console.print(line, soft_wrap=True)


def run(folder: Path, program: str) -> None:
    """`tumbler show`: the closing screen again, from the finished steps in a run's folder."""
    paths = [path.parent for path in folder.glob(f"*/{MANIFEST}")]
    if not paths:
        raise UserError(f"{folder}: no finished step in it; give the folder of a run, such as runs/tiny")
    run_done(sorted((open_artifact(path) for path in paths), key=lambda item: str(item.manifest["finished"])), program)


def explain(folder: Path) -> None:
    """`tumbler explain`: the artifact and all that it was made from, back to the pages."""
    console = Console(highlight=False)
    for item in lineage(open_artifact(folder)):
        console.print(_explained(item))


def closing(artifacts: Sequence[Artifact]) -> RenderableType:
    by_stage = {str(item.manifest.get("stage")): item for item in artifacts}
    parts: list[RenderableType] = []
    for stage, _, name in (key.partition("/") for key in CLOSING):
        found = views.read_views(by_stage[stage].path).get(name) if stage in by_stage else None
        if found is not None:
            parts += [Text(), _header(clean(found.title)), draw(found)]
    return Group(*parts)


def ways_on(artifacts: Sequence[Artifact], program: str) -> Iterator[Text]:
    """Lines: where everything lies and what to type next."""
    width = max((len(clean(str(item.path))) for item in artifacts), default=0)
    for item in artifacts:
        size = sum(entry["bytes"] for entry in item.manifest["files"].values())
        path = clean(str(item.path)).ljust(width)
        yield Text.assemble("  ", (path, "bold"), f"  {item.kind:<10}  {size / 1e6:6.1f} MB")
    for command in commands({str(item.manifest.get("stage")): item.path for item in artifacts}, program):
        yield Text.assemble(("  $ ", "dim"), clean(command))


def commands(by_stage: Mapping[str, Path], program: str) -> Iterator[str]:
    """What can be done with these artifacts, given as stage -> folder."""
    if "eval" in by_stage:
        yield f"xdg-open {by_stage['eval'] / 'report.html'}"
    if "sft" in by_stage:
        yield f"{program} chat {by_stage['sft']}"
    if "pretrain" in by_stage:
        yield f'{program} generate {by_stage["pretrain"]} "The capital of France is"'
        last = by_stage.get("sft", by_stage["pretrain"])
        yield f"{program} serve {last} --port 8000"
        yield f"{program} explain {last}"


def draw(view: View) -> RenderableType:
    """A view for the terminal."""
    if isinstance(view, Funnel):
        return _draw_funnel(view)
    if isinstance(view, Curve):
        return _draw_curve(view)
    return _draw_samples(view) if isinstance(view, Samples) else _draw_table(view)


def _header(title: str) -> Rule:
    return Rule(Text(title, style="bold"), align="left", style="cyan")


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


def _draw_samples(view: Samples) -> RenderableType:
    lines = []
    for prompt, output, note in view.items:
        remark = f"   ({clean(note)})" if note else ""
        lines.append(Text.assemble("  ", (clean(prompt), "bold"), (" ▸ ", "cyan"), clean(output), (remark, "dim")))
    return Group(*lines)


def _draw_table(view: Table) -> RenderableType:
    grid = Grid(box=None, padding=(0, 2), header_style="dim")
    for column in view.columns:
        grid.add_column(clean(column))
    for row in view.rows:
        grid.add_row(*(Text(number(cell) if _is_number(cell) else clean(str(cell))) for cell in row))
    return grid


def _explained(item: Artifact) -> RenderableType:
    manifest: Mapping[str, Any] = item.manifest
    size = sum(entry["bytes"] for entry in manifest["files"].values())
    grid = Grid.grid(padding=(0, 2))
    for key, value in item.facts.items():
        shown = ", ".join(f"{k} {number(v)}" for k, v in value.items()) if isinstance(value, Mapping) else number(value)
        grid.add_row("", Text(clean(key), style="dim"), Text(clean(shown)))
    grid.add_row("", Text("seconds", style="dim"), f"{manifest['seconds']}")
    grid.add_row("", Text("size", style="dim"), f"{size / 1e6:.2f} MB in {len(manifest['files'])} files")
    for licence in manifest["licences"]:
        grid.add_row("", Text("licence", style="dim"), Text(clean(licence)))
    for entry in manifest["inputs"]:
        grid.add_row("", Text("made from", style="dim"), Text(clean(f"{entry['path']}  {entry['digest'][:12]}")))
    title = Text.assemble((clean(str(item.path)), "bold"), f"  {item.kind}, stage {manifest['stage']}  ")
    return Group(title.append(item.digest[:12], style="dim"), grid, Text())


def number(value: object) -> str:
    """A figure for reading: thousands grouped, four significant digits for fractions."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def clean(text: str) -> str:
    """The text without control characters, so that no terminal takes it for a command."""
    return "".join(char if unicodedata.category(char) not in ("Cc", "Cf") else " " for char in text)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
