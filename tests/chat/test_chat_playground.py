"""The playground: probabilities, cells, stop strings, few-shot prompts, the built-in assistant."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tumbler.chat.cells import Cell, HeldCells, piece, prompt_cells, written_cell
from tumbler.chat.frame import ASSISTANT, Frame, of_turns
from tumbler.chat.load import ChatModel
from tumbler.chat.picture import LEVELS, Flow, Rows, bar, in_flow, legend, percent, style
from tumbler.chat.playground import playground
from tumbler.chat.respond import text_request
from tumbler.chat.shots_reader import read_shots
from tumbler.engine import Request, Sampler, Sampling, Token
from tumbler.errors import UserError
from tumbler.model import Transformer
from tumbler.text.tokenizer import Tokenizer

SHORT = Sampling(4, temperature=0)
Captured = pytest.CaptureFixture[str]


def shares(model: Transformer, ids: list[int]) -> torch.Tensor:
    """(T, V) The model's own probabilities of what follows each id."""
    with torch.inference_mode():
        logits: torch.Tensor = model(torch.tensor([ids]))[0]
    return logits.softmax(-1)


def test_probabilities_are_the_softmax_of_the_models_own_logits(
    model: Transformer, sampler: Sampler, tokenizer: Tokenizer
) -> None:
    sampling = Sampling(6, temperature=0.3, top_k=5, min_p=0.1, seed=2, top=3)
    asked = text_request(ChatModel.of(sampler, tokenizer), "the cat", sampling)
    request = dataclasses.replace(asked.request, prompt_top=3)
    tokens = list(sampler.stream([request]))
    assert tokens[0].prompt is not None
    cells = [
        *prompt_cells(tokenizer, request.ids, tokens[0].prompt, 0),
        *(written_cell(tokenizer, token) for token in tokens),
    ]
    ids = [*request.ids, *(token.id for token in tokens)]
    expected = shares(model, ids)
    assert [cell.text for cell in cells] == [piece(tokenizer, id) for id in ids[1:]]
    assert [cell.written for cell in cells] == [False] * (len(request.ids) - 1) + [True] * len(tokens)
    for place, (id, cell) in enumerate(zip(ids[1:], cells, strict=True)):
        assert cell.share == pytest.approx(float(expected[place, id]), rel=1e-3)
        likeliest = expected[place].topk(3)
        assert [text for text, _ in cell.top] == [piece(tokenizer, id) for id in likeliest.indices.tolist()]
        assert [share for _, share in cell.top] == pytest.approx(likeliest.values.tolist(), rel=1e-3)


def test_what_is_printed_are_these_probabilities(checkpoint: Path, model: Transformer, tokenizer: Tokenizer) -> None:
    out = io.StringIO()
    playground(checkpoint, SHORT, "the cat", out=out)
    ids = text_request(ChatModel.of(Sampler(model), tokenizer), "the cat", SHORT).request.ids
    expected = shares(model, list(ids))
    rows = out.getvalue().splitlines()[1 : len(ids)]
    for row, (place, id) in zip(rows, enumerate(ids[1:]), strict=True):
        assert f" {percent(float(expected[place, id]))} " in row + " "


def tokens_of(tokenizer: Tokenizer, text: str) -> list[Token]:
    ids = tokenizer.encode(text)
    return [Token(0, id, 0.0, 0.0, "length" if place == len(ids) - 1 else None) for place, id in enumerate(ids)]


def held(tokenizer: Tokenizer, text: str, stops: list[str]) -> tuple[list[Cell], HeldCells]:
    state, cells = HeldCells(tokenizer, stops), list[Cell]()
    for token in tokens_of(tokenizer, text):
        cells += state.push(token)
        if state.found:
            break
    return cells, state


@given(st.text("abthe \n", min_size=1, max_size=24), st.lists(st.text("ath\n", min_size=1, max_size=3), max_size=2))
def test_the_cells_are_the_text_before_the_first_stop(tokenizer: Tokenizer, text: str, stops: list[str]) -> None:
    cells, state = held(tokenizer, text, stops)
    assert "".join(cell.text for cell in cells) == state.text
    assert text.startswith(state.text)
    assert not any(stop in state.text for stop in stops)
    if not state.found:
        assert state.text == text


def test_a_token_that_may_begin_a_stop_waits(tokenizer: Tokenizer) -> None:
    state = HeldCells(tokenizer, ["\nHuman:"])
    first, second, third = tokens_of(tokenizer, "a\nb")
    assert [cell.text for cell in state.push(first)] == ["a"]
    assert list(state.push(second)) == []
    assert [cell.text for cell in state.push(third)] == ["\n", "b"]


def test_a_token_that_is_no_whole_character_is_shown_by_its_bytes(tokenizer: Tokenizer) -> None:
    cells, state = held(tokenizer, "✓", [])
    assert [cell.text for cell in cells] == ["\\xe2", "\\x9c", "\\x93"]
    assert state.text == "✓"
    assert piece(tokenizer, tokenizer.vocab_size) == f"<{tokenizer.vocab_size}>"


def test_a_special_token_has_its_name_but_makes_no_text(tokenizer: Tokenizer) -> None:
    state = HeldCells(tokenizer, [])
    end = Token(0, tokenizer.end, 0.0, 0.0, "stop")
    assert list(state.push(end)) == [Cell("<|end|>", 1.0, (), written=True)]
    assert state.text == ""


def test_only_the_prompts_own_end_is_shown_where_something_stands_before_it(
    sampler: Sampler, tokenizer: Tokenizer
) -> None:
    request = Request([*tokenizer.begin, *tokenizer.encode("ää\nbat")], SHORT, prompt_top=0)
    scores = next(sampler.stream([request])).prompt
    assert scores is not None
    shown = prompt_cells(tokenizer, request.ids, scores, len("ää\n".encode()))
    assert "".join(cell.text for cell in shown) == "bat"


def test_each_probability_has_a_level_and_a_bar() -> None:
    console = Console(color_system="truecolor", force_terminal=True)
    found = [style(share, console) for share in (1.0, 0.9, 0.89, 0.5, 0.1, 0.099, 0.01, 0.009, 0.0)]
    many = [level[2] for level in LEVELS]
    assert found == [many[place] for place in (0, 0, 1, 1, 2, 3, 3, 4, 4)]
    sixteen = Console(color_system="standard", force_terminal=True)
    assert [style(least, sixteen) for least, *_ in LEVELS] == [level[3] for level in LEVELS]
    assert [bar(share).rstrip() for share in (None, 0.0, 0.5, 0.515625, 1.0)] == ["", "", "████", "████▏", "████████"]
    assert [percent(share) for share in (None, 0.00001, 0.0052, 0.931, 0.9996, 1.0)] == [
        "-",
        "< 0.01 %",
        "0.52 %",
        "93.1 %",
        "> 99.9 %",
        "100.0 %",
    ]


@given(st.lists(st.tuples(st.text(max_size=6), st.none() | st.floats(0, 1)), max_size=8))
def test_no_token_breaks_out_of_its_picture(made: list[tuple[str, float | None]]) -> None:
    cells = [Cell(text, share, ((text, 0.5),), written=True) for text, share in made]
    for flows in (False, True):
        out = io.StringIO()
        console = Console(file=out, width=60, color_system=None)
        picture = Flow(console) if flows else Rows(console, alternatives=True)
        for cell in cells:
            picture.put(cell)
        picture.end(stopped=False)
        lines = out.getvalue().split("\n")
        assert all(line.isprintable() for line in lines)
        assert flows or len(lines) == len(cells) + 2


def test_a_text_breaks_its_lines_between_tokens() -> None:
    out = io.StringIO()
    flow = Flow(Console(file=out, width=12, color_system=None))
    for text in ("The", " capital", " of", "\n", "Peru"):
        flow.put(Cell(text, 0.5))
    flow.end(stopped=True)
    assert out.getvalue() == "The capital\n of⏎\nPeru [stopped]\n"
    assert [in_flow(text) for text in ("  ", " a", "a\n", "\x1b[1m")] == ["␣␣", " a", "a⏎", "\\x1b[1m"]


def test_the_legend_names_every_level() -> None:
    text = legend(Console(color_system="truecolor", force_terminal=True)).plain
    assert all(name in text for _, name, _, _ in LEVELS)


def test_a_picture_without_colours_is_a_table(checkpoint: Path) -> None:
    plain, alternatives = io.StringIO(), io.StringIO()
    playground(checkpoint, SHORT, "the cat", out=plain)
    playground(checkpoint, dataclasses.replace(SHORT, top=3), "the cat", out=alternatives)
    for out in (plain, alternatives):
        assert "\x1b" not in out.getvalue()
        assert "+ written by the model" in out.getvalue().splitlines()[0]
        assert sum(row.startswith("+ ") for row in out.getvalue().splitlines()) == 4
    assert plain.getvalue().count("%") * 4 == alternatives.getvalue().count("%")


def write(file: Path, text: str) -> Path:
    file.write_text(text, encoding="utf-8")
    return file


def test_rows_stand_before_the_line_as_they_are_with_blank_lines_between(tmp_path: Path) -> None:
    rows = [{"prompt": "sea:", "completion": " mer"}, {"prompt": "cat:", "completion": " chat", "note": 1}]
    frame = read_shots(write(tmp_path / "fr.jsonl", "\n\n".join(map(json.dumps, rows)) + "\n"))
    assert frame.around("dog:") == "sea: mer\n\ncat: chat\n\ndog:"
    assert frame.stop == ("\n\n",)


def test_a_text_has_a_hole_for_the_line(tmp_path: Path) -> None:
    frame = read_shots(write(tmp_path / "fr.txt", "sea: mer\n\n{input}:\n"))
    assert frame == Frame("sea: mer\n\n", ":", ("\n\n",), "fr.txt")
    assert frame.around("{input}") == "sea: mer\n\n{input}:"


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.txt", "no hole", r"a\.txt: has \{input\} 0 times; write it once"),
        ("a.txt", "{input} {input}", r"a\.txt: has \{input\} 2 times"),
        ("a.jsonl", "\n", r"a\.jsonl: has no rows"),
        ("a.jsonl", "{}\n\n[", r"a\.jsonl:1: 'prompt' must be a text"),
        ("a.jsonl", '{"prompt": "a", "completion": "b"}\n\n[', r"a\.jsonl:3: not valid JSON"),
        ("a.jsonl", "[]", r"a\.jsonl:1: a row must be an object"),
        ("a.jsonl", '{"prompt": "a", "completion": 4}', r"a\.jsonl:1: 'completion' must be a text"),
    ],
)
def test_examples_that_cannot_be_read_say_where_and_why(tmp_path: Path, name: str, text: str, line: str) -> None:
    with pytest.raises(UserError, match=line):
        read_shots(write(tmp_path / name, text))


def test_examples_that_are_no_file_or_no_text_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not read: No such file"):
        read_shots(tmp_path / "nothing.txt")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9 {input}")
    with pytest.raises(UserError, match="not UTF-8"):
        read_shots(tmp_path / "latin.txt")


def test_the_assistant_is_a_transcript_that_ends_where_the_next_question_would_begin() -> None:
    frame = of_turns([("Hi", " Hello.\n")])
    assert frame.around("Bye") == f"{ASSISTANT}Human: Hi\n\nAssistant: Hello.\n\nHuman: Bye\n\nAssistant:"
    assert frame.stop == ("\nHuman:",)


@pytest.fixture
def prompts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, int | None]]]:
    """The prompts that the playground makes, with their seeds."""
    found: list[tuple[str, int | None]] = []

    def kept(tokenizer: Tokenizer, prompt: str, sampling: Sampling) -> Request:
        found.append((prompt, sampling.seed))
        return text_request(tokenizer, prompt, sampling)

    monkeypatch.setattr("tumbler.chat.playground.text_request", kept)
    yield found


def test_lines_are_completed_and_completed_again_with_another_draw(
    checkpoint: Path, prompts: list[tuple[str, int | None]], tmp_path: Path
) -> None:
    sampling, shots = Sampling(4, seed=7), write(tmp_path / "fr.txt", "sea: mer\n\n{input}:")
    lines = ["the cat", "/regenerate", "/regenerate", "", "/set seed 3", " a hat "]
    playground(checkpoint, sampling, shots=shots, lines=lines, out=io.StringIO())
    first, last = "sea: mer\n\nthe cat:", "sea: mer\n\n a hat :"
    assert prompts == [(first, 7), (first, 8), (first, 9), (last, 3)]


def test_the_assistant_remembers_its_turns_and_a_turn_made_again_takes_the_place_of_the_first(
    writes: Callable[[str], Path], prompts: list[tuple[str, int | None]]
) -> None:
    lines = ["the cat", "/assistant", "one", "two", "/regenerate", "/reset", "three", "/assistant off", "the hat"]
    playground(writes("a"), SHORT, lines=lines, out=io.StringIO())
    turns = [[], [("one", "aaaa")], [("one", "aaaa")], []]
    asked = [of_turns(turn).around(line) for turn, line in zip(turns, ["one", "two", "two", "three"], strict=True)]
    assert [prompt for prompt, _ in prompts] == ["the cat", *asked, "the hat"]


def test_a_command_of_the_playground_answers_beside_the_text(checkpoint: Path, capsys: Captured) -> None:
    out = io.StringIO()
    lines = ["/top 3", "/top 99", "/top", "/regenerate", "/assistant maybe", "/show", "/retry", "long " * 90]
    playground(checkpoint, SHORT, lines=lines, out=out)
    told = capsys.readouterr().err
    for line in (
        "top 3\n",
        "top = 99: must be from 0 to 20",
        "/set top: give a value; it is 3 now",
        "nothing was completed yet",
        "/assistant maybe: must be on or off",
        "tiny-chat, qwen3, ",
        "no command '/retry'",
        "but the model's context holds 96 with the answer; shorten the line",
    ):
        assert line in told
    assert out.getvalue() == ""
    assert "\x1b" not in told


def test_two_prompts_at_once_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give one of them"):
        playground(checkpoint, SHORT, "x", tmp_path / "a.txt", assistant=True)
