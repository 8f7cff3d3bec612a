"""Recipes are strict, every error is one line that says where, what, which rule and what to do."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tumbler import recipe as recipes
from tumbler.errors import UserError
from tumbler.identity import Identity
from tumbler.recipe import Settings


class Rule(Settings):
    """A nested table."""

    min_words: int = 50
    """Fewest words."""


class Toy(Settings):
    steps: int = 10
    """How many steps."""
    rate: float = 0.5
    sources: tuple[str, ...] = ()
    """Where from."""
    rule: Rule = Rule()
    seed: int = 0
    identity: Identity | None = None
    limit: int | None = None


def settings_of(stage: str) -> type[Settings]:
    assert stage == "toy"
    return Toy


def load(text: str, *overrides: str) -> recipes.Recipe:
    return recipes.from_table(tomllib.loads(text), "r.toml", overrides, settings_of)


ONE = '[[step]]\nname = "a"\nstage = "toy"\n'


def settings(text: str, *overrides: str) -> Toy:
    found = load(text, *overrides).steps[0].settings
    assert isinstance(found, Toy)
    return found


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (ONE + "stepz = 1", "r.toml: a: unknown key 'stepz'; did you mean 'steps'?"),
        (ONE + "rule.min_wrds = 1", "r.toml: a: unknown key 'rule.min_wrds'; did you mean 'min_words'?"),
        (ONE + "steps = '4'", "r.toml: a: steps = '4': input should be a valid integer"),
        (ONE + "steps = true", "r.toml: a: steps = True: input should be a valid integer"),
        ("seeds = 1\n" + ONE, "r.toml: unknown key 'seeds'; did you mean 'seed'?"),
        (ONE + ONE, "r.toml: two steps are named 'a'; give one another name"),
        ("name = 'x'", "r.toml: no steps; add a [[step]] with name and stage"),
        (ONE + "inputs = 'a'", "r.toml: a: 'inputs' must be a list of step names or paths"),
        ("[[step]]\nname = '../a'\nstage = 'toy'", "a name is letters, digits"),
        (ONE + "rate = inf", "r.toml: a: a number is not finite"),
    ],
)
def test_a_mistake_is_one_line_with_the_rule_and_the_way_out(text: str, error: str) -> None:
    with pytest.raises(UserError) as caught:
        load(text)
    assert error in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_mistakes_are_two_lines() -> None:
    with pytest.raises(UserError) as caught:
        load(ONE + "stepz = 1\nrte = 2")
    assert len(str(caught.value).splitlines()) == 2


def test_top_level_seed_and_identity_are_every_steps_default() -> None:
    text = "seed = 7\n[identity]\nname='A'\nmaker='B'\ndate='C'\ncutoff='D'\n" + ONE
    assert settings(text).seed == 7
    assert settings(text).identity == Identity(name="A", maker="B", date="C", cutoff="D")
    assert settings(text + "seed = 8").seed == 8


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("a.steps=3", "steps", 3),
        ('a.sources=["x*.gz"]', "sources", ("x*.gz",)),
        ("a.rule.min_words=5", "rule", Rule(min_words=5)),
        ("seed=9", "seed", 9),
        ("a.rate=1", "rate", 1.0),
    ],
)
def test_set_reaches_any_setting(override: str, key: str, value: Any) -> None:
    assert getattr(settings(ONE, override), key) == value


def test_set_reaches_the_executor() -> None:
    assert load(ONE, "executor.workers=3").executor == {"workers": 3}


@pytest.mark.parametrize(
    ("override", "error"),
    [
        ("a.steps", "not STEP.KEY=VALUE"),
        ("b.steps=1", "no step 'b'"),
        ("a.sources=x", "is not a TOML value"),
        ("a.steps.x=1", "unknown key 'x'|input should be a valid integer"),
        ("a.nope=1", "unknown key 'nope'"),
    ],
)
def test_a_bad_override_says_what_is_wrong(override: str, error: str) -> None:
    with pytest.raises(UserError, match=error):
        load(ONE, override)


def test_a_documented_recipe_reads_back_as_the_same_recipe() -> None:
    text = (
        "about = 'x'\nseed = 3\n[executor]\nworkers = 2\n" + ONE + "rule.min_words = 3\nsources = ['a\\\\b', 'ü\"']\n"
    )
    recipe = load(text)
    documented = recipes.document(recipe)
    assert "# How many steps." in documented
    assert load(documented) == recipes.Recipe(recipe.name, "", recipe.executor, recipe.steps)


values = st.recursive(
    st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), inner),
    max_leaves=8,
)


@given(values)
def test_toml_value_reads_back_as_the_value(value: Any) -> None:
    assert tomllib.loads(f"v = {recipes.toml_value(value)}")["v"] == value


def test_a_misspelt_recipe_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no recipe 'tinny'; did you mean 'tiny'"):
        recipes.find("tinny")
    with pytest.raises(UserError, match="no such recipe file"):
        recipes.find(str(tmp_path / "absent.toml"))
