"""Reader of a few-shot prompt: JSONL rows `{"prompt", "completion"}`, or a text with a hole `{input}`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from tumbler.chat.frame import BLANK_LINE, Frame, of_shots
from tumbler.errors import UserError

HOLE: Final = "{input}"


def read_shots(path: Path) -> Frame:
    """`.jsonl`: rows; any other file: a text. UserError names the file, and the line."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: not read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); convert it") from error
    return _of_rows(text, path) if path.suffix == ".jsonl" else _of_text(text, path)


def _of_rows(text: str, path: Path) -> Frame:
    rows = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not rows:
        raise UserError(f"{path}: has no rows; give rows such as " + '{"prompt": "2 + 2 =", "completion": " 4"}')
    return of_shots([_shot(line, f"{path}:{number}") for number, line in rows], path.name)


def _of_text(text: str, path: Path) -> Frame:
    """The line break that an editor puts at the end of a file is none of the prompt."""
    parts = text.removesuffix("\n").split(HOLE)
    if len(parts) != 2:
        raise UserError(f"{path}: has {HOLE} {len(parts) - 1} times; write it once, where the typed line goes")
    return Frame(parts[0], parts[1], (BLANK_LINE,), path.name)


def _shot(line: str, where: str) -> tuple[str, str]:
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not valid JSON: {error}") from error
    if not isinstance(row, dict):
        raise UserError(f"{where}: a row must be an object with 'prompt' and 'completion'")
    for key in ("prompt", "completion"):
        if not isinstance(row.get(key), str):
            raise UserError(f"{where}: {key!r} must be a text")
    return row["prompt"], row["completion"]
