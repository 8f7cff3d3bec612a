"""The program's verbs hang on this."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

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
Verbose = Annotated[
    bool, typer.Option("--verbose", help="After each answer its counts and tokens/s, on standard error.")
]
Precision = Annotated[str | None, typer.Option(help="fp32, bf16, int8 or int4; default bf16 where in hardware.")]
Compile = Annotated[bool, typer.Option("--compile", help="Machine code for one request alone: half a minute, once.")]
Seed = Annotated[int | None, typer.Option(help="The same seed gives the same tokens.")]


def verbs(name: str, help: str) -> typer.Typer:
    """A verb that has verbs of its own."""
    group = typer.Typer(help=help, no_args_is_help=True, rich_markup_mode=None)
    app.add_typer(group, name=name)
    return group


def program() -> str:
    """How a person calls tumbler here: by its name where that is found, else as this process was called."""
    if shutil.which("tumbler"):
        return "tumbler"
    return "python -m tumbler" if sys.argv[0].endswith("__main__.py") else sys.argv[0]
