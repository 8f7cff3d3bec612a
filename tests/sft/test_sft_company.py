"""Conversations about the model itself, in the company of others."""

from __future__ import annotations

from tumbler.sft.company import in_company
from tumbler.text.conversation import Conversation, Message


def talk(*texts: str, system: str | None = None) -> Conversation:
    roles = ("user", "assistant")
    turns = [Message(roles[place % 2], text) for place, text in enumerate(texts)]  # type: ignore[arg-type]
    return Conversation((*([Message("system", system)] if system else []), *turns), "x")


OWN = [talk("who?", "me", system="You are Ada." if number % 2 else None) for number in range(200)]
OTHERS = [talk("a?", "A"), talk("b?", "B"), talk("c?", "C", system="Be brief.")]


def test_about_half_get_company_before_or_after_and_all_keep_their_own_turns() -> None:
    mixed = list(in_company(OWN, OTHERS, seed=1))
    assert len(mixed) == len(OWN)
    assert 60 < sum(len(item.messages) > len(own.messages) for item, own in zip(mixed, OWN, strict=True)) < 140
    first = [item.messages[0].content for item in mixed]
    assert {"who?", "a?", "b?", "You are Ada."} == set(first)
    for item, own in zip(mixed, OWN, strict=True):
        text = [message.content for message in item.messages]
        assert text[text.index("who?") + 1] == "me"
        assert (text[0] == "You are Ada.") == (own.messages[0].role == "system")
        assert "Be brief." not in text


def test_users_and_the_assistant_take_turns() -> None:
    for item in in_company(OWN, OTHERS, seed=2):
        roles = [message.role for message in item.messages if message.role != "system"]
        assert roles == ["user", "assistant"] * (len(roles) // 2)


def test_the_seed_decides_and_without_others_nothing_changes() -> None:
    assert list(in_company(OWN, OTHERS, 3)) == list(in_company(OWN, OTHERS, 3))
    assert list(in_company(OWN, OTHERS, 3)) != list(in_company(OWN, OTHERS, 4))
    assert list(in_company(OWN, [], 3)) == OWN
