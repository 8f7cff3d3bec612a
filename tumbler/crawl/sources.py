"""Sources -> shards: what the person named (paths, globs, folders, URLs) as an ordered list of units of work.

A WARC, JSONL or Parquet file is one shard; loose HTML and text files share shards of up to 1,000.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final, Literal

import fsspec
from fsspec.implementations.local import LocalFileSystem

from tumbler.artifact import Artifact
from tumbler.errors import UserError

Kind = Literal["warc", "jsonl", "parquet", "files"]
SUFFIXES: Final[dict[str, Kind]] = {
    ".warc": "warc",
    ".warc.gz": "warc",
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".html": "files",
    ".htm": "files",
    ".txt": "files",
    ".md": "files",
}
FILES_PER_SHARD: Final = 1000


@dataclass(frozen=True)
class Source:
    """One file: `path` opens it (fsspec), `label` names it in the pages, `name` is its path inside its folder."""

    path: str
    label: str
    name: str


@dataclass(frozen=True)
class Shard:
    kind: Kind
    sources: tuple[Source, ...]


def kind_of(path: str) -> Kind | None:
    """The kind of a file by its name; None when crawl cannot read it."""
    lower = path.lower()
    return next((kind for suffix, kind in SUFFIXES.items() if lower.endswith(suffix)), None)


def plan(patterns: Sequence[str], inputs: Sequence[Artifact]) -> list[Shard]:
    """The shards of the named sources, or of the step's inputs when none are named; each file once.

    Raises UserError for a source that matches nothing, and when there is nothing to read at all.
    """
    found: dict[str, Source] = {}
    for pattern in patterns:
        for source in expand(pattern):
            found.setdefault(source.path, source)
    if not patterns:
        found = {source.path: source for item in inputs for source in _of_input(item)}
    if not found:
        raise UserError("crawl: nothing to read; name files, globs or folders in 'sources', or give the step an input")
    return list(_shards(found.values()))


def _shards(sources: Iterable[Source]) -> Iterator[Shard]:
    for kind, group in groupby(sources, key=lambda source: kind_of(source.path)):
        assert kind is not None, "expand() yields readable files only"
        members = list(group)
        size = FILES_PER_SHARD if kind == "files" else 1
        for start in range(0, len(members), size):
            yield Shard(kind, tuple(members[start : start + size]))


def expand(pattern: str) -> list[Source]:
    """The readable files behind a path, glob, folder or fsspec URL, sorted; UserError when there are none."""
    system, path = fsspec.core.url_to_fs(pattern)
    if any(mark in pattern for mark in "*?["):
        found = [(item, item.rsplit("/", 1)[-1]) for item in system.glob(path) if system.isfile(item)]
    elif system.isdir(path):
        found = [(item, item.removeprefix(path.rstrip("/") + "/")) for item in system.find(path)]
    else:
        found = [(path, path.rsplit("/", 1)[-1])] if system.exists(path) else []
    readable = [(item, name) for item, name in sorted(found) if kind_of(item)]
    if not readable:
        what = f"holds no file that crawl reads ({', '.join(SUFFIXES)})" if found else "matches no file"
        raise UserError(f"crawl.sources: {pattern!r} {what}; mend the path (it is relative to {Path.cwd()})")
    return [Source(system.unstrip_protocol(item), _label(system, item, pattern), name) for item, name in readable]


def _label(system: fsspec.AbstractFileSystem, path: str, pattern: str) -> str:
    """What pages call the file: as the person named it, so that runs in different folders are equal."""
    if not isinstance(system, LocalFileSystem):
        return str(system.unstrip_protocol(path))
    relative = "://" not in pattern and not Path(pattern).is_absolute()
    return os.path.relpath(path) if relative else path


def _of_input(item: Artifact) -> list[Source]:
    """An artifact gives its WARC files; a file or folder from outside gives all that crawl can read."""
    sources = expand(str(item.path))
    if item.kind != "outside":
        sources = [source for source in sources if kind_of(source.path) == "warc"]
    prefix = item.path.name
    named = item.path.is_dir()
    return [Source(source.path, f"{prefix}/{source.name}" if named else prefix, source.name) for source in sources]
