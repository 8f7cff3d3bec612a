"""A tokenizer goes into GGUF's metadata and comes back the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import pre_tokenizers

from tumbler.errors import UserError
from tumbler.exchange.folder_reader import read_vocabulary
from tumbler.exchange.splits import SPLITS, name_of, patterns_of, pre_tokenizer, split_named
from tumbler.exchange.vocabulary import Vocabulary, from_gguf, to_gguf
from tumbler.text.template import CHAT_TEMPLATE
from tumbler.text.tokenizer import Tokenizer

ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())


def own(folder: Path, tokenizer: Tokenizer) -> Vocabulary:
    tokenizer.save(folder)
    return read_vocabulary(folder)


def foreign(**changes: Any) -> dict[str, Any]:
    """Metadata as SmolLM2's: special tokens before the vocabulary, and one that users may write."""
    tokens = ["<|endoftext|>", "<|im_end|>", *ALPHABET, "Ġa", "Ġab", "<think>"]
    metadata: dict[str, Any] = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3, 3, *[1] * 258, 4],
        "tokenizer.ggml.merges": ["Ġ a", "Ġa b"],
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": 1,
        "tokenizer.chat_template": "{{ messages }}",
    }
    return metadata | {f"tokenizer.ggml.{key}": value for key, value in changes.items()}


def test_tumblers_own_tokenizer_comes_back_as_it_was(tmp_path: Path, small_tokenizer: Tokenizer) -> None:
    before = own(tmp_path / "a", small_tokenizer)
    metadata = to_gguf(before, small_tokenizer.vocab_size, "x")
    assert before.roles == {role: small_tokenizer.roles[role] for role in ("bos", "end", "pad")}
    assert metadata["tokenizer.ggml.padding_token_id"] == small_tokenizer.pad
    assert metadata["tokenizer.ggml.pre"] == "llama-bpe"
    assert metadata["tokenizer.ggml.add_bos_token"] is True
    assert metadata["tokenizer.chat_template"] == CHAT_TEMPLATE
    after = from_gguf(metadata, "x.gguf")
    assert after.tokenizer["model"]["vocab"] == before.tokenizer["model"]["vocab"]
    assert after.tokenizer["pre_tokenizer"]["pretokenizers"][0] == before.tokenizer["pre_tokenizer"]["pretokenizers"][0]
    assert [(t["id"], t["content"]) for t in after.tokenizer["added_tokens"]] == [
        (id, name) for name, id in small_tokenizer.special.items()
    ]
    assert (after.roles, after.chat_template) == (before.roles, before.chat_template)
    assert to_gguf(after, small_tokenizer.vocab_size, "x") == metadata


@pytest.mark.parametrize("name", ["smollm", "llama-bpe"])
@pytest.mark.parametrize(("bos", "eos"), [(False, True), (True, False)])
def test_a_foreign_tokenizers_metadata_comes_back_as_it_was(name: str, bos: bool, eos: bool) -> None:
    metadata = foreign(pre=name, add_bos_token=bos, add_eos_token=eos)
    assert to_gguf(from_gguf(metadata, "x.gguf"), 261, "x") == metadata


@pytest.mark.parametrize(("name", "bos"), [("smollm", False), ("llama-bpe", True), ("tekken", True)])
def test_a_file_that_does_not_say_gets_bos_where_llama_cpp_puts_it(name: str, bos: bool) -> None:
    metadata = to_gguf(from_gguf(foreign(pre=name), "x.gguf"), 261, "x")
    assert (metadata["tokenizer.ggml.add_bos_token"], metadata["tokenizer.ggml.add_eos_token"]) == (bos, False)


def test_special_tokens_amid_the_vocabulary_keep_their_ids_and_texts_cannot_spell_them(tmp_path: Path) -> None:
    words = from_gguf(foreign(), "x.gguf")
    (tmp_path / "tokenizer.json").write_text(json.dumps(words.tokenizer), encoding="utf-8")
    tokenizer = Tokenizer.load(tmp_path)
    assert tokenizer.special == {"<|endoftext|>": 0, "<|im_end|>": 1, "<think>": 260}
    assert not {0, 1, 260} & set(tokenizer.encode("<|endoftext|> a<think>"))
    assert tokenizer.encode(" ab") == [259]
    assert [token["special"] for token in words.tokenizer["added_tokens"]] == [True, True, False]


def test_rows_that_no_token_has_are_filled_up_and_left_out_again() -> None:
    metadata = to_gguf(from_gguf(foreign(), "x.gguf"), 264, "x")
    assert metadata["tokenizer.ggml.tokens"][261:] == ["[PAD261]", "[PAD262]", "[PAD263]"]
    assert metadata["tokenizer.ggml.token_type"][261:] == [5, 5, 5]
    assert from_gguf(metadata, "x.gguf") == from_gguf(foreign(), "x.gguf")


def test_a_hole_amid_the_special_tokens_moves_no_id(tmp_path: Path) -> None:
    metadata = foreign(tokens=[*foreign()["tokenizer.ggml.tokens"], "[PAD261]", "<last>"])
    metadata["tokenizer.ggml.token_type"] = [*metadata["tokenizer.ggml.token_type"], 5, 3]
    body = from_gguf(metadata, "x.gguf").tokenizer
    assert [(token["id"], token["content"]) for token in body["added_tokens"]][-2:] == [
        (261, "[PAD261]"),
        (262, "<last>"),
    ]


@pytest.mark.parametrize(
    ("name", "pieces"),
    [
        ("llama-bpe", "ab| |123|4|'S|\n| c|+\n\n|d| ne|\u0301e"),
        ("qwen2", "ab| |1|2|3|4|'S|\n| c|+\n\n|d| ne|\u0301e"),
        ("qwen35", "ab| |1|2|3|4|'S|\n| c|+\n\n|d| ne\u0301e"),
        ("gpt-2", "ab| 1234|'|S|\n| c|+|\n|\n|d| ne|\u0301|e"),
        ("smollm", "ab| |1|2|3|4|'|S|\n| c|+|\n|\n|d| ne|\u0301|e"),
        ("tekken", "ab| |1|2|3|4|'S|\n| c|+\n\n|d| ne\u0301e"),
    ],
)
def test_a_split_cuts_a_text_as_the_models_of_its_name_do(name: str, pieces: str) -> None:
    body = {**from_gguf(foreign(pre=name), "x.gguf").tokenizer, "added_tokens": []}
    split = Backend.from_str(json.dumps(body)).pre_tokenizer
    text = "ab 1234'S\n c+\n\nd ne\u0301e"
    assert "|".join(text[start:end] for _, (start, end) in split.pre_tokenize_str(text)) == pieces


@pytest.mark.parametrize("name", SPLITS)
def test_a_split_is_known_again_by_its_tokenizer_json(name: str) -> None:
    split = SPLITS[name]
    assert patterns_of(pre_tokenizer(split), "x") == split.patterns
    assert split_named(name_of(split.patterns, split.ignore_merges, "x"), "x") == split


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "llama"}, "takes byte-level BPE"),
        ({"pre": "deepseek-v3"}, "import the model's Hugging Face folder instead"),
        ({"pre": None}, "tokenizer.ggml.pre = None"),
        ({"tokens": ["a", "a"]}, "2 tokens, 1 different, with 261 types"),
        ({"tokens": ["a", *foreign()["tokenizer.ggml.tokens"][1:]]}, "261 tokens, 260 different"),
        ({"token_type": [1] * 260}, "261 tokens, 261 different, with 260 types"),
        ({"tokens": None}, "must be a list of str"),
        ({"token_type": ["x"]}, "must be a list of int"),
        ({"token_type": [5] * 261}, "none of its 261 tokens is in use"),
        ({"token_type": [1] * 261, "tokens": ["日", *map(str, range(260))]}, "not in the characters of byte-level BPE"),
        ({"merges": ["Ġ ab"]}, "not of two tokens that make a third"),
        ({"merges": ["a b"]}, "not of two tokens that make a third"),
        ({"merges": ["Ġa"]}, "not of two tokens that make a third"),
        ({"bos_token_id": 261}, "must be the id of one of its 261 tokens"),
        ({"eos_token_id": "</s>"}, "must be the id of one of its 261 tokens"),
    ],
)
def test_damaged_metadata_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        from_gguf(foreign(**changes), "x.gguf")
    assert str(caught.value).startswith("x.gguf: ")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"normalizer": {"type": "Lowercase"}}, "normalizer"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "none that GGUF can name"),
        ({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True}}, "none that GGUF can name"),
        ({"post_processor": {"type": "BertProcessing"}}, "none that GGUF can name"),
        (
            {"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<think>"}}]}},
            "GGUF knows bos before and eos after only",
        ),
        (
            {"post_processor": {"type": "TemplateProcessing", "single": [{}, {"SpecialToken": {"id": "<think>"}}]}},
            "GGUF knows bos before and eos after only",
        ),
    ],
)
def test_a_tokenizer_that_gguf_cannot_hold_is_refused(changes: dict[str, Any], message: str) -> None:
    words = from_gguf(foreign(), "x.gguf")
    with pytest.raises(UserError, match=message):
        to_gguf(Vocabulary({**words.tokenizer, **changes}, words.roles, None), 261, "x")


def test_more_tokens_than_rows_do_not_belong_together() -> None:
    with pytest.raises(UserError, match="has the id 260, the model only 260 rows"):
        to_gguf(from_gguf(foreign(), "x.gguf"), 260, "x")
