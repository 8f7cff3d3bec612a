"""How a checkpoint likes to be asked: its generation_config.json, as transformers and vLLM read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tumbler.errors import UserError
from tumbler.model.safetensors_reader import read_json
from tumbler.model.weights import GENERATION


@dataclass(frozen=True)
class Generation:
    """What is taken where a request names nothing else."""

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float = 1.0
    ends: tuple[int, ...] = ()
    """Ids that end an answer (`eos_token_id`)."""
    system_message: str = ""
    """Stands, unseen, before conversations that begin with none. tumbler's own key; others pass it over."""


def _number(low: float, high: float) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


RULES: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "temperature": (_number(0, 2), "a number from 0 to 2"),
    "top_k": (lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 0, "a whole number"),
    "top_p": (_number(0, 1), "a number from 0 to 1"),
    "min_p": (_number(0, 1), "a number from 0 to 1"),
    "repetition_penalty": (_number(0.01, 100), "a number from 0.01 to 100"),
    "system_message": (lambda value: isinstance(value, str), "a text"),
}


def read_generation(folder: Path) -> Generation:
    """Of a Hugging Face folder; UserError names the key that is wrong. Without the file, transformers' defaults."""
    file = folder / GENERATION
    body = read_json(file) if file.is_file() else {}
    told = {key: value for key, value in body.items() if key in RULES and value is not None}
    for key, value in told.items():
        fits, rule = RULES[key]
        if not fits(value):
            raise UserError(f"{file}: {key} = {value!r}: must be {rule}")
    ends = body.get("eos_token_id")
    ends = ends if isinstance(ends, list) else [] if ends is None else [ends]
    if not all(isinstance(id, int) and not isinstance(id, bool) and id >= 0 for id in ends):
        raise UserError(f"{file}: eos_token_id = {body['eos_token_id']!r}: must be an id, or a list of ids")
    # 0 means "no limit" to transformers.
    return Generation(**{key: value for key, value in told.items() if value or key == "temperature"}, ends=tuple(ends))
