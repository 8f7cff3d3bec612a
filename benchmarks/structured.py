"""What a structure costs: `python benchmarks/structured.py FOLDER`, the folder of a tokenizer (or a tokenizer file).

Each structure is followed at random, and each token timed: `accept` finds the ids that may follow.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path
from statistics import mean, median

from rich.console import Console
from rich.table import Table

from tumbler.chat import Choice, JsonObject, JsonSchema, Lark, Regex, Structure, Structures
from tumbler.text.tokenizer import Tokenizer

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "tags": {"type": "array", "items": {"enum": ["red", "green", "blue"]}},
        "address": {"type": "object", "properties": {"street": {"type": "string"}, "zip": {"type": "string"}}},
    },
    "required": ["name", "age", "tags", "address"],
}
FIELDS = {"type": "object", "properties": {f"field_{n}": {"type": "string", "maxLength": 80} for n in range(50)}}
STRUCTURES: dict[str, Structure] = {
    "JSON schema, 4 properties": JsonSchema(PERSON),
    "JSON schema, 50 optional properties": JsonSchema(FIELDS),
    "any JSON object": JsonObject(),
    "regex of prose, .{1,2000}": Regex(r".{1,2000}"),
    "regex of a date": Regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    "one of 1,000 texts": Choice([f"label number {n}" for n in range(1000)]),
    "Lark, arithmetic": Lark('start: sum\nsum: atom ("+" atom)*\natom: /[0-9]+/ | "(" sum ")"'),
}


def follow(structures: Structures, structure: Structure, end: int, tokens: int) -> list[float]:
    """Seconds of each of `tokens` tokens, of as many answers as it takes."""
    rng, seconds = random.Random(0), list[float]()
    while len(seconds) < tokens:
        constraint = structures.constraint(structure)
        while len(seconds) < tokens:
            found = [id for id in constraint.allowed().nonzero()[:, 0].tolist() if id != end]
            if not found:
                break
            id = rng.choice(found)
            begun = time.perf_counter()
            constraint.accept(id)
            seconds.append(time.perf_counter() - begun)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("--tokens", type=int, default=2000)
    options = parser.parse_args()
    tokenizer = Tokenizer.load(options.tokenizer)
    structures = Structures(tokenizer, tokenizer.vocab_size)
    begun = time.perf_counter()
    structures.constraint(JsonObject())
    table = Table(
        "structure",
        "first ms",
        "again ms",
        "token: median us",
        "mean us",
        "worst ms",
        title=f"{tokenizer.vocab_size:,} ids; the vocabulary is prepared in {time.perf_counter() - begun:.2f} s",
    )
    for name, structure in STRUCTURES.items():
        made = []
        for _ in range(2):
            begun = time.perf_counter()
            structures.constraint(structure)
            made.append((time.perf_counter() - begun) * 1e3)
        seconds = follow(structures, structure, tokenizer.end, options.tokens)
        times = (median(seconds) * 1e6, mean(seconds) * 1e6, max(seconds) * 1e3)
        table.add_row(name, f"{made[0]:.0f}", f"{made[1]:.1f}", f"{times[0]:.0f}", f"{times[1]:.0f}", f"{times[2]:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
