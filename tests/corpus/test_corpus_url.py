"""The URL filter and its blocklists."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from tumbler.corpus.rules.blocklist import Blocklist
from tumbler.corpus.rules.blocklist_reader import read_blocklists
from tumbler.corpus.rules.url_filter import URLFilter
from tumbler.errors import UserError

BLOCKLIST = Blocklist.of(
    [
        ("domain", "bad.com"),
        ("domain", "sub.good.org"),
        ("url", "good.org/page"),
        ("url", "https://whole.org/x"),
        ("url", "onlyhome.org"),
    ]
)


@pytest.mark.parametrize(
    ("url", "reason", "datatroves"),
    [
        ("https://www.good.org/", None, None),
        ("https://bad.com/", "domain", "domain"),
        ("https://www.deep.bad.com:8080/x", "domain", "domain"),
        ("https://user@bad.com", "domain", "domain"),
        ("bad.com", "domain", "domain"),
        ("https://BAD.com/", "domain", None),
        ("https://notbad.com/", None, None),
        ("https://bad.com.uk/", None, None),
        ("https://sub.good.org/x", "subdomain", "subdomain"),
        ("https://deep.sub.good.org/x", None, None),
        ("https://www.good.org/page/", "url", None),
        ("https://good.org/page/below/it", "url", None),
        ("https://good.org/pages", None, None),
        ("https://whole.org/x", "url", "url"),
        ("https://whole.org/x/", None, None),
        ("https://onlyhome.org/anything", "url", None),
        ("http://8.8.8.8/", None, None),
        ("https://a.org/xxx/1", "banned_word", "banned_word"),
        ("https://a.org/XXX/1", "banned_word", None),
        ("https://a.org/xxxl-shirts", None, None),
        ("https://a.org/sex-education", None, None),
        ("https://a.org/sexy-nude", "soft_banned_words", "soft_banned_words"),
        ("https://a.org/sexy-sexy", None, None),
        ("https://a.org/Por-NHUB", "banned_subword", "banned_subword"),
        (f"https://{'a.' * 50_000}bad.com/{'x/' * 50_000}", "domain", "domain"),
        ("site/index.html", None, None),
        ("", None, None),
        ("http://[", None, None),
    ],
)
def test_url_filter(url: str, reason: str | None, datatroves: str | None) -> None:
    assert URLFilter()(url, BLOCKLIST) == (reason and f"url_filter:{reason}")
    assert URLFilter(letter_for_letter=True)(url, BLOCKLIST) == (datatroves and f"url_filter:{datatroves}")


def test_words_of_the_settings_are_compared_without_their_marks() -> None:
    rule = URLFilter(banned_words=("Bad!", "--"), banned_subwords=("evil-word", ""))
    assert rule("https://a.org/bad/", Blocklist()) == "url_filter:banned_word"
    assert rule("https://a.org/e/vilword", Blocklist()) == "url_filter:banned_subword"
    assert rule("https://a.org/", Blocklist()) is None


@pytest.mark.parametrize("packed", [True, False])
def test_blocklists_are_read_in_ut1s_format(tmp_path: Path, packed: bool) -> None:
    for name, entries in (("domains", "bad.com\n# comment\n\nworse.org\n"), ("urls", "a.org/x\n"), ("usage", "black")):
        path = tmp_path / "adult" / (f"{name}.gz" if packed else name)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(entries.encode()) if packed else entries.encode())
    expected = [("domain", "bad.com"), ("domain", "worse.org"), ("url", "a.org/x")]
    assert list(read_blocklists([str(tmp_path)])) == expected


def test_a_blocklist_that_is_missing_or_damaged_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no list in UT1's format"):
        list(read_blocklists([str(tmp_path)]))
    (tmp_path / "domains.gz").write_bytes(b"not gzip")
    with pytest.raises(UserError, match="damaged gzip"):
        list(read_blocklists([str(tmp_path)]))


def test_a_real_blocklist_is_mapped_from_its_file(shared: Path, tmp_path: Path) -> None:
    entries = list(read_blocklists([str(shared / "ut1" / "domains-sample.gz")]))
    np.save(tmp_path / "hashes.npy", Blocklist.of(entries).hashes)
    blocklist = Blocklist.open(tmp_path / "hashes.npy")
    assert len(blocklist) == len(set(entries)) > 100
    assert all(blocklist.first([entry]) == 0 for entry in entries)
    assert blocklist.first([("domain", "wikipedia.org"), ("url", entries[0][1])]) is None
    assert blocklist.first([("domain", "wikipedia.org"), entries[3], entries[0]]) == 1
