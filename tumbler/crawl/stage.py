"""The crawl stage: sources -> pages/*.parquet, one file a shard, every record accounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from pydantic import JsonValue

from tumbler.artifact import Outcome, Work, replacing
from tumbler.crawl.file_readers import read_shard
from tumbler.crawl.page_writer import read_counts, write_pages
from tumbler.crawl.pages import Counts
from tumbler.crawl.sources import Shard, plan
from tumbler.errors import UserError
from tumbler.recipe import Settings
from tumbler.views import Funnel


class CrawlSettings(Settings):
    """Where the pages come from."""

    sources: tuple[str, ...] = ()
    """Paths, globs, folders or fsspec URLs of WARC, HTML, JSONL, Parquet or text files; empty: the step's inputs."""
    max_page_bytes: int = 10 << 20
    """A larger page (its bytes decoded) is dropped as 'too large'."""
    licences: tuple[str, ...] = ()
    """Licences of the sources, if known; they follow the pages down to the model."""


def run(settings: CrawlSettings, work: Work) -> Outcome:
    shards = plan(settings.sources, work.inputs)
    jobs = [(shard, work.path / f"pages/{number:05d}.parquet") for number, shard in enumerate(shards)]
    done = work.executor.map(partial(read_to_file, max_page_bytes=settings.max_page_bytes), jobs)
    counts = list(work.log.track(done, "sources read", total=len(jobs)))
    total = _sum(counts)
    work.log.say(f"kept {total.kept:,} of {total.read:,} records as pages")
    work.view("funnel", Funnel("Crawl", "records", total.read, tuple(total.dropped.items()), total.kept))
    facts: dict[str, JsonValue] = {"read": total.read, "kept": total.kept, "dropped": {**total.dropped}}
    facts["sources"] = sum(len(shard.sources) for shard in shards)
    return Outcome("pages", facts, settings.licences)


def read_to_file(job: tuple[Shard, Path], max_page_bytes: int) -> Counts:
    """Read one shard into its file, unless an earlier run did; UserError when a source cannot be read."""
    shard, path = job
    if not path.exists():
        try:
            with replacing(path) as temporary:
                return write_pages(read_shard(shard, max_page_bytes), temporary)
        except FileNotFoundError as error:
            raise UserError(f"crawl.sources: {error.filename} is gone; mend 'sources' or bring it back") from error
    return read_counts(path)


def _sum(counts: Sequence[Counts]) -> Counts:
    dropped: Counter[str] = Counter()
    for item in counts:
        dropped.update(item.dropped)
    ordered = dict(sorted(dropped.items(), key=lambda entry: (-entry[1], entry[0])))
    return Counts(sum(item.read for item in counts), sum(item.kept for item in counts), ordered)
