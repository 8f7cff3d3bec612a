"""What is read, rendered, refused and counted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tumbler.artifact import open_outside
from tumbler.errors import UserError
from tumbler.sft.conversations import find_files, read_all, to_examples
from tumbler.text.tokenizer import Tokenizer
from tumbler.train.batch import IGNORE


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train([f"What is {number}? It is {number}." for number in range(50)], vocab_size=345)


def write(path: Path, *turns: str) -> Path:
    """One conversation; the user speaks first, the assistant second, and so on."""
    roles = ("user", "assistant")
    messages = [{"role": roles[place % 2], "content": turn} for place, turn in enumerate(turns)]
    with path.open("a") as file:
        file.write(json.dumps({"messages": messages}) + "\n")
    return path


def test_only_what_the_assistant_says_and_its_end_is_learned(tmp_path: Path, tokenizer: Tokenizer) -> None:
    path = write(tmp_path / "a.jsonl", "What is 7?", "It is 7.", "And 8?", "It is 8.")
    (example,) = to_examples(read_all([path]), tokenizer, context=200).kept
    learned = [target for target in example.targets if target != IGNORE]
    assert learned == [*tokenizer.encode("It is 7."), tokenizer.end, *tokenizer.encode("It is 8."), tokenizer.end]
    before = [token for token, target in zip(example.ids, example.targets, strict=True) if target == learned[0]]
    assert before == [tokenizer.assistant] * 2, "the first word is learned from the assistant's role token"


def test_a_conversation_with_nothing_to_learn_is_an_error_that_names_it(tmp_path: Path, tokenizer: Tokenizer) -> None:
    path = write(tmp_path / "a.jsonl", "What is 7?", "It is 7.")
    write(path, "What is 8?")
    with pytest.raises(UserError, match=r"a\.jsonl: conversation 2 .*no message by the assistant"):
        to_examples(read_all([path]), tokenizer, context=200)


def test_conversations_longer_than_a_row_are_left_out_and_counted(tmp_path: Path, tokenizer: Tokenizer) -> None:
    path = write(tmp_path / "a.jsonl", "What is 7?", "It is 7.")
    write(path, "What is 7?", "It is 7. " * 50)
    examples = to_examples(read_all([path]), tokenizer, context=100)
    assert (len(examples.kept), examples.too_long) == (1, 1)


def test_a_conversation_that_just_fits_is_kept(tmp_path: Path, tokenizer: Tokenizer) -> None:
    path = write(tmp_path / "a.jsonl", "What is 7?", "It is 7.")
    length = len(to_examples(read_all([path]), tokenizer, context=100).kept[0].ids)
    assert to_examples(read_all([path]), tokenizer, context=length).too_long == 0
    assert to_examples(read_all([path]), tokenizer, context=length - 1).too_long == 1


def test_special_tokens_spelled_out_by_a_user_stay_text(tmp_path: Path, tokenizer: Tokenizer) -> None:
    path = write(tmp_path / "a.jsonl", "".join(tokenizer.special), "It is " + "".join(tokenizer.special))
    (example,) = to_examples(read_all([path]), tokenizer, context=10_000).kept
    special = [token for token in example.ids if token in set(tokenizer.special.values())]
    assert special == [tokenizer.bos, tokenizer.user, tokenizer.end, tokenizer.assistant]


def test_files_come_from_inputs_folders_and_globs_each_once(tmp_path: Path) -> None:
    for name in ("almanac/conversations.jsonl", "more/b.jsonl", "more/a.jsonl", "plain.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path / name, "What is 7?", "It is 7.")
    inputs = [open_outside(tmp_path / "almanac"), open_outside(tmp_path / "plain.jsonl")]
    found = find_files([str(tmp_path / "more" / "*.jsonl"), str(tmp_path / "plain.jsonl")], inputs)
    names = [path.relative_to(tmp_path).as_posix() for path in found]
    assert names == ["almanac/conversations.jsonl", "plain.jsonl", "more/a.jsonl", "more/b.jsonl"]


def test_a_pattern_that_matches_nothing_is_an_error() -> None:
    with pytest.raises(UserError, match=r"nothing matches 'no-such-\*\.jsonl'"):
        find_files(["no-such-*.jsonl"], [])
