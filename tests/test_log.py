"""Progress tells how many are done, how fast it goes now, and how long it will take."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tumbler import log
from tumbler.log import Log, Pace


def pace_after(*done: tuple[int, float]) -> Pace:
    pace = Pace(0.0)
    for number, seconds in done:
        pace.done(number, seconds)
    return pace


def test_the_pace_is_items_a_second_and_the_time_left() -> None:
    assert pace_after((5, 2.0), (10, 4.0)).text(100) == "2.5/s, 0:00:36 left"
    assert pace_after((10_000, 4.0)).text(None) == "2,500/s"
    assert pace_after((1, 250.0)).text(3) == "0.004/s, 0:08:20 left"


def test_nothing_is_told_before_anything_is_known() -> None:
    assert Pace(0.0).text(10) == ""


def test_what_an_earlier_run_had_finished_is_soon_forgotten() -> None:
    burst = (1000, 0.5)
    slow = [(1000 + number, 0.5 + 60.0 * number) for number in range(1, 11)]
    assert pace_after(burst, *slow).text(1100) == "0.017/s, 1:30:00 left"


def test_without_a_terminal_progress_is_a_plain_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "QUIET_SECONDS", 0.0)
    screen = io.StringIO()
    assert list(Log("crawl", console=Console(file=screen)).track("abc", "files", 3)) == ["a", "b", "c"]
    lines = screen.getvalue().splitlines()
    assert [line.partition(",")[0].strip() for line in lines] == [f"crawl files {n}/3" for n in (1, 2, 3)]
    assert lines[-1].endswith("/s, 0:00:00 left")


def test_on_a_terminal_progress_is_a_bar_with_count_and_pace() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    assert list(Log("crawl", console=console).track("abc", "files [bold]", 3)) == ["a", "b", "c"]
    assert "files [bold]" in screen.getvalue()
    assert "3/3" in screen.getvalue()
    assert "0:00:00 left" in screen.getvalue()
