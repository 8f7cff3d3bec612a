"""Pictures for the terminal show untrusted text as text: no markup, no control sequences."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tumbler import show
from tumbler.artifact import Artifact, Outcome, begin, finish
from tumbler.draw import draw
from tumbler.executor import Executor
from tumbler.log import Log
from tumbler.recipe import Settings
from tumbler.views import Curve, Flow, Funnel, Histogram, Passage, Samples, Table, View


def drawn(view: View) -> str:
    out = io.StringIO()
    Console(file=out, width=100, highlight=False).print(draw(view))
    return out.getvalue()


def test_a_funnel_shows_each_rule_and_the_share_kept() -> None:
    text = drawn(Funnel("Pages", "pages", 1000, (("too short", 250), ("spam", 250)), 500))
    assert "1,000 pages read" in text
    assert "-250" in text
    assert "50.0%" in text


def test_a_curve_tells_where_each_series_ends() -> None:
    text = drawn(Curve("Loss", "step", "loss", (("train", ((0.0, 8.0), (10.0, 2.5))),)))
    assert "ends at 2.500" in text


@given(st.text(max_size=40), st.text(max_size=40))
def test_text_from_outside_stays_text(prompt: str, output: str) -> None:
    text = drawn(Samples("Said", ((prompt + "[bold]x[/bold]", "\x1b[31m" + output + "\x07", ""),)))
    assert "[bold]x[/bold]" in text.replace("\n", "")
    assert "\x1b" not in text
    assert "\x07" not in text


def test_a_table_groups_thousands() -> None:
    assert "12,345" in drawn(Table("Scores", ("name", "value"), (("parameters", 12345),)))


def test_a_flow_shows_what_each_step_leaves_of_all_and_of_the_first_groups() -> None:
    def steps(into: int, out: int) -> tuple[Passage, ...]:
        return (Passage("url_filter", into, into, 9000, 9000, ()), Passage("language", into, out, 9000, 4000, ()))

    text = drawn(Flow("Corpus", "pages", (("all", steps(1000, 250)), ("en", steps(600, 250)), ("de", steps(400, 0)))))
    last = next(line for line in text.splitlines() if "language" in line).split()
    assert last[0] == "language" and last[2:] == ["250", "4.00", "kB", "250", "0"]
    assert "250 pages kept, 25.0 %" in text


def test_a_histogram_shows_the_numbers_of_each_bin() -> None:
    text = drawn(
        Histogram("Lengths", "bytes", "pages", ("kept", "removed"), ((0, 1000, (3, 40)), (1000, 2000, (0, 5))))
    )
    assert "3 + 40" in text and "1k to 2k" in text and "kept, removed" in text


def test_a_step_is_shown_by_its_views_and_its_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = begin(tmp_path / "corpus", "corpus", "corpus", Settings(), [], Executor(1), Log("corpus"))
    work.view("funnel", Funnel("The funnel", "pages", 10, (("short", 4),), 6))
    work.view("kept", Samples("Kept", (("a prompt", "an output", ""),)))
    finish(work, Outcome("documents", {}), 0.0)
    show.run(work.path, "tumbler")
    assert "an output" in capsys.readouterr().out
    with work.file("report.html") as path:
        path.write_text("<p>", encoding="utf-8")
    show.run(work.path, "tumbler")
    told = capsys.readouterr().out
    assert "The funnel" in told and "6 pages kept" in told
    assert "an output" not in told and "report.html" in told, "the texts stand in the page"


def test_long_tables_end_with_how_much_is_left_out() -> None:
    text = drawn(Table("Languages", ("language", "pages"), tuple((f"l{n}", n) for n in range(60))))
    assert "and 36 more rows" in text and "l24" not in text


@pytest.mark.parametrize(
    ("objective", "verbs"),
    [("next token", ["generate", "serve", "explain"]), ("masked tokens", ["fill-mask", "explain"])],
)
def test_the_ways_on_from_a_model_are_those_that_its_objective_has(objective: str, verbs: list[str]) -> None:
    item = Artifact(Path("runs/x/pretrain"), "checkpoint", "0", {"facts": {"objective": objective}})
    assert [line.split()[1] for line in show.commands({"pretrain": item}, "tumbler")] == verbs
