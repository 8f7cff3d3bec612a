"""The pipeline runs steps in order, skips what is done, forks and redoes; toy stages stand in for the real ones."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import psutil
import pytest

from tumbler import pipeline
from tumbler import recipe as recipes
from tumbler.artifact import Outcome, Work
from tumbler.errors import UserError
from tumbler.recipe import Settings

CALLS: list[str] = []


class ToySettings(Settings):
    text: str = "x"
    fail: bool = False


def toy_run(settings: ToySettings, work: Work) -> Outcome:
    CALLS.append(work.step)
    if settings.fail:
        raise RuntimeError("killed here")
    read = "".join((item.path / "out.txt").read_text() for item in work.inputs)
    with work.file("out.txt") as path:
        path.write_text(read + settings.text)
    return Outcome("documents", {"characters": len(read) + 1})


@pytest.fixture(autouse=True)
def toy_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    CALLS.clear()
    monkeypatch.setattr(pipeline, "stage_run", lambda stage: toy_run)


ROAD = """
[[step]]
name = "one"
stage = "toy"
text = "1"
[[step]]
name = "two"
stage = "toy"
inputs = ["one"]
text = "2"
[[step]]
name = "three"
stage = "toy"
inputs = ["two", "one"]
text = "3"
"""


def road(*overrides: str, text: str = ROAD) -> recipes.Recipe:
    return recipes.from_table(tomllib.loads(text), "r.toml", overrides, pipeline.settings_of)


def run(out: Path, *overrides: str, **options: str | Path) -> list[str]:
    list(pipeline.run_recipe(road(*overrides), out, **options))  # type: ignore[arg-type]
    return CALLS


def test_steps_run_in_order_and_read_their_inputs(tmp_path: Path) -> None:
    assert run(tmp_path) == ["one", "two", "three"]
    assert (tmp_path / "three" / "out.txt").read_text() == "1213"


def test_a_second_run_does_nothing(tmp_path: Path) -> None:
    run(tmp_path)
    finished = list(pipeline.run_recipe(road(), tmp_path))
    assert CALLS == ["one", "two", "three"]
    assert [item.fresh for item in finished] == [False, False, False]


def test_a_run_that_broke_goes_on_at_the_broken_step(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        run(tmp_path, "three.fail=true")
    CALLS.clear()
    (tmp_path / "three" / "plan.json").unlink()
    assert run(tmp_path) == ["three"]


def test_to_stops_after_the_step(tmp_path: Path) -> None:
    assert run(tmp_path, to="two") == ["one", "two"]
    with pytest.raises(UserError, match="no step 'twoo'; did you mean 'two'"):
        run(tmp_path, to="twoo")


def test_another_setting_is_refused_until_redo_throws_the_step_and_what_follows_away(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(UserError, match=r'another plan \(text "2" -> "9"\)'):
        run(tmp_path, 'two.text="9"')
    CALLS.clear()
    assert run(tmp_path, 'two.text="9"', redo="two") == ["two", "three"]
    assert (tmp_path / "three" / "out.txt").read_text() == "1913"


def test_a_fork_takes_the_artifact_and_its_ancestors(tmp_path: Path) -> None:
    run(tmp_path / "a")
    CALLS.clear()
    assert run(tmp_path / "b", 'three.text="!"', fork=tmp_path / "a" / "two") == ["three"]
    assert (tmp_path / "b" / "three" / "out.txt").read_text() == "121!"
    assert not (tmp_path / "b" / "one").exists()


def test_an_input_from_later_or_nowhere_is_named(tmp_path: Path) -> None:
    text = '[[step]]\nname = "one"\nstage = "toy"\ninputs = ["two"]\n[[step]]\nname = "two"\nstage = "toy"\n'
    with pytest.raises(UserError, match="one: input 'two' is made by a step that comes later"):
        list(pipeline.run_recipe(road(text=text), tmp_path))
    with pytest.raises(UserError, match="one: input 'tow' is no earlier step and no path; did you mean 'two'"):
        list(pipeline.run_recipe(road(text=text.replace('["two"]', '["tow"]')), tmp_path))


def test_an_outside_path_is_an_input(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "out.txt").write_text("outside ")
    text = f'[[step]]\nname = "one"\nstage = "toy"\ninputs = ["{tmp_path / "mine"}"]\n'
    list(pipeline.run_recipe(road(text=text), tmp_path / "run"))
    assert (tmp_path / "run" / "one" / "out.txt").read_text() == "outside x"


def pid(number: int) -> int:
    return os.getpid()


def test_all_steps_share_their_workers_which_end_with_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pids: list[set[int]] = []

    def run_mapped(settings: ToySettings, work: Work) -> Outcome:
        pids.append(set(work.map(pid, range(3), "numbers")))
        return Outcome("documents", {})

    monkeypatch.setattr(pipeline, "stage_run", lambda stage: run_mapped)
    one_worker = "[executor]\nworkers = 1\n" + ROAD
    list(pipeline.run_recipe(road(text=one_worker), tmp_path))
    assert len(pids) == 3
    assert pids[0] == pids[1] == pids[2]
    assert not any(psutil.pid_exists(number) for number in pids[0])
