"""A source's file, opened: where it lies if that is this machine, else a copy that is deleted when it was read.

Remote files are copied whole before they are read, so that what a line loses is never taken for damage in a file.
"""

from __future__ import annotations

import errno
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import fsspec
from fsspec.implementations.local import LocalFileSystem

from tumbler.crawl.http import HTTP
from tumbler.crawl.sources import WEB

MAX_FILE: Final = 1 << 40
"""Bytes."""


@contextmanager
def opened(path: str, downloads: Path) -> Iterator[BinaryIO]:
    """The file of a path or URL, seekable. Copies lie in the folder `downloads`."""
    if path.startswith(WEB):
        from tumbler.crawl.http_client import Client  # loads requests, which most runs need not

        copy = downloads / hashlib.sha256(path.encode()).hexdigest()[:32]
        Client(HTTP(), downloads / "http").download(path, copy, MAX_FILE)
        with copy.open("rb") as file:
            yield file
        copy.unlink(missing_ok=True)
        return
    system, inside = fsspec.core.url_to_fs(path)
    if isinstance(system, LocalFileSystem):
        with Path(inside).open("rb") as file:
            yield file
        return
    downloads.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=downloads) as folder:
        copy = Path(folder, "file")
        with _errors_of_the_system(path):
            system.get_file(inside, str(copy))
        with copy.open("rb") as file:
            yield file


@contextmanager
def _errors_of_the_system(path: str) -> Iterator[None]:
    """Every remote file system has errors of its own, with no class in common: as input/output errors, which are
    tried again, unless they say that the file is not there or not ours to read."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, "no such file", path) from error
    except PermissionError:
        raise
    except Exception as error:
        number = getattr(error, "errno", None) or errno.EIO
        raise OSError(number, f"{type(error).__name__}: {error}", path) from error
