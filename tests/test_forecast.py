"""`tumbler run --dry-run`: every recipe that ships can be told the cost of, and nothing is run or written."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tumbler.cli import app
from tumbler.errors import UserError
from tumbler.show import duration
from tumbler.train import forecast

RECIPES = sorted(path.stem for path in (Path(__file__).parents[1] / "recipes").glob("*.toml"))


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(forecast, "TRIED_SECONDS", 0.1)
    monkeypatch.setattr(forecast, "TRIES", 1)
    monkeypatch.setattr(forecast, "TRIED_TOKENS", 128)
    monkeypatch.chdir(tmp_path)


def dry_run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["run", *arguments, "--dry-run"], catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_passes_a_dry_run_that_leaves_nothing_behind(recipe: str, tmp_path: Path) -> None:
    output = dry_run(recipe, *[f"--set={step}.compile=false" for step in steps_that_train(recipe)])
    assert "parameters" in output and "time here" in output
    assert list(tmp_path.iterdir()) == []


def steps_that_train(recipe: str) -> list[str]:
    text = (Path(__file__).parents[1] / "recipes" / f"{recipe}.toml").read_text()
    return [stage for stage in ("pretrain", "sft") if f'stage = "{stage}"' in text]


def test_gpt2_takes_what_it_is_known_to_take() -> None:
    output = dry_run("gpt2", "--set=pretrain.compile=false", "--gpu=h100", "--price=2", "--mfu=0.5")
    assert "124,439,808" in output
    assert "9,999,745,024 tokens" in output
    assert "8.54e+18" in output
    # 854,438,400 FLOPs a token / (989e12 * 0.5) = 17,278 s
    assert "4 h 47 min, $9.60" in output
    assert "36 min 0 s, $9.60" in output


def test_mistakes_are_told() -> None:
    for arguments, told in ((["--gpu=rtx"], "unknown; give one of a100"), (["--mfu=0"], "mfu lies above 0")):
        with pytest.raises(UserError, match=told):
            CliRunner().invoke(app, ["run", "smoke", "--dry-run", *arguments], catch_exceptions=False)


def test_durations_read_well() -> None:
    assert [duration(s) for s in (0.4, 59.6, 2699.8, 7200, 200_000)] == [
        "0 s",
        "1 min 0 s",
        "45 min 0 s",
        "2 h 0 min",
        "2.3 days",
    ]
