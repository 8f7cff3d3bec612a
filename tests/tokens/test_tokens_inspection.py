"""`tumbler tokenizer inspect` and `compare`: the ladder ends in the encoder's ids, and untrusted text is harmless."""

from __future__ import annotations

import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumbler.errors import UserError
from tumbler.text.ladder import Ladder
from tumbler.text.special import SPECIAL
from tumbler.text.tokenizer import Tokenizer
from tumbler.tokens.comparison import compare, comparison
from tumbler.tokens.inspection import rungs, shown, visible
from tumbler.tokens.samples_reader import CODE, LANGUAGES, samples, speeches


@settings(max_examples=200)
@given(
    text=st.lists(st.one_of(st.text(), st.sampled_from(["the cat sat", " größere", *SPECIAL])), max_size=5).map("".join)
)
def test_the_ladder_ends_in_the_ids_of_the_encoder(small_tokenizer: Tokenizer, text: str) -> None:
    found = Ladder(small_tokenizer).pre_tokens(text)
    assert [id for piece in found for _, id in piece.tokens] == small_tokenizer.encode(text)
    assert b"".join(piece.data for piece in found) == text.encode()


@pytest.fixture(scope="module")
def prose() -> Tokenizer:
    return Tokenizer.train(speeches(300_000), 1500)


@settings(max_examples=200)
@given(text=st.text(alphabet="abcdefghilmnoprstu "))
def test_merges_are_taken_in_the_order_of_the_encoder(prose: Tokenizer, text: str) -> None:
    found = Ladder(prose).pre_tokens(text)
    assert [id for piece in found for _, id in piece.tokens] == prose.encode(text)


def test_each_merge_joins_two_neighbours_and_ranks_are_the_order_of_learning(small_tokenizer: Tokenizer) -> None:
    (piece,) = Ladder(small_tokenizer).pre_tokens(" that")
    before = tuple(bytes([byte]) for byte in piece.data)
    for merge in piece.merges:
        at = next(at for at in range(len(before)) if before[at : at + 2] == (merge.left, merge.right))
        assert merge.parts == (*before[:at], merge.left + merge.right, *before[at + 2 :])
        assert small_tokenizer.decode_bytes([256 + merge.rank]) == merge.left + merge.right
        before = merge.parts
    assert len(piece.merges) >= 2


def test_the_rungs_count_what_they_show(small_tokenizer: Tokenizer) -> None:
    titles = [title for title, _ in rungs(small_tokenizer, "é the")]
    assert titles[:4] == ["5 characters", "6 bytes of UTF-8", "48 bits", "2 pre-tokens: what no merge crosses"]
    bodies = [body.plain for _, body in rungs(small_tokenizer, "é the")]
    assert bodies[0].startswith("é U+00E9 · U+0020 t U+0074")
    assert bodies[1] == "c3 a9 20 74 68 65 "
    assert bodies[2].startswith("11000011 10101001 00100000 ")


@given(text=st.text())
def test_what_is_shown_cannot_steer_a_terminal(text: str) -> None:
    assert not [item for item in visible(text) if unicodedata.category(item)[0] in "CZ"]


def test_control_characters_and_directions_are_spelled_out() -> None:
    assert visible("\x1b[31m\n\u202eabc\x9b \xa0") == "␛[31m␊\\u{202e}abc\\u{9b}·\\u{a0}"
    assert shown(b"\xc3") == "\\xc3"


def test_a_lone_surrogate_is_shown_as_what_it_becomes(small_tokenizer: Tokenizer) -> None:
    assert "U+FFFD" in dict(rungs(small_tokenizer, "a\ud800"))["2 characters"].plain


def test_the_verbs_print_the_ladder_and_the_table(small_tokenizer: Tokenizer, tmp_path: Path) -> None:
    small_tokenizer.save(tmp_path / "one")
    command = [sys.executable, "-m", "tumbler", "tokenizer"]
    ladder = [*command, "inspect", "the cat\x1b[2J", "--tokenizer", str(tmp_path / "one")]
    told = subprocess.run(ladder, capture_output=True, text=True, timeout=120)
    assert told.returncode == 0, told.stderr
    assert "\x1b" not in told.stdout
    assert "␛" in told.stdout
    (tmp_path / "page.txt").write_text("the cat sat")
    table = [*command, "compare", str(tmp_path / "one"), "--text", str(tmp_path / "page.txt")]
    told = subprocess.run(table, capture_output=True, text=True, timeout=120)
    assert told.returncode == 0, told.stderr
    assert "page.txt" in told.stdout
    lost = subprocess.run([*command, "compare", "nowhere"], capture_output=True, text=True, timeout=120)
    assert (lost.returncode, lost.stderr) == (
        2,
        "tumbler: nowhere: has no tokenizer.json, no tokenizer.model and no .tiktoken file\n",
    )


def test_sentencepiece_has_no_ladder() -> None:
    pieces = Tokenizer.train(["abc abc abd"], 346, trainer="sentencepiece")
    with pytest.raises(UserError, match="a SentencePiece model cannot be inspected"):
        Ladder(pieces)


def test_the_comparison_counts_tokens_and_bytes(small_tokenizer: Tokenizer) -> None:
    table = comparison({"one": small_tokenizer}, {"page": "the é"})
    tokens = len(small_tokenizer.encode("the é"))
    assert table.columns == ("text", "bytes", "one: tokens", "bytes/token")
    assert table.rows == (("page", 6, tokens, round(6 / tokens, 2)),)


def test_a_text_that_is_not_utf8_is_an_error(small_tokenizer: Tokenizer, tmp_path: Path) -> None:
    small_tokenizer.save(tmp_path / "one")
    (tmp_path / "page.txt").write_bytes(b"\xff")
    with pytest.raises(UserError, match=r"page\.txt: not UTF-8"):
        compare([tmp_path / "one"], tmp_path / "page.txt")


def test_a_fresh_machine_has_texts_in_many_languages_and_code() -> None:
    texts = samples()
    assert set(texts) == {"English", *LANGUAGES, *(f"{name} code" for name in CODE)}
    assert len(texts["English"]) == 100_000
    assert "größ" in texts["German"] or "ü" in texts["German"]
    assert "def " in texts["Python code"]
    assert sum(map(len, speeches(5_000))) == 5_000
