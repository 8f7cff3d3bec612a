"""Questions: a strict reader, an exact grader, and a baseline that never looks at the question's subject."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tumbler.errors import UserError
from tumbler.tasks.question import Question, exact_match, majority_accuracy, majority_answers, read_questions

ROW = {"id": "1", "prompt": "p", "answer": "a", "relation": "r", "subject": "s", "group": "asked"}


def question(relation: str, subject: str, answer: str, id: str = "") -> Question:
    return Question(id, f"{relation} of {subject}?", answer, relation, subject, "asked")


def test_questions_come_back_as_written(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text(json.dumps(ROW) + "\n\n")
    assert list(read_questions(path)) == [Question("1", "p", "a", "r", "s", "asked")]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("{", r"questions\.jsonl:2: not valid JSON"),
        ("[]", r"questions\.jsonl:2: a question must have exactly the keys id, prompt, answer"),
        (json.dumps({**ROW, "extra": "x"}), "must have exactly the keys"),
        (json.dumps({**ROW, "answer": 5}), "questions.jsonl:2: 'answer' must be a text"),
    ],
)
def test_a_wrong_line_is_an_error_that_names_it(tmp_path: Path, line: str, error: str) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text(json.dumps(ROW) + "\n" + line + "\n")
    with pytest.raises(UserError, match=error):
        list(read_questions(path))


def test_only_white_space_may_differ() -> None:
    assert exact_match("Its capital is Paris.", " Its capital is Paris.\n")
    assert not exact_match("Its capital is Paris.", "Its capital is paris.")
    assert not exact_match("Its capital is Paris.", "Its capital is Paris. Yes.")
    assert not exact_match("Its capital is Paris.", "")


def test_the_majority_answer_fills_in_the_subject_and_counts_each_fact_once() -> None:
    training = [
        question("region", "Mali", "Mali lies in Africa."),
        question("region", "Chad", "Chad lies in Africa."),
        *[question("region", "Peru", "Peru lies in America.", str(n)) for n in range(5)],
        question("code", "Mali", "223"),
        question("code", "Chad", "221"),
    ]
    answers = majority_answers(training)
    assert answers == {"region": "{subject} lies in Africa.", "code": "221"}
    asked = [
        question("region", "Togo", "Togo lies in Africa."),
        question("region", "Cuba", "Cuba lies in America."),
        question("code", "Togo", "221"),
        question("anthem", "Togo", "x"),
    ]
    assert majority_accuracy(answers, asked) == 0.5
    assert majority_accuracy(answers, []) == 0.0
