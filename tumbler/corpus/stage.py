"""The corpus stage: pages -> documents, in FineWeb's order of rules, every drop with its reason.

Four passes, each over shards in parallel: the rules that look at a page alone; the hashes of all shards, band by
band; the account of what stays; the writing of it. The result does not depend on the number of workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tumbler.artifact import Outcome, Work
from tumbler.corpus.candidates import STATISTICS, FirstPass, filter_shard
from tumbler.corpus.corpus_writer import Chapter, write_corpus
from tumbler.corpus.duplicates.deduplication import EXACT, NEAR, Deduplicated, deduplicate
from tumbler.corpus.duplicates.minhash import MinHash
from tumbler.corpus.extraction.extraction import Extraction
from tumbler.corpus.page_reader import Pages, plan_pages
from tumbler.corpus.reject_writer import write_rejected
from tumbler.corpus.report.account import Account
from tumbler.corpus.report.books import Books, numbers, samples
from tumbler.corpus.report.page import html
from tumbler.corpus.rules.badwords import BadWords
from tumbler.corpus.rules.badwords_reader import read_word_lists
from tumbler.corpus.rules.blocklist import Blocklist
from tumbler.corpus.rules.blocklist_reader import read_blocklists
from tumbler.corpus.rules.c4 import C4Paragraphs, C4Quality
from tumbler.corpus.rules.decontamination import Decontamination, Index
from tumbler.corpus.rules.eval_set_reader import read_eval_sets
from tumbler.corpus.rules.fineweb_quality import FineWebQuality
from tumbler.corpus.rules.gopher_quality import GopherQuality
from tumbler.corpus.rules.gopher_repetition import GopherRepetition
from tumbler.corpus.rules.language import LanguageFilter
from tumbler.corpus.rules.pii import PIIRemoval
from tumbler.corpus.rules.rule import Rule
from tumbler.corpus.rules.url_filter import URLFilter
from tumbler.corpus.selection import ShardOfCandidates, Share, shares
from tumbler.corpus.settlement import Settled, settle
from tumbler.corpus.verdict import PageRules
from tumbler.errors import UserError
from tumbler.recipe import Settings


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
    c4: C4Quality = C4Quality()
    """Lines and texts that are no natural language (Raffel et al. 2020)."""
    c4_paragraphs: C4Paragraphs = C4Paragraphs()
    """Texts with few long lines (mC4; FineWeb does without)."""
    fineweb_quality: FineWebQuality = FineWebQuality()
    """FineWeb's own: lists, short lines, lines that come again (Penedo et al. 2024)."""
    badwords: BadWords = BadWords()
    """Words that you list (C4; FineWeb does without)."""
    decontamination: Decontamination = Decontamination()
    """Texts that share a row of words with evaluation sets that you name."""
    pii: PIIRemoval = PIIRemoval()
    """Personal addresses in the text, replaced."""
    mixture: dict[str, float] = Field(default_factory=dict)
    """Parts of the corpus by source (the names of the input steps), in bytes of text: { web = 0.8, wiki = 0.2 }.
    Empty: all there is."""
    epochs: dict[str, float] = Field(default_factory=dict)
    """How often a source may be used, such as { wiki = 3.0 }; 1.0 for those not named."""
    shuffle: bool = False
    """Write the documents in random order, over all shards."""
    seed: int = 1
    """Of the shuffle and of the documents that a mixture takes."""
    keep_statistics: bool = False
    """Write what the rules measured of every page to statistics/, for `tumbler replay` under other thresholds. All
    rules are then asked about all texts, which takes longer."""
    keep_rejected: bool = False
    """Write what was dropped, with its reason, to rejected/."""
    shard_bytes: int = 256 << 20
    """Text in one file of data/, in bytes."""
    task_bytes: int = 16 << 20
    """Pages that one task judges, in bytes: what is done again when a worker is lost. A few GB where there are
    millions of tasks."""


def in_force(settings: CorpusSettings) -> tuple[str, ...]:
    """The rules that are on, in their order, as the reasons name them."""
    rules = {name: getattr(settings, name).enabled for name in PageRules.__dataclass_fields__}
    rules["decontamination"] = rules["decontamination"] and bool(settings.decontamination.eval_sets)
    before, behind = list(rules.items())[:5], list(rules.items())[5:]
    duplicates = [(EXACT, settings.exact_duplicates.enabled), (NEAR, settings.minhash.enabled)]
    always = ("extraction",)
    return tuple(name for name, enabled in (*before, *duplicates, *behind) if enabled or name in always)


@dataclass(frozen=True)
class Shards:
    """Tasks of the first pass, each with the folder of its candidates."""

    pages: tuple[Pages, ...]
    folders: tuple[Path, ...]


def run(settings: CorpusSettings, work: Work) -> Outcome:
    if (settings.mixture or settings.epochs) and not settings.shuffle:
        raise UserError("corpus: mixture and epochs repeat documents; set shuffle = true, or copies stand side by side")
    shards = _shards(work, settings.task_bytes)
    accounts = filter_pages(settings, shards, work)
    found = deduplicate(shards.folders, _columns(settings), work)
    jobs = [(folder, found.of_shard(number)) for number, folder in enumerate(shards.folders)]
    settled = work.map(settle, jobs, "shards settled")
    chapters = _chapters(settings, shards, found, settled)
    files = write_corpus(chapters, settings.shard_bytes, settings.shuffle, work)
    if settings.keep_rejected:
        write_rejected(found, shards.folders, work)
    books = Books(tuple(accounts), tuple(settled), in_force(settings))
    facts = books.facts(files, sum(chapter.bytes for chapter in chapters))
    views = books.views() | samples(found, shards.folders, files[0])
    if settings.decontamination.eval_sets and settings.decontamination.enabled:
        views["decontamination"] = books.contamination(Index.open(work.path / "resume/eval_sets"))
    for name, view in views.items():
        work.view(name, view)
    with work.file("report.html") as path:
        path.write_text(html(views, settings, numbers(facts), work.licences), encoding="utf-8")
    work.log.say(f"kept {facts['kept']:,} of {facts['read']:,} pages as documents; look at {work.path / 'report.html'}")
    _keep_statistics(shards, work)
    work.remove("resume")
    return Outcome("documents", facts)


def _shards(work: Work, task_bytes: int) -> Shards:
    """What there is to do of all inputs that hold pages or documents, source by source."""
    pages = [
        task
        for item in work.inputs
        if item.kind in ("pages", "documents")
        for path in sorted((item.path / ("pages" if item.kind == "pages" else "data")).glob("*.parquet"))
        for task in plan_pages(path, str(item.manifest["step"]), task_bytes)
    ]
    if not any(item.kind in ("pages", "documents") for item in work.inputs):
        given = ", ".join(f"{item.path.name} ({item.kind})" for item in work.inputs) or "none"
        raise UserError(f"corpus: needs an input of kind 'pages' or 'documents' (inputs: {given})")
    folders = [work.path / "resume" / f"{number:05d}" for number in range(len(pages))]
    return Shards(tuple(pages), tuple(folders))


def filter_pages(settings: CorpusSettings, shards: Shards, work: Work) -> list[Account]:
    """The first pass: the candidates of each file of pages, and its account."""
    rules = PageRules(**{name: getattr(settings, name) for name in PageRules.__dataclass_fields__})
    first_pass = FirstPass(
        rules,
        settings.minhash,
        settings.seed,
        _blocklist(settings, work),
        _eval_sets(settings.decontamination, work),
        read_word_lists(settings.badwords.lists) if settings.badwords.enabled else {},
        settings.keep_statistics,
        settings.keep_rejected,
    )
    jobs = list(zip(shards.pages, shards.folders, strict=True))
    return work.map(partial(filter_shard, first_pass=first_pass), jobs, "files of pages judged")


def _blocklist(settings: CorpusSettings, work: Work) -> Path | None:
    given = [item.path / "blocklist" for item in work.inputs]
    lists = (*settings.blocklists, *(str(path) for path in given if path.is_dir()))
    if not lists:
        return None
    if not work.has("resume/blocklist.npy"):
        with work.file("resume/blocklist.npy") as path, path.open("wb") as file:
            np.save(file, Blocklist.of(read_blocklists(lists)).hashes)
    return work.path / "resume/blocklist.npy"


def _eval_sets(rule: Decontamination, work: Work) -> Path | None:
    if not rule.enabled or not rule.eval_sets:
        return None
    if not work.has("resume/eval_sets"):
        with work.file("resume/eval_sets") as folder:
            folder.mkdir()
            rule.index(read_eval_sets(rule.eval_sets)).save(folder)
    return work.path / "resume/eval_sets"


def _keep_statistics(shards: Shards, work: Work) -> None:
    """Move the statistics of all shards out of their folders, unless an earlier run did."""
    for number, folder in enumerate(shards.folders):
        if (folder / STATISTICS).exists():
            kept = work.path / f"statistics/{number:05d}.parquet"
            kept.parent.mkdir(exist_ok=True)
            (folder / STATISTICS).replace(kept)


def _columns(settings: CorpusSettings) -> list[int]:
    """Which keys are compared: of the whole text (0), of the bands of MinHash (from 1)."""
    bands = range(1, settings.minhash.bands + 1) if settings.minhash.enabled else range(0)
    return [*([0] if settings.exact_duplicates.enabled else []), *bands]


def _chapters(
    settings: CorpusSettings, shards: Shards, found: Deduplicated, settled: Sequence[Settled]
) -> list[Chapter]:
    """The shards with how often their documents are used and where they begin in the corpus."""
    lots: dict[str, NDArray[np.int64]] = {}
    for pages, item in zip(shards.pages, settled, strict=True):
        lots[pages.source] = item.lots + lots.get(pages.source, 0)
    used = shares(lots, settings.mixture, settings.epochs)
    chapters, start = [], 0
    for number, (pages, folder, item) in enumerate(zip(shards.pages, shards.folders, settled, strict=True)):
        share: Share = used[pages.source]
        size = share.copies * int(item.lots.sum()) + int(item.lots[: share.lots].sum())
        chapters.append(Chapter(ShardOfCandidates(folder, found.of_shard(number).rows, share), start, size))
        start += size
    return chapters
