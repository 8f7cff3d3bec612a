"""UT1 blocklists (the format of Université Toulouse Capitole): files of domains and URLs, one a line.

A list is a folder `category/` with `domains` and `urls` (each may be .gz), a folder of such folders,
or one such file; one whose name begins with `urls` holds URLs, any other domains.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tumbler.corpus.rules.blocklist import Entry, Kind
from tumbler.errors import UserError

NAMES: Final = ("domains", "domains.gz", "urls", "urls.gz")


def read_blocklists(paths: Sequence[str]) -> Iterator[Entry]:
    """Yield every entry of every list; UserError for a path that is missing or holds no list."""
    for name in paths:
        files = _files(Path(name))
        if not files:
            raise UserError(
                f"corpus.blocklists: {name!r} is no list in UT1's format; "
                "give a folder with CATEGORY/domains or CATEGORY/urls (or .gz), or one such file"
            )
        for path in files:
            kind: Kind = "url" if path.name.startswith("urls") else "domain"
            for entry in _entries(path):
                yield kind, entry


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(item for item in path.rglob("*") if item.name in NAMES and item.is_file())


def _entries(path: Path) -> Iterator[str]:
    """Lines without comments (#) and without empty ones."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for line in file:
                entry = line.decode("utf-8", "replace").strip()
                if entry and not entry.startswith("#"):
                    yield entry
    except (gzip.BadGzipFile, EOFError) as error:
        raise UserError(f"corpus.blocklists: {path}: damaged gzip file ({error}); fetch it again") from error
