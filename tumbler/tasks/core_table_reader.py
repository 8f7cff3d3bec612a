"""What a bundle asks and how: its `core.yaml` (tasks) and `eval_meta_data.csv` (what guessing reaches)."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Annotated, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tumbler.errors import UserError
from tumbler.tasks.core_table import Kind, TaskSpec

Place = Path | zipfile.Path
Text = Annotated[str, Field(pattern=r"\S")]
LARGEST_TABLE: Final = 2**17
"""Bytes; nanochat's tables have 4,000 and 18,000."""
LABEL: Final = "Eval Task"
BASELINE: Final = "Random baseline"


class _Listed(BaseModel):
    """A task of core.yaml. An unknown key could change what is asked, so none is passed over."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    label: Text
    dataset_uri: Text
    num_fewshot: list[Annotated[int, Field(ge=0)]] = Field(min_length=1, max_length=1)
    icl_task_type: Kind
    continuation_delimiter: str = " "
    has_categories: bool = False
    """MosaicML's harness reports such a task by category too; here it is one task."""


class _Table(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    icl_tasks: list[_Listed]


def read_specs(bundle: Place) -> tuple[TaskSpec, ...]:
    """The tasks that a bundle's folder lists. Raises UserError that names the file and the task or line."""
    table, baselines = bundle / "core.yaml", dict(_baselines(bundle / "eval_meta_data.csv"))
    text = _text(table)
    try:
        listed = _Table.model_validate(yaml.safe_load(text)).icl_tasks
    except ValidationError as error:
        raise UserError(f"{table}: not a list of tasks: {first_problem(error)}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UserError(f"{table}: not valid YAML: {' '.join(str(error).split())}") from error
    return tuple(_spec(task, baselines, f"{table}: icl_tasks.{number}") for number, task in enumerate(listed))


def first_problem(error: ValidationError) -> str:
    """The first of what is wrong, on one line."""
    detail = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, detail["loc"]))
    return " ".join(f"{place}: {detail['msg']}".removeprefix(": ").split())


def _spec(task: _Listed, baselines: dict[str, float], where: str) -> TaskSpec:
    file = PurePosixPath(task.dataset_uri)
    if file.is_absolute() or ".." in file.parts:
        raise UserError(f"{where}: dataset_uri is {task.dataset_uri!r}; it must be a path inside eval_data")
    if task.label not in baselines:
        raise UserError(f"{where}: eval_meta_data.csv has no {BASELINE!r} for {task.label!r}; add its row")
    return TaskSpec(
        label=task.label,
        file=str(file),
        kind=task.icl_task_type,
        shots=task.num_fewshot[0],
        baseline=baselines[task.label],
        delimiter=task.continuation_delimiter,
    )


def _baselines(path: Place) -> Iterator[tuple[str, float]]:
    """(label, 0 to 1) of each row that says, in percent, what guessing reaches."""
    rows = csv.DictReader(io.StringIO(_text(path), newline=""))
    try:
        if not {LABEL, BASELINE} <= set(rows.fieldnames or ()):
            raise UserError(f"{path}: must have the columns {LABEL!r} and {BASELINE!r}")
        for row in rows:
            if row[BASELINE]:
                yield row[LABEL], _share(row[BASELINE], f"{path}:{rows.line_num}")
    except csv.Error as error:
        raise UserError(f"{path}:{rows.line_num}: not valid CSV: {error}") from error


def _share(percent: str, where: str) -> float:
    try:
        share = float(percent) / 100
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise UserError(f"{where}: {BASELINE!r} is {percent[:40]!r}; it must be a number from 0 to less than 100")
    return share


def _text(path: Place) -> str:
    if not path.is_file():
        raise UserError(f"{path}: missing; a bundle has core.yaml, eval_meta_data.csv and eval_data beside each other")
    with path.open("rb") as file:
        content: bytes = file.read(LARGEST_TABLE + 1)
    if len(content) > LARGEST_TABLE:
        raise UserError(f"{path}: must have at most {LARGEST_TABLE:,} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8: {error}") from error
