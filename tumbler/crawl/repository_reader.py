"""Code repositories -> pages: one a source file, with its language and the licence that covers it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import fsspec

from tumbler.crawl.code_files import SNIFFED_BYTES, language_of, refused_by_path, refused_by_text
from tumbler.crawl.licences import MAX_CHARACTERS, combine, identify, is_licence_file, tagged
from tumbler.crawl.pages import Dropped, Page, content_id, writable
from tumbler.crawl.sources import Reading, Source

HISTORY: Final = frozenset({".git", ".hg", ".svn"})
"""Not files of a repository but what its version control keeps; neither read nor counted."""


def read_repository(source: Source, reading: Reading) -> Iterator[Page | Dropped]:
    """One Page or Dropped for each file: a folder's own, then those of the folders in it. Links are not followed."""
    root = Path(fsspec.core.url_to_fs(source.path)[1])
    waiting = [("", "")]
    while waiting:
        inside, licence = waiting.pop()
        entries = sorted(os.scandir(root / inside), key=lambda entry: entry.name)
        folders = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        files = [entry.name for entry in entries if not entry.is_dir(follow_symlinks=False)]
        licence = _licence(root / inside, files, licence)
        for name in files:
            yield _file(root, inside + name, licence, source, reading)
        waiting += [(f"{inside}{name}/", licence) for name in reversed(folders) if name not in HISTORY]


def _licence(folder: Path, names: list[str], above: str) -> str:
    """What a folder's licence files say; where there are none, what those of the folder above it say."""
    paths = [folder / name for name in names if is_licence_file(name) and _is_regular(folder / name)]
    return combine([_identified(path) for path in paths]) if paths else above


def _identified(path: Path) -> str:
    with path.open("rb") as file:
        return identify(file.read(4 * MAX_CHARACTERS).decode("utf-8", "replace"))


def _is_regular(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode)


def _file(root: Path, path: str, licence: str, source: Source, reading: Reading) -> Page | Dropped:
    if not _is_regular(root / path):
        return Dropped("not a regular file")
    if reason := refused_by_path(path, reading.languages):
        return Dropped(reason)
    with (root / path).open("rb") as file:
        body = file.read(reading.max_page_bytes + 1)
    if len(body) > reading.max_page_bytes:
        return Dropped("too large")
    if b"\0" in body[:SNIFFED_BYTES]:
        return Dropped("binary")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return Dropped("not UTF-8")
    if reason := refused_by_text(text):
        return Dropped(reason)
    url = f"{source.name}/{writable(path)}"
    return Page(
        id=content_id(url, text),
        url=url,
        date="",
        dump="",
        licence=tagged(text) or licence,
        content_type=f"text/x-{language_of(path)}",
        charset="utf-8",
        file_path=f"{source.label}/{writable(path)}",
        offset=0,
        form="text",
        body=text,
    )
