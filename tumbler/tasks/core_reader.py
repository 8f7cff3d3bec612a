"""CORE's examples from a folder or a .zip of it, which is read where it lies; nothing in it is trusted.

Two layouts: DCLM's bundle as nanochat ships it (`core.yaml`, `eval_meta_data.csv`, `eval_data/`), whose table says
what is asked how; or MosaicML's sets alone (`world_knowledge/arc_easy.jsonl`, ...), asked as `core_table` says.
Either may lie one folder down.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tumbler.errors import UserError
from tumbler.tasks.core import Core, Task
from tumbler.tasks.core_prompts import Example
from tumbler.tasks.core_table import CORE_TASKS, Kind, TaskSpec
from tumbler.tasks.core_table_reader import Place, Text, first_problem, read_specs

LONGEST_LINE: Final = 2**20
"""Bytes of one example; the longest of CORE's has 6,000."""
LARGEST_FILE: Final = 2**27
"""Bytes of one set: a small .zip may unpack to anything. The largest of CORE's has 20 million."""
ZIP_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class _Row(BaseModel):
    """A line of a set; keys beyond those that its kind needs (`category`, `aliases`) tell nothing that is asked."""

    model_config = ConfigDict(strict=True, frozen=True)


class _MultipleChoice(_Row):
    query: str
    choices: list[Text] = Field(min_length=2)
    gold: int = Field(ge=0)

    def example(self) -> Example:
        return Example(tuple((self.query, choice) for choice in self.choices), self.gold)


class _Schema(_Row):
    context_options: list[str] = Field(min_length=2)
    continuation: Text
    gold: int = Field(ge=0)

    def example(self) -> Example:
        return Example(tuple((context, self.continuation) for context in self.context_options), self.gold)


class _LanguageModeling(_Row):
    context: str
    continuation: Text

    def example(self) -> Example:
        return Example(((self.context.strip(), self.continuation),), 0)


ROWS: Final[dict[Kind, type[_MultipleChoice | _Schema | _LanguageModeling]]] = {
    "multiple_choice": _MultipleChoice,
    "schema": _Schema,
    "language_modeling": _LanguageModeling,
}


def read_core(path: Path) -> Core:
    """All tasks of a folder or .zip. Raises UserError that names the file and line which breaks a rule."""
    with _opened(path) as top:
        roots = [top, *sorted((place for place in top.iterdir() if place.is_dir()), key=str)]
        bundle = next((root for root in roots if (root / "core.yaml").is_file()), None)
        if bundle is None:
            specs, sets = CORE_TASKS, max(roots, key=lambda root: len(_present(CORE_TASKS, root)))
        else:
            specs, sets = read_specs(bundle), bundle / "eval_data"
        tasks = _tasks(_present(specs, sets), sets)
    if not tasks:
        raise UserError(f"{path}: holds none of CORE's sets; give eval_bundle.zip, or a folder or .zip like it")
    return Core(tasks, _missing(specs, tasks))


@contextmanager
def _opened(path: Path) -> Iterator[Place]:
    if path.is_dir():
        yield path
        return
    if not path.is_file():
        raise UserError(f"{path}: no such folder or .zip file")
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if member.flag_bits & 1 or member.compress_type not in ZIP_METHODS:
                    raise UserError(f"{path}: {member.filename!r} is encrypted or not deflated; pack it plainly")
            yield zipfile.Path(archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        raise UserError(f"{path}: no .zip file, or damaged ({error}); fetch it again") from error


def _present(specs: Sequence[TaskSpec], sets: Place) -> list[TaskSpec]:
    return [spec for spec in specs if (sets / spec.file).is_file()]


def _missing(specs: Sequence[TaskSpec], tasks: Sequence[Task]) -> tuple[str, ...]:
    """Of CORE's 22 tasks; or of a table's own, where it lists others."""
    core, listed = ([spec.label for spec in table] for table in (CORE_TASKS, specs))
    present = {task.spec.label for task in tasks}
    wanted = core if set(listed) <= set(core) else listed
    return tuple(label for label in wanted if label not in present)


def _tasks(specs: Sequence[TaskSpec], sets: Place) -> tuple[Task, ...]:
    read = {(spec.file, spec.kind): tuple(_examples(sets / spec.file, spec.kind)) for spec in specs}
    tasks = tuple(Task(spec, read[spec.file, spec.kind]) for spec in specs)
    for task in tasks:
        if len(task.examples) <= task.spec.shots:
            raise UserError(
                f"{sets / task.spec.file}: has {len(task.examples)} examples; {task.spec.label} shows "
                f"{task.spec.shots} others before each, so it needs {task.spec.shots + 1} at least"
            )
    return tasks


def _examples(path: Place, kind: Kind) -> Iterator[Example]:
    for number, line in _lines(path):
        where = f"{path}:{number}"
        try:
            example = ROWS[kind].model_validate_json(line).example()
        except ValidationError as error:
            raise UserError(f"{where}: not a {kind} example: {first_problem(error)}") from error
        if example.gold >= len(example.options):
            raise UserError(f"{where}: gold is {example.gold}, but there are {len(example.options)} options from 0 on")
        yield example


def _lines(path: Place) -> Iterator[tuple[int, bytes]]:
    """(number, line) of each line that is not blank."""
    size = 0
    with path.open("rb") as file:
        for number in count(1):
            line = file.readline(LONGEST_LINE + 1)
            size += len(line)
            if len(line) > LONGEST_LINE or size > LARGEST_FILE:
                raise UserError(f"{path}:{number}: at most {LONGEST_LINE:,} bytes a line and {LARGEST_FILE:,} in all")
            if not line:
                return
            if line.strip():
                yield number, line
