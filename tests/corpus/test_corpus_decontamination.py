"""Evaluation sets are read in their usual layouts, and pages that hold a piece of them are found."""

from __future__ import annotations

import gzip
import json
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
from crawled_texts import crawled_texts
from hypothesis import given
from hypothesis import strategies as st

from tumbler.corpus.rules.decontamination import Contamination, Decontamination, Item, NGrams, tally
from tumbler.corpus.rules.eval_set_reader import passages, read_eval_sets
from tumbler.corpus.words.normal import Normal
from tumbler.errors import UserError

LONG = "Janet has sixteen ducks that lay eggs every day, and she eats three of them for breakfast each morning."
SHORT = "The quick brown fox jumps over the lazy dog today."


def found(rule: Decontamination, items: list[Item], text: str) -> Contamination | None:
    return rule(Normal(text), rule.index(items))


def test_a_page_with_thirteen_words_of_a_question_is_found() -> None:
    items = [Item("other", ("nothing to see here " * 9,)), Item("ducks", (LONG,)), Item("ducks", (f"Well: {LONG}",))]
    words = LONG.split()
    hit = found(Decontamination(), items, "A page. " + " ".join(words[2:15]).upper() + " and so on")
    assert hit is not None
    assert hit.reason == "decontamination:ducks"
    assert hit.words == "sixteen ducks that lay eggs every day and she eats three of them"
    assert hit.items == (1, 2)
    assert found(Decontamination(), items, "A page. " + " ".join(words[2:14]) + " and so on") is None


def test_what_is_normalised_makes_no_difference() -> None:
    question = "In 1994, Renée paid 3.50 for each of the café's 12 big pastries; how much in all?"
    page = "- in 2001 renee PAID 7 for each (of the cafe's) 99 big pastries: how much in all"
    assert found(Decontamination(), [Item("t", (question,))], page) is not None


def test_short_questions_never_match_unless_asked_for() -> None:
    items = [Item("short", (SHORT,))]
    page = f"It says: {SHORT} And so on, for a while."
    assert found(Decontamination(), items, page) is None
    hit = found(Decontamination(short_item_words=8), items, page)
    assert hit is not None and hit.words == "the quick brown fox jumps over the lazy dog today"
    assert found(Decontamination(short_item_words=11), items, page) is None


def test_rows_of_few_different_words_are_no_sign_of_copying() -> None:
    table = [Item("table", ("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",))]
    assert found(Decontamination(), table, "7 " * 20) is None
    assert found(Decontamination(min_different_words=1), table, "7 " * 20) is not None


def test_an_empty_index_finds_nothing() -> None:
    for items in ([], [Item("t", ("too short",))], [Item("t", ("same " * 20,))]):
        assert found(Decontamination(), items, LONG) is None


@given(st.lists(st.sampled_from("abcd"), max_size=12), st.integers(1, 6))
def test_ngrams_are_equal_as_their_words_are(words: list[str], size: int) -> None:
    grams = NGrams(Normal(" ".join(f"{word}om" for word in words)))
    rows = [tuple(words[place : place + size]) for place in range(len(words) - size + 1)]
    assert len(set(grams.hashes(size).tolist())) == len(set(rows))
    assert grams.different(size).tolist() == [len(set(row)) for row in rows]


def test_an_index_is_mapped_from_its_folder(tmp_path: Path) -> None:
    rule = Decontamination(short_item_words=8)
    index = rule.index([Item("a/test", (LONG,)), Item("b", (SHORT,))])
    index.save(tmp_path)
    opened = index.open(tmp_path)
    assert opened.sizes == (13, 10) and opened.tasks == ("a/test", "b")
    assert rule(Normal(LONG), opened) == rule(Normal(LONG), index) is not None
    assert opened.name(1) == ("b", 0)


def test_the_tally_says_which_share_of_a_task_was_found() -> None:
    rule = Decontamination()
    questions = [f"{LONG} {word} {word[::-1]}" for word in ("one", "two", "three")]
    index = rule.index([*(Item("a", (question,)) for question in questions), Item("b", (SHORT * 2,))])
    hits = [hit for page in (questions[0], LONG, SHORT) if (hit := rule(Normal(page), index))]
    assert [(task.task, task.items, task.items_hit, task.documents) for task in tally(index, hits)] == [
        ("a", 3, 3, 2),
        ("b", 1, 0, 0),
    ]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ({"question": "Q?", "answer": "A"}, ("Q?\nA",)),
        ({"query": "Q", "choices": ["a", "b"], "gold": 1}, ("Q", "Q\na", "Q\nb")),
        ({"context_options": ["he", "she"], "continuation": "ran."}, ("ran.", "he\nran.", "she\nran.")),
        ({"id": 7, "meta": {"source": "s", "n": 1}, "text": "T"}, ("s\nT",)),
        ("only text", ("only text",)),
        ({"n": 3, "none": None}, ()),
        ({"turns": [{"role": "user", "content": "Hi"}]}, ("user\nHi",)),
    ],
)
def test_a_question_has_the_forms_in_which_a_page_may_hold_it(question: object, expected: tuple[str, ...]) -> None:
    assert passages(question) == expected  # type: ignore[arg-type]


def test_sets_are_files_folders_and_archives(tmp_path: Path) -> None:
    line = json.dumps({"question": "Q?"})
    folder = tmp_path / "evals"
    (folder / "math").mkdir(parents=True)
    (folder / "math" / "test.jsonl").write_text(f"{line}\n\n{line}\n", encoding="utf-8")
    (folder / "bbh.json").write_text(json.dumps({"canary": "c", "examples": [{"input": "I"}]}), encoding="utf-8")
    (folder / "packed.jsonl.gz").write_bytes(gzip.compress(line.encode()))
    (folder / "notes.txt").write_text("no set", encoding="utf-8")
    with zipfile.ZipFile(folder / "core.zip", "w") as archive:
        archive.writestr("core/arc.jsonl", line)
        archive.writestr("__MACOSX/core/._arc.jsonl", "no set")
    tasks = [item.task for item in read_eval_sets([str(folder)])]
    assert tasks == ["evals/bbh", "core/arc", "evals/math/test", "evals/math/test", "evals/packed"]
    assert [item.task for item in read_eval_sets([str(folder / "math" / "test.jsonl")])] == ["test", "test"]


def test_a_set_that_is_missing_or_damaged_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no evaluation set"):
        list(read_eval_sets([str(tmp_path / "none.jsonl")]))
    (tmp_path / "bad.jsonl").write_text('{"a": "b"}\n{"a":', encoding="utf-8")
    with pytest.raises(UserError, match=r"bad\.jsonl:2: not valid JSON"):
        list(read_eval_sets([str(tmp_path / "bad.jsonl")]))
    for name in ("bad.zip", "bad.jsonl.gz"):
        (tmp_path / name).write_bytes(b"not packed")
        with pytest.raises(UserError, match=f"{name}: damaged"):
            list(read_eval_sets([str(tmp_path / name)]))


def planted_pages(questions: list[Item], clean: list[str], count: int) -> dict[str, str]:
    """Pages by task: a question of enough words, in the middle of a clean text."""
    source = random.Random(5)
    long = [item for item in questions if len(item.passages[0].split()) >= 20]
    pages = {}
    for item in source.sample(long, count):
        text = source.choice(clean)
        cut = text.find("\n", len(text) // 2)
        pages[f"{text[:cut]}\n{item.passages[0]}\n{text[cut:]}"] = item.task
    return pages


def test_planted_questions_of_real_sets_are_found_and_clean_pages_stay(shared: Path) -> None:
    """100 of 100 questions of GSM8K and HumanEval, and none of several hundred real pages."""
    rule = Decontamination()
    questions = list(read_eval_sets([str(shared / "eval" / f"{name}.zip") for name in ("gsm8k", "humaneval")]))
    questions = [item for item in questions if item.task != "gsm8k/train"]
    index = rule.index(questions)
    clean = [text for _, text in crawled_texts(shared, 20) if len(text) > 500]
    assert len(clean) > 200
    assert [rule(Normal(text), index) for text in clean] == [None] * len(clean)
    hits = {task: rule(Normal(page), index) for page, task in planted_pages(questions, clean, 100).items()}
    assert None not in hits.values()
    assert all(hit and hit.reason == f"decontamination:{task}" for task, hit in hits.items())
    assert np.all(index.hashes[1:] >= index.hashes[:-1])
