"""The crawl stage: sources -> pages/*.parquet, one file a shard, every record accounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import JsonValue

from tumbler.artifact import Outcome, Work, replacing
from tumbler.crawl.code_files import Code
from tumbler.crawl.common_crawl import CommonCrawl
from tumbler.crawl.file_readers import read_shard
from tumbler.crawl.outlinks import Outlinks, PageSet, only_listed
from tumbler.crawl.outlinks_reader import read_outlinks
from tumbler.crawl.page_writer import read_counts, write_pages
from tumbler.crawl.pages import Counts
from tumbler.crawl.sources import Reading, Shard, Source, plan
from tumbler.crawl.website import Website
from tumbler.errors import UserError
from tumbler.recipe import Settings
from tumbler.views import Funnel, Table

MAX_LICENCES: Final = 100
"""Named in the account of all files."""


class CrawlSettings(Settings):
    """Where the pages come from: files, a snapshot of Common Crawl or a website; else the step's inputs."""

    sources: tuple[str, ...] = ()
    """Paths, globs, folders or URLs of web archives, dumps, books, code or tables (see docs/sources.md); empty: the
    step's inputs."""
    text_column: str = "text"
    """The column of JSONL, Parquet and Arrow files that holds the text."""
    code: Code = Code()
    """Code repositories: which folders are such, and which of their files are read."""
    max_page_bytes: int = 10 << 20
    """A larger page (its bytes decoded) is dropped as 'too large'."""
    licences: tuple[str, ...] = ()
    """Licences of the sources, beside those that pages name; they follow the pages down to the model."""
    seed: int = 0
    """Draws the files of a snapshot."""
    common_crawl: CommonCrawl | None = None
    """A table [step.common_crawl] reads a snapshot of Common Crawl over the network."""
    website: Website | None = None
    """A table [step.website] crawls a site that you may crawl, and keeps its answers as WARC in warc/."""
    outlinks: Outlinks | None = None
    """A table [step.outlinks] keeps only the pages that lists of URLs name, as WebText did."""


def run(settings: CrawlSettings, work: Work) -> Outcome:
    _check_one_source(settings)
    outlinks = _outlinks(settings, work)
    reading = Reading(settings.max_page_bytes, settings.text_column, frozenset(settings.code.languages))
    read = partial(read_to_file, reading=reading, downloads=work.path / "resume/downloads", outlinks=outlinks)
    tally: dict[str, int] = {}
    if settings.common_crawl is not None:
        counts = _read_snapshot(settings.common_crawl, settings.seed, work, read)
        sources = len(counts)
    else:
        if settings.website is not None:
            tally = _crawl_site(settings.website, settings.max_page_bytes, work)
            shards = _archives(work)
        else:
            shards = plan(settings.sources, work.inputs, settings.code.repositories)
        counts = work.map(read, list(zip(shards, _page_files(work), strict=False)), "sources read")
        sources = sum(len(shard.sources) for shard in shards)
    total = _sum(counts)
    work.log.say(f"kept {total.kept:,} of {total.read:,} records as pages")
    work.view("funnel", Funnel("Crawl", "records", total.read, tuple(total.dropped.items()), total.kept))
    facts: dict[str, JsonValue] = {"read": total.read, "kept": total.kept, "dropped": {**total.dropped}}
    facts["sources"] = sources
    if total.licences:
        facts["licences"] = {**total.licences}
    if tally:
        facts["website"] = {**tally}
    if outlinks is not None:
        facts["outlinks"] = len(PageSet.open(outlinks))
    work.remove("resume")
    return Outcome("pages", facts, (*settings.licences, *total.licences))


def _check_one_source(settings: CrawlSettings) -> None:
    files = settings.sources or settings.code.repositories
    given = {"sources": files, "common_crawl": settings.common_crawl, "website": settings.website}
    named = [name for name, value in given.items() if value]
    if len(named) > 1:
        raise UserError(
            f"crawl: has {' and '.join(named)}, a step takes one of them; "
            "make a crawl step for each (a corpus step may have several inputs)"
        )


def _page_files(work: Work) -> Iterator[Path]:
    return (work.path / f"pages/{number:05d}.parquet" for number in count())


def _read_snapshot(
    settings: CommonCrawl, seed: int, work: Work, read: Callable[[tuple[Shard, Path]], Counts]
) -> list[Counts]:
    from tumbler.crawl.common_crawl_client import fetch_listing, read_remote, remote_shards
    from tumbler.crawl.http_client import Client  # loads requests, which most runs need not

    client = Client(settings.http, work.path / "resume/http")
    paths = fetch_listing(settings, seed, client, work.path / "resume")
    with work.file("paths.txt") as file:
        file.write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")
    remotes = remote_shards(paths, settings.host, work.path / "resume/downloads")
    jobs = list(zip(remotes, _page_files(work), strict=False))
    return work.map(partial(read_remote, client=client, read=read), jobs, "files of the snapshot read")


def _crawl_site(site: Website, max_page_bytes: int, work: Work) -> dict[str, int]:
    """Fetch the site's pages into warc/; returns how often what happened."""
    from tumbler.crawl.website_client import fetch_site  # loads requests

    tally: dict[str, int] = {}

    def pages() -> Iterator[int]:
        seen = 0
        for message in fetch_site(site, work.path, max_page_bytes):
            if isinstance(message, str):
                work.log.say(message)
            elif isinstance(message, int):
                yield from range(seen, message)
                seen = message
            else:
                tally.update(message)

    for _ in work.log.track(pages(), "pages asked for", total=site.max_pages):
        pass
    work.view("website", Table("Website", ("answers and links", "count"), tuple(tally.items())))
    if not tally.get("page: read"):
        work.remove("resume")  # so that the same command asks anew
        work.remove("warc")
        happened = ", ".join(f"{what} {number}" for what, number in tally.items())
        raise UserError(f"crawl.website: no page could be read ({happened}); mend 'start', or try later")
    return tally


def _archives(work: Work) -> list[Shard]:
    files = sorted((work.path / "warc").iterdir())
    return [Shard("warc", (Source(str(file), f"warc/{file.name}", file.name, "warc"),)) for file in files]


def _outlinks(settings: CrawlSettings, work: Work) -> Path | None:
    """The file of the URLs that are wanted, as hashes; None: all are."""
    if settings.outlinks is None:
        return None
    if not work.has("resume/outlinks.npy"):
        with work.file("resume/outlinks.npy") as path, path.open("wb") as file:
            np.save(file, PageSet.of(read_outlinks(settings.outlinks.files)).hashes)
    return work.path / "resume/outlinks.npy"


def read_to_file(job: tuple[Shard, Path], reading: Reading, downloads: Path, outlinks: Path | None = None) -> Counts:
    """Read one shard into its file, unless an earlier run did; UserError when a source cannot be read."""
    shard, path = job
    if not path.exists():
        records = read_shard(shard, reading, downloads)
        if outlinks is not None:
            records = only_listed(records, PageSet.open(outlinks))
        try:
            with replacing(path) as temporary:
                return write_pages(records, temporary)
        except FileNotFoundError as error:
            raise UserError(f"crawl.sources: {error.filename} is gone; mend 'sources' or bring it back") from error
    return read_counts(path)


def _sum(counts: Sequence[Counts]) -> Counts:
    dropped: Counter[str] = Counter()
    licences: Counter[str] = Counter()
    for item in counts:
        dropped.update(item.dropped)
        licences.update(item.licences)
    kept = sum(item.kept for item in counts)
    return Counts(kept + dropped.total(), kept, _commonest_first(dropped), _commonest_first(licences, MAX_LICENCES))


def _commonest_first(counter: Counter[str], most: int | None = None) -> dict[str, int]:
    return dict(sorted(counter.items(), key=lambda entry: (-entry[1], entry[0]))[:most])
