"""Pictures for the terminal show untrusted text as text: no markup, no control sequences."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tumbler import show
from tumbler.views import Curve, Funnel, Samples, Table, View


def drawn(view: View) -> str:
    out = io.StringIO()
    Console(file=out, width=100, highlight=False).print(show.draw(view))
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
