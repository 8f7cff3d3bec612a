"""Lists of outlinks -> the URLs in them: text with one on each line, or JSONL with the field `url`."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from typing import Final

import fsspec

from tumbler.errors import UserError

MAX_LINE: Final = 1 << 20
"""Bytes; a longer line is no URL."""


def read_outlinks(files: Sequence[str]) -> Iterator[str]:
    """Yield every URL; UserError for a file that is missing, damaged or no list."""
    for name in files:
        try:
            with fsspec.open(name, "rb", compression="infer") as file:
                number = 0
                while line := file.readline(MAX_LINE):
                    number += 1
                    if line.strip():
                        yield _url(line, name, number)
        except FileNotFoundError as error:
            raise UserError(f"crawl.outlinks.files: {name!r} matches no file; mend the path") from error
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise UserError(f"crawl.outlinks.files: {name}: damaged gzip file ({error}); fetch it again") from error


def _url(line: bytes, name: str, number: int) -> str:
    text = line.decode("utf-8", "replace").strip()
    if not name.removesuffix(".gz").endswith((".jsonl", ".ndjson")):
        return text
    try:
        url = json.loads(text)["url"]
    except (ValueError, RecursionError, KeyError, TypeError, IndexError):
        url = None
    if not isinstance(url, str):
        raise UserError(f"crawl.outlinks.files: {name}:{number}: not a JSON object with the text field 'url'")
    return url
