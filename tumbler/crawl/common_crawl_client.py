"""Common Crawl's server: the list of a snapshot's files, and each file for as long as it is read."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tumbler.crawl.common_crawl import CommonCrawl, listing_path, parse_listing, sample
from tumbler.crawl.http_client import Client, NotThere
from tumbler.crawl.pages import Counts
from tumbler.crawl.sources import Shard, Source
from tumbler.errors import UserError

MAX_LISTING: Final = 64 << 20
"""Bytes; a snapshot's list is 12 MB, packed 0.2 MB."""
MAX_FILE: Final = 8 << 30
"""Bytes; a WARC file is 1.2 GB."""


@dataclass(frozen=True)
class Remote:
    """A shard whose one file is on a server now and will be at its path when it is read."""

    url: str
    shard: Shard


def fetch_listing(settings: CommonCrawl, seed: int, client: Client, folder: Path) -> list[str]:
    """The paths to read; UserError when there is no such snapshot."""
    url = f"{settings.host.rstrip('/')}/{listing_path(settings)}"
    packed = folder / "paths.gz"
    try:
        client.download(url, packed, MAX_LISTING)
    except NotThere as error:
        raise UserError(
            f"crawl.common_crawl: no snapshot {settings.snapshot!r} ({url} is not there); "
            "names: https://index.commoncrawl.org/collinfo.json"
        ) from error
    return sample(parse_listing(_unpacked(packed, url), settings.kind, url), settings.files, seed)


def remote_shards(paths: list[str], host: str, folder: Path) -> list[Remote]:
    """One shard a path. Pages name their file by its path in the list, as if read from a copy on this machine."""
    copies = (str(folder / f"{number:05d}-{path.rpartition('/')[2]}") for number, path in enumerate(paths))
    return [
        Remote(f"{host.rstrip('/')}/{path}", Shard("warc", (Source(copy, path, path, "warc"),)))
        for path, copy in zip(paths, copies, strict=True)
    ]


def read_remote(job: tuple[Remote, Path], client: Client, read: Callable[[tuple[Shard, Path]], Counts]) -> Counts:
    """Fetch a shard's file, `read` it into the page file at the path, delete it; nothing is fetched for a page file
    that is there."""
    remote, path = job
    local = Path(remote.shard.sources[0].path)
    if not path.exists():
        client.download(remote.url, local, MAX_FILE)
    counts = read((remote.shard, path))
    local.unlink(missing_ok=True)
    return counts


def _unpacked(path: Path, url: str) -> str:
    try:
        with gzip.open(path, "rb") as file:
            data = file.read(MAX_LISTING + 1)
        if len(data) > MAX_LISTING:
            raise UserError(f"{url}: unpacks to more than {MAX_LISTING:,} bytes, so no list of paths; mend 'host'")
        return data.decode("ascii")
    except (gzip.BadGzipFile, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise UserError(f"{url}: no gzip file of paths ({error}); mend 'host'") from error
