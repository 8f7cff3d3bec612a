"""Evaluation sets from files: JSONL or JSON, plain or .gz, in folders or .zip files.

The task of a question is named after its file (`gsm8k/test`). Any object of strings, and of lists of strings, is
a question: `question` and `answer`, `query` and `choices`, `context` and `continuation`, ...
"""

from __future__ import annotations

import gzip
import json
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from tumbler.corpus.rules.decontamination import Item
from tumbler.errors import UserError

SUFFIXES: Final = (".jsonl", ".json", ".jsonl.gz", ".json.gz")
Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


def read_eval_sets(paths: Sequence[str]) -> Iterator[Item]:
    """Yield every question of every set; UserError for a path that is missing or holds no set."""
    for name in paths:
        found = False
        for where, content in _files(Path(name)):
            found = True
            for question in _questions(content, where):
                yield Item(_task(where), passages(question))
        if not found:
            raise UserError(
                f"corpus.decontamination.eval_sets: {name!r} holds no evaluation set; "
                "give a .jsonl or .json file (or .gz), a folder of them, or a .zip of them"
            )


def _files(path: Path) -> Iterator[tuple[PurePosixPath, str]]:
    """(path from the given folder or archive on, text) of each file."""
    if path.is_dir():
        for item in sorted(path.rglob("*")):
            if item.is_file() and item.suffix == ".zip":
                yield from _files(item)
            elif item.is_file() and _wanted(item.name):
                yield PurePosixPath(path.name, item.relative_to(path)), _text(item.read_bytes(), item)
    elif path.suffix == ".zip" and path.is_file():
        yield from _archived(path)
    elif path.is_file():
        yield PurePosixPath(path.name), _text(path.read_bytes(), path)


def _archived(path: Path) -> Iterator[tuple[PurePosixPath, str]]:
    try:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(filter(_wanted, archive.namelist())):
                inner = PurePosixPath(name)
                where = inner if inner.parts[0] == path.stem else path.stem / inner
                yield where, _text(archive.read(name), path / name)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise _damaged(path, error) from error


def _wanted(name: str) -> bool:
    return name.endswith(SUFFIXES) and not any(part.startswith((".", "__")) for part in PurePosixPath(name).parts)


def _text(content: bytes, path: Path) -> str:
    try:
        return (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8", "replace")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(f"corpus.decontamination.eval_sets: {path}: damaged file ({error}); fetch it again")


def _task(where: PurePosixPath) -> str:
    name = where.name.removesuffix(".gz")
    return str(where.with_name(name.removesuffix(".jsonl").removesuffix(".json")))


def _questions(content: str, where: PurePosixPath) -> Iterator[Json]:
    """A JSONL file's lines; the entries of a JSON file's list, or of the lists of objects inside its object."""
    if not where.name.removesuffix(".gz").endswith(".json"):
        for number, line in enumerate(content.split("\n"), 1):
            if line.strip():
                yield _parsed(line, f"{where}:{number}")
        return
    whole = _parsed(content, str(where))
    inside = whole.values() if isinstance(whole, dict) else [whole]
    lists = [value for value in inside if isinstance(value, list) and any(isinstance(one, dict) for one in value)]
    yield from (entry for entries in lists or [[whole]] for entry in entries)


def _parsed(text: str, where: str) -> Json:
    try:
        value: Json = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise UserError(f"corpus.decontamination.eval_sets: {where}: not valid JSON ({error}); mend it") from error
    return value


def passages(question: Json) -> tuple[str, ...]:
    """The forms in which a page may hold a question: its strings in a row; and where it has a list (of choices),
    these with each entry in the list's place."""
    before: list[str] = []
    lists: list[tuple[int, list[str]]] = []
    for value in question.values() if isinstance(question, dict) else [question]:
        if isinstance(value, list) and value:
            lists.append((len(before), [_joined(entry) for entry in value]))
        elif not isinstance(value, list):
            before.append(_joined(value))
    forms = [before, *([*before[:place], entry, *before[place:]] for place, entries in lists for entry in entries)]
    return tuple(dict.fromkeys(filter(None, map(_row, forms))))


def _row(strings: Sequence[str]) -> str:
    return "\n".join(filter(None, strings))


def _joined(value: Json) -> str:
    """All strings inside a value, in a row."""
    if isinstance(value, str):
        return value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return _row([_joined(entry) for entry in inner])
