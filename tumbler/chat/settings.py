"""What `/set` changes, from the words of a line. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tumbler.engine import Sampling
from tumbler.errors import UserError
from tumbler.recipe import nearest

KINDS: Final[Mapping[str, type[int] | type[float]]] = {
    "max_tokens": int,
    "temperature": float,
    "top_k": int,
    "top_p": float,
    "min_p": float,
    "seed": int,
    "top": int,
}
"""The settings of an answer that have an option on the command line, by their name in `Sampling`."""
OPTIONAL: Final = ("top_k", "top_p", "min_p", "seed")
CHAT: Final = ("max_tokens", "temperature", "top_k", "top_p", "min_p", "seed", "verbose")
PLAYGROUND: Final = (*CHAT[:-1], "top", "verbose")


@dataclass(frozen=True)
class Settings:
    sampling: Sampling
    verbose: bool = False
    """Counts and tokens/s after each answer."""


def listed(settings: Settings, names: Sequence[str]) -> str:
    """`temperature 0.7, top_k none`"""
    return ", ".join(f"{name} {_shown(settings, name)}" for name in names)


def name_in(words: str) -> str:
    """The setting that `/set WORDS` means."""
    return words.replace("=", " ", 1).partition(" ")[0]


def changed(settings: Settings, words: str, names: Sequence[str]) -> Settings:
    """The settings after `/set WORDS`: `temperature 0.7`, `top_k none`, `verbose`; UserError for anything else."""
    name = name_in(words)
    value = words[len(name) + 1 :].strip()
    if name not in names:
        raise UserError(f"no setting {name!r}{nearest(name, names)}; settings are {', '.join(names)}")
    if name == "verbose":
        return dataclasses.replace(settings, verbose=_switch(value))
    if not value:
        raise UserError(f"/set {name}: give a value; it is {_shown(settings, name)} now")
    number: Any = None if value == "none" and name in OPTIONAL else _number(name, value)
    return dataclasses.replace(settings, sampling=dataclasses.replace(settings.sampling, **{name: number}))


def redrawn(sampling: Sampling, times: int) -> Sampling:
    """For the same question once more: another seed for each time, where there is one."""
    seed = sampling.seed
    return sampling if seed is None else dataclasses.replace(sampling, seed=(seed + times) % 2**63)


def _number(name: str, value: str) -> int | float:
    kind = KINDS[name]
    try:
        return kind(value)
    except ValueError as error:
        rule = ("a whole number" if kind is int else "a number") + (", or none" if name in OPTIONAL else "")
        raise UserError(f"{name} = {value}: must be {rule}") from error


def _switch(value: str) -> bool:
    if value not in ("", "on", "off"):
        raise UserError(f"verbose = {value}: must be on or off")
    return value != "off"


def _shown(settings: Settings, name: str) -> str:
    if name == "verbose":
        return "on" if settings.verbose else "off"
    value = getattr(settings.sampling, name)
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
