"""What the terminal says of artifacts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tumbler.artifact import Artifact
from tumbler.show import commands


@pytest.mark.parametrize(
    ("objective", "verbs"),
    [("next token", ["generate", "serve", "explain"]), ("masked tokens", ["fill-mask", "explain"])],
)
def test_the_ways_on_from_a_model_are_those_that_its_objective_has(objective: str, verbs: list[str]) -> None:
    item = Artifact(Path("runs/x/pretrain"), "checkpoint", "0", {"facts": {"objective": objective}})
    assert [line.split()[1] for line in commands({"pretrain": item}, "tumbler")] == verbs
