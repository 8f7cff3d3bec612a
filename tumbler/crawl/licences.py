"""Licence texts -> SPDX identifiers, by the likeness of the words; "" for what is not surely one of them.

The measure and its strictness are those of licensee, which GitHub uses
(https://github.com/licensee/licensee/blob/main/docs/what-we-look-at.md): Sørensen-Dice over words, after all that
differs from holder to holder is taken out. The known texts are those of choosealicense.com, as `identify` ships them.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import PurePosixPath
from typing import Final

from identify.vendor.licenses import LICENSES

ENOUGH: Final = 0.975
"""licensee asks for 0.98 and leaves more out. MIT with one more sentence (the JSON licence's) is at 0.972."""
MAX_CHARACTERS: Final = 100_000
"""GPL-3.0 has 35,000; a longer file is a collection."""
TAG_CHARACTERS: Final = 2000
"""Where a file's own tag is looked for."""

_FILE = re.compile(r"(?:un)?licen[cs]e|copying|licen[cs]e[-.].*|.*[-.]licen[cs]e|copying[-.].*", re.IGNORECASE)
_TAG = re.compile(r"SPDX-License-Identifier:[ \t]*([A-Za-z0-9.+() -]{1,200})")
_NOTICE = re.compile(
    r"^[^\w\n]*(?:portions )?(?:copyright|\(c\)|©)[^\w\n][^\n]*(?:\d{4}|\(c\)|©|year)[^\n]*$"
    r"|\ball rights reserved\b|^[^\w\n]*spdx-license-identifier[^\n]*$",
    re.MULTILINE,
)
_TITLE = re.compile(r"\A\s*[^\n]{0,40}license\W{0,3}(?:\([^\n]{0,40}\)\W{0,3})?\n")
_NUMBER = re.compile(r"^[^\S\n]*(?:\d\.|[a-z]\)|\([a-z\d]\))\s", re.MULTILINE)
_HOLDERS: Final = (
    (
        re.compile(r"\bnames? of .{1,150}? nor (?:the names|those) of (?:(?:its|any|their|other) )?contributors"),
        "names",
    ),
    (re.compile(r"\bprovided by .{1,150}? as is\b"), "provided as is"),
    (re.compile(r"\bin no event shall .{1,150}? be liable"), "not liable"),
)
"""Where the BSD licences name their holders."""


def is_licence_file(name: str) -> bool:
    """LICENSE, COPYING, UNLICENSE, LICENSE-MIT, LICENSE.txt, COPYING.LESSER and the like."""
    return _FILE.fullmatch(name) is not None and PurePosixPath(name).suffix not in (".py", ".js", ".go", ".c", ".h")


def identify(text: str) -> str:
    """The SPDX identifier of a licence's text, or ""."""
    if len(text) > MAX_CHARACTERS:
        return ""
    words = _words(text)
    likeness, name = max((_dice(words, known), name) for name, known in _known().items())
    return name if likeness >= ENOUGH else ""


def combine(names: list[str]) -> str:
    """Of several licence files side by side: all of them hold; "" when one is not known.

    The LGPL 3.0 is a supplement to the GPL 3.0, which is therefore always beside it and is not meant itself.
    """
    found = set(names)
    if "LGPL-3.0" in found:
        found.discard("GPL-3.0")
    return "" if "" in found else " AND ".join(sorted(found))


def tagged(text: str) -> str:
    """The SPDX expression that a source file gives itself, or ""."""
    found = _TAG.search(text, 0, TAG_CHARACTERS)
    return found[1].strip(" -") if found else ""


@cache
def _known() -> dict[str, Counter[str]]:
    return {name: _words(text) for name, text in LICENSES}


def _words(text: str) -> Counter[str]:
    text = text.lower().replace("licence", "license").partition("end of terms and conditions")[0]
    text = _NUMBER.sub("", _TITLE.sub("", _NOTICE.sub("", text)))
    text = " ".join(re.findall(r"\w+", text))
    for pattern, same in _HOLDERS:
        text = pattern.sub(same, text)
    return Counter(text.split())


def _dice(one: Counter[str], other: Counter[str]) -> float:
    return 2 * (one & other).total() / max(one.total() + other.total(), 1)
