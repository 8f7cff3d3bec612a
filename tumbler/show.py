"""The terminal's pictures of artifacts: one line a finished step, the closing screen, the lineage.

Reads manifests and views only; knows no stage.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.rule import Rule
from rich.table import Table as Grid
from rich.text import Text

from tumbler import views
from tumbler.artifact import MANIFEST, Artifact, lineage, open_artifact
from tumbler.draw import clean, draw, is_number, number
from tumbler.errors import UserError
from tumbler.forecast import PEAKS, Accelerator, Forecast, Planned, seconds_on
from tumbler.html.numbers import size
from tumbler.recipe import Step
from tumbler.views import Samples, View

CLOSING = (
    "crawl/funnel",
    "corpus/funnel",
    "pretrain/loss",
    "eval/completions",
    "eval/masked",
    "eval/answers",
    "eval/scores",
)
"""The views of the closing screen, as STEP'S STAGE/VIEW, in the order of the data."""
PAGE = "report.html"
"""The page of an artifact that has one."""


def step_done(name: str, artifact: Artifact, fresh: bool) -> None:
    """One line: what the step made, how long it took, where it lies."""
    facts = "  ".join(f"{key} {number(value)}" for key, value in artifact.facts.items() if is_number(value))
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
    """`tumbler show`: all views of a step, or the closing screen again from the finished steps in a run's folder."""
    if (folder / MANIFEST).exists():
        _show_step(open_artifact(folder))
        return
    paths = [path.parent for path in folder.glob(f"*/{MANIFEST}")]
    if not paths:
        raise UserError(f"{folder}: no finished step in it; give the folder of a run or a step, such as runs/tiny")
    run_done(sorted((open_artifact(path) for path in paths), key=lambda item: str(item.manifest["finished"])), program)


def _show_step(artifact: Artifact) -> None:
    """All views; of a step that has a page, the texts stand there."""
    page = artifact.path / PAGE
    shown = views.read_views(artifact.path).values()
    present(view for view in shown if not (page.exists() and isinstance(view, Samples)))
    if page.exists():
        Console(highlight=False).print(Text(f"\n  $ xdg-open {clean(str(page))}"), soft_wrap=True)


def forecast(steps: Iterable[tuple[Step, Planned]], gpu: str, price: float, mfu: float) -> None:
    """`tumbler run --dry-run`: what each step that trains will take, here and on GPUs."""
    if gpu not in PEAKS:
        raise UserError(f"--gpu {gpu}: unknown; give one of {', '.join(PEAKS)}")
    if not 0 < mfu <= 1 or price < 0:
        raise UserError(f"--mfu {mfu:g}, --price {price:g}: mfu lies above 0 and up to 1, the price is no less than 0")
    console, trains = Console(highlight=False), False
    for step, planned in steps:
        console.print(Text.assemble((clean(step.name), "bold"), f"  {step.stage}"))
        if planned.cost is not None:
            trains = True
            console.print(_costs(planned.cost, gpu, price, mfu))
    if trains:
        console.print(Text(f"GPUs: {gpu}, {mfu:.0%} of the {PEAKS[gpu] / 1e12:.0f} TFLOP/s of its data sheet", "dim"))
    console.print(Text("The other steps' time depends on the data, which a dry run does not read.", "dim"))


def _costs(cost: Forecast, gpu: Accelerator, price: float, mfu: float) -> RenderableType:
    grid = Grid.grid(padding=(0, 2))
    rows = [
        ("parameters", number(cost.parameters)),
        ("steps", f"{number(cost.steps)}, {number(cost.tokens)} tokens"),
        ("FLOPs", f"{cost.flops:.3g}"),
        ("memory", f"{size(cost.memory)} (weights, gradients, optimizers, activations)"),
        ("time here", duration(cost.seconds)),
    ]
    for count in (1, 8):
        seconds = seconds_on(cost.flops, gpu, count, mfu)
        dollars = seconds / 3600 * count * price
        rows.append((f"time on {count} {gpu}", f"{duration(seconds)}, ${dollars:,.2f} at ${price:g} an hour each"))
    for name, value in rows:
        grid.add_row("", Text(name, style="dim"), value)
    return grid


def duration(seconds: float) -> str:
    """`45 s`, `12 min 5 s`, `7 h 30 min`, `12.5 days`."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    if minutes < 60:
        return f"{minutes} min {rest} s"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{seconds / 86400:,.1f} days"


def present(pictures: Iterable[View]) -> None:
    """Each view under its title."""
    for picture in pictures:
        Console(highlight=False).print(Group(Text(), _header(clean(picture.title)), draw(picture)))


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
    for command in commands({str(item.manifest.get("stage")): item for item in artifacts}, program):
        yield Text.assemble(("  $ ", "dim"), clean(command))


def commands(by_stage: Mapping[str, Artifact], program: str) -> Iterator[str]:
    """What can be done with these artifacts, given by their stage."""
    path = {stage: item.path for stage, item in by_stage.items()}
    for stage in ("corpus", "eval"):
        if stage in path:
            yield f"xdg-open {path[stage] / PAGE}"
    if "sft" in path:
        yield f"{program} chat {path['sft']}"
    if "pretrain" in path:
        last = path.get("sft", path["pretrain"])
        if by_stage["pretrain"].facts.get("objective") == "masked tokens":
            yield f'{program} fill-mask {last} "The capital of France is <|mask|>."'
        else:
            yield f'{program} generate {path["pretrain"]} "The capital of France is"'
            yield f"{program} serve {last} --port 8000"
        yield f"{program} explain {last}"


def _header(title: str) -> Rule:
    return Rule(Text(title, style="bold"), align="left", style="cyan")


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
