"""Tokenizers from elsewhere: their ids, their special tokens, their files; and nothing of a text becomes special."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import sentencepiece
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend

from tumbler.errors import UserError
from tumbler.text.byte_pairs import write_json
from tumbler.text.special import SPECIAL
from tumbler.text.tokenizer import Tokenizer

NAMES = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<<<")
HOSTILE = st.lists(st.one_of(st.text(max_size=5), st.sampled_from([*NAMES, "<|", "<", " "])), max_size=10).map("".join)
END = {"__type": "AddedToken", "content": "<|endoftext|>", "special": True}
CONFIG = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": None, "eos_token": END}


def smollm2(tokenizer: Tokenizer) -> dict[str, object]:
    """A tokenizer.json such as SmolLM2's: special tokens first, inside the vocabulary; digits apart; no ignore_merges
    (but for one thing: here a special token is a pre-token of its own, and merges would make it)."""
    body = json.loads(tokenizer.files["tokenizer.json"])
    old = body["model"]["vocab"]
    body["model"]["vocab"] = {
        **{name: id for id, name in enumerate(NAMES)},
        **{k: id + len(NAMES) for k, id in old.items()},
        "<<": len(NAMES) + len(old),
    }
    body["model"]["merges"] += [["<", "<"], ["<<", "<"]]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    body["added_tokens"] = [{"id": id, "content": name, **flags} for id, name in enumerate(NAMES)]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    body["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level],
    }
    body["post_processor"] = None
    return body


def folder_of(path: Path, files: Mapping[str, object]) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (path / name).write_text(content if isinstance(content, str) else json.dumps(content, indent=3))
    return path


@pytest.fixture(scope="session")
def foreign_folder(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = {
        "tokenizer.json": smollm2(tokenizer),
        "tokenizer_config.json": CONFIG,
        "chat_template.jinja": "{{ messages }}",
    }
    return folder_of(tmp_path_factory.mktemp("foreign"), files)


@pytest.fixture(scope="session")
def foreign(foreign_folder: Path) -> Tokenizer:
    return Tokenizer.load(foreign_folder)


@pytest.fixture(scope="session")
def pieces(paragraphs: list[str]) -> Tokenizer:
    return Tokenizer.train(paragraphs[:3000], 2048, trainer="sentencepiece")


def test_ten_thousand_documents_have_the_ids_that_transformers_gives_a_foreign_tokenizer(
    foreign: Tokenizer, foreign_folder: Path, paragraphs: list[str]
) -> None:
    from transformers import AutoTokenizer

    (foreign_folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    outside = AutoTokenizer.from_pretrained(foreign_folder)
    assert (
        foreign.encode_batch(paragraphs[:10_000]) == outside(paragraphs[:10_000], add_special_tokens=False)["input_ids"]
    )


@settings(max_examples=300)
@given(text=HOSTILE)
def test_no_text_becomes_a_special_token_of_a_foreign_tokenizer(foreign: Tokenizer, text: str) -> None:
    ids = foreign.encode(text)
    assert not set(ids) & set(foreign.special.values())
    assert foreign.decode(ids) == text


def test_the_test_above_means_something(foreign_folder: Path) -> None:
    assert Backend.from_file(str(foreign_folder / "tokenizer.json")).encode("<<<").ids == [3]


def test_special_tokens_and_roles_of_a_foreign_tokenizer(foreign: Tokenizer) -> None:
    assert dict(foreign.special) == {name: id for id, name in enumerate(NAMES)}
    assert dict(foreign.roles) == {"end": 0}
    assert foreign.end == 0
    assert foreign.document([5, 6]).tolist() == [5, 6, 0]
    assert foreign.decode([1, 2]) == "<|im_start|><|im_end|>"
    for role in ("bos", "pad", "system", "user", "assistant"):
        with pytest.raises(UserError, match=f"this tokenizer has no {role} token; use one that tumbler trained"):
            getattr(foreign, role)


def test_a_foreign_tokenizer_is_saved_as_it_came(foreign: Tokenizer, foreign_folder: Path, tmp_path: Path) -> None:
    foreign.save(tmp_path, context=512)
    assert {path.name for path in tmp_path.iterdir()} == {
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
    }
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (foreign_folder / path.name).read_bytes()


def test_roles_are_read_beside_the_tokenizer_and_else_known_by_common_names(
    tokenizer: Tokenizer, tmp_path: Path
) -> None:
    body = smollm2(tokenizer)
    alone = Tokenizer.load(folder_of(tmp_path / "a", {"tokenizer.json": body}))
    assert dict(alone.roles) == {"end": 0}
    names = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "gone"}
    told = Tokenizer.load(folder_of(tmp_path / "b", {"tokenizer.json": body, "special_tokens_map.json": names}))
    assert dict(told.roles) == {"bos": 1, "end": 2}
    assert told.document([9]).tolist() == [1, 9, 2]
    both = {"tokenizer.json": body, "tokenizer_config.json": CONFIG, "special_tokens_map.json": names}
    assert dict(Tokenizer.load(folder_of(tmp_path / "c", both)).roles) == {"bos": 1, "end": 0}  # null tells nothing


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"vocab": {"a": 2**40}}, "'vocab' must map each token to an id from 0 to 16,777,215"),
        ({"vocab": {"a": -1}}, "'vocab' must map"),
        ({"vocab": {}}, "'vocab' must map"),
        ({"vocab": {"a b": 0}, "merges": []}, "token 'a b' is not written in byte-level BPE's characters"),
        ({"byte_fallback": True}, "byte_fallback makes it no byte-level BPE"),
        ({"end_of_word_suffix": "</w>"}, "end_of_word_suffix makes it no"),
        ({"continuing_subword_prefix": "##"}, "continuing_subword_prefix makes it no"),
        ({"dropout": 0.1}, "dropout makes it no"),
        ({"merges": [["q", "not there"]]}, "cannot read it"),
        ({"merges": 5}, "'merges' must be"),
        ({"merges": [7]}, "'merges' must be"),
        ({"type": "Unigram"}, "not a byte-level BPE tokenizer.json"),
    ],
)
def test_a_broken_or_hostile_tokenizer_is_an_error_of_one_line(
    tokenizer: Tokenizer, tmp_path: Path, change: dict[str, object], error: str
) -> None:
    body = json.loads(tokenizer.files["tokenizer.json"])
    body["model"].update(change)
    body["added_tokens"] = []
    with pytest.raises(UserError, match=error) as raised:
        Tokenizer.load(folder_of(tmp_path, {"tokenizer.json": body}))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("added", [5, [5], [{"content": "x"}], [{"content": "x", "id": 2**60}]])
def test_broken_added_tokens_are_an_error(tokenizer: Tokenizer, tmp_path: Path, added: object) -> None:
    body = json.loads(tokenizer.files["tokenizer.json"]) | {"added_tokens": added}
    with pytest.raises(UserError, match="'added_tokens' must"):
        Tokenizer.load(folder_of(tmp_path, {"tokenizer.json": body}))


def test_a_rank_file_needs_a_name_and_dense_ranks(tmp_path: Path) -> None:
    lines = [base64.b64encode(bytes([byte])) + b" %d" % byte for byte in range(256)]
    (tmp_path / "mine.tiktoken").write_bytes(b"\n".join(lines))
    with pytest.raises(UserError, match=r"name it ENCODING.tiktoken, ENCODING being one of gpt2, .*llama3"):
        Tokenizer.load(tmp_path)
    path = tmp_path / "llama3.tiktoken"
    (tmp_path / "mine.tiktoken").rename(path)
    llama = Tokenizer.load(tmp_path)
    assert (llama.vocab_size, llama.bos, llama.end, llama.special["<|eot_id|>"]) == (512, 256, 257, 265)
    assert llama.encode("ab") == [97, 98]
    for broken in (lines[:-1], [*lines, b"YWI= 257"]):
        path.write_bytes(b"\n".join(broken))
        with pytest.raises(UserError, match="ranks must be 0, 1, 2"):
            Tokenizer.load(tmp_path)
    path.write_bytes(b"\n".join([*lines[:-1], b"YWI= 255"]))
    with pytest.raises(UserError, match="has no rank for byte 255"):
        Tokenizer.load(tmp_path)
    path.write_bytes(b"\n".join([*lines, b"@@ 256"]))
    with pytest.raises(UserError, match=r"llama3\.tiktoken:257: not a token in base64 and its rank"):
        Tokenizer.load(tmp_path)


def test_a_rank_that_no_two_tokens_make_is_reached_as_a_whole_piece_only(tmp_path: Path) -> None:
    lines = [base64.b64encode(bytes([byte])) + b" %d" % byte for byte in range(256)]
    (tmp_path / "llama3.tiktoken").write_bytes(b"\n".join([*lines, base64.b64encode(b"abc") + b" 256"]))
    tokenizer = Tokenizer.load(tmp_path)
    assert tokenizer.encode("abc") == [256]
    assert tokenizer.encode("zabc") == list(b"zabc")


def test_ids_that_ranks_leave_out_have_names_in_the_tokenizer_json() -> None:
    body = json.loads(write_json({bytes([byte]): byte for byte in range(256)}, {"<|e|>": 258}, None, None))
    assert [(item["content"], item["id"]) for item in body["added_tokens"]] == [
        ("<|unused_256|>", 256),
        ("<|unused_257|>", 257),
        ("<|e|>", 258),
    ]


@settings(max_examples=200)
@given(text=st.lists(st.one_of(st.text(), st.sampled_from([*SPECIAL, "<unk>", "<s>"])), max_size=6).map("".join))
def test_a_sentencepiece_tokenizer_gives_any_text_back_and_nothing_special(pieces: Tokenizer, text: str) -> None:
    ids = pieces.encode(text)
    assert not set(ids) & {pieces.special[name] for name in (*SPECIAL, "<unk>")}
    assert pieces.decode(ids) == text.replace("▁", " ")


def test_a_sentencepiece_tokenizer_is_saved_as_sentencepiece_and_has_all_roles(
    pieces: Tokenizer, tmp_path: Path
) -> None:
    pieces.save(tmp_path)
    outside = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "tokenizer.model"))
    assert outside.get_piece_size() == pieces.vocab_size == 2048
    assert (outside.bos_id(), outside.eos_id(), outside.pad_id()) == (pieces.bos, pieces.end, pieces.pad)
    text = "Fellow citizens of the Senate"
    assert outside.encode(text) == pieces.encode(text) == Tokenizer.load(tmp_path).encode(text)
    assert len(pieces.encode(text)) < 12
    assert set(SPECIAL) | {"<unk>"} == set(pieces.special)
    assert pieces.system == outside.piece_to_id("<|system|>")


BOS = "<|im_start|>"
TEMPLATE = {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": BOS, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
    "special_tokens": {BOS: {"id": BOS, "ids": [1], "tokens": [BOS]}},
}
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}


@pytest.mark.parametrize(
    "post_processor", [None, BYTE_LEVEL, TEMPLATE, {"type": "Sequence", "processors": [BYTE_LEVEL, TEMPLATE]}]
)
def test_a_text_begins_as_transformers_begins_it(tokenizer: Tokenizer, tmp_path: Path, post_processor: object) -> None:
    config = {**CONFIG, "bos_token": BOS}
    body = {**smollm2(tokenizer), "post_processor": post_processor}
    folder_of(tmp_path, {"tokenizer.json": body, "tokenizer_config.json": config})
    ours, theirs = Tokenizer.load(tmp_path), transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert [*ours.begin, *ours.encode("the cat")] == theirs("the cat").input_ids


def test_a_foreign_sentencepiece_model_begins_and_ends_a_document_with_its_own_tokens(tmp_path: Path) -> None:
    with (tmp_path / "tokenizer.model").open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["hello world, hello words"] * 5),
            model_writer=file,
            vocab_size=280,
            model_type="bpe",
            byte_fallback=True,
            minloglevel=2,
        )
    found = Tokenizer.load(tmp_path)
    assert dict(found.special) == {"<unk>": 0, "<s>": 1, "</s>": 2}
    assert dict(found.roles) == {"bos": 1, "end": 2}
    assert found.document([9]).tolist() == [1, 9, 2]


def test_a_sentencepiece_model_without_byte_fallback_is_refused(tmp_path: Path) -> None:
    texts = iter(["hello world, hello words"] * 5)
    with (tmp_path / "tokenizer.model").open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=texts, model_writer=file, vocab_size=20, model_type="bpe", minloglevel=2
        )
    with pytest.raises(UserError, match="has no byte fallback"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.model").write_bytes(b"junk")
    with pytest.raises(UserError, match="not a SentencePiece model"):
        Tokenizer.load(tmp_path)


def test_too_few_texts_for_a_sentencepiece_vocabulary_is_an_error() -> None:
    with pytest.raises(UserError, match="vocab_size 1000 is too large for these texts: at most 34"):
        Tokenizer.train(["abc abc abc"], 1000, trainer="sentencepiece")
    with pytest.raises(UserError, match="vocab_size 337 is too small: at least 338"):
        Tokenizer.train(["abc"], 337, trainer="sentencepiece")
