"""Names and makers for system messages that give the model another identity.

They are put together from syllables and lists, so many that a model can only copy what the system
message says. Those of training and of evaluation share no name and no maker.
"""

# ruff: noqa: SIM905  (words of a list read better as one text)
from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

Split = Literal["train", "held_out"]

FIRST: Final = (
    "Ada Ben Clara David Elena Felix Grace Henry Iris Jonas Karin Leo Maria Nils Olga Paul Ruth Simon Tara Victor "
    "Wanda Yusuf Zoe Anton Bella Carlos Dina Emil Fatima Georg Hanna Ivan Julia Kofi Lena Marco Nina Oscar Petra Rosa"
).split()
LAST: Final = (
    "Adler Baker Castro Dahl Ekman Fischer Garcia Hansen Ivanov Jansen Kelly Lind Moreau Novak Okafor Peters Quinn "
    "Rossi Silva Tanaka Ueda Varga Weber Xu Young Zhang Abbott Brandt Conti Duarte Evans Frank Gupta Holm Ito Jung "
    "Klein Larsen Meyer Nagy"
).split()
COMPANY: Final = "Labs Works Systems Studio Institute Research Software Company".split()
ONSET: Final = "b br d dr f g gl h j k kl l m n p pr r s st t tr v w z".split()
VOWEL: Final = "a e i o u ai ea io".split()
CODA: Final = ("", "", "", "l", "m", "n", "r", "s", "x")


@dataclass(frozen=True)
class Persona:
    name: str
    maker: str


def personas(seed: int, split: Split) -> Iterator[Persona]:
    """Endless, seeded. A name is a first name or a made-up word; a maker is a person or a company."""
    draw = random.Random(f"{seed} {split}")
    while True:
        name = draw.choice(FIRST) if draw.random() < 0.3 else _word(draw)
        if _is_held_out(name) != (split == "held_out"):
            continue
        yield Persona(name, _maker(draw, split))


def _maker(draw: random.Random, split: Split) -> str:
    """A fifth of the first and last names is only for evaluation."""
    last = draw.choice(LAST[::5] if split == "held_out" else _without_fifths(LAST))
    if draw.random() < 0.4:
        return f"{last} {draw.choice(COMPANY)}"
    return f"{draw.choice(FIRST[::5] if split == 'held_out' else _without_fifths(FIRST))} {last}"


def _without_fifths(names: list[str]) -> list[str]:
    return [name for index, name in enumerate(names) if index % 5]


def _is_held_out(name: str) -> bool:
    """By the name's letters alone, so that no seed can put one name on both sides."""
    return sum(name.encode()) % 5 == 0


def _word(draw: random.Random) -> str:
    count = draw.choice((2, 2, 3))
    syllables = [draw.choice(ONSET) + draw.choice(VOWEL) for _ in range(count)]
    return ("".join(syllables) + draw.choice(CODA)).capitalize()
