"""The corpus stage: pages -> documents, in FineWeb's order of rules, every drop with its reason.

Three passes: each shard of pages by itself (in parallel), the hashes of all shards together, and the
writing of what stays (in parallel). The result does not depend on the number of workers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from tumbler.artifact import Outcome, Work, only
from tumbler.corpus.blocklist import Blocklist
from tumbler.corpus.blocklist_reader import read_blocklists
from tumbler.corpus.candidates import Account, FirstPass, filter_shard
from tumbler.corpus.corpus_writer import plan_data, plan_rejects, write_data, write_rejects
from tumbler.corpus.deduplication import Deduplicated, deduplicate
from tumbler.corpus.examples import by_count, kept_examples, kept_languages, rejected_examples, replaced
from tumbler.corpus.extraction import Extraction
from tumbler.corpus.gopher_quality import GopherQuality
from tumbler.corpus.gopher_repetition import GopherRepetition
from tumbler.corpus.language import LanguageFilter
from tumbler.corpus.minhash import MinHash
from tumbler.corpus.pii import PIIRemoval
from tumbler.corpus.rule import Rule
from tumbler.corpus.url_filter import URLFilter
from tumbler.corpus.verdict import PageRules
from tumbler.recipe import Settings
from tumbler.views import Funnel

ORDER = ("url_filter", "extraction", "language", "gopher_repetition", "gopher_quality", "exact_duplicate",
         "near_duplicate")  # fmt: skip


class CorpusSettings(Settings):
    """What stays. Each rule is a table of its thresholds; `enabled = false` leaves a rule out."""

    blocklists: tuple[str, ...] = ()
    """Folders or files of domains and URLs to drop, in the format of UT1 (CATEGORY/domains, CATEGORY/urls, or .gz).
    A `blocklist` folder in an input artifact counts too."""
    url_filter: URLFilter = URLFilter()
    """Words in URLs that drop a page, and the blocklists (RefinedWeb, FineWeb)."""
    extraction: Extraction = Extraction()
    """HTML to text."""
    language: LanguageFilter = LanguageFilter()
    """Which languages stay."""
    gopher_repetition: GopherRepetition = GopherRepetition()
    """Texts that repeat themselves (Rae et al. 2021, Table A1)."""
    gopher_quality: GopherQuality = GopherQuality()
    """Texts that are no running prose (Rae et al. 2021, Appendix A.1.1)."""
    exact_duplicates: Rule = Rule()
    """Texts that are equal to an earlier one, character by character."""
    minhash: MinHash = MinHash()
    """Texts that are nearly equal to an earlier one."""
    pii: PIIRemoval = PIIRemoval()
    """Personal addresses in the text, replaced."""
    keep_rejected: bool = False
    """Write what was dropped, with its reason, to rejected/."""
    shard_bytes: int = 256 << 20
    """Text in one file of data/, in bytes."""


def run(settings: CorpusSettings, work: Work) -> Outcome:
    accounts, folders = filter_pages(settings, work)
    found = deduplicate(folders, settings.exact_duplicates.enabled, settings.minhash.bands * settings.minhash.enabled)
    data = plan_data(found, folders, work.path / "data", settings.shard_bytes)
    list(work.log.track(work.executor.map(write_data, data), "files written", total=len(data)))
    if settings.keep_rejected:
        rejects = plan_rejects(found, folders, work.path / "rejected")
        list(work.log.track(work.executor.map(write_rejects, rejects), "files of rejects written", total=len(rejects)))
    dropped = _dropped(accounts, found)
    funnel = Funnel("Corpus", "pages", sum(a.read for a in accounts), tuple(dropped.items()), int(found.kept.sum()))
    work.view("funnel", funnel)
    work.view("rejected", rejected_examples(folders, found, tuple(dropped)))
    work.view("kept", kept_examples([file.path for file in data]))
    facts = _facts(funnel, accounts, folders, found, [file.path for file in data])
    work.log.say(f"kept {funnel.kept:,} of {funnel.read:,} pages as documents")
    work.remove("resume")
    return Outcome("documents", facts)


def filter_pages(settings: CorpusSettings, work: Work) -> tuple[list[Account], list[Path]]:
    """The first pass: the account and the folder of candidates of each shard of pages."""
    pages = sorted((only(work.inputs, "pages", "corpus").path / "pages").glob("*.parquet"))
    folders = [work.path / "resume" / path.stem for path in pages]
    rules = PageRules(
        settings.url_filter,
        settings.extraction,
        settings.language,
        settings.gopher_repetition,
        settings.gopher_quality,
    )
    first_pass = FirstPass(rules, settings.minhash, settings.pii, _blocklist(settings, work))
    accounts = work.executor.map(partial(filter_shard, first_pass=first_pass), zip(pages, folders, strict=True))
    return list(work.log.track(accounts, "files of pages judged", total=len(pages))), folders


def _blocklist(settings: CorpusSettings, work: Work) -> Path | None:
    given = [item.path / "blocklist" for item in work.inputs]
    lists = (*settings.blocklists, *(str(path) for path in given if path.is_dir()))
    if not lists:
        return None
    if not work.has("resume/blocklist.npy"):
        with work.file("resume/blocklist.npy") as path, path.open("wb") as file:
            np.save(file, Blocklist.of(read_blocklists(lists)).hashes)
    return work.path / "resume/blocklist.npy"


def _dropped(accounts: Sequence[Account], found: Deduplicated) -> dict[str, int]:
    """How many pages each reason took, in the order of the rules."""
    total: Counter[str] = Counter()
    for account in accounts:
        total.update(account.dropped)
    total.update(found.reason(int(place)) for place in np.flatnonzero(~found.kept))
    ranked = sorted(total.items(), key=lambda item: (ORDER.index(item[0].split(":")[0]), -item[1], item[0]))
    return dict(ranked)


def _facts(
    funnel: Funnel, accounts: Sequence[Account], folders: Sequence[Path], found: Deduplicated, data: Sequence[Path]
) -> Mapping[str, JsonValue]:
    seen: Counter[str] = Counter()
    for account in accounts:
        seen.update(account.languages)
    emails, ips = replaced(folders, found)
    return {
        "read": funnel.read,
        "kept": funnel.kept,
        "dropped": dict(funnel.dropped),
        "documents": funnel.kept,
        "bytes": int(found.sizes[found.kept].sum()),
        "languages_seen": {**by_count(seen)},
        "languages_kept": {**by_count(kept_languages(data))},
        "emails_replaced": emails,
        "ips_replaced": ips,
    }
