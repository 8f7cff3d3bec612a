"""Verbs that use a model, or take one in or out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tumbler.cli import structured
from tumbler.cli.app import (
    Compile,
    MaxTokens,
    MinP,
    Model,
    Precision,
    Seed,
    Temperature,
    TopK,
    TopP,
    Verbose,
    app,
    verbs,
)
from tumbler.cli.structured import Choices, JsonSchemaFile, Regex

if TYPE_CHECKING:
    from tumbler.artifact import Outcome
    from tumbler.recipe import Settings


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
    json_schema: JsonSchemaFile = None,
    regex: Regex = None,
    choice: Choices = None,
    precision: Precision = None,
    compile: Compile = False,
) -> None:
    """Complete a text with a base model.

    Example: tumbler generate runs/tiny/pretrain "The capital of France is" --temperature 0
    """
    from tumbler.chat import Fit, terminal
    from tumbler.engine import Sampling

    text = sys.stdin.read() if prompt == "-" else prompt
    sampling = Sampling(max_tokens, temperature, top_k, top_p, min_p, seed)
    structure, fit = structured.wanted(json_schema, regex, choice), Fit.named(precision, compile)
    terminal.generate(model, text, sampling, tuple(stop or ()), structure=structure, fit=fit)


@app.command("fill-mask")
def fill_mask(
    model: Annotated[Path, typer.Argument(help="The folder of a masked model, such as runs/mlm/pretrain.")],
    text: Annotated[str, typer.Argument(help="A text with <|mask|> where a token is to be named; - reads it.")],
    k: Annotated[int, typer.Option("-k", min=1, help="Tokens to name for each mask.")] = 5,
) -> None:
    """The likeliest tokens for each <|mask|>; of a text without one, how likely each of its tokens is.

    Example: tumbler fill-mask runs/mlm/pretrain "The capital of France is <|mask|>."

    The score of a whole text: tumbler fill-mask runs/mlm/pretrain "The capital of France is Paris."
    """
    from tumbler import show
    from tumbler.chat import masked

    show.present([masked.table(model, sys.stdin.read() if text == "-" else text, k)])


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
    json_schema: JsonSchemaFile = None,
    regex: Regex = None,
    choice: Choices = None,
    precision: Precision = None,
    compile: Compile = False,
    verbose: Verbose = False,
) -> None:
    """Talk to a chat model in the terminal, or in a pipe: a line in, an answer out.

    Example: tumbler chat runs/tiny/sft

    Ask once and leave: tumbler chat runs/tiny/sft -m "What is the capital of Peru?"

    Many questions: tumbler chat runs/tiny/sft < questions.txt > answers.txt

    /help in the terminal lists the commands: /system, /retry, /undo, /save, /load, /set and others.
    """
    from tumbler.chat import Fit, terminal
    from tumbler.engine import Sampling

    sampling = Sampling(max_tokens, temperature, top_k, top_p, min_p, seed)
    structure, fit = structured.wanted(json_schema, regex, choice), Fit.named(precision, compile)
    terminal.chat(model, sampling, message, system, structure=structure, fit=fit, verbose=verbose)


@app.command()
def playground(
    model: Annotated[Path, typer.Argument(help="A Hugging Face model folder, such as runs/tiny/pretrain.")],
    prompt: Annotated[
        str | None, typer.Argument(help="Text to go on from, and leave; - reads standard input. Without it, type.")
    ] = None,
    top: Annotated[int, typer.Option(help="Also the N likeliest tokens at each place, up to 20.")] = 0,
    shots: Annotated[
        Path | None,
        typer.Option(help='Examples before each prompt: JSONL of {"prompt", "completion"}, or a text with {input}.'),
    ] = None,
    assistant: Annotated[
        bool, typer.Option("--assistant", help="A built-in prompt makes a base model an assistant.")
    ] = False,
    max_tokens: MaxTokens = 64,
    temperature: Temperature = 0.8,
    top_k: TopK = 50,
    top_p: TopP = None,
    min_p: MinP = None,
    seed: Seed = None,
    stop: Annotated[
        list[str] | None, typer.Option(help="Stop before this text; default with --shots: a blank line.")
    ] = None,
    precision: Precision = None,
    compile: Compile = False,
    verbose: Verbose = False,
) -> None:
    """A base model goes on with a text and shows how likely it found each token, the prompt's too.

    Example: tumbler playground runs/tiny/pretrain

    Once, with alternatives: tumbler playground runs/tiny/pretrain "The capital of" --top 5

    From examples: tumbler playground runs/tiny/pretrain "cheese:" --shots french.jsonl

    An assistant: tumbler playground runs/tiny/pretrain --assistant

    Examples are rows such as {"prompt": "sea:", "completion": " mer"}; the texts stand as they are, with a blank
    line between two rows, and yours behind the last. Or a text that has {input} once, where yours goes.

    The probabilities are the model's own, before temperature and cuts. /help lists the commands.
    """
    from tumbler.chat import Fit, playground
    from tumbler.engine import Sampling

    text = sys.stdin.read() if prompt == "-" else prompt
    sampling = Sampling(max_tokens, temperature, top_k, top_p, min_p, seed, top=top)
    fit, ends = Fit.named(precision, compile), tuple(stop or ())
    playground.playground(model, sampling, text, shots, assistant=assistant, stop=ends, fit=fit, verbose=verbose)


@app.command()
def serve(
    models: Annotated[list[Path], typer.Argument(help="Model folders, such as runs/tiny/sft.")],
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 opens it to the network.")] = "127.0.0.1",
    slots: Annotated[int, typer.Option(min=1, help="Requests that a model answers at a time; others wait.")] = 16,
    precision: Precision = None,
    compile: Compile = False,
    idle: Annotated[float | None, typer.Option(help="Minutes without a request until a model is unloaded.")] = None,
    at_once: Annotated[int | None, typer.Option(min=1, help="Models in memory at a time, at most.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds that a request may take.")] = 600.0,
    api_keys: Annotated[Path | None, typer.Option(help="File of keys, one a line; a request must show one.")] = None,
    cors: Annotated[list[str] | None, typer.Option(help="A site whose pages may ask, such as https://lab.me.")] = None,
    remote: Annotated[list[str] | None, typer.Option(help="Another OpenAI-compatible server's URL, with /v1.")] = None,
    chats: Annotated[str | None, typer.Option(help="Keep chats in this database, such as sqlite:///chats.db.")] = None,
) -> None:
    """Serve models: OpenAI's HTTP API under /v1, Anthropic's at /v1/messages, a chat page at /.

    Example: tumbler serve runs/tiny/sft --port 8000

    Several, in memory when asked for: tumbler serve runs/tiny/sft runs/smollm2 --idle 10 --at-once 1

    A remote server's key is read from TUMBLER_REMOTE_KEY.
    """
    import os

    from tumbler.chat import Fit
    from tumbler.serve import server
    from tumbler.serve.remote import Remote
    from tumbler.serve.service import Limits

    server.serve(
        models,
        server.Serving(
            host=host,
            port=port,
            slots=slots,
            fit=Fit.named(precision, compile),
            idle_seconds=None if idle is None else 60 * idle,
            at_once=at_once,
            limits=Limits(seconds=timeout),
            keys=() if api_keys is None else server.read_keys(api_keys),
            origins=tuple(cors or ()),
            remotes=[Remote(url.rstrip("/"), os.environ.get("TUMBLER_REMOTE_KEY")) for url in remote or ()],
            chats=chats,
        ),
    )


importing = verbs("import", "Take a model in from outside.\n\nExample: tumbler import hf ~/models/SmolLM2-135M")
exporting = verbs("export", "Give a model to other tools.\n\nExample: tumbler export gguf runs/tiny/sft --type q8_0")
ImportOut = Annotated[Path | None, typer.Option(help="Folder of the artifact; default runs/NAME, after the source.")]


def _import(source: Path, out: Path | None, settings: Settings, run: Callable[..., Outcome]) -> None:
    _bring("import", source, out or Path("runs") / source.resolve().stem, settings, run)


def _bring(name: str, source: Path, path: Path, settings: Settings, run: Callable[..., Outcome]) -> None:
    from tumbler import pipeline, show
    from tumbler.artifact import open_outside
    from tumbler.executor import Executor
    from tumbler.recipe import Step

    step = Step(name, name, (str(source),), settings)
    with Executor(1) as executor:
        finished = pipeline.run_step(step, [open_outside(source)], path, executor, run)
    show.step_done(name, finished.artifact, finished.fresh)


@importing.command("hf")
def import_hf(
    source: Annotated[str, typer.Argument(help="A model folder, or OWNER/MODEL[@REVISION] of the Hugging Face Hub.")],
    out: ImportOut = None,
) -> None:
    """A Hugging Face model (qwen3, llama, gpt2, modernbert), as it is: its own precision, its own tokenizer.

    Example: tumbler import hf ~/models/SmolLM2-135M --out runs/smollm2

    From the Hub: tumbler import hf HuggingFaceTB/SmolLM2-135M-Instruct
    """
    from tumbler.exchange import hub_client, stage

    folder = Path(source)
    if hub_client.is_name(source):
        folder, out = hub_client.fetched(source), out or Path("runs") / source.partition("@")[0].rpartition("/")[2]
    _import(folder, out, stage.HuggingFaceSettings(), stage.import_hugging_face)


@importing.command("gguf")
def import_gguf(
    file: Annotated[Path, typer.Argument(help="A GGUF file (llama, qwen3, gpt2), quantized or not.")],
    out: ImportOut = None,
    dtype: Annotated[str, typer.Option(help="Of the weights: float32 (exact), bfloat16 or float16.")] = "float32",
) -> None:
    """A GGUF file of llama.cpp, dequantized, with its tokenizer, as a Hugging Face folder.

    Example: tumbler import gguf SmolLM2-135M-Instruct.Q4_1.gguf --out runs/smollm2
    """
    from tumbler import recipe as recipes
    from tumbler.exchange import stage

    settings = recipes.validate(stage.GgufSettings, {"dtype": dtype}, "import gguf")
    _import(file, out, settings, stage.import_gguf)


@app.command()
def quantize(
    folder: Annotated[Path, typer.Argument(help="A model folder, such as runs/tiny/sft (llama, qwen3).")],
    to: Annotated[str, typer.Option(help="int8 (weights and rows) or int4 (weights in groups).")] = "int8",
    out: Annotated[Path | None, typer.Option(help="Folder of the artifact; default FOLDER-int8 beside it.")] = None,
) -> None:
    """A smaller copy of a model, its matrices in 8 or 4 bits: for tumbler, transformers and vLLM.

    Example: tumbler quantize runs/smollm2 --to int8

    For llama.cpp instead: tumbler export gguf runs/smollm2 --type q4_0
    """
    from tumbler import recipe as recipes
    from tumbler.exchange import stage

    settings = recipes.validate(stage.QuantizeSettings, {"scheme": to}, "quantize")
    path = folder.resolve()
    _bring("quantize", folder, out or path.with_name(f"{path.name}-{to}"), settings, stage.quantize)


@exporting.command("gguf")
def export_gguf(
    folder: Annotated[Path, typer.Argument(help="A model folder, such as runs/tiny/sft (llama, qwen3, gpt2).")],
    out: Annotated[Path | None, typer.Option(help="The file; default FOLDER-TYPE.gguf beside the folder.")] = None,
    kind: Annotated[str, typer.Option("--type", help="Of the matrices: f32, bf16, f16, q8_0, q4_0.")] = "bf16",
) -> None:
    """One GGUF file for llama.cpp, LM Studio, Ollama.

    Example: tumbler export gguf runs/tiny/sft --type q8_0 --out sft.gguf
    """
    from tumbler.exchange.export import export_gguf

    path = out or folder.resolve().with_name(f"{folder.resolve().name}-{kind}.gguf")
    export_gguf(folder, path, kind)
    print(f"{path}  {path.stat().st_size:,} bytes")
