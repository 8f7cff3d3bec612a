"""Artifacts: folders with a plan (written first) and a manifest (written last).

A manifest means that the folder is whole. Between the two, a stage writes each file under a
temporary name and renames it; a file that is present is done, so a rerun goes on where it stopped.
The digest covers what was made and from what, never when: equal runs have equal digests.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import JsonValue

from tumbler import __version__
from tumbler.errors import UserError
from tumbler.executor import Executor
from tumbler.log import Log
from tumbler.recipe import Settings, toml_value
from tumbler.views import View, to_json

I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741
FORMAT: Final = 1
PLAN, MANIFEST, TEMPORARY = "plan.json", "manifest.json", ".tmp"
RECORDS: Final = ("views/", "resume/", "metrics.jsonl")
"""Files that tell about a run rather than being its result: listed in the manifest, not in the digest."""


@dataclass(frozen=True)
class Outcome:
    """What a stage's `run` returns: goes into the manifest."""

    kind: str
    """pages, documents, tokens, checkpoint, report, facts"""
    facts: Mapping[str, JsonValue]
    """Counts by name; what a person asks of this artifact first."""
    licences: tuple[str, ...] = ()
    """Licences of sources that enter the road here (those of the inputs are added)."""
    records: tuple[str, ...] = ()
    """Further files, beside RECORDS, that hold times or other things no two runs share."""


@dataclass(frozen=True)
class Artifact:
    """A finished folder (or a file from outside, which has no manifest: `kind` is then `outside`)."""

    path: Path
    kind: str
    digest: str
    manifest: Mapping[str, Any]

    @property
    def facts(self) -> Mapping[str, Any]:
        facts: Mapping[str, Any] = self.manifest.get("facts", {})
        return facts


def open_artifact(path: Path) -> Artifact:
    """The finished artifact in `path`; UserError when the folder is missing, unfinished or of a later format."""
    file = path / MANIFEST
    if not file.is_file():
        state = "was begun but not finished" if (path / PLAN).exists() else "is no artifact of tumbler"
        raise UserError(f"{path}: {state} (no {MANIFEST})" + ("; run its recipe again" if "begun" in state else ""))
    manifest = _read_json(file)
    if manifest.get("format") != FORMAT:
        raise UserError(f"{path}: artifact format {manifest.get('format')!r}, this tumbler reads {FORMAT}")
    return Artifact(path, manifest["kind"], manifest["digest"], manifest)


def open_outside(path: Path) -> Artifact:
    """A file or folder that tumbler did not make, as a stage's input; its digest is that of its bytes."""
    if (path / MANIFEST).is_file():
        return open_artifact(path)
    if not path.exists():
        raise UserError(f"{path}: no such step, file or folder")
    files = [path] if path.is_file() else sorted(item for item in path.rglob("*") if item.is_file())
    listing = [[str(item.relative_to(path.parent)), _sha256(item)] for item in files]
    return Artifact(path, "outside", _digest(listing), {})


def only(inputs: Sequence[Artifact], kind: str, stage: str) -> Artifact:
    """The one input of this kind; UserError when there is none or there are several."""
    found = [item for item in inputs if item.kind == kind]
    if len(found) != 1:
        given = ", ".join(f"{item.path.name} ({item.kind})" for item in inputs) or "none"
        raise UserError(f"{stage}: needs exactly one input of kind {kind!r}, has {len(found)} (inputs: {given})")
    return found[0]


@dataclass(frozen=True)
class Work:
    """An artifact in the making: where a stage writes, what it reads, whom it tells."""

    path: Path
    step: str
    stage: str
    settings: Settings
    inputs: tuple[Artifact, ...]
    executor: Executor
    log: Log

    @property
    def licences(self) -> list[str]:
        """Of the inputs, each once, in alphabetical order."""
        return sorted({licence for item in self.inputs for licence in item.manifest.get("licences", [])})

    def map(self, function: Callable[[I], O], items: Sequence[I], what: str) -> list[O]:
        """`function(item)` of each item, in the items' order, by the executor; progress tells how many are done.

        The function must pickle and may be called again for an item: a file that is there is done.
        """
        done = self.executor.completions(function, items, self.log.say)
        results = dict(self.log.track(done, what, len(items)))
        return [results[index] for index in range(len(items))]

    def has(self, name: str) -> bool:
        """Whether the file `name` was finished by this run or an earlier, interrupted one."""
        return (self.path / name).exists()

    @contextmanager
    def file(self, name: str) -> Iterator[Path]:
        """A temporary path to write `name` to; becomes `name` when the block ends without an error."""
        with replacing(self.path / name) as temporary:
            yield temporary

    def remove(self, name: str) -> None:
        """Remove a file or folder at one stroke: a kill midway leaves no half of it under its name."""
        path = self.path / name
        if path.exists():
            _remove(path.rename(path.with_name(path.name + TEMPORARY)))

    def view(self, name: str, view: View) -> None:
        with self.file(f"views/{name}.json") as path:
            path.write_text(to_json(view), encoding="utf-8")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file or folder whole or not at all: yields a temporary path, syncs it, renames it to `path`.

    The temporary name is this call's own: a worker that was given up for lost may still be writing the same file.
    """
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}{TEMPORARY}")
    temporary.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield temporary
        for file in [temporary, *temporary.rglob("*")] if temporary.is_dir() else [temporary]:
            _sync(file)
        if temporary.is_dir():
            _remove(path)
        temporary.replace(path)
    finally:
        _remove(temporary)
    _sync(path.parent)


def begin(
    path: Path, step: str, stage: str, settings: Settings, inputs: Sequence[Artifact], executor: Executor, log: Log
) -> Work:
    """Start, or go on with, the artifact in `path`.

    Raises UserError when the folder was begun under another plan, naming the keys that differ.
    """
    plan = _plan(step, stage, settings, inputs)
    if (path / PLAN).exists():
        _refuse_other_plan(path, _read_json(path / PLAN), plan)
        if not log.silent:
            _remove_leftovers(path)
    elif path.exists() and any(item for item in path.iterdir() if not item.name.endswith(TEMPORARY)):
        raise UserError(f"{path}: holds files but no {PLAN}; give another folder with --out")
    else:
        path.mkdir(parents=True, exist_ok=True)
        _write_json(path / PLAN, plan)
    return Work(path, step, stage, settings, tuple(inputs), executor, log)


def finish(work: Work, outcome: Outcome, seconds: float) -> Artifact:
    """Write the manifest: the folder is whole now. `seconds` is the time this run worked on it."""
    _remove_leftovers(work.path)
    files = {}
    for path in sorted(item for item in work.path.rglob("*") if item.is_file()):
        name = path.relative_to(work.path).as_posix()
        if name not in (PLAN, MANIFEST):
            files[name] = {"bytes": path.stat().st_size, "sha256": _sha256(path)}
    records = (*RECORDS, *outcome.records)
    covered = {
        "kind": outcome.kind,
        "format": FORMAT,
        "stage": work.stage,
        "settings": work.settings.model_dump(mode="json"),
        "inputs": [item.digest for item in work.inputs],
        "files": {name: entry["sha256"] for name, entry in files.items() if not name.startswith(records)},
    }
    manifest = {
        "kind": outcome.kind,
        "format": FORMAT,
        "digest": _digest(covered),
        "step": work.step,
        "stage": work.stage,
        "settings": covered["settings"],
        "inputs": [{"path": os.path.relpath(item.path, work.path), "digest": item.digest} for item in work.inputs],
        "facts": dict(outcome.facts),
        "licences": sorted({*work.licences, *outcome.licences}),
        "files": files,
        "seconds": round(seconds, 2),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "tumbler": __version__,
    }
    _write_json(work.path / MANIFEST, manifest)
    return open_artifact(work.path)


def present(path: Path, step: str, stage: str, settings: Settings, inputs: Sequence[Artifact]) -> Artifact | None:
    """The finished artifact in `path` if there is one; UserError if it was made under another plan."""
    if not (path / MANIFEST).is_file():
        return None
    _refuse_other_plan(path, _read_json(path / PLAN), _plan(step, stage, settings, inputs))
    return open_artifact(path)


def lineage(artifact: Artifact) -> list[Artifact]:
    """The artifact and all that it was made from, nearest first, each once; what is gone is left out."""
    found: dict[Path, Artifact] = {}
    queue = [artifact]
    while queue:
        item = queue.pop(0)
        if item.path.resolve() in found:
            continue
        found[item.path.resolve()] = item
        for entry in item.manifest.get("inputs", []):
            path = Path(os.path.normpath(item.path / entry["path"]))
            if (path / MANIFEST).is_file():
                queue.append(open_artifact(path))
    return list(found.values())


def discard(path: Path) -> None:
    """Remove a folder that tumbler made (one with a plan); UserError for any other."""
    if path.exists() and not (path / PLAN).exists():
        raise UserError(f"{path}: has no {PLAN}, so tumbler did not make it and will not remove it")
    _remove(path)


def _plan(step: str, stage: str, settings: Settings, inputs: Sequence[Artifact]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "step": step,
        "stage": stage,
        "settings": settings.model_dump(mode="json"),
        "inputs": [item.digest for item in inputs],
    }


def _refuse_other_plan(path: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    if old == new:
        return
    before, after = old["settings"], new["settings"]
    changes = [
        f"{key} {toml_value(before.get(key))} -> {toml_value(after.get(key))}"
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    ]
    changes += [key for key in ("format", "stage", "step", "inputs") if old.get(key) != new[key]]
    raise UserError(
        f"{path}: was begun under another plan ({'; '.join(changes)}). Give another folder with --out, "
        f"or add --redo {new['step']} to throw this step and those after it away"
    )


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error}); the folder is damaged, remove it") from error
    if not isinstance(value, dict):
        raise UserError(f"{path}: not a JSON object; the folder is damaged, remove it")
    return value


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left half written."""
    for leftover in list(folder.rglob("*" + TEMPORARY)):
        _remove(leftover)
