"""The verbs. Nothing heavy is imported until a verb runs; this is the only room that exits."""

from __future__ import annotations

import os
import sys
from typing import Annotated, NoReturn

import typer

from tumbler import __version__
from tumbler.cli import runs, texts, using
from tumbler.cli.app import app
from tumbler.errors import Failure, UserError

__all__ = ["app", "main", "runs", "texts", "using"]


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


def _end(message: str, code: int) -> NoReturn:
    for line in message.splitlines() or ["failed"]:
        print(f"tumbler: {line}", file=sys.stderr)
    sys.exit(code)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    if version:
        print(f"tumbler {__version__}")
        raise typer.Exit()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
