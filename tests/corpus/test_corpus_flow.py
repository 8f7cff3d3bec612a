"""The balance of a corpus: no page and no byte is lost between the rules, or between the languages."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tumbler.corpus.report import pictures
from tumbler.corpus.report.flow import (
    ALL,
    KEPT,
    NONE,
    OTHER,
    Count,
    Tally,
    by_language,
    count,
    dropped,
    flow,
    from_rows,
    merged,
    to_rows,
)
from tumbler.corpus.report.pictures import (
    EACH,
    EDGES,
    MEMBERS,
    SHOWN_CHARACTERS,
    Cluster,
    Example,
    Examples,
    length_bins,
)
from tumbler.views import Passage

RULES = ("url_filter", "extraction", "language", "near_duplicate", "c4")
OUTCOMES = (KEPT, "url_filter:domain", "extraction:empty", "extraction:markup", "language:de", "language:unsure",
            "near_duplicate", "c4:lines", "c4:too_few_sentences")  # fmt: skip
ENTRIES = st.tuples(st.sampled_from(OUTCOMES), st.sampled_from(["", "en", "de", "fr", "ja"]), st.integers(0, 10**6))


@st.composite
def tallies(draw: st.DrawFn) -> Tally:
    tally: Tally = {}
    for outcome, language, size in draw(st.lists(ENTRIES, max_size=30)):
        count(tally, outcome, language, size, pages=0 if outcome in ("extraction:markup", "c4:lines") else 1)
    return tally


def totals(tally: Tally) -> tuple[int, int]:
    return sum(item.pages for item in tally.values()), sum(item.bytes for item in tally.values())


@given(tallies())
def test_what_goes_into_a_rule_comes_out_or_has_its_reason(tally: Tally) -> None:
    for _, steps in flow(tally, RULES).groups:
        assert [step.step for step in steps] == list(RULES)
        for step, following in zip(steps, [*steps[1:], None], strict=True):
            assert step.items_in == step.items_out + sum(pages for _, pages, _ in step.reasons)
            assert step.bytes_in == step.bytes_out + sum(size for _, _, size in step.reasons)
            assert following is None or (step.items_out, step.bytes_out) == (following.items_in, following.bytes_in)


@given(tallies())
def test_the_ends_of_the_flow_are_what_was_read_and_what_is_kept(tally: Tally) -> None:
    name, steps = flow(tally, RULES).groups[0]
    kept = {key: amount for key, amount in tally.items() if key[0] == KEPT}
    assert name == ALL
    assert (steps[0].items_in, steps[0].bytes_in) == totals(tally)
    assert (steps[-1].items_out, steps[-1].bytes_out) == totals(kept)


@given(tallies(), st.integers(1, 5))
def test_the_languages_add_up_to_the_whole(tally: Tally, languages: int) -> None:
    groups = dict(flow(tally, RULES, languages=languages).groups)
    whole = groups.pop(ALL)
    for place, step in enumerate(whole):
        assert step.items_out == sum(steps[place].items_out for steps in groups.values())
        assert step.items_in == sum(steps[place].items_in for steps in groups.values())


@given(st.lists(tallies(), max_size=4))
def test_shards_add_up_in_any_order_and_through_json(parts: list[Tally]) -> None:
    whole = merged(parts)
    assert merged(reversed(parts)) == whole
    assert merged(from_rows(json.loads(json.dumps(to_rows(part)))) for part in parts) == whole
    assert totals(whole) == (sum(totals(part)[0] for part in parts), sum(totals(part)[1] for part in parts))


def test_few_languages_stand_by_themselves_those_that_are_kept_first() -> None:
    tally: Tally = {}
    for place, language in enumerate(("ru", "ja", "zh", "it", "fr", "en", "")):
        count(tally, KEPT if language in ("en", "fr") else f"language:{language}", language, 10, pages=10 - place)
    names = [name for name, _ in flow(tally, RULES, languages=3).groups]
    assert names == [ALL, "fr", "en", "ru", OTHER, NONE]
    assert [name for name, _ in flow(tally, RULES, languages=5).groups] == [
        ALL,
        "fr",
        "en",
        "ru",
        "ja",
        "zh",
        "it",
        NONE,
    ]


def test_reasons_come_in_the_order_of_the_rules_and_then_of_their_number() -> None:
    tally: Tally = {}
    for outcome, pages in (("c4:b", 9), ("language:de", 2), ("language:unsure", 5), (KEPT, 9), ("c4:a", 9)):
        count(tally, outcome, "en", 100 * pages, pages)
    count(tally, "c4:lines", "en", 77, pages=0)
    assert list(dropped(tally, RULES).items()) == [("language:unsure", 5), ("language:de", 2), ("c4:a", 9), ("c4:b", 9)]
    steps = {step.step: step for step in flow(tally, RULES).groups[0][1]}
    assert steps["language"] == Passage("language", 34, 27, 3477, 2777, (("unsure", 5, 500), ("de", 2, 200)))
    assert steps["c4"].reasons == (("a", 9, 900), ("b", 9, 900), ("lines", 0, 77))
    assert by_language(tally, {KEPT}) == {"en": Count(9, 900)}


@given(st.lists(st.integers(0, 10**11), max_size=50))
def test_every_length_lies_in_its_bin(sizes: list[int]) -> None:
    bins = length_bins(np.array(sizes, np.int64))
    assert bins == Counter(max(n for n, edge in enumerate(EDGES) if edge <= size) for size in sizes)


def test_a_histogram_reaches_from_the_first_to_the_last_length() -> None:
    view = pictures.lengths("Lengths", "bytes", {3: 2}, {3: 1, 5: 4})
    assert view.bins == ((5, 10, (2, 1)), (10, 20, (0, 0)), (20, 50, (0, 4)))
    assert pictures.lengths("Lengths", "bytes", {}, {}).bins == ()


def test_languages_show_what_came_and_what_stayed() -> None:
    tally: Tally = {}
    count(tally, KEPT, "en", 500, pages=3)
    count(tally, "language:de", "de", 100, pages=4)
    count(tally, "url_filter:domain", "", 10)
    assert pictures.languages(tally).rows == (("de", 4, 0, "0 %", 0), ("en", 3, 3, "100 %", 500))


def test_examples_are_the_first_few_of_each_reason_and_short() -> None:
    examples = Examples()
    for number in range(10):
        examples.offer("c4:lines", f"{number} " + "x" * 5000, "http://a.org/" + "y" * 5000)
    again = Examples()
    for row in [*examples.rows(), *examples.rows()]:
        again.offer(*row)
    assert again == examples
    items = pictures.removed(examples, ("language:de", "c4:lines")).items
    assert [text[0] for _, text, _ in items] == ["0", "1", "2"][:EACH]
    assert all(len(text) <= SHOWN_CHARACTERS + 2 and len(url) < 300 for _, text, url in items)


def test_a_cluster_names_the_document_that_stays_and_some_that_go() -> None:
    small = Cluster(2, Example("once", "http://a.org/1"), ("http://a.org/2",))
    large = Cluster(40, Example("often", "http://b.org/0"), tuple(f"http://b.org/{n}" for n in range(1, 9)))
    first, second = pictures.clusters([small, large]).items
    assert first[0] == "40 documents" and first[2].startswith("kept: http://b.org/0\nsame: http://b.org/1\n")
    assert first[2].count("same: ") == MEMBERS and first[2].endswith(f"and {39 - MEMBERS} more")
    assert second == ("2 documents", "once", "kept: http://a.org/1\nsame: http://a.org/2")
