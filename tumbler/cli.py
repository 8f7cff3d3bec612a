"""The verbs. Nothing heavy is imported until a verb runs; this is the only file that exits."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from tumbler import __version__
from tumbler.errors import Failure, UserError

app = typer.Typer(
    name="tumbler",
    help="Raw web pages in, a chat model that you own out.\n\nStart with: tumbler run tiny",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="STEP.KEY=VALUE", help="Change a setting (VALUE in TOML's syntax).")
]
Model = Annotated[Path, typer.Argument(help="A Hugging Face model folder, such as runs/tiny/sft.")]
MaxTokens = Annotated[int, typer.Option(help="Stop after this many new tokens.")]
Temperature = Annotated[float, typer.Option(help="0 takes the most likely token each time.")]
TopK = Annotated[int | None, typer.Option(help="Sample among the k most likely tokens.")]
TopP = Annotated[float | None, typer.Option(help="Sample among the tokens that hold this share of probability.")]
MinP = Annotated[float | None, typer.Option(help="Drop tokens less likely than this share of the likeliest.")]
Seed = Annotated[int | None, typer.Option(help="The same seed gives the same tokens.")]


def main() -> NoReturn:
    """Entry point: exit code 0, 2 for a user's mistake, 1 for a failure, 130 for Ctrl-C."""
    try:
        app(prog_name="tumbler", standalone_mode=True)
    except UserError as error:
        _end(str(error), 2)
    except (Failure, OSError) as error:
        _end(str(error), 1)
    except KeyboardInterrupt:
        _end("stopped; the same command goes on from the last save", 130)
    sys.exit(0)


def _program() -> str:
    """How a person calls tumbler here: by its name where that is found, else as this process was called."""
    if shutil.which("tumbler"):
        return "tumbler"
    return "python -m tumbler" if sys.argv[0].endswith("__main__.py") else sys.argv[0]


def _end(message: str, code: int) -> NoReturn:
    for line in message.splitlines() or ["failed"]:
        print(f"tumbler: {line}", file=sys.stderr)
    sys.exit(code)


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
) -> None:
    """Run a recipe, step by step. The same command goes on after a stop or a kill.

    Example: tumbler run tiny --to pretrain --set pretrain.steps=200 --out runs/short
    """
    from tumbler import pipeline, show
    from tumbler import recipe as recipes

    path = recipes.find(recipe)
    raw = recipes.read(path, sets or [])
    folder = out or Path("runs") / path.stem
    finished = []
    with pipeline.executor_of(raw, folder) as executor:
        parsed = recipes.from_table(raw, path.name, (), pipeline.settings_of)
        for step in pipeline.run_recipe(parsed, folder, to, fork, redo, executor):
            finished.append(step.artifact)
            show.step_done(step.step.name, step.artifact, step.fresh)
    show.run_done(finished, _program())


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
def generate(
    model: Model,
    prompt: Annotated[str, typer.Argument(help="Text to go on from; - reads standard input.")],
    max_tokens: MaxTokens = 128,
    temperature: Temperature = 0.8,
    top_k: TopK = 50,
    top_p: TopP = None,
    min_p: MinP = None,
    seed: Seed = None,
    stop: Annotated[list[str] | None, typer.Option(help="Stop before this text.")] = None,
) -> None:
    """Complete a text with a base model.

    Example: tumbler generate runs/tiny/pretrain "The capital of France is" --temperature 0
    """
    from tumbler.chat import terminal
    from tumbler.engine import Sampling

    text = sys.stdin.read() if prompt == "-" else prompt
    sampling = Sampling(max_tokens, temperature, top_k, top_p, min_p, seed)
    terminal.generate(model, text, sampling, tuple(stop or ()))


@app.command()
def chat(
    model: Model,
    message: Annotated[str | None, typer.Option("--message", "-m", help="Ask once and leave.")] = None,
    system: Annotated[str | None, typer.Option(help="A system message.")] = None,
    max_tokens: MaxTokens = 256,
    temperature: Temperature = 0.0,
    top_k: TopK = 50,
    top_p: TopP = None,
    min_p: MinP = None,
    seed: Seed = None,
) -> None:
    """Talk to a chat model in the terminal.

    Example: tumbler chat runs/tiny/sft -m "What is the capital of Peru?"
    """
    from tumbler.chat import terminal
    from tumbler.engine import Sampling

    terminal.chat(model, Sampling(max_tokens, temperature, top_k, top_p, min_p, seed), message, system)


@app.command()
def serve(
    model: Model,
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 opens it to the network.")] = "127.0.0.1",
) -> None:
    """Serve a checkpoint: OpenAI's HTTP API under /v1, a chat page at /.

    Example: tumbler serve runs/tiny/sft --port 8000
    """
    from tumbler.serve import server

    server.serve(model, host, port)


fetch = typer.Typer(
    help="Get what recipes want from its home.\n\nExample: tumbler fetch ut1",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(fetch, name="fetch")


@fetch.command()
def ut1(
    out: Annotated[Path, typer.Option(help="Folder of the lists.")] = Path("ut1"),
    category: Annotated[
        list[str] | None, typer.Option(help="A category, or all; default those that RefinedWeb and FineWeb drop.")
    ] = None,
    url: Annotated[str | None, typer.Option("--from", metavar="URL", help="A mirror with the same files.")] = None,
) -> None:
    """The UT1 lists of domains and URLs that the corpus stage's URL filter reads (CC BY-SA 4.0).

    Example: tumbler fetch ut1 --category adult --category gambling
    """
    from tumbler.crawl import ut1_client

    for name, size in ut1_client.fetch_ut1(out, category or ut1_client.CATEGORIES, url or ut1_client.HOME):
        print(f"{out / name}  {size:,} bytes")
    print(f"use them: --set corpus.blocklists='[\"{out}\"]'")


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

    show.run(folder, _program())


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


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    if version:
        print(f"tumbler {__version__}")
        raise typer.Exit()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
