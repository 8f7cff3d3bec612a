"""Verbs that run recipes and stages, and look at what they made."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from tumbler.cli.app import Overrides, app, program


@app.command()
def run(
    recipe: Annotated[
        str, typer.Argument(help="A recipe that ships with tumbler (smoke, tiny, pages) or a TOML file.")
    ],
    out: Annotated[Path | None, typer.Option(help="Folder of the run; default runs/RECIPE.")] = None,
    to: Annotated[str | None, typer.Option(metavar="STEP", help="Stop after this step.")] = None,
    fork: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="ARTIFACT", help="Fork the road: take this artifact, and those it was made from."
        ),
    ] = None,
    redo: Annotated[
        str | None, typer.Option(metavar="STEP", help="Throw this step and those after it away first.")
    ] = None,
    sets: Overrides = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Run nothing: say what training will take, in time, memory and money.")
    ] = False,
    gpu: Annotated[str, typer.Option(help="With --dry-run: a100, h100, h200 or b200.")] = "h100",
    price: Annotated[float, typer.Option(help="With --dry-run: dollars for one GPU for one hour.")] = 2.5,
    mfu: Annotated[float, typer.Option(help="With --dry-run: the share of its peak that a GPU will reach.")] = 0.4,
) -> None:
    """Run a recipe, step by step. The same command goes on after a stop or a kill.

    Example: tumbler run tiny --to pretrain --set pretrain.steps=200 --out runs/short

    What will it take? tumbler run gpt2 --dry-run --gpu h100 --price 2.5

    On several GPUs: torchrun --nproc-per-node 8 -m tumbler run gpt2
    """
    from tumbler import pipeline, show
    from tumbler import recipe as recipes
    from tumbler.device import rank

    path = recipes.find(recipe)
    raw = recipes.read(path, sets or [])
    if dry_run:
        parsed = recipes.from_table(raw, path.name, (), pipeline.settings_of)
        show.forecast(pipeline.forecast(parsed), gpu, price, mfu)
        return
    folder = out or Path("runs") / path.stem
    finished = []
    with pipeline.executor_of(raw, folder) as executor:
        parsed = recipes.from_table(raw, path.name, (), pipeline.settings_of)
        for step in pipeline.run_recipe(parsed, folder, to, fork, redo, executor):
            finished.append(step.artifact)
            if rank() == 0:
                show.step_done(step.step.name, step.artifact, step.fresh)
    if rank() == 0:
        show.run_done(finished, program())


def _stage_verb(stage: str) -> Callable[..., None]:
    def verb(
        inputs: Annotated[list[Path] | None, typer.Argument(help="Artifacts, or outside files and folders.")] = None,
        out: Annotated[Path | None, typer.Option(help="Folder of the artifact; default runs/STAGE.")] = None,
        workers: Annotated[int | None, typer.Option(help="Worker processes; default one a core.")] = None,
        sets: Annotated[
            list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting (TOML's syntax).")
        ] = None,
    ) -> None:
        from tumbler import pipeline, show
        from tumbler import recipe as recipes
        from tumbler.artifact import open_outside
        from tumbler.executor import Executor

        table: dict[str, object] = {"name": stage, "stage": stage, "inputs": []}
        overrides = [f"{stage}.{item}" for item in sets or []]
        step = recipes.from_table({"step": [table]}, "command line", overrides, pipeline.settings_of).steps[0]
        path = out or Path("runs") / stage
        with Executor(workers) as executor:
            finished = pipeline.run_step(step, [open_outside(item) for item in inputs or []], path, executor)
        show.step_done(stage, finished.artifact, finished.fresh)

    return verb


STAGE_HELP = {
    "almanac": ("Make the demo's little web from real facts.", "tumbler almanac --out runs/almanac"),
    "crawl": ("Read pages from WARC, HTML, JSONL, Parquet or text.", "tumbler crawl crawl/*.warc.gz --out runs/pages"),
    "corpus": ("Filter and deduplicate pages into documents.", "tumbler corpus runs/pages --out runs/corpus"),
    "tokens": ("Train a tokenizer, write token shards.", "tumbler tokens runs/corpus --set vocab_size=8192"),
    "pretrain": ("Train a base model on token shards.", "tumbler pretrain runs/tokens --set steps=500 --set depth=4"),
    "sft": ("Tune a base model on conversations.", "tumbler sft runs/pretrain runs/tokens chats.jsonl --out runs/sft"),
    "eval": (
        "Measure checkpoints, write the report.",
        "tumbler eval runs/tiny/pretrain runs/tiny/tokens --out runs/eval",
    ),
}
for _stage, (_text, _example) in STAGE_HELP.items():
    app.command(_stage, help=f"Stage alone: {_text}\n\nExample: {_example}")(_stage_verb(_stage))


@app.command()
def explain(folder: Annotated[Path, typer.Argument(help="An artifact, such as runs/tiny/sft.")]) -> None:
    """Where an artifact comes from: back to the pages, with counts, seconds, sizes and licences.

    Example: tumbler explain runs/tiny/sft
    """
    from tumbler import show

    show.explain(folder)


@app.command("show")
def show_run(folder: Annotated[Path, typer.Argument(help="The folder of a run, such as runs/tiny.")]) -> None:
    """The pictures of a run in the terminal: funnel, loss curve, samples, scores.

    Example: tumbler show runs/tiny
    """
    from tumbler import show

    show.run(folder, program())


@app.command()
def replay(
    corpus: Annotated[Path, typer.Argument(help="A corpus made with keep_statistics = true.")],
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="RULE.KEY=VALUE", help="Another threshold (TOML's syntax).")
    ] = None,
) -> None:
    """What other thresholds would keep of a corpus: from its statistics, without reading the pages again.

    Example: tumbler replay runs/pages/corpus --set gopher_quality.min_words=30
    """
    from tumbler import pipeline, show
    from tumbler import recipe as recipes
    from tumbler.artifact import open_artifact
    from tumbler.corpus import comparison
    from tumbler.corpus.replay import Decisions
    from tumbler.corpus.replay import replay as decide
    from tumbler.corpus.statistics_reader import StatisticsFiles

    made = open_artifact(corpus)
    files = StatisticsFiles.of(corpus)
    before = recipes.validate(pipeline.settings_of("corpus"), made.manifest["settings"], str(corpus))
    table = {"name": "replay", "stage": "corpus", **before.model_dump(mode="json")}
    overrides = [f"replay.{item}" for item in sets or []]
    now = recipes.from_table({"step": [table]}, "replay", overrides, pipeline.settings_of).steps[0].settings
    comparison.check(before, now)
    show.present(comparison.tables(*decide(files, [Decisions.of(before), Decisions.of(now)])))


@app.command("recipe")
def recipe_verb(
    name: Annotated[str, typer.Argument(help="A recipe that ships with tumbler, or a TOML file.")],
    sets: Overrides = None,
) -> None:
    """Print a recipe with every setting, what it means and its value in force.

    Example: tumbler recipe tiny > mine.toml
    """
    from tumbler import pipeline
    from tumbler import recipe as recipes

    print(recipes.document(recipes.load(recipes.find(name), sets or [], pipeline.settings_of)))


@app.command()
def doctor() -> None:
    """What this machine has, and what tumbler will use of it.

    Example: tumbler doctor
    """
    from tumbler import doctor as examination

    examination.print_report()
