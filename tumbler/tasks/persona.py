"""Names and makers for system messages that give the model another identity.

They are put together from syllables and lists, so many that a model can only copy what the system
message says. Those of training and of evaluation share no name and no maker.
"""

# ruff: noqa: SIM905  (words of a list read better as one text)
from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
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
    """Endless, seeded. A maker is a person or a company; most names are made up, lest they be learned by heart."""
    draw = random.Random(f"{seed} {split}")
    while True:
        name, last = _name(draw, FIRST, split), _name(draw, LAST, split)
        company = draw.random() < 0.4
        yield Persona(name, f"{last} {draw.choice(COMPANY)}" if company else f"{_name(draw, FIRST, split)} {last}")


def _name(draw: random.Random, known: Sequence[str], split: Split) -> str:
    while True:
        name = draw.choice(known) if draw.random() < 0.3 else _word(draw)
        if _is_held_out(name) == (split == "held_out"):
            return name


def _is_held_out(name: str) -> bool:
    """By the name's letters alone, so that no seed can put one name on both sides."""
    return sum(name.encode()) % 5 == 0


def _word(draw: random.Random) -> str:
    count = draw.choice((2, 2, 3))
    syllables = [draw.choice(ONSET) + draw.choice(VOWEL) for _ in range(count)]
    return ("".join(syllables) + draw.choice(CODA)).capitalize()
