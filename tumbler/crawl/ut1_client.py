"""UT1's blocklists from their home: a tar archive a category -> OUT/CATEGORY/domains and OUT/CATEGORY/urls.

The archive is read as a stream, and of its members only regular files called `domains` or `urls` are
written, under names that are made here: links, devices and paths that lead elsewhere have no way out.
"""

from __future__ import annotations

import re
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from gzip import BadGzipFile, GzipFile
from pathlib import Path, PurePosixPath
from typing import Final

from tumbler.artifact import replacing
from tumbler.crawl.http import HTTP
from tumbler.crawl.http_client import Client
from tumbler.errors import UserError

HOME: Final = "https://dsi.ut-capitole.fr/blacklists/download"
ALL: Final = "all"
CATEGORY: Final = r"[a-z0-9_-]+"
CATEGORIES: Final = (
    "adult", "phishing", "dating", "gambling", "filehosting", "ddos", "agressif", "chat", "mixed_adult", "arjel",
)  # fmt: skip
"""Those that RefinedWeb drops, and FineWeb after it (Penedo et al. 2023, arXiv 2306.01116, Appendix G.1)."""
LISTS: Final = ("domains", "urls")
MAX_PACKED: Final = 256 << 20
"""Bytes; the largest, all categories together, is 30 MB."""
MAX_UNPACKED: Final = 1 << 30
"""Bytes of one archive; all categories together are 130 MB."""
LICENCE: Final = """The lists in this folder are the blocklists of Université Toulouse Capitole (UT1),
kept by Fabrice Prigent: https://dsi.ut-capitole.fr/blacklists/
Fetched from {url}.
Licence: Creative Commons Attribution-ShareAlike 4.0 International (CC BY-SA 4.0),
https://creativecommons.org/licenses/by-sa/4.0/
The files are unchanged; only `domains` and `urls` of each category are kept.
"""


def fetch_ut1(out: Path, categories: Sequence[str], url: str, http: HTTP | None = None) -> Iterator[tuple[str, int]]:
    """Write the lists of the categories ("all": of every one) below `out`; yield each with its size in bytes.

    Raises UserError for a category that is not there, and for an archive that is broken or a trap.
    """
    for category in categories:
        if not re.fullmatch(CATEGORY, category):
            raise UserError(f"fetch ut1: {category!r} is no category; their names: {HOME}/")
    scratch = out / ".fetch"
    for category in dict.fromkeys(categories):
        packed = scratch / f"{'blacklists' if category == ALL else category}.tar.gz"
        Client(http or HTTP(), scratch).download(f"{url.rstrip('/')}/{packed.name}", packed, MAX_PACKED)
        try:
            sizes = unpack(packed, out, None if category == ALL else category)
        finally:
            packed.unlink()
        if not sizes:
            raise UserError(f"fetch ut1: {packed.name} holds no list of {category!r}; mend --category or --from")
        yield from sizes.items()
    with replacing(out / "LICENCE.txt") as path:
        path.write_text(LICENCE.format(url=url), encoding="utf-8")
    shutil.rmtree(scratch)


def unpack(packed: Path, out: Path, only: str | None) -> dict[str, int]:
    """The lists of an archive (`only`: of one category) -> files below `out`; bytes by category."""
    sizes: dict[str, int] = {}
    try:
        with packed.open("rb") as file, tarfile.open(fileobj=_Limited(fileobj=file), mode="r|") as archive:
            while (member := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined]  # it would keep each member of a bomb of members
                category = _category(member, packed.name)
                if category is not None and only in (None, category):
                    size = _write(archive, member, out / category / PurePosixPath(member.name).name)
                    sizes[category] = sizes.get(category, 0) + size
    except (tarfile.TarError, BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"fetch ut1: {packed.name} is no whole .tar.gz ({error}); try again, or mend --from") from error
    return sizes


def _category(member: tarfile.TarInfo, archive: str) -> str | None:
    """Whose list the member is, None when it is none; UserError for a name that leads out of its folder."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name:
        raise UserError(f"fetch ut1: {archive} holds {member.name[:100]!r}, which leads out of its folder; mend --from")
    plain = member.isreg() and not member.issparse()  # a sparse file says how many zeros it has: a bomb of one block
    if not plain or path.name not in LISTS or not re.fullmatch(CATEGORY, path.parent.name):
        return None
    return path.parent.name


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> int:
    content = archive.extractfile(member)
    assert content is not None, "a regular file"
    with replacing(path) as temporary, temporary.open("wb") as file:
        shutil.copyfileobj(content, file)
        return file.tell()


class _Limited(GzipFile):
    """A .gz that ends with an error where a bomb would go on."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > MAX_UNPACKED:
            raise UserError(f"fetch ut1: {self.name} unpacks to more than {MAX_UNPACKED:,} bytes; mend --from")
        return super().read(size)
