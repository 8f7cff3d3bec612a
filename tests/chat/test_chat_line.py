"""What a typed line means, and what `/set` makes of its words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumbler.chat.line import Called, Said, is_open, meaning
from tumbler.chat.printable import printable, visible
from tumbler.chat.settings import CHAT, PLAYGROUND, Settings, changed, listed, redrawn
from tumbler.engine import Sampling
from tumbler.errors import UserError

SETTINGS = Settings(Sampling(256, temperature=0, top_k=50))


def test_a_line_is_said_as_it_is_and_a_command_has_a_name_and_a_rest() -> None:
    assert meaning("  two  words \n") == Said("  two  words ")
    assert meaning("/save  my chat.jsonl \n") == Called("save", "my chat.jsonl")
    assert meaning("  /exit") == Called("exit", "")
    assert meaning("/save! x") == Called("save!", "x")


def test_a_quoted_text_has_several_lines_and_is_never_a_command() -> None:
    assert meaning('"""/exit"""') == Said("/exit")
    assert meaning('"""\none\n\n  two\n"""\n') == Said("one\n\n  two")
    assert meaning('/system """be\nbrief"""') == Called("system", "be\nbrief")
    assert meaning('"""') == Said('"""')
    assert meaning('say """x""" twice') == Said('say """x""" twice')


def test_a_quote_is_open_until_it_ends_a_line() -> None:
    texts = ['"""', '"""a\nb', '/system """a', '"""a""" b']
    assert [is_open(text) for text in texts] == [True] * 4
    closed = ["", "a", '"""a"""', '"""\na\n"""  ', '""""""', '/system """a"""', 'a """b', "/system a"]
    assert [is_open(text) for text in closed] == [False] * 8


def test_bytes_that_are_no_text_do_not_come_through_as_surrogates() -> None:
    assert meaning(b"caf\xe9".decode("utf-8", "surrogateescape")) == Said("caf�")


@given(st.text())
def test_what_is_visible_is_one_line_without_controls_and_spaces(text: str) -> None:
    shown = visible(text)
    assert shown.isprintable()
    assert " " not in shown
    assert printable(shown) == shown


def test_every_sign_stands_for_what_cannot_be_seen() -> None:
    assert visible(" a\n\t\x1b[2J\u202e\u200b\xa0é🌳") == "␣a⏎⇥\\x1b[2J\\u202e\\u200b\\xa0é🌳"


def test_each_setting_of_the_command_line_can_be_changed() -> None:
    settings = SETTINGS
    for words in ("temperature 0.7", "max_tokens=9", "top_k none", "top_p 0.5", "min_p 0.1", "seed 4", "verbose"):
        settings = changed(settings, words, CHAT)
    assert settings == Settings(Sampling(9, 0.7, None, 0.5, 0.1, 4), verbose=True)
    assert changed(settings, "verbose off", CHAT).verbose is False
    assert changed(settings, "top 5", PLAYGROUND).sampling.top == 5
    assert listed(settings, CHAT) == (
        "max_tokens 9, temperature 0.7, top_k none, top_p 0.5, min_p 0.1, seed 4, verbose on"
    )


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("temprature 1", "no setting 'temprature'; did you mean 'temperature'?; settings are max_tokens,"),
        ("top 5", "no setting 'top'"),
        ("temperature", "/set temperature: give a value; it is 0 now"),
        ("temperature warm", "temperature = warm: must be a number"),
        ("temperature none", "temperature = none: must be a number"),
        ("temperature -1", "temperature = -1.0: must be a finite number, at least 0"),
        ("temperature nan", "temperature = nan: must be a finite number, at least 0"),
        ("max_tokens 1.5", "max_tokens = 1.5: must be a whole number"),
        ("seed x", "seed = x: must be a whole number, or none"),
        ("verbose maybe", "verbose = maybe: must be on or off"),
    ],
)
def test_a_setting_that_cannot_be_is_one_line(words: str, line: str) -> None:
    with pytest.raises(UserError) as caught:
        changed(SETTINGS, words, CHAT)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_each_further_draw_has_a_seed_of_its_own_where_there_is_one() -> None:
    seeded = Sampling(4, seed=2**63 - 1)
    assert [redrawn(seeded, times).seed for times in (1, 2)] == [0, 1]
    assert redrawn(Sampling(4), 1).seed is None
