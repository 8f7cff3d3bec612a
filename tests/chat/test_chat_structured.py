"""Answers within a structure: valid whatever the model says, with any tokenizer, each request for itself."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st
from support import random_model

from tumbler.chat import ChatModel, Choice, JsonObject, JsonSchema, Lark, Regex, Structure, Structures, Text, complete
from tumbler.chat.respond import text_request
from tumbler.chat.terminal import chat, generate
from tumbler.engine import Completion, Request, Sampler, Sampling
from tumbler.errors import Failure, UserError
from tumbler.model import ModelConfig
from tumbler.text.tokenizer import Tokenizer

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 6},
        "age": {"type": "integer", "minimum": -5, "maximum": 120},
        "score": {"type": "number", "minimum": 0, "maximum": 1},
        "pets": {"type": "array", "items": {"enum": ["cat", "<|end|>", None]}, "minItems": 1, "maxItems": 2},
        "ok": {"$ref": "#/$defs/flag"},
    },
    "required": ["name", "age", "pets", "ok"],
    "additionalProperties": False,
    "$defs": {"flag": {"anyOf": [{"type": "boolean"}, {"const": "é"}]}},
}
PATTERNS = (
    r"(ab|cd){1,4}e?",
    r"[0-9]{4}-[0-9]{2}",
    r"[^a-z]{3}",
    r"(?i)the (cat|hat)",
    r"日本|Bäume🌳?",
    r"[0-9]{1,3}\.[05]",
)
SPELLED = ("<|end|>", "<|assistant|>", "<|bos|>", "<unk>", "</s>", "<|eot_id|>", "<0x41>")
FEW = settings(max_examples=25)


def bench(tokenizer: Tokenizer) -> tuple[Tokenizer, Sampler, Structures]:
    """A model of random weights that has some rows more than the tokenizer has ids."""
    rows = tokenizer.vocab_size + 13
    model = random_model(ModelConfig(rows, 32, 64, 2, 2, 1, 16, max_position_embeddings=512), 3)
    return tokenizer, Sampler(model), Structures(tokenizer, rows)


@pytest.fixture(scope="module", params=["ours", "sentencepiece", "llama", "tiktoken"])
def place(
    request: pytest.FixtureRequest, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Tokenizer, Sampler, Structures]:
    folder = tmp_path_factory.mktemp("tokenizer")
    if request.param == "ours":
        return bench(tokenizer)
    texts = ['the cat sat on the hat, the hat {"name": "cat", "age": 12}', "12 24 über Bäume"] * 20
    if request.param == "sentencepiece":
        return bench(Tokenizer.train(texts, 256 + 81 + 60, trainer="sentencepiece"))
    if request.param == "llama":  # begins each text with a blank
        with (folder / "tokenizer.model").open("wb") as file:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(texts),
                model_writer=file,
                vocab_size=320,
                model_type="bpe",
                byte_fallback=True,
                minloglevel=2,
            )
    else:
        tokens = [bytes([byte]) for byte in range(256)] + [b"ca", b"cat", b'{"', b'":', b"<|", b"|>", b"\xc3\xa9"]
        lines = [base64.b64encode(token) + b" %d" % rank for rank, token in enumerate(tokens)]
        (folder / "llama3.tiktoken").write_bytes(b"\n".join(lines))
    return bench(Tokenizer.load(folder))


@pytest.fixture(scope="module")
def own(tokenizer: Tokenizer) -> tuple[Tokenizer, Sampler, Structures]:
    return bench(tokenizer)


def talker_of(place: tuple[Tokenizer, Sampler, Structures]) -> ChatModel:
    tokenizer, sampler, structures = place
    return replace(ChatModel.of(sampler, tokenizer), structures=structures)


def request_of(
    place: tuple[Tokenizer, Sampler, Structures], structure: Structure | None, sampling: Sampling, prompt: str = "the"
) -> Request:
    return text_request(talker_of(place), prompt, sampling, structure).request


def answers(
    place: tuple[Tokenizer, Sampler, Structures], structure: Structure, seeds: Sequence[int], max_tokens: int = 450
) -> list[Completion]:
    requests = [request_of(place, structure, Sampling(max_tokens, seed=seed)) for seed in seeds]
    return place[1].sample(requests)


def text_of(tokenizer: Tokenizer, made: Completion) -> str:
    """The text of an answer that came to its end: one end token, and before it no special one."""
    assert made.finish == "stop"
    assert made.ids[-1] == tokenizer.end
    assert not set(made.ids[:-1]) & set(tokenizer.special.values())
    return tokenizer.decode_bytes(made.ids[:-1]).decode()  # strictly


def test_random_weights_write_valid_json_by_a_schema(place: tuple[Tokenizer, Sampler, Structures]) -> None:
    texts = [text_of(place[0], made) for made in answers(place, JsonSchema(PERSON), range(24))]
    for text in texts:
        jsonschema.validate(json.loads(text), PERSON)
    assert len(set(texts)) > 20


@FEW
@given(st.sampled_from(PATTERNS), st.integers(0, 10_000))
def test_a_regex_matches_the_whole_answer(
    place: tuple[Tokenizer, Sampler, Structures], pattern: str, seed: int
) -> None:
    for made in answers(place, Regex(pattern), [seed, seed + 1]):
        assert re.fullmatch(pattern, text_of(place[0], made))


CHARACTERS = st.characters(exclude_categories=["Cs"])
TEXTS = st.lists(
    st.one_of(st.text(CHARACTERS, min_size=1, max_size=9), st.sampled_from(SPELLED)), min_size=1, max_size=5
)


@FEW
@given(TEXTS, st.integers(0, 10_000))
def test_a_choice_is_one_of_the_texts_as_they_stand(
    place: tuple[Tokenizer, Sampler, Structures], texts: list[str], seed: int
) -> None:
    for made in answers(place, Choice(texts), [seed, seed + 1]):
        assert text_of(place[0], made) in texts


def test_a_special_token_that_is_spelled_out_stays_text(own: tuple[Tokenizer, Sampler, Structures]) -> None:
    tokenizer = own[0]
    spelled: list[tuple[Structure, str]] = [
        (Choice(["<|end|>"]), "<|end|>"),
        (JsonSchema({"enum": ["<|assistant|>"]}), '"<|assistant|>"'),
        (Regex(r"<\|tool_call\|>"), "<|tool_call|>"),
        (Lark(r'start: "<|bos|>" /<\|user\|>/'), "<|bos|><|user|>"),
    ]
    for structure, text in spelled:
        assert [text_of(tokenizer, made) for made in answers(own, structure, [0, 1])] == [text, text]


def test_any_json_object_and_a_grammar_that_calls_itself(own: tuple[Tokenizer, Sampler, Structures]) -> None:
    ended = [made for made in answers(own, JsonObject(), range(24)) if made.finish == "stop"]
    assert len(ended) > 5
    assert all(isinstance(json.loads(text_of(own[0], made)), dict) for made in ended)
    for made in answers(own, Lark('start: "(" start ")" | "x"'), range(8)):
        text = text_of(own[0], made)
        half = len(text) // 2
        assert text == "(" * half + "x" + ")" * half


def allowed(structures: Structures, structure: Structure, ids: Sequence[int], stop_ids: Sequence[int] = ()) -> set[int]:
    constraint = structures.constraint(structure, stop_ids)
    for id in ids:
        assert constraint.allowed()[id]
        constraint.accept(id)
    return set(constraint.allowed().nonzero()[:, 0].tolist())


def test_what_is_complete_may_only_end_and_what_may_go_on_may_do_both(
    place: tuple[Tokenizer, Sampler, Structures],
) -> None:
    tokenizer, _, structures = place
    [a] = [id for id in tokenizer.encode("a") if tokenizer.decode_bytes([id]) == b"a"]
    another = next(id for id in tokenizer.special.values() if id != tokenizer.end)
    assert allowed(structures, Choice(["a"]), [a]) == {tokenizer.end}
    assert allowed(structures, Choice(["a"]), [a], [another, a]) == {tokenizer.end, another}
    more = allowed(structures, Regex("a+"), [a], [another])
    assert more > {tokenizer.end, another}
    assert {tokenizer.decode_bytes([id]) for id in more - {tokenizer.end, another}} <= {b"a" * n for n in range(1, 9)}


def test_neither_special_tokens_nor_rows_without_a_token_are_ever_text(
    place: tuple[Tokenizer, Sampler, Structures],
) -> None:
    tokenizer, sampler, structures = place
    mask = structures.constraint(Regex(r"(?s).*")).allowed()
    assert len(mask) == sampler.vocab_size == tokenizer.vocab_size + 13
    found = set(mask.nonzero()[:, 0].tolist())
    assert found & set(tokenizer.special.values()) == {tokenizer.end}
    assert max(found) < tokenizer.vocab_size
    assert {bytes([byte]) for byte in range(128)} <= {tokenizer.decode_bytes([id]) for id in found}


@pytest.mark.parametrize("place", ["llama"], indirect=True)
def test_a_grammar_reaches_no_special_token_by_its_number(place: tuple[Tokenizer, Sampler, Structures]) -> None:
    tokenizer, _, structures = place
    assert tokenizer.special["<s>"] == 1
    with pytest.raises(UserError, match="Lark grammar: only a special token could follow, and none may; mend that"):
        structures.constraint(Lark("start: <[1]>"))
    constraint = structures.constraint(Lark('start: "a" <[1]>'))
    with pytest.raises(Failure, match="only a special token could follow"):
        constraint.accept(int(constraint.allowed().nonzero()[0]))


def test_blanks_between_the_parts_of_json_come_to_an_end(own: tuple[Tokenizer, Sampler, Structures]) -> None:
    tokenizer, _, structures = own
    one = {text: tokenizer.encode(text)[0] for text in ("{", "\n", " ", "}")}
    for blanks in ([], [" "], ["\n"], ["\n"] + [" "] * 40):
        after = allowed(structures, JsonObject(), [one[text] for text in ["{", *blanks]])
        assert one["}"] in after
        assert ((one[" "] in after), (one["\n"] in after)) == (len(blanks) < 41 and blanks != [" "], not blanks)


def test_requests_of_one_batch_do_not_disturb_each_other(own: tuple[Tokenizer, Sampler, Structures]) -> None:
    kinds = [JsonSchema(PERSON), None, Choice(["yes", "no"]), None, Regex("(ab)+c"), JsonSchema({"type": "boolean"})]

    def requests() -> list[Request]:
        return [request_of(own, kind, Sampling(40, seed=seed)) for seed, kind in enumerate(kinds)]

    alone = [own[1].sample([request])[0].ids for request in requests()]
    assert [made.ids for made in own[1].sample(requests())] == alone
    assert own[0].decode(alone[2][:-1]) in ("yes", "no")


def test_a_bias_chooses_within_the_structure_only(own: tuple[Tokenizer, Sampler, Structures]) -> None:
    tokenizer, sampler, _ = own
    first = {text: tokenizer.encode(text)[0] for text in ("yes", "no", "q")}

    def made(bias: dict[int, float]) -> str:
        sampling = Sampling(9, seed=1, logit_bias=bias, repetition_penalty=1.3, frequency_penalty=0.5)
        return text_of(tokenizer, sampler.sample([request_of(own, Choice(["yes", "no"]), sampling)])[0])

    assert [made({first[text]: 90.0, first["q"]: 100.0}) for text in ("yes", "no")] == ["yes", "no"]
    assert [made({first[text]: -math.inf}) for text in ("yes", "no")] == ["no", "yes"]
    everything = dict.fromkeys(range(sampler.vocab_size), -math.inf)
    assert made(everything) in ("yes", "no")


def test_raw_log_probabilities_and_the_likeliest_ids_are_the_models_own(
    own: tuple[Tokenizer, Sampler, Structures],
) -> None:
    tokenizer, sampler, _ = own
    sampling = Sampling(20, seed=5, top=4, logit_bias=dict.fromkeys(tokenizer.encode("the cat"), 3.0))
    request = request_of(own, Choice(["the cat", "the hat"]), sampling)
    tokens = list(sampler.stream([request]))
    scores = sampler.score([[*request.ids, *(token.id for token in tokens)]])[0]
    raw = [token.raw_logprob for token in tokens]
    assert raw == pytest.approx(scores[-len(tokens) :], abs=1e-4)
    assert sum(token.logprob for token in tokens) > sum(raw)
    [free, *_] = sampler.stream([request_of(own, None, sampling)])
    assert tokens[0].top == free.top and len(free.top) == 4


def test_what_max_tokens_cuts_is_of_finish_length(own: tuple[Tokenizer, Sampler, Structures]) -> None:
    for made in answers(own, JsonSchema(PERSON), range(4), max_tokens=7):
        assert (made.finish, len(made.ids)) == ("length", 7)
        assert own[0].decode(made.ids).startswith("{")


def test_events_carry_the_text_and_a_stop_string_still_cuts_it(own: tuple[Tokenizer, Sampler, Structures]) -> None:
    choice = Choice(["one, two"])
    for stop, text in [((), "one, two"), ((", ",), "one")]:
        events = complete(talker_of(own), "the", Sampling(20), stop, choice)
        assert "".join(event.text for event in events if isinstance(event, Text)) == text


def test_the_terminal_writes_within_a_structure(checkpoint: Path) -> None:
    structure, out = Choice(["yes", "no"]), io.StringIO()
    generate(checkpoint, "the", Sampling(9, seed=1), structure=structure, out=out)
    chat(checkpoint, Sampling(9, seed=1), structure=structure, lines=["hello", "and you?"], out=out)
    assert len(out.getvalue().split()) == 3 and set(out.getvalue().split()) <= {"yes", "no"}
