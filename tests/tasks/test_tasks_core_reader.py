"""CORE's reader: a bundle or bare sets, a folder or a .zip, and what is wrong in them, by file and line."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest

from tumbler.errors import UserError
from tumbler.tasks.core import Core
from tumbler.tasks.core_prompts import Example
from tumbler.tasks.core_reader import read_core
from tumbler.tasks.core_table import CORE_TASKS, TaskSpec

CHOICE = {"query": "q", "choices": ["a", "b"], "gold": 1, "category": "x"}
SCHEMA = {"context_options": ["a", "b"], "continuation": "c", "gold": 0}
FREE = {"context": " c\n", "continuation": "d"}
COPA = "commonsense_reasoning/copa.jsonl"
WINOGRAD = "language_understanding/winograd_wsc.jsonl"
LAMBADA = "language_understanding/lambada_openai.jsonl"
SETS = {COPA: [CHOICE, CHOICE], WINOGRAD: [SCHEMA], LAMBADA: [FREE]}
TABLE = """icl_tasks:
-
  label: copa
  dataset_uri: commonsense_reasoning/copa.jsonl
  num_fewshot: [1]
  icl_task_type: multiple_choice
  continuation_delimiter: "\\nAnswer: " # this separates questions from answers
-
  label: winograd
  dataset_uri: language_understanding/winograd_wsc.jsonl
  num_fewshot: [0]
  icl_task_type: schema
  has_categories: true
-
  label: squad
  dataset_uri: reading_comprehension/squad.jsonl
  num_fewshot: [10]
  icl_task_type: language_modeling
"""
BASELINES = (
    'Eval Task,#shots,Random baseline,Description\ncopa,0,50,"two, \nlines"\nwinograd,0,49.5,\nsquad,0,0,\nbbq,3,,\n'
)
BUNDLE = {"core.yaml": TABLE, "eval_meta_data.csv": BASELINES}


def jsonl(rows: list[dict[str, object]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def bundle() -> dict[str, str]:
    return {**BUNDLE, **{f"eval_data/{name}": jsonl(rows) for name, rows in SETS.items()}}


def bare() -> dict[str, str]:
    return {name: jsonl(rows) for name, rows in SETS.items()}


def unpacked(files: dict[str, str], folder: Path) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def packed(files: dict[str, str], path: Path, inside: str = "") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(inside + name, content)
    return path


def everywhere(files: dict[str, str], tmp_path: Path) -> list[Core]:
    """What is read of a folder, of a folder around it, of a .zip, and of a .zip of a folder."""
    unpacked(files, tmp_path / "around" / "folder")
    places = [tmp_path / "around" / "folder", tmp_path / "around"]
    places += [packed(files, tmp_path / "a.zip"), packed(files, tmp_path / "b.zip", "eval_bundle/")]
    return [read_core(place) for place in places]


def test_a_bundle_says_what_is_asked_how(tmp_path: Path) -> None:
    first, *others = everywhere(bundle(), tmp_path)
    copa, winograd = first.tasks
    assert copa.spec == TaskSpec("copa", COPA, "multiple_choice", 1, 0.5, "\nAnswer: ")
    assert winograd.spec == TaskSpec("winograd", WINOGRAD, "schema", 0, 0.495, " ")
    assert copa.examples == (Example((("q", "a"), ("q", "b")), 1),) * 2
    assert winograd.examples == (Example((("a", "c"), ("b", "c")), 0),)
    assert others == [first] * 3


def test_bare_sets_are_asked_as_core_asks_them(tmp_path: Path) -> None:
    first, *others = everywhere(bare(), tmp_path)
    assert [task.spec for task in first.tasks] == [spec for spec in CORE_TASKS if spec.file in SETS]
    assert first.tasks[1].examples == (Example((("c", "d"),), 0),)
    assert others == [first] * 3


def test_the_tasks_of_the_22_that_are_not_there_are_named(tmp_path: Path) -> None:
    for files, present in ((bundle(), ["copa", "winograd"]), (bare(), ["copa", "lambada_openai", "winograd"])):
        core = read_core(packed(files, tmp_path / "core.zip"))
        assert [task.spec.label for task in core.tasks] == present
        assert core.missing == tuple(spec.label for spec in CORE_TASKS if spec.label not in present)


def test_a_bundle_of_other_tasks_misses_only_its_own(tmp_path: Path) -> None:
    files = {name: content.replace("copa", "my_copa") for name, content in bundle().items()}
    assert read_core(packed(files, tmp_path / "core.zip")).missing == ("my_copa", "squad")


def test_core_has_22_tasks_of_21_files_and_no_two_labels_are_equal() -> None:
    assert len({spec.label for spec in CORE_TASKS}) == len(CORE_TASKS) == 22
    assert len({spec.file for spec in CORE_TASKS}) == 21


@pytest.mark.parametrize(
    ("name", "line", "error"),
    [
        (COPA, "{", "not a multiple_choice example: Invalid JSON"),
        (COPA, "[" * 100_000, "not a multiple_choice example: Invalid JSON"),
        (COPA, "[]", "not a multiple_choice example: Input should be an object"),
        (COPA, jsonl([{**CHOICE, "query": 5}]), "query: Input should be a valid string"),
        (COPA, jsonl([{**CHOICE, "choices": ["a"]}]), "choices: List should have at least 2 items"),
        (COPA, jsonl([{**CHOICE, "choices": ["a", " "]}]), "choices.1: String should match"),
        (COPA, jsonl([{**CHOICE, "gold": 2}]), "gold is 2, but there are 2 options"),
        (COPA, jsonl([{**CHOICE, "gold": -1}]), "gold: Input should be greater"),
        (COPA, jsonl([{**CHOICE, "gold": True}]), "gold: Input should be a valid integer"),
        (COPA, jsonl([FREE]), "query: Field required"),
        (COPA, '{"query": "\\ud800"}', "Invalid JSON"),
        (WINOGRAD, jsonl([{**SCHEMA, "context_options": "ab"}]), "context_options: Input should be a valid array"),
        (LAMBADA, jsonl([{**FREE, "continuation": "\n"}]), "continuation: String should match"),
    ],
)
def test_a_wrong_line_is_an_error_that_names_it(tmp_path: Path, name: str, line: str, error: str) -> None:
    files = {**bare(), name: "\n" + bare()[name] + line}
    number = files[name].rstrip("\n").count("\n") + 1
    for place in (unpacked(files, tmp_path / "sets"), packed(files, tmp_path / "sets.zip")):
        with pytest.raises(UserError, match=f"^{re.escape(f'{place}/{name}:{number}')}: .*{error}") as raised:
            read_core(place)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("core.yaml", "icl_tasks: [", "core.yaml: not valid YAML: while parsing"),
        ("core.yaml", "[" * 2_000, "core.yaml: not valid YAML: maximum recursion"),
        ("core.yaml", "icl_tasks: 2020-99-99", "core.yaml: not valid YAML: month must be"),
        ("core.yaml", "tasks: []", "core.yaml: not a list of tasks: icl_tasks: Field required"),
        ("core.yaml", "#" * 2**17 + "\n", "core.yaml: must have at most 131,072 bytes"),
        ("core.yaml", TABLE.replace("schema", "essay"), "icl_tasks.1.icl_task_type: Input should be 'multiple_choice'"),
        ("core.yaml", TABLE.replace("[1]", "[0, 5]"), "icl_tasks.0.num_fewshot: List should have at most 1 item"),
        ("core.yaml", TABLE.replace("[1]", "[-1]"), "icl_tasks.0.num_fewshot.0: Input should be greater"),
        ("core.yaml", TABLE.replace("has_categories", "prelimiter"), "icl_tasks.1.prelimiter: Extra inputs"),
        ("core.yaml", TABLE.replace("commonsense_reasoning", "../secret"), "icl_tasks.0: dataset_uri is '../secret"),
        ("core.yaml", TABLE.replace("commonsense_reasoning", "/secret"), "icl_tasks.0: dataset_uri is '/secret"),
        ("core.yaml", TABLE.replace("label: copa", "label: cop"), "icl_tasks.0: eval_meta_data.csv has no 'Random"),
        ("core.yaml", TABLE.replace("[1]", "[2]"), "copa.jsonl: has 2 examples; copa shows 2 others before each"),
        ("eval_meta_data.csv", "a,b\n1,2\n", "eval_meta_data.csv: must have the columns 'Eval Task' and"),
        ("eval_meta_data.csv", BASELINES.replace("49.5", "100"), r"csv:4: 'Random baseline' is '100'; it must be"),
        ("eval_meta_data.csv", BASELINES.replace("49.5", "half"), r"csv:4: 'Random baseline' is 'half'; it must be"),
        ("eval_meta_data.csv", BASELINES.replace("49.5", "nan"), r"csv:4: 'Random baseline' is 'nan'; it must be"),
    ],
)
def test_a_wrong_table_is_an_error_that_names_what_is_wrong(
    tmp_path: Path, name: str, content: str, error: str
) -> None:
    with pytest.raises(UserError, match=error) as raised:
        read_core(packed({**bundle(), name: content}, tmp_path / "core.zip"))
    assert "\n" not in str(raised.value)


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("text")
    files = {"other.jsonl": "{}\n"}
    for place, error in (
        (tmp_path / "nowhere", "nowhere: no such folder or .zip file"),
        (tmp_path / "text.zip", "text.zip: no .zip file, or damaged"),
        (packed(files, tmp_path / "other.zip"), "other.zip: holds none of CORE's sets"),
        (unpacked(files, tmp_path / "other"), "other: holds none of CORE's sets"),
        (unpacked({"core.yaml": TABLE}, tmp_path / "half"), "eval_meta_data.csv: missing"),
    ):
        with pytest.raises(UserError, match=error):
            read_core(place)


def test_a_zip_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"copa\.jsonl:1: at most 1,048,576 bytes a line"):
        read_core(packed({COPA: " " * 2**22}, tmp_path / "line.zip"))
    monkeypatch.setattr("tumbler.tasks.core_reader.LARGEST_FILE", 1000)
    with pytest.raises(UserError, match=r"copa\.jsonl:\d+: at most .* 1,000 in all"):
        read_core(packed({COPA: jsonl([CHOICE] * 100)}, tmp_path / "lines.zip"))


def test_other_packings_are_refused_in_a_line(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "core.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr(COPA, "{}")
    with pytest.raises(UserError, match="is encrypted or not deflated"):
        read_core(tmp_path / "core.zip")


def test_a_zip_damaged_in_any_byte_is_read_or_refused_in_a_line(tmp_path: Path) -> None:
    content = packed(bundle(), tmp_path / "core.zip").read_bytes()
    for place in range(len(content)):
        (tmp_path / "core.zip").write_bytes(content[:place] + b"\xff" + content[place + 1 :])
        try:
            assert read_core(tmp_path / "core.zip").tasks
        except UserError as error:
            assert "\n" not in str(error)
