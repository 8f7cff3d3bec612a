"""The URL filter, language, personal data and decontamination decide as datatrove's.

Of all 5,924 shared pages both reject by language 3,184 (English, whole text); 257 change by e-mail and 232 by IP
addresses, byte for byte alike; by URL, with datatrove's own lists, 30 (domain 22, words 7, subword 1), so URLs are
also made from the listed domains, words and marks.
"""

from __future__ import annotations

import string
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("datatrove")

import tldextract
from crawled_texts import crawled_texts
from datatrove.pipeline.decont import NGramsDecontConfig, NGramsDecontFilter, NGramsDecontIndexer
from datatrove.pipeline.filters import LanguageFilter as TheirLanguageFilter
from datatrove.pipeline.filters import URLFilter as TheirURLFilter
from datatrove.pipeline.formatters.pii import PIIFormatter
from datatrove.utils._import_utils import ASSETS_PATH
from datatrove_decisions import decide
from hypothesis import given, settings
from hypothesis import strategies as st

from tumbler.corpus.rules import language
from tumbler.corpus.rules.blocklist import Blocklist
from tumbler.corpus.rules.blocklist_reader import read_blocklists
from tumbler.corpus.rules.decontamination import Decontamination, Item
from tumbler.corpus.rules.eval_set_reader import read_eval_sets
from tumbler.corpus.rules.language import LanguageFilter
from tumbler.corpus.rules.pii import PIIRemoval
from tumbler.corpus.rules.url_filter import URLFilter
from tumbler.corpus.words.normal import Normal

pytestmark = pytest.mark.filterwarnings("ignore:The 'registered_domain' property:DeprecationWarning")
URL = {
    "domain": "domain",
    "subdomain": "subdomain",
    "url": "url",
    "hard_blacklisted": "banned_word",
    "soft_blacklisted": "soft_banned_words",
    "blacklisted_subword": "banned_subword",
}
DOMAINS, URLS = ["bad.com", "sub.good.org", "b.co.uk", "bücher.de"], ["https://good.org/x", "good.org/y"]


def words_of(name: str) -> tuple[str, ...]:
    """One of the word lists inside datatrove; # begins a comment."""
    lines = (Path(ASSETS_PATH) / name).read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if line[0] != "#")


HARD, SOFT, PARTS = (words_of(f"{name}.txt") for name in ("banned_words", "soft_banned_words", "banned_subwords"))


def our_url_filter() -> URLFilter:
    return URLFilter(letter_for_letter=True, banned_words=HARD, soft_banned_words=SOFT, banned_subwords=PARTS)


def their_url_filter(domains: Iterable[str], urls: Iterable[str]) -> Any:
    rule = TheirURLFilter(2, domains, urls, HARD, PARTS, SOFT, use_integrated_lists=False)
    rule.tldextractor = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=())  # no download: the list it ships
    return rule


THEIR_URLS = their_url_filter(DOMAINS, URLS)
LISTED = Blocklist.of([*(("domain", item) for item in DOMAINS), *(("url", item) for item in URLS)])


def verdicts(url: str, theirs: Any, listed: Blocklist) -> tuple[str | None, str | None]:
    """(our reason, datatrove's in our words)."""
    reason = decide(theirs, "", url=url).reason
    return our_url_filter()(url, listed), reason and f"url_filter:{URL[reason]}"


MARKS = "/ . - _ : ? # @ // % [ ] 。 http:// HTTPS:// www. org co.uk 8.8.8.8 XXX Sex [::1] x"
PIECES = st.sampled_from([*DOMAINS, *URLS, *HARD[:4], *SOFT[:6], *PARTS[:3], *MARKS.split()])


@settings(max_examples=500)
@given(st.lists(PIECES, min_size=1, max_size=8).map("".join))
def test_urls_are_judged_alike(url: str) -> None:
    ours, theirs = verdicts(url, THEIR_URLS, LISTED)
    assert ours == theirs


def test_each_word_drops_what_it_drops_with_datatrove() -> None:
    for word in (*HARD, *SOFT, *PARTS):
        for place in ("a.org/{}/x", "a.org/{}-" + SOFT[0], "a{}b.org/", "a.org/x-{}-x?" + SOFT[1]):
            for form in (word, word.upper()):
                ours, theirs = verdicts(f"https://{place.format(form)}", THEIR_URLS, LISTED)
                assert ours == theirs


def test_urls_of_real_pages_are_judged_alike(crawled: list[tuple[str, str]], shared: Path) -> None:
    entries = list(read_blocklists([str(shared / "ut1" / "domains-sample.gz")]))
    theirs, listed = their_url_filter([entry for _, entry in entries], []), Blocklist.of(entries)
    for url, _ in crawled:
        assert len(set(verdicts(url, theirs, listed))) == 1, url


@pytest.mark.slow
def test_urls_are_judged_alike_with_datatroves_own_lists(shared: Path, tmp_path: Path) -> None:
    """4.6 million domains."""
    with tarfile.open(Path(ASSETS_PATH) / "url_filterblacklistsv0_3_0.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    listed = Blocklist.of(read_blocklists([str(tmp_path)]))
    domains, urls = ((tmp_path / kind).read_text(encoding="utf-8").splitlines() for kind in ("domains", "urls"))
    theirs = their_url_filter(domains, urls)
    planted = [form.format(name) for name in domains[::5000] for form in ("https://www.{}/x", "http://{}:80/")]
    pages = [
        *(url for url, _ in crawled_texts(shared, 10)),
        *planted,
        *urls[::100],
        *(f"https://{url}" for url in urls[::100]),
    ]
    found = [verdicts(url, theirs, listed) for url in pages]
    assert all(ours == theirs for ours, theirs in found)
    assert {reason for reason, _ in found} >= {None, "url_filter:domain", "url_filter:subdomain"}


class Model:
    """fastText's model as datatrove calls it: every label, the scores an array."""

    def predict(self, text: str, k: int) -> tuple[Any, Any]:
        labels, scores = language._model().predict(text, k=k)
        return labels, np.array(scores)


@pytest.fixture(params=[None, ("en",), ("en", "de", "fr", "ja")], ids=["all", "en", "four"])
def languages(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[LanguageFilter, Any]:
    """Our filter on the whole text, and datatrove's with the same model."""
    monkeypatch.setattr(TheirLanguageFilter, "_requires_dependencies", [])
    theirs = TheirLanguageFilter(request.param and list(request.param))
    theirs.model._model = Model()
    return LanguageFilter(languages=request.param or (), characters="all"), theirs


def assert_same_language(ours: LanguageFilter, theirs: Any, text: str) -> bool:
    scores, decision = ours.identify(text), decide(theirs, text)
    assert (ours(scores) is None) == (decision.reason is None)
    assert next(iter(scores.items())) == (decision.metadata["language"], decision.metadata["language_score"])
    return decision.reason is None


def test_languages_are_datatroves_on_real_pages(
    crawled: list[tuple[str, str]], languages: tuple[LanguageFilter, Any]
) -> None:
    for _, text in crawled:
        assert_same_language(*languages, text)


ENGLISH = "This is a page of plain text about the weather of tomorrow and the day after."
GERMAN = "Dies ist eine Seite mit einfachem Text über das Wetter von morgen und übermorgen."


def test_languages_are_datatroves_across_the_threshold(languages: tuple[LanguageFilter, Any]) -> None:
    mixed = [" ".join([*ENGLISH.split()[:count], *GERMAN.split()[count:]]) for count in range(14)]
    kept = {assert_same_language(*languages, text) for text in [*mixed, "x", "ok.\n", ENGLISH * 3]}
    assert kept == {True, False}


def pii(text: str) -> tuple[str, str]:
    """(our text, datatrove's on its first document)."""
    return PIIRemoval()(text).text, PIIFormatter().format(text)


def test_personal_data_is_replaced_byte_for_byte_on_real_pages(crawled: list[tuple[str, str]]) -> None:
    for url, text in crawled:
        ours, theirs = pii(text)
        assert ours == theirs, url


ADDRESSES = "@ @ @ . .. - a b1 [ ] ] +x é _ 8.8.8.8 1.2.3.4 255. 256. 10.0.0.1 01. x: : ! ' com"
EMAIL_PIECES = st.sampled_from([*ADDRESSES.split(), " ", "\n"])
SIGNS = st.text("@.a1-[]: é" + string.punctuation, max_size=24)


@settings(max_examples=1000)
@given(
    st.one_of(st.lists(EMAIL_PIECES, max_size=14).map("".join), st.text("@.a1-[]: é" + string.punctuation, max_size=24))
)
def test_personal_data_is_replaced_byte_for_byte(text: str) -> None:
    ours, theirs = pii(text)
    assert ours == theirs


@settings(max_examples=500)
@given(st.text("0123456789.. ", max_size=40))
def test_addresses_are_replaced_byte_for_byte(text: str) -> None:
    ours, theirs = pii(text)
    assert ours == theirs


@pytest.fixture
def decontamination(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A maker of datatrove's filter from questions; the questions' n-grams lie in its own files."""
    config = NGramsDecontConfig(n_grams=13, find_query_ngrams=True)
    monkeypatch.setattr(NGramsDecontIndexer, "_requires_dependencies", [])
    indexer = NGramsDecontIndexer(str(tmp_path), config=config)

    def make(questions: Iterable[Item]) -> Any:
        for place, item in enumerate(questions):
            query, _, label = item.passages[0].partition("\n")
            hashes = np.array(indexer.compute_hashes(label, query), np.uint64)
            (tmp_path / f"{place}.index.hashes").write_bytes(hashes.tobytes())
        return NGramsDecontFilter(str(tmp_path), config=config)

    return make


def test_contaminated_pages_are_those_of_datatrove(
    decontamination: Any, crawled: list[tuple[str, str]], shared: Path
) -> None:
    """Pages with 11 to 15 words in a row of a question, clean pages, and tables of numbers."""
    questions = list(read_eval_sets([str(shared / "eval" / "gsm8k.zip")]))[:120]
    rule = Decontamination(min_different_words=1)
    index, theirs = rule.index(questions), decontamination(questions)
    clean = [text for _, text in crawled[:40]]
    pages = [*clean, "1 2 3 " * 9]
    for place, item in enumerate(questions):
        words = item.passages[0].split()
        start, count = place % 9, 11 + place % 5
        pages.append(f"{clean[place % 40][:300]} {' '.join(words[start : start + count])} {clean[-1][:200]}")
    found = [(rule(Normal(page), index) is not None, decide(theirs, page).reason is not None) for page in pages]
    assert all(ours == theirs for ours, theirs in found)
    assert {ours for ours, _ in found} == {True, False}
