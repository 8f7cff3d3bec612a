"""Which questions are drawn and which answers are shown."""

from __future__ import annotations

from tumbler.eval.examining import Introduced, chosen, drawn, wrong_answers
from tumbler.eval.measures import Answered
from tumbler.tasks.identity import IdentityQuestion
from tumbler.tasks.question import Question
from tumbler.text.conversation import Conversation, Message


def questions(group: str, count: int) -> list[Question]:
    return [Question(f"{group}{n}", f"{group} {n}?", str(n), f"relation {n % 3}", str(n), group) for n in range(count)]


def test_each_group_gives_at_most_so_many_questions_in_their_order() -> None:
    given = questions("asked", 50) + questions("never_asked", 4)
    picked = drawn(given, 10, seed=1)
    assert len(picked) == 14
    assert picked == [question for question in given if question in picked]


def test_the_seed_draws_the_questions() -> None:
    given = questions("asked", 50)
    assert drawn(given, 10, seed=1) == drawn(given, 10, seed=1) != drawn(given, 10, seed=2)


def test_without_a_limit_all_are_asked() -> None:
    given = questions("asked", 50)
    assert drawn(given, None, seed=1) == given


def test_shown_answers_come_from_both_groups_and_different_relations_right_or_wrong() -> None:
    answers = [Answered(item, "") for group in ("asked", "never_asked", "left_out") for item in questions(group, 9)]
    shown = chosen(answers, seed=4)
    assert [item.question.group for item in shown] == ["asked", "never_asked", "asked"]
    assert len({item.question.relation for item in shown}) == 3
    right = [Answered(item.question, item.question.answer) for item in answers]
    assert [item.question for item in chosen(right, seed=4)] == [item.question for item in shown]


def test_few_answers_give_few_to_show() -> None:
    assert chosen([], seed=1) == []
    assert len(chosen([Answered(item, "") for item in questions("asked", 1)], seed=1)) == 1


def test_wrong_answers_are_shown_with_what_was_expected() -> None:
    answers = [Answered(item, item.answer if item.id == "asked0" else "no") for item in questions("asked", 3)]
    assert [note for _, _, note in wrong_answers(answers, most=1)] == ["countries asked about in SFT; wrong: 1"]


def test_an_introduction_is_right_with_name_and_maker_and_shows_its_system_message() -> None:
    turns = (Message("system", "You are Pip."), Message("user", "Who are you?"))
    question = IdentityQuestion(Conversation(turns, ""), "Pip", "Quill")
    assert Introduced(question, "I am Pip, made by Quill.").right
    assert not Introduced(question, "I am Pip.").right
    assert Introduced(question, "").prompt == "You are Pip. ▸ Who are you?"
