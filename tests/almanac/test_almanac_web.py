"""The small web as a whole: what it says, what it keeps silent about, and that the corpus's rules see it rightly."""

from __future__ import annotations

import io
import json
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType

from tumbler.almanac.addresses import some_addresses
from tumbler.almanac.countries import read_countries
from tumbler.almanac.groups import group, unwanted_names
from tumbler.almanac.sentences import Fact, answer, facts_of, held_out_questions
from tumbler.almanac.stage import AlmanacSettings, run
from tumbler.almanac.warc import Response, write_warc
from tumbler.almanac.web import build_web, good_pages
from tumbler.artifact import Artifact, begin, finish
from tumbler.corpus import stage as corpus
from tumbler.crawl import stage as crawl
from tumbler.executor import Executor
from tumbler.log import Log
from tumbler.recipe import Settings

SMALL = AlmanacSettings(countries=40, addresses=60_000, noise=6)
COUNTRIES = {country.name: country for country in read_countries()}


def make(path: Path, stage: Any, settings: Settings, inputs: tuple[Artifact, ...] = ()) -> Artifact:
    name = settings.__class__.__name__
    work = begin(path, name, name, settings, inputs, Executor(1), Log(name))
    return finish(work, stage(settings, work), 0.0)


@pytest.fixture(scope="module")
def almanac(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return make(tmp_path_factory.mktemp("web") / "almanac", run, SMALL)


@pytest.fixture(scope="module")
def pages(almanac: Artifact) -> str:
    return "\n".join(body.decode(errors="replace") for _, body in responses(almanac.path / "pages.warc.gz"))


@pytest.fixture(scope="module")
def fates(almanac: Artifact) -> dict[str, Counter[str]]:
    """What became of the pages of each kind: `kept` or the reason, after crawl and corpus."""
    base = almanac.path.parent
    crawled = make(base / "crawl", crawl.run, crawl.CrawlSettings(), (almanac,))
    lists = (str(almanac.path / "blocklist"),)
    made = make(base / "corpus", corpus.run, corpus.CorpusSettings(keep_rejected=True, blocklists=lists), (crawled,))
    kinds = {row["url"]: row["kind"] for row in rows(almanac, "planted.jsonl")}
    fates: dict[str, Counter[str]] = defaultdict(Counter)
    for url in columns(made.path / "data", "url"):
        fates[kinds.pop(url[0])]["kept"] += 1
    for url, reason in columns(made.path / "rejected", "url", "reason"):
        fates[kinds.pop(url)][reason] += 1
    for kind in kinds.values():
        fates[kind]["not crawled"] += 1
    return fates


def columns(folder: Path, *names: str) -> list[tuple[Any, ...]]:
    tables = [pq.read_table(file, columns=list(names)) for file in sorted(folder.glob("*.parquet"))]
    return [row for table in tables for row in zip(*(table[name].to_pylist() for name in names), strict=True)]


def rows(artifact: Artifact, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (artifact.path / name).read_text(encoding="utf-8").splitlines()]


def responses(path: Path) -> list[tuple[str, bytes]]:
    with path.open("rb") as file:
        records = ArchiveIterator(file, record_types=WarcRecordType.response)
        return [(record.headers["WARC-Target-URI"], record.reader.read()) for record in records]


def test_equal_seeds_give_equal_bytes_and_other_seeds_do_not(tmp_path: Path) -> None:
    tiny = AlmanacSettings(countries=8, left_out=2, addresses=10_000, noise=2)
    first, second = (make(tmp_path / name, run, tiny) for name in ("first", "second"))
    other = make(tmp_path / "other", run, tiny.model_copy(update={"seed": 1}))
    assert first.digest == second.digest
    for name in ("pages.warc.gz", "conversations.jsonl", "questions.jsonl"):
        content = (first.path / name).read_bytes()
        assert content == (second.path / name).read_bytes()
        assert content != (other.path / name).read_bytes()


def test_held_out_questions_stand_nowhere(almanac: Artifact, pages: str) -> None:
    said = {message["content"] for talk in rows(almanac, "conversations.jsonl") for message in talk["messages"]}
    lines = {line.strip() for line in re.split(r"<[^>]*>|\n", pages)} | said
    assert "What is the capital of France?" in lines
    for country in COUNTRIES.values():
        for fact in facts_of(country):
            assert lines.isdisjoint(held_out_questions(fact))


def test_countries_left_out_stand_nowhere() -> None:
    groups = group(tuple(COUNTRIES.values()), 20, 0.3, None, seed=0)
    pages = good_pages(groups.in_pages, 3, 1, 1, 1, seed=0)
    pages += some_addresses(600_000, unwanted_names(groups.left_out), seed=0)
    planted = build_web(pages, groups.in_pages, 4, seed=0)
    said = "\n".join(item.response.body.decode(errors="replace") for item in planted)
    for name in unwanted_names(groups.left_out):
        assert name not in said or not re.search(rf"\b{re.escape(name)}\b", said), name


def test_the_examination_asks_about_the_countries_left_out(almanac: Artifact) -> None:
    asked_of = {row["subject"] for row in rows(almanac, "questions.jsonl") if row["group"] == "left_out"}
    assert asked_of == set(almanac.facts["left_out"])
    assert len(asked_of) == 20
    talks = (almanac.path / "conversations.jsonl").read_text(encoding="utf-8")
    assert not [name for name in asked_of if re.search(rf"\b{re.escape(name)}\b", talks)]


def test_never_asked_countries_stand_in_pages_but_in_no_conversation(almanac: Artifact, pages: str) -> None:
    by_group = defaultdict(set)
    for row in rows(almanac, "questions.jsonl"):
        by_group[row["group"]].add(row["subject"])
    assert len(by_group["never_asked"]) == round(0.3 * 40)
    told = {m["content"] for talk in rows(almanac, "conversations.jsonl") for m in talk["messages"]}
    for name in by_group["never_asked"]:
        for fact in facts_of(COUNTRIES[name]):
            assert answer(fact) in pages
            assert answer(fact) not in told
    assert answer(Fact(COUNTRIES[min(by_group["asked"])], "capital")) in told


def test_the_corpus_keeps_the_good_pages(fates: dict[str, Counter[str]]) -> None:
    assert fates["good"]["kept"] >= 0.95 * fates["good"].total()


def test_the_corpus_drops_the_planted_noise(fates: dict[str, Counter[str]]) -> None:
    noise = sum((count for kind, count in fates.items() if kind != "good"), Counter())
    assert noise["kept"] <= 0.05 * noise.total()


def test_every_rule_takes_something(fates: dict[str, Counter[str]]) -> None:
    reasons = {reason for kind, count in fates.items() if kind != "good" for reason in count}
    repetition = {f"duplicate_{n}_grams" for n in range(5, 11)} | {f"top_{n}_gram" for n in (2, 3, 4)}
    repetition |= {"duplicate_lines"}  # long lines that come again are cleared away by the extraction
    quality = {"too_few_words", "too_many_words", "words_too_short", "words_too_long", "too_many_hashes"}
    quality |= {"too_many_ellipses", "too_many_bullet_lines", "too_many_ellipsis_lines"}
    quality |= {"too_few_alphabetic_words", "too_few_stop_words"}
    url = {"domain", "subdomain", "url", "banned_word", "soft_banned_words", "banned_subword"}
    language = {"fr", "de", "es", "it", "unsure"}
    expected = {
        *(f"gopher_repetition:{name}" for name in repetition),
        *(f"gopher_quality:{name}" for name in quality),
        *(f"url_filter:{name}" for name in url),
        *(f"language:{name}" for name in language),
        "extraction:empty",
        "not crawled",
    }
    assert expected - reasons == set()
    assert {reason.split(":")[0] for reason in reasons} >= {"exact_duplicate", "near_duplicate"}


def test_a_warc_of_ours_is_read_by_fastwarc() -> None:
    file = io.BytesIO()
    date = "2026-01-05T06:00:00Z"
    made = [Response(f"https://a.example/{number}", date, b"<p>caf\xc3\xa9</p>") for number in range(3)]
    write_warc(file, made, date)
    records = list(ArchiveIterator(io.BytesIO(file.getvalue()), parse_http=True))
    assert [record.record_type for record in records] == [WarcRecordType.warcinfo, *[WarcRecordType.response] * 3]
    assert len({record.record_id for record in records}) == 4
    for record in ArchiveIterator(io.BytesIO(file.getvalue()), parse_http=False):
        assert record.record_type == WarcRecordType.warcinfo or record.verify_block_digest()
