"""What the text of an answer is to be: by a JSON schema, a regex, a list of texts, any JSON object, a Lark grammar."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from llguidance import LLMatcher

from tumbler.errors import UserError

LARGEST: Final = 65_536
"""Bytes of a schema, a regex or a grammar, or of all choices together."""
WHITESPACE: Final = r" |\n[ \t]{0,40}"
"""Between the parts of a JSON text: nothing, a blank, or a new line and its indent. (JSON allows any amount, and a
weak model may write blanks up to its last token.)"""
OWN_KEY: Final = "x-guidance"
"""Settings of llguidance inside a schema; they could undo WHITESPACE and what makes the text valid."""


@dataclass(frozen=True)
class JsonSchema:
    """A JSON value that is valid by the schema, its properties in the schema's order."""

    schema: Mapping[str, object]


@dataclass(frozen=True)
class JsonObject:
    """Any JSON object."""


@dataclass(frozen=True)
class Regex:
    """A text that the whole pattern matches, in the syntax of Rust's `regex`: no look-around, no backreferences."""

    pattern: str


@dataclass(frozen=True)
class Choice:
    """One of these texts, as they stand."""

    texts: Sequence[str]


@dataclass(frozen=True)
class Lark:
    """A text of the grammar's rule `start`, in llguidance's dialect of Lark. It can name no special token."""

    grammar: str


Structure = JsonSchema | JsonObject | Regex | Choice | Lark
NAMES: Final[Mapping[type, str]] = {
    JsonSchema: "JSON schema",
    JsonObject: "JSON object",
    Regex: "regex",
    Choice: "choice",
    Lark: "Lark grammar",
}
"""What errors call them."""


def grammar_of(structure: Structure) -> str:
    """The structure in llguidance's own form; it may still be one that llguidance refuses.

    Raises UserError when it is empty, too large, or holds what is no JSON or no text.
    """
    match structure:
        case JsonSchema(schema):
            return _schema_grammar(schema)
        case JsonObject():
            return _schema_grammar({"type": "object"})
        case Regex(pattern):
            return LLMatcher.grammar_from_regex(_text(pattern, Regex))
        case Choice(texts):
            return LLMatcher.grammar_from_lark(_choice_grammar(texts))
        case Lark(grammar):
            return LLMatcher.grammar_from_lark(_text(grammar, Lark))


def _schema_grammar(schema: object) -> str:
    if not isinstance(schema, Mapping):
        raise UserError(f"JSON schema: is a {type(schema).__name__}; give an object ({{}} allows any value)")
    if OWN_KEY in schema:
        raise UserError(f"JSON schema: {OWN_KEY!r} is no keyword of JSON Schema; leave it out")
    try:
        text = json.dumps(schema, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise UserError(f"JSON schema: is not JSON ({error}); give what JSON can write") from error
    return LLMatcher.grammar_from_json_schema(_text(text, JsonSchema), overrides={"whitespace_pattern": WHITESPACE})


def _choice_grammar(texts: Sequence[str]) -> str:
    if not texts or "" in texts:
        raise UserError("choice: is empty; give at least one text, each of at least one character")
    _text("".join(texts), Choice)
    # One terminal, so that the lexer's automaton holds all of them: alternatives of a rule each cost an item a step.
    return "start: TEXT\nTEXT: " + " | ".join(map(json.dumps, texts))


def _text(text: str, kind: type) -> str:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise UserError(f"{NAMES[kind]}: holds a lone surrogate, which is no character; leave it out") from error
    if not text:
        raise UserError(f"{NAMES[kind]}: is empty; say what the text is to be")
    if size > LARGEST:
        raise UserError(f"{NAMES[kind]}: has {size:,} bytes; at most {LARGEST:,} are taken, so make it smaller")
    return text
