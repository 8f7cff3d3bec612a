"""Recipes: TOML -> an ordered list of named steps, each with the frozen settings of its stage.

A recipe knows no stage: the caller passes `settings_of`, which maps a stage's name to the class of
its settings. Parsing is strict: an unknown key or a value of the wrong type is one line that says
where, what, which rule and what to do.
"""

from __future__ import annotations

import ast
import difflib
import functools
import inspect
import json
import math
import sys
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticUndefined

from tumbler.errors import UserError


class Settings(BaseModel):
    """Base of every stage's settings: frozen, strict, no unknown keys, documented field by field."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    @classmethod
    def meanings(cls) -> dict[str, str]:
        """What the strings below the fields say of them, read when it is asked for (pydantic's own way reads it for
        each class at import: a third of a stage's loading time)."""
        classes = [base for base in reversed(cls.__mro__) if issubclass(base, Settings)]
        return {field: prose for base in classes for field, prose in _strings_below(base.__module__)[base.__name__]}


@functools.cache
def _strings_below(module: str) -> Mapping[str, list[tuple[str, str]]]:
    """Class -> (field, the string that stands below it)."""
    found = defaultdict(list)
    tree = ast.walk(ast.parse(inspect.getsource(sys.modules[module])))
    for item in (node for node in tree if isinstance(node, ast.ClassDef)):
        for field, below in pairwise(item.body):
            match field, below:
                case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(prose))):
                    found[item.name].append((name, " ".join(prose.split())))
    return found


S = TypeVar("S", bound=Settings)
SHARED = ("seed", "identity")
"""Top-level keys of a recipe that are the default of every step whose settings have that field."""


@dataclass(frozen=True)
class Step:
    """One named step. `inputs` are names of earlier steps, or paths of outside artifacts."""

    name: str
    stage: str
    inputs: tuple[str, ...]
    settings: Settings


@dataclass(frozen=True)
class Recipe:
    name: str
    about: str
    executor: Mapping[str, Any]
    steps: tuple[Step, ...]


def find(name: str) -> Path:
    """The path of a recipe: a TOML file as given, or the name of a recipe that ships with tumbler."""
    if name.endswith(".toml") or Path(name).is_file():
        if not Path(name).is_file():
            raise UserError(f"{name}: no such recipe file")
        return Path(name)
    shipped = {path.stem: path for path in _shipped()}
    if name not in shipped:
        raise UserError(f"no recipe {name!r}{nearest(name, shipped)}; shipped are {', '.join(sorted(shipped))}")
    return shipped[name]


def _shipped() -> list[Path]:
    package = Path(str(resources.files("tumbler")))
    for folder in (package / "recipes", package.parent / "recipes"):
        if folder.is_dir():
            return sorted(folder.glob("*.toml"))
    return []


def load(path: Path, overrides: Iterable[str], settings_of: Callable[[str], type[Settings]]) -> Recipe:
    """Read a recipe and apply `STEP.KEY=VALUE` overrides (VALUE in TOML's syntax)."""
    return from_table(read(path, overrides), path.name, (), settings_of)


def read(path: Path, overrides: Iterable[str]) -> dict[str, Any]:
    """A recipe's tables with the overrides in them, not looked at yet."""
    try:
        raw = {"name": path.stem, **tomllib.loads(path.read_text(encoding="utf-8"))}
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path.name}: not valid TOML: {error}") from error
    for override in overrides:
        _override(raw, override)
    return raw


def from_table(
    raw: dict[str, Any], where: str, overrides: Iterable[str], settings_of: Callable[[str], type[Settings]]
) -> Recipe:
    """A recipe from parsed TOML; `where` stands in front of every error."""
    for override in overrides:
        _override(raw, override)
    known = ("name", "about", "executor", "step", *SHARED)
    for key in raw:
        if key not in known:
            raise UserError(f"{where}: unknown key {key!r}{nearest(key, known)}")
    steps: list[Step] = []
    for table in raw.get("step", []):
        steps.append(_step(table, {key: raw[key] for key in SHARED if key in raw}, where, settings_of, steps))
    if not steps:
        raise UserError(f"{where}: no steps; add a [[step]] with name and stage")
    return Recipe(str(raw.get("name", where)), str(raw.get("about", "")), raw.get("executor", {}), tuple(steps))


def _step(
    table: dict[str, Any],
    shared: dict[str, Any],
    where: str,
    settings_of: Callable[[str], type[Settings]],
    earlier: list[Step],
) -> Step:
    rest = dict(table)
    stage = rest.pop("stage", None)
    name = rest.pop("name", stage)
    inputs = rest.pop("inputs", [])
    if not isinstance(stage, str) or not isinstance(name, str):
        raise UserError(f"{where}: step {name!r}: 'stage' must be the name of a stage")
    if not name.replace("-", "").replace("_", "").isalnum():
        raise UserError(f"{where}: step {name!r}: a name is letters, digits, '-' and '_' (it becomes a folder)")
    if any(step.name == name for step in earlier):
        raise UserError(f"{where}: two steps are named {name!r}; give one another name")
    if not isinstance(inputs, list) or not all(isinstance(item, str) for item in inputs):
        raise UserError(f"{where}: {name}: 'inputs' must be a list of step names or paths")
    settings_class = settings_of(stage)
    defaults = {key: value for key, value in shared.items() if key in settings_class.model_fields}
    return Step(name, stage, tuple(inputs), validate(settings_class, defaults | rest, f"{where}: {name}"))


def validate(settings_class: type[S], values: Mapping[str, Any], where: str) -> S:
    """Settings from plain TOML values; UserError with one line for each key that is wrong."""
    try:
        return settings_class.model_validate_json(json.dumps(values, allow_nan=False, default=str))
    except ValidationError as error:
        lines = [f"{where}: {_explain(detail, settings_class)}" for detail in error.errors()]
        raise UserError("\n".join(lines)) from error
    except ValueError as error:
        raise UserError(f"{where}: a number is not finite ({error})") from error


def _explain(detail: ErrorDetails, settings_class: type[Settings]) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        fields = _fields_at(settings_class, detail["loc"][:-1])
        return f"unknown key {key!r}{nearest(str(detail['loc'][-1]), fields)}"
    if detail["type"] == "missing":
        return f"{key!r} is missing; it has no default"
    return f"{key} = {detail['input']!r}: {detail['msg'][:1].lower()}{detail['msg'][1:]}"


def _fields_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    for part in loc:
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        inner = [item for item in (annotation, *get_args(annotation)) if isinstance(item, type)]
        if not inner or not issubclass(inner[0], BaseModel):
            return []
        model = inner[0]
    return list(model.model_fields)


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of an error line: `; did you mean X?` for a misspelt word, or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _override(raw: dict[str, Any], override: str) -> None:
    """Apply one `STEP.KEY=VALUE` (or `executor.KEY=VALUE`, `seed=1`) to the raw recipe."""
    target, equals, text = override.partition("=")
    path = target.strip().split(".")
    if not equals or not all(path):
        raise UserError(f"--set {override}: not STEP.KEY=VALUE")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, KeyError) as error:
        message = f"{text!r} is not a TOML value (a text needs quotes: '\"{text}\"')"
        raise UserError(f"--set {override}: {message}") from error
    steps = {table.get("name", table.get("stage")): table for table in raw.get("step", [])}
    if len(path) == 1 or path[0] in ("executor", "identity"):
        table = raw
    elif path[0] in steps:
        table, path = steps[path[0]], path[1:]
    else:
        known = (*steps, "executor", "identity")
        raise UserError(f"--set {override}: no step {path[0]!r}{nearest(path[0], known)}; steps: {', '.join(steps)}")
    for part in path[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise UserError(f"--set {override}: {part!r} is not a table")
    table[path[-1]] = value


def document(recipe: Recipe) -> str:
    """The recipe as TOML with every setting of every step, its meaning as a comment, its value in force."""
    lines = [f"# {recipe.about}" if recipe.about else "", f'name = "{recipe.name}"', ""]
    if recipe.executor:
        lines += ["[executor]", *(f"{key} = {toml_value(value)}" for key, value in recipe.executor.items()), ""]
    for step in recipe.steps:
        lines += ["[[step]]", f'name = "{step.name}"', f'stage = "{step.stage}"']
        lines += [f"inputs = {toml_value(list(step.inputs))}"]
        lines += [*_document_fields(step.settings, "step"), ""]
    return "\n".join(lines).lstrip("\n")


def _document_fields(settings: Settings, table: str) -> Iterator[str]:
    """Plain values first, then a table for each group of settings inside: TOML wants that order."""
    inner = {key: value for key, value in settings if isinstance(value, Settings)}
    meanings = type(settings).meanings()
    for key, value in settings:
        if key not in inner:
            yield from _document_field(type(settings).model_fields[key], key, value, meanings.get(key, ""))
    for key, value in inner.items():
        yield from ("", f"[{table}.{key}]", *([f"# {meanings[key]}"] if key in meanings else []))
        yield from _document_fields(value, f"{table}.{key}")


def _document_field(field: FieldInfo, key: str, value: Any, meaning: str) -> Iterator[str]:
    default = field.get_default(call_default_factory=True, validated_data={})
    plain = default is PydanticUndefined or default == value or default is None
    note = "" if plain else f" (default {toml_value(default)})"
    if meaning or note:
        yield f"# {meaning}{note}"
    yield f"# {key} = (none)" if value is None else f"{key} = {toml_value(value)}"


def toml_value(value: Any) -> str:
    """A value in TOML's syntax."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {toml_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple | set | frozenset):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # legal in JSON, not in TOML
