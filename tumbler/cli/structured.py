"""The options that say what the text of an answer is to be."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tumbler.errors import UserError

if TYPE_CHECKING:
    from tumbler.chat import Structure

JsonSchemaFile = Annotated[
    Path | None, typer.Option("--json-schema", help="Write JSON that is valid by the schema in this file.")
]
Regex = Annotated[str | None, typer.Option(help="Write a text that the whole regex matches.")]
Choices = Annotated[
    list[str] | None, typer.Option("--choice", help="Write this text or one of the others so given (repeat it).")
]


def wanted(json_schema: Path | None, regex: str | None, choices: Sequence[str] | None) -> Structure | None:
    """What the options ask for; UserError when it is more than one thing."""
    from tumbler import chat

    if (json_schema is not None) + (regex is not None) + bool(choices) > 1:
        raise UserError("--json-schema, --regex, --choice: give only one of them")
    if json_schema is not None:
        return chat.JsonSchema(_read(json_schema))
    if regex is not None:
        return chat.Regex(regex)
    return chat.Choice(choices) if choices else None


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give a file of a JSON schema") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON ({error})") from error
