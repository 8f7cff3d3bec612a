"""Partial: a file that arrives in pieces. What is on disk counts, so that a broken or killed fetch goes on from there.

`PATH.part` holds the bytes, `PATH.part.json` what the server called the file; PATH appears when it is whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from tumbler.artifact import replacing

OVERLAP: Final = 1024
"""Bytes that are asked for again when a fetch goes on: are they others now, the file has changed."""


@dataclass(frozen=True)
class Version:
    """Which file of a URL the bytes belong to."""

    validator: str | None
    """Strong ETag, else Last-Modified (RFC 9110, section 8.8), else None."""
    total: int | None
    """Length of the whole file in bytes, where the server told it."""


class Changed(Exception):
    """The bytes on disk belong to another file than those that came."""


@dataclass(frozen=True)
class Partial:
    path: Path

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return self._part.stat().st_size if self._part.exists() else 0

    @property
    def resume_at(self) -> int:
        """The first byte to ask for; 0 for the whole file."""
        return max(0, self.size - OVERLAP)

    def version(self) -> Version | None:
        """Of the bytes on disk; None when there are none to go on from, or nobody can tell when they are all."""
        try:
            version = Version(**json.loads(self._about.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return version if self.size and version.total is not None else None

    def begin(self, version: Version) -> None:
        """Forget what is on disk: a whole file of this version comes now."""
        self.discard()
        with replacing(self._about) as temporary:
            temporary.write_text(json.dumps(asdict(version)), encoding="utf-8")

    def append(self, blocks: Iterable[bytes], start: int, limit: int) -> None:
        """Add blocks that begin at byte `start`; those that are on disk already must be the same, else Changed.

        Raises OverflowError when the file grows beyond `limit` bytes.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        known = self._tail(start)
        with self._part.open("ab") as file:
            for block in blocks:
                same = min(len(known), len(block))
                if block[:same] != known[:same]:
                    raise Changed
                known = known[same:]
                file.write(block[same:])
                file.flush()  # a kill loses nothing that came
                if file.tell() > limit:
                    raise OverflowError(limit)
            os.fsync(file.fileno())

    def finish(self) -> None:
        """The file is whole."""
        self._part.replace(self.path)
        self._about.unlink(missing_ok=True)

    def discard(self) -> None:
        self._part.unlink(missing_ok=True)
        self._about.unlink(missing_ok=True)

    def _tail(self, start: int) -> bytes:
        if self.size <= start:
            return b""
        with self._part.open("rb") as file:
            file.seek(start)
            return file.read()

    @property
    def _part(self) -> Path:
        return self.path.with_name(self.path.name + ".part")

    @property
    def _about(self) -> Path:
        return self.path.with_name(self.path.name + ".part.json")
