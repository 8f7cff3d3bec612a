"""Common Crawl by snapshot: which of its files are read. See https://commoncrawl.org/get-started for the layout."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Final, Literal

from pydantic import Field

from tumbler.crawl.http import HTTP
from tumbler.errors import UserError
from tumbler.recipe import Settings

Kind = Literal["warc", "wet"]
PATHS: Final[dict[Kind, str]] = {
    "warc": r"crawl-data/[\w./-]+\.warc\.gz",
    "wet": r"crawl-data/[\w./-]+\.warc\.wet\.gz",
}


class CommonCrawl(Settings):
    """A snapshot of the web, fetched file by file; a file is some 30,000 pages: 1 GB of WARC, 150 MB of WET."""

    snapshot: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9/-]*$")
    """Name of the snapshot, such as "CC-MAIN-2024-10"; all names: https://index.commoncrawl.org/collinfo.json."""
    kind: Kind = "warc"
    """"warc": pages as HTML, as FineWeb takes them. "wet": the text that Common Crawl extracted."""
    files: Annotated[int, Field(ge=1)] | Literal["all"] = 10
    """How many of the snapshot's files (it has some 90,000), or "all": the list is cut into so many equal stretches,
    and a seeded draw takes one file of each."""
    host: str = Field(default="https://data.commoncrawl.org", pattern="^https?://")
    """Where the files lie; a mirror with the same paths will do."""
    http: HTTP = HTTP()
    """How politely and how patiently. Common Crawl asks for no more than one try a second."""


def listing_path(settings: CommonCrawl) -> str:
    return f"crawl-data/{settings.snapshot}/{settings.kind}.paths.gz"


def parse_listing(text: str, kind: Kind, where: str) -> list[str]:
    """The paths of a listing, one a line; UserError when it is none."""
    paths = text.split()
    for number, path in enumerate(paths, 1):
        if not re.fullmatch(PATHS[kind], path) or ".." in path:
            raise UserError(f"{where}:{number}: {path[:100]!r} is no path of a {kind.upper()} file; mend 'host'")
    if not paths:
        raise UserError(f"{where}: lists no files; mend 'snapshot' or 'host'")
    return paths


def sample(paths: Sequence[str], files: int | Literal["all"], seed: int) -> list[str]:
    """One path, drawn by `seed`, of each of `files` equal stretches of the list: spread over the whole snapshot."""
    if files == "all" or files >= len(paths):
        return list(paths)
    chance = random.Random(seed)
    edges = [len(paths) * number // files for number in range(files + 1)]
    return [paths[chance.randrange(first, last)] for first, last in pairwise(edges)]
