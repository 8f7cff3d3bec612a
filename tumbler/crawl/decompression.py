"""Compressed files as streams, known by their first bytes, since names (and servers that unpack on the way) lie."""

from __future__ import annotations

import bz2
import gzip
import io
import zlib
from typing import BinaryIO, Final, cast

import pyarrow as pa

GZIP: Final = b"\x1f\x8b"
BZIP2: Final = b"BZh"
ZSTANDARD: Final = b"\x28\xb5\x2f\xfd"
BROKEN: Final = (EOFError, zlib.error, OSError)
"""What reading a damaged stream raises; see `is_damage`."""


def decompressed(file: BinaryIO) -> BinaryIO:
    """The content of a gzip, bzip2 or Zstandard file (all its streams), or the file itself."""
    head = file.read(4)
    file.seek(0)
    if head.startswith(GZIP):
        return cast(BinaryIO, gzip.GzipFile(fileobj=file))
    if head.startswith(BZIP2):
        return cast(BinaryIO, bz2.BZ2File(file))
    if head == ZSTANDARD:
        return io.BufferedReader(pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd"))
    return file


def is_damage(error: BaseException) -> bool:
    """Whether the bytes are wrong, rather than the disk or the network (those errors have a number)."""
    return getattr(error, "errno", None) is None
