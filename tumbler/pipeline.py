"""From a recipe to artifacts: runs the steps in order, skips what is done, goes on where a kill stopped.

Stages are named here as strings and imported when a recipe needs them.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_type_hints

from tumbler import artifact
from tumbler.artifact import Artifact, Outcome, Work
from tumbler.device import rank, world
from tumbler.errors import Failure, UserError
from tumbler.executor import Executor, ExecutorSettings, disk_full
from tumbler.forecast import Planned
from tumbler.imports import spare_pandas
from tumbler.log import Log
from tumbler.recipe import Recipe, Settings, Step, nearest, validate

STAGES: Final = ("almanac", "crawl", "corpus", "tokens", "pretrain", "sft", "eval")
"""In the order in which the data flows. Each is `tumbler/<name>/stage.py` with a function `run`."""

SPREAD: Final = ("crawl", "corpus")
"""Stages that give work to the executor as soon as they begin."""
TOGETHER: Final = ("pretrain", "sft")
"""Stages that all processes of a torchrun do together; the others are done by the first alone."""
WAIT_SECONDS: Final = 0.5

Run = Callable[[Settings, Work], Outcome]
Tell = Callable[[Settings, Sequence[Planned]], Planned]


@dataclass(frozen=True)
class Finished:
    """A step that is done: `fresh` when this call did it, false when it was there already."""

    step: Step
    artifact: Artifact
    fresh: bool


def stage_run(stage: str) -> Run:
    if stage not in STAGES:
        raise UserError(f"no stage {stage!r}{nearest(stage, STAGES)}; stages: {', '.join(STAGES)}")
    run: Run = importlib.import_module(f"tumbler.{stage}.stage").run
    return run


def settings_of(stage: str) -> type[Settings]:
    """The settings class of a stage: the annotation of its run function's first parameter."""
    settings_class: type[Settings] = get_type_hints(stage_run(stage))["settings"]
    return settings_class


def executor_of(raw: Mapping[str, Any], out: Path) -> Executor:
    """The executor of a recipe's tables. Its workers load the stages that spread their work while the caller does."""
    executor = Executor.of(validate(ExecutorSettings, raw.get("executor", {}), "executor"), out)
    stages = [str(step.get("stage")) for step in raw.get("step", ()) if isinstance(step, Mapping)]
    modules = [f"tumbler.{stage}.stage" for stage in SPREAD if stage in stages]
    if modules:
        executor.prepare(modules)
    return executor


def run_recipe(
    recipe: Recipe,
    out: Path,
    to: str | None = None,
    fork: Path | None = None,
    redo: str | None = None,
    executor: Executor | None = None,
) -> Iterator[Finished]:
    """Run the steps of `recipe` into `out`/<step>, one Finished each, up to and including the step `to`.

    `fork` is an artifact of another run: it and its ancestors stand in for the steps of the same names.
    `redo` throws the folder of that step, and of all steps after it, away first.
    """
    last = len(recipe.steps) if to is None else _position(recipe.steps, to) + 1
    done = _forked(fork, recipe) if fork else {}
    executor = executor or Executor.of(validate(ExecutorSettings, recipe.executor, "executor"), out)
    if redo is not None and world() > 1:
        raise UserError("--redo throws away what other processes may be reading; run it once without torchrun first")
    if redo is not None:
        for step in recipe.steps[_position(recipe.steps, redo) :]:
            artifact.discard(out / step.name)
    with executor:
        for step in recipe.steps[:last]:
            if step.name in done:
                yield Finished(step, done[step.name], fresh=False)
                continue
            inputs = [done[name] if name in done else _outside(name, step, recipe) for name in step.inputs]
            finished = run_step(step, inputs, out / step.name, executor)
            done[step.name] = finished.artifact
            yield finished


def run_step(
    step: Step, inputs: Sequence[Artifact], path: Path, executor: Executor, run: Run | None = None
) -> Finished:
    """Run one step into `path`, or find that it is done already. `run`: of a step that no recipe has."""
    there = artifact.present(path, step.name, step.stage, step.settings, inputs)
    if there is not None:
        return Finished(step, there, fresh=False)
    if rank() > 0:
        return Finished(step, _followed(step, inputs, path, executor), fresh=True)
    log = Log(step.name, path / "metrics.jsonl")
    begun = time.monotonic()
    try:
        spare_pandas()
        work = artifact.begin(path, step.name, step.stage, step.settings, inputs, executor, log)
        outcome = (run or stage_run(step.stage))(step.settings, work)
        made = artifact.finish(work, outcome, time.monotonic() - begun)
    except OSError as error:
        if not disk_full(error):
            raise
        full = f"{step.name}: disk full at {error.filename or path} ({os.strerror(error.errno or 0)})"
        raise Failure(f"{full}; free space and run the same command again, it goes on from here") from error
    return Finished(step, made, fresh=True)


def forecast(recipe: Recipe) -> Iterator[tuple[Step, Planned]]:
    """Each step with what it will make and take; none is run. A stage that can tell has a module `forecast`."""
    planned: dict[str, Planned] = {}
    for step in recipe.steps:
        inputs = [planned.get(name) or Planned("outside", path=Path(name)) for name in step.inputs]
        module = f"tumbler.{step.stage}.forecast"
        found = importlib.util.find_spec(module) is not None
        tell: Tell | None = importlib.import_module(module).forecast if found else None
        planned[step.name] = tell(step.settings, inputs) if tell else Planned(step.stage)
        yield step, planned[step.name]


def _followed(step: Step, inputs: Sequence[Artifact], path: Path, executor: Executor) -> Artifact:
    """What a process of a torchrun that is not the first does: its part of the work, or wait for the first's."""
    if step.stage in TOGETHER:
        _await(path / artifact.PLAN)
        log = Log(step.name, path / "metrics.jsonl", silent=True)
        work = artifact.begin(path, step.name, step.stage, step.settings, inputs, executor, log)
        stage_run(step.stage)(step.settings, work)
    _await(path / artifact.MANIFEST)
    return artifact.open_artifact(path)


def _await(file: Path) -> None:
    """torchrun ends all processes when the first fails, so nobody waits for ever."""
    while not file.exists():
        time.sleep(WAIT_SECONDS)


def _position(steps: Sequence[Step], name: str) -> int:
    names = [step.name for step in steps]
    if name not in names:
        raise UserError(f"no step {name!r}{nearest(name, names)}; steps: {', '.join(names)}")
    return names.index(name)


def _forked(path: Path, recipe: Recipe) -> dict[str, Artifact]:
    """The artifact in `path` and its ancestors, by the names of the steps that made them."""
    start = artifact.open_artifact(path)
    names = {step.name for step in recipe.steps}
    if start.manifest["step"] not in names:
        raise UserError(f"--from {path}: made by step {start.manifest['step']!r}, which {recipe.name} does not have")
    found: dict[str, Artifact] = {}
    for item in artifact.lineage(start):
        if item.manifest["step"] in names:
            found.setdefault(item.manifest["step"], item)
    return found


def _outside(name: str, step: Step, recipe: Recipe) -> Artifact:
    later = [other.name for other in recipe.steps]
    if name in later:
        raise UserError(f"{step.name}: input {name!r} is made by a step that comes later; move it up in the recipe")
    if not Path(name).exists():
        raise UserError(f"{step.name}: input {name!r} is no earlier step and no path{nearest(name, later)}")
    return artifact.open_outside(Path(name))
