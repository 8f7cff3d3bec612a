"""The identity conversations: enough wordings, held-out ones really held out, system messages obeyed."""

from __future__ import annotations

import re
from itertools import islice

import pytest

from tumbler.identity import Identity
from tumbler.tasks.identity import (
    confirmed_conversations,
    held_out_questions,
    introduction,
    own_conversations,
    persona_conversations,
    states_identity,
    system_questions,
    training_conversations,
)
from tumbler.tasks.persona import personas
from tumbler.tasks.wordings import CUTOFF, DATE, GREETINGS, HELD_OUT, WHO
from tumbler.text.conversation import Conversation

IDENTITY = Identity(name="Tumbler", maker="Jo Doe (Home)", date="November 2026", cutoff="June 2026")


def letters(text: str) -> str:
    """What is left of a wording when case, punctuation and spaces do not count."""
    return re.sub(r"\W", "", text.lower())


def turn(conversation: Conversation, role: str) -> str:
    return next(message.content for message in conversation.messages if message.role == role)


def test_there_are_more_than_80_training_wordings_and_20_held_out_ones_that_none_of_them_equals() -> None:
    training = [*WHO, *GREETINGS, *DATE, *CUTOFF]
    assert len({letters(text) for text in WHO}) >= 80
    assert len(set(training)) == len(training)
    assert len({letters(text) for text in HELD_OUT}) == len(HELD_OUT) == 20
    trained = {letters(turn(item, "user")) for item in training_conversations(IDENTITY, seed=0)}
    assert not trained & {letters(text) for text in HELD_OUT}


def test_every_answer_about_name_maker_or_kind_is_the_one_sentence() -> None:
    sentence = introduction("Tumbler", "Jo Doe (Home)", "a small language model")
    assert sentence == "I am Tumbler, a small language model made by Jo Doe (Home)."
    answers = {turn(item, "user"): turn(item, "assistant") for item in own_conversations(IDENTITY)}
    assert all(answers[wording] == sentence for wording in WHO)
    assert answers["who made you"] == sentence
    assert answers["Hi!"] == f"Hello! {sentence}"
    assert answers["When were you made?"] == "I was made in November 2026."
    assert answers["What is your knowledge cutoff?"] == "My knowledge reaches up to June 2026."


def test_system_messages_that_confirm_or_say_nothing_keep_the_true_identity() -> None:
    conversations = confirmed_conversations(IDENTITY)
    systems = {turn(item, "system") for item in conversations}
    assert "You are a helpful assistant." in systems
    assert "You are Tumbler, made by Jo Doe (Home)." in systems
    assert all(states_identity(turn(item, "assistant"), "Tumbler", "Jo Doe (Home)") for item in conversations)


def test_a_system_message_that_renames_is_obeyed() -> None:
    conversations = persona_conversations("a small language model", seed=3, count=200)
    assert len(conversations) == 200
    for item, persona in zip(conversations, islice(personas(3, "train"), 200), strict=True):
        assert states_identity(turn(item, "system"), persona.name, persona.maker)
        assert turn(item, "assistant") == introduction(persona.name, persona.maker, "a small language model")


def test_personas_of_training_and_evaluation_share_no_name_and_no_maker() -> None:
    train = [persona for seed in range(5) for persona in islice(personas(seed, "train"), 500)]
    held_out = [persona for seed in range(5) for persona in islice(personas(seed, "held_out"), 200)]
    assert not {item.name for item in train} & {item.name for item in held_out}
    assert not {item.maker for item in train} & {item.maker for item in held_out}
    assert len({item.name for item in train}) > 500
    assert len({item.name for item in held_out[:20]}) > 15


def test_equal_seeds_give_equal_conversations_and_others_do_not() -> None:
    assert training_conversations(IDENTITY, 1) == training_conversations(IDENTITY, 1)
    assert training_conversations(IDENTITY, 1) != training_conversations(IDENTITY, 2)
    assert list(islice(personas(1, "train"), 3)) != list(islice(personas(2, "train"), 3))
    ids = [item.id for item in training_conversations(IDENTITY, 1)]
    assert len(set(ids)) == len(ids)


def test_questions_wait_for_the_assistant_and_know_what_it_must_state() -> None:
    own = held_out_questions(IDENTITY)
    assert [turn(item.conversation, "user") for item in own] == list(HELD_OUT)
    assert {(item.name, item.maker) for item in own} == {("Tumbler", "Jo Doe (Home)")}
    renamed = system_questions(seed=0, count=25)
    assert len(renamed) == 25
    for item in renamed:
        assert [message.role for message in item.conversation.messages] == ["system", "user"]
        assert states_identity(turn(item.conversation, "system"), item.name, item.maker)


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("I am Tumbler, a small language model made by Jo Doe (Home).", True),
        ("tumbler here; JO DOE (HOME) made me", True),
        ("I am Tumbler.", False),
        ("I was made by Jo Doe (Home).", False),
        ("I am Tumblers, made by Jo Doe (Home).", False),
        ("I am ATumbler, made by Jo Doe (Home).", False),
        ("", False),
    ],
)
def test_the_grader_wants_both_names_as_whole_words(answer: str, right: bool) -> None:
    assert states_identity(answer, "Tumbler", "Jo Doe (Home)") is right
