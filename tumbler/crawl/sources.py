"""Sources -> shards: what the person named (paths, globs, folders, URLs) as an ordered list of units of work.

A large file (WARC, JSONL, Parquet, Arrow, wiki dump) and a code repository are a shard each; pages and books in files
of their own share shards of up to 1,000.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import groupby
from pathlib import Path
from typing import Any, Final, Literal

import fsspec
from fsspec.implementations.local import LocalFileSystem

from tumbler.artifact import Artifact
from tumbler.crawl.pages import writable
from tumbler.errors import Failure, UserError

Kind = Literal["warc", "jsonl", "parquet", "arrow", "wiki", "epub", "files", "repository"]
KINDS: Final[dict[str, Kind]] = {
    "*.warc": "warc",
    "*.warc.gz": "warc",
    "*.wet": "warc",
    "*.wet.gz": "warc",
    "*.jsonl": "jsonl",
    "*.jsonl.gz": "jsonl",
    "*.jsonl.bz2": "jsonl",
    "*.jsonl.zst": "jsonl",
    "*.ndjson": "jsonl",
    "*.parquet": "parquet",
    "*.arrow": "arrow",
    "*-pages-articles*.xml": "wiki",
    "*-pages-articles*.xml.gz": "wiki",
    "*-pages-articles*.xml.bz2": "wiki",
    "*-pages-articles*.xml-p*p*.bz2": "wiki",
    "*.epub": "epub",
    "*.html": "files",
    "*.htm": "files",
    "*.txt": "files",
    "*.md": "files",
}
REPOSITORY: Final = "repository"
SMALL: Final[tuple[Kind, ...]] = ("files", "epub")
FILES_PER_SHARD: Final = 1000
WEB: Final = ("http://", "https://")


@dataclass(frozen=True)
class Source:
    """One file or repository: `path` opens it (fsspec), `label` names it in the pages.

    `name` is its path inside the folder that was named; a repository's is its folder's name.
    """

    path: str
    label: str
    name: str
    kind: Kind


@dataclass(frozen=True)
class Shard:
    kind: Kind
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Reading:
    """What a reader has to know beside its source."""

    max_page_bytes: int
    text_column: str = "text"
    languages: frozenset[str] = frozenset()
    """Of code files; empty: all that are known."""


def kind_of(path: str) -> Kind | None:
    """The kind of a file by its name; None when crawl cannot read it."""
    path = path.partition("?")[0] if path.startswith(WEB) else path
    name = path.rpartition("/")[2].lower()
    return next((kind for pattern, kind in KINDS.items() if fnmatchcase(name, pattern)), None)


def plan(patterns: Sequence[str], inputs: Sequence[Artifact], repositories: Sequence[str] = ()) -> list[Shard]:
    """The shards of the named sources, or of the step's inputs when none are named; each file once.

    Raises UserError for a source that matches nothing, and when there is nothing to read at all.
    """
    named = [source for pattern in patterns for source in expand(pattern)]
    named += [source for pattern in repositories for source in expand_repositories(pattern)]
    if not patterns and not repositories:
        named = [source for item in inputs for source in _of_input(item)]
    if not named:
        raise UserError("crawl: nothing to read; name files, globs or folders in 'sources', or give the step an input")
    found: dict[str, Source] = {}
    for source in named:
        found.setdefault(source.path, source)
    return list(_shards(found.values()))


def _shards(sources: Iterable[Source]) -> Iterator[Shard]:
    for kind, group in groupby(sources, key=lambda source: source.kind):
        members = list(group)
        size = FILES_PER_SHARD if kind in SMALL else 1
        for start in range(0, len(members), size):
            yield Shard(kind, tuple(members[start : start + size]))


def expand(pattern: str) -> list[Source]:
    """The readable files behind a path, glob, folder or URL, sorted; UserError when there are none.

    A local folder with a `.git` in it is a repository. A web address is one file: the web has no folders.
    """
    if pattern.startswith(WEB):
        name = pattern.partition("?")[0].rpartition("/")[2]
        found = [(pattern, pattern, name, kind_of(pattern))]
    else:
        system, path = _file_system(pattern)
        found = [
            (system.unstrip_protocol(item), _label(system, item, pattern), name, kind)
            for item, name, kind in _listed(system, path, pattern)
        ]
    sources = [Source(path, writable(label), writable(name), kind) for path, label, name, kind in found if kind]
    if not sources:
        what = f"holds no file that crawl reads ({', '.join(KINDS)})" if found else "matches no file"
        raise UserError(f"crawl.sources: {pattern!r} {what}; mend the path (it is relative to {Path.cwd()})")
    return sources


def expand_repositories(pattern: str) -> list[Source]:
    """The local folders behind a path or glob, each as a code repository; UserError when there are none."""
    system, path = _file_system(pattern)
    local = isinstance(system, LocalFileSystem)
    folders = sorted(item for item in system.glob(path) if system.isdir(item)) if local else []
    if not folders:
        raise UserError(f"crawl.code.repositories: {pattern!r} is no local folder; mend the path (from {Path.cwd()})")
    return [
        Source(
            system.unstrip_protocol(item), writable(_label(system, item, pattern)), writable(_base(item)), REPOSITORY
        )
        for item in folders
    ]


def _file_system(pattern: str) -> tuple[fsspec.AbstractFileSystem, str]:
    try:
        system, path = fsspec.core.url_to_fs(pattern)
    except (ImportError, ValueError) as error:  # the package for s3:// is missing; a protocol that nobody knows
        raise UserError(f"crawl.sources: {pattern!r}: {error}; docs/sources.md says what can be named") from error
    return system, re.sub(r"\*\*(?=[^/])", "**/*", path)  # `**.parquet`, as the Hub's pages write it


def _listed(system: fsspec.AbstractFileSystem, path: str, pattern: str) -> list[tuple[str, str, Kind | None]]:
    """`_files`, sorted; Failure when the place cannot be asked."""
    try:
        return sorted(_files(system, path), key=lambda entry: entry[0])
    except FileNotFoundError:
        return []
    except Exception as error:  # every file system has errors of its own, with no class in common
        raise Failure(
            f"crawl.sources: {pattern!r} cannot be listed ({type(error).__name__}: {error}); "
            "check the name, your rights and the network, then run the same command again"
        ) from error


def _files(system: fsspec.AbstractFileSystem, path: str) -> Iterator[tuple[str, str, Kind | None]]:
    """(path, name, kind) of all files and repositories that are meant."""
    if any(mark in path for mark in "*?["):
        for item, info in system.glob(path, detail=True).items():
            if _is_repository(system, item):
                yield item, _base(item), REPOSITORY
            elif _is_file(system, item, info):
                yield item, _base(item), kind_of(item)
    elif _is_repository(system, path):
        yield path, _base(path), REPOSITORY
    elif system.isdir(path):
        for item, info in system.find(path, detail=True).items():
            if _is_file(system, item, info):
                yield item, item.removeprefix(path.rstrip("/") + "/"), kind_of(item)
    elif system.isfile(path):
        yield path, _base(path), kind_of(path)


def _is_repository(system: fsspec.AbstractFileSystem, path: str) -> bool:
    return isinstance(system, LocalFileSystem) and Path(path, ".git").exists()


def _is_file(system: fsspec.AbstractFileSystem, path: str, info: Mapping[str, Any]) -> bool:
    """Whether there is something to read: pipes and dangling links would stop a run."""
    return info["type"] == "file" or (bool(info.get("islink")) and system.isfile(path))


def _base(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


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
        sources = [source for source in sources if source.kind == "warc"]
    prefix = item.path.name
    inside = item.path.is_dir() and sources[:1] and sources[0].kind != REPOSITORY
    return [replace(source, label=f"{prefix}/{source.name}" if inside else prefix) for source in sources]
