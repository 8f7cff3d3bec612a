"""Structures that cannot be had: one clear line, soon, whatever the input is made to do."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from tumbler.chat import Choice, JsonSchema, Lark, Regex, Structure, Structures
from tumbler.chat.structures import LARGEST
from tumbler.chat.trial import TOO_MUCH
from tumbler.cli.structured import wanted
from tumbler.errors import Failure, UserError
from tumbler.text.tokenizer import Tokenizer

BEARABLE = 60
"""Seconds, on a machine whose cores have other work: a trial may take 5 of its own."""


@pytest.fixture(scope="module")
def structures(tokenizer: Tokenizer) -> Structures:
    return Structures(tokenizer, tokenizer.vocab_size)


def chain(length: int, link: str) -> dict[str, Any]:
    """A schema whose definitions lead from one to the next."""
    body = {str(n): {link: {"$ref": f"#/{n + 1}"}} for n in range(length)}
    return {**body, str(length): {"type": "string"}, "$ref": "#/0"}


REFUSED: list[tuple[Structure, str]] = [
    (JsonSchema({"not": {}}), 'JSON schema: Unimplemented keys: ["not"]; mend that or leave it out'),
    (JsonSchema({"type": "objec"}), "JSON schema: Invalid type: objec; mend that or leave it out"),
    (JsonSchema({"type": "string", "format": "x"}), "JSON schema: Unknown format: x; mend that or leave it out"),
    (
        JsonSchema({"pattern": "a(?=b)"}),
        "JSON schema: a(?=b): look-around, including look-ahead and look-behind, is not supported; "
        "mend that or leave it out",
    ),
    (
        JsonSchema({"oneOf": [{"type": "string"}, {"minLength": 2}]}),
        "JSON schema: oneOf is only taken where its parts are known to exclude each other; use anyOf; "
        "mend that or leave it out",
    ),
    (JsonSchema({"enum": []}), "JSON schema: Unsatisfiable schema: anyOf is empty; mend that or leave it out"),
    (JsonSchema({"$ref": "#"}), "JSON schema: no text can satisfy it; mend that"),
    (JsonSchema({"x-guidance": {}}), "JSON schema: 'x-guidance' is no keyword of JSON Schema; leave it out"),
    (
        JsonSchema({"const": float("nan")}),
        "JSON schema: is not JSON (Out of range float values are not JSON compliant); give what JSON can write",
    ),
    (
        JsonSchema({"enum": {1}}),
        "JSON schema: is not JSON (Object of type set is not JSON serializable); give what JSON can write",
    ),
    (JsonSchema([]), "JSON schema: is a list; give an object ({} allows any value)"),  # type: ignore[arg-type]
    (JsonSchema({"title": "\ud800"}), "JSON schema: holds a lone surrogate, which is no character; leave it out"),
    (Regex("(a"), "regex: unclosed group; mend that or leave it out"),
    (Regex(r"(a)\1"), "regex: backreferences are not supported; mend that or leave it out"),
    (Regex(""), "regex: is empty; say what the text is to be"),
    (Regex("a" * (LARGEST + 1)), "regex: has 65,537 bytes; at most 65,536 are taken, so make it smaller"),
    (Choice([]), "choice: is empty; give at least one text, each of at least one character"),
    (Choice(["a", ""]), "choice: is empty; give at least one text, each of at least one character"),
    (Choice(["é" * 20_000] * 2), "choice: has 80,000 bytes; at most 65,536 are taken, so make it smaller"),
    (Lark("start: foo"), 'Lark grammar: at 1(8): unknown name: "foo"; mend that or leave it out'),
    (Lark('start: "a" <|end|>'), 'Lark grammar: at 1(8): unknown special token: "<|end|>"; mend that or leave it out'),
    (Lark("start: <[300]>"), "Lark grammar: at 1(8): Token range end too large: 300; mend that or leave it out"),
    (JsonSchema(chain(1800, "items")), f"JSON schema: {TOO_MUCH}; mend that or leave it out"),
    (Lark("start: r0\n" + "\n".join(f"r{n}: r{n + 1}" for n in range(4500)) + '\nr4500: "a"'), TOO_MUCH),
    (Lark("start: " + "(" * 5000 + '"a"' + ")" * 5000), "too deeply nested"),
    (JsonSchema({"type": "integer", "multipleOf": 99_999_989}), TOO_MUCH),
]


@pytest.mark.parametrize(("structure", "line"), REFUSED, ids=[str(structure)[:50] for structure, _ in REFUSED])
def test_what_cannot_be_had_is_refused_in_one_line(structures: Structures, structure: Structure, line: str) -> None:
    begun = time.monotonic()
    with pytest.raises(UserError) as caught:
        structures.constraint(structure)
    assert time.monotonic() - begun < BEARABLE
    told = str(caught.value)
    assert (told == line if ": " in line else line in told) and "\n" not in told and len(told) < 300


HOSTILE: list[Structure] = [
    JsonSchema({"type": "string", "minLength": 10**9}),
    JsonSchema({"type": "array", "items": {"type": "integer"}, "minItems": 10**9}),
    JsonSchema({"type": "string", "pattern": "^((a{1,100}){1,100}){1,100}$"}),
    JsonSchema({f"d{n}": {"allOf": [{"$ref": f"#/d{n + 1}"}] * 2} for n in range(30)} | {"d30": {}, "$ref": "#/d0"}),
    JsonSchema({"properties": {f"k{n}": {"type": "integer"} for n in range(1500)}}),
    Regex("a{1000000000}"),
    Regex("(a|b)*a(a|b){40}"),
    Regex("(a?){200}a{200}"),
    Regex("|".join(f".*{chr(97 + n)}.{{20}}" for n in range(20))),
    Lark('start: s\ns: s s | "a" | "b" | ""'),
    Lark('start: s s s s s s s s\ns: s s s | s s | "a" | "b" | ""'),
    Lark('start: (((r{1,100}){1,100}){1,100}){1,100}\nr: "a" | "b"'),
    Lark('start: s\ns: "a" s "a" | "b" s "b" | "a" | "b" | "" | s s'),
]


@pytest.mark.parametrize("structure", HOSTILE, ids=[str(structure)[:50] for structure in HOSTILE])
def test_no_structure_makes_a_token_wait_for_long(structures: Structures, structure: Structure) -> None:
    slowest = 0.0
    try:
        constraint = structures.constraint(structure)
        for place in range(60):
            found = constraint.allowed().nonzero()[:, 0].tolist()
            begun = time.thread_time()
            constraint.accept(found[(place * 7) % len(found)])
            slowest = max(slowest, time.thread_time() - begun)
    except (UserError, Failure) as error:
        assert "too complex" in str(error)
    assert slowest < 1


def test_one_request_uses_up_nothing_of_anothers_limits(tokenizer: Tokenizer, structures: Structures) -> None:
    [a], [b] = tokenizer.encode("a"), tokenizer.encode("b")
    for seed in range(6):  # 3,000 states of the lexer each; the limit is 10,000
        rng, constraint = random.Random(seed), structures.constraint(Regex("(a|b)*a(a|b){16}"))
        for _ in range(3000):
            constraint.accept(rng.choice((a, b)))


def test_the_options_ask_for_one_thing(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text(json.dumps({"type": "string"}))
    assert wanted(file, None, None) == JsonSchema({"type": "string"})
    assert (wanted(None, "a+", []), wanted(None, None, ["a", "b"])) == (Regex("a+"), Choice(["a", "b"]))
    assert wanted(None, None, None) is None
    with pytest.raises(UserError, match="--json-schema, --regex, --choice: give only one of them"):
        wanted(None, "a", ["b"])
    file.write_text("{")
    with pytest.raises(UserError, match=r"schema\.json: not valid JSON \(Expecting"):
        wanted(file, None, None)
    with pytest.raises(UserError, match="nothing: cannot be read \\(No such file or directory\\); give a file"):
        wanted(tmp_path / "nothing", None, None)
