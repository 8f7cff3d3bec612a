"""An artifact is whole or begun, never wrong: plan first, manifest last, digests without times."""

from __future__ import annotations

import io
import json
from contextlib import ExitStack
from pathlib import Path

import pytest
from rich.console import Console

from tumbler import artifact, log
from tumbler.artifact import Artifact, Outcome, Work, replacing
from tumbler.errors import UserError
from tumbler.executor import Executor
from tumbler.log import Log
from tumbler.recipe import Settings
from tumbler.views import Curve, Funnel, Samples, Table, View, read_view


class Toy(Settings):
    steps: int = 1


def begin(path: Path, steps: int = 1, inputs: tuple[Artifact, ...] = ()) -> Work:
    return artifact.begin(path, "a", "toy", Toy(steps=steps), inputs, Executor(1), Log("a", path / "metrics.jsonl"))


def made(path: Path, text: str = "x", seconds: float = 1.0, inputs: tuple[Artifact, ...] = ()) -> Artifact:
    work = begin(path, inputs=inputs)
    with work.file("data/0.txt") as file:
        file.write_text(text)
    work.log.metrics(1, seconds=seconds)
    return artifact.finish(work, Outcome("documents", {"n": 1}, ("CC0",)), seconds)


def test_equal_results_have_equal_digests_whenever_and_wherever_they_were_made(tmp_path: Path) -> None:
    assert made(tmp_path / "a", seconds=1).digest == made(tmp_path / "b", seconds=2).digest


def test_another_byte_is_another_digest(tmp_path: Path) -> None:
    assert made(tmp_path / "a", "x").digest != made(tmp_path / "b", "y").digest


def test_another_input_is_another_digest(tmp_path: Path) -> None:
    one, two = made(tmp_path / "one", "1"), made(tmp_path / "two", "2")
    assert made(tmp_path / "a", inputs=(one,)).digest != made(tmp_path / "b", inputs=(two,)).digest


def test_a_begun_folder_is_no_artifact(tmp_path: Path) -> None:
    begin(tmp_path / "a")
    with pytest.raises(UserError, match="begun but not finished"):
        artifact.open_artifact(tmp_path / "a")


def test_another_plan_is_refused_with_the_keys_that_differ(tmp_path: Path) -> None:
    begin(tmp_path / "a", steps=1)
    with pytest.raises(UserError, match=r"another plan \(steps 1 -> 2\).*--out.*--redo a"):
        begin(tmp_path / "a", steps=2)


def test_a_finished_folder_of_another_plan_is_refused_too(tmp_path: Path) -> None:
    made(tmp_path / "a")
    assert artifact.present(tmp_path / "a", "a", "toy", Toy(), ()) is not None
    with pytest.raises(UserError, match="another plan"):
        artifact.present(tmp_path / "a", "a", "toy", Toy(steps=2), ())


def test_a_folder_of_someone_elses_files_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="holds files but no plan"):
        begin(tmp_path / "a")
    with pytest.raises(UserError, match="will not remove it"):
        artifact.discard(tmp_path / "a")
    assert (tmp_path / "a" / "thesis.txt").read_text() == "mine"


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    work = begin(tmp_path / "a")
    with pytest.raises(RuntimeError), work.file("data/0.txt") as file:
        file.write_text("half")
        raise RuntimeError
    assert list((tmp_path / "a" / "data").iterdir()) == []


def test_what_a_kill_left_half_written_is_cleared_by_a_rerun_and_at_the_end(tmp_path: Path) -> None:
    work = begin(tmp_path / "a")
    half = tmp_path / "a" / "data" / "0.txt.0a1b.tmp"
    half.parent.mkdir()
    half.write_text("half")
    begin(tmp_path / "a")
    assert not half.exists()
    half.write_text("half")
    assert "data/0.txt.0a1b.tmp" not in artifact.finish(work, Outcome("facts", {}), 1).manifest["files"]
    assert not half.exists()


def test_a_worker_given_up_for_lost_cannot_put_half_a_file_in_place_of_another(tmp_path: Path) -> None:
    path = tmp_path / "0.txt"
    with ExitStack() as again:
        with replacing(path) as given_up:
            given_up.write_text("whole")
            half = again.enter_context(replacing(path))
            half.write_text("who")
        assert path.read_text() == "whole"
        half.write_text("whole")
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def square(number: int) -> int:
    return number * number


def test_a_map_of_work_returns_the_results_in_order_and_shows_progress(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "QUIET_SECONDS", 0.0)
    screen = io.StringIO()
    with Executor(2) as executor:
        console = Log("a", console=Console(file=screen))
        work = artifact.begin(tmp_path / "a", "a", "toy", Toy(), (), executor, console)
        assert work.map(square, range(5), "numbers") == [0, 1, 4, 9, 16]
    assert "a numbers 5/5, " in screen.getvalue()


def test_lineage_walks_back_to_the_first_artifact_and_carries_licences(tmp_path: Path) -> None:
    pages = made(tmp_path / "pages")
    work = begin(tmp_path / "tokens", inputs=(pages,))
    tokens = artifact.finish(work, Outcome("tokens", {}, ("MIT",)), 0.1)
    assert [item.path.name for item in artifact.lineage(tokens)] == ["tokens", "pages"]
    assert tokens.manifest["licences"] == ["CC0", "MIT"]


def test_lineage_survives_moving_the_whole_run(tmp_path: Path) -> None:
    pages = made(tmp_path / "run" / "pages")
    artifact.finish(begin(tmp_path / "run" / "tokens", inputs=(pages,)), Outcome("tokens", {}), 0.1)
    (tmp_path / "run").rename(tmp_path / "elsewhere")
    moved = artifact.open_artifact(tmp_path / "elsewhere" / "tokens")
    assert [item.path.name for item in artifact.lineage(moved)] == ["tokens", "pages"]


def test_an_outside_file_is_known_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{}")
    first = artifact.open_outside(tmp_path / "a.jsonl")
    (tmp_path / "a.jsonl").write_text("{} ")
    assert first.kind == "outside"
    assert artifact.open_outside(tmp_path / "a.jsonl").digest != first.digest
    with pytest.raises(UserError, match="no such step, file or folder"):
        artifact.open_outside(tmp_path / "absent")


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    made(tmp_path / "a")
    (tmp_path / "a" / "manifest.json").write_text("{")
    with pytest.raises(UserError, match=r"manifest.json: not valid JSON"):
        artifact.open_artifact(tmp_path / "a")


def test_only_names_what_it_was_given(tmp_path: Path) -> None:
    item = made(tmp_path / "a")
    assert artifact.only([item], "documents", "tokens") is item
    with pytest.raises(UserError, match=r"tokens: needs exactly one input of kind 'pages', has 0 \(inputs: a"):
        artifact.only([item], "pages", "tokens")


@pytest.mark.parametrize(
    "view",
    [
        Funnel("Pages", "pages", 3, (("too short", 1),), 2),
        Curve("Loss", "step", "loss", (("train", ((1.0, 2.0), (2.0, 1.0))),)),
        Samples("Said", (("a", "b", ""),)),
        Table("Scores", ("name", "value"), (("x", 1.5), ("y", 2))),
    ],
)
def test_a_view_reads_back_as_it_was_written(tmp_path: Path, view: View) -> None:
    work = begin(tmp_path / "a")
    work.view("it", view)
    assert read_view(tmp_path / "a" / "views" / "it.json") == view


def test_views_and_metrics_are_listed_but_not_part_of_the_digest(tmp_path: Path) -> None:
    work = begin(tmp_path / "a")
    work.view("scores", Table("Scores", ("seconds",), ((1.0,),)))
    one = artifact.finish(work, Outcome("report", {}), 1)
    other = artifact.finish(begin(tmp_path / "b"), Outcome("report", {}), 1)
    assert "views/scores.json" in json.loads((tmp_path / "a" / "manifest.json").read_text())["files"]
    assert one.digest == other.digest


def test_a_removal_cut_short_leaves_nothing_under_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = begin(tmp_path / "a")
    (tmp_path / "a" / "resume").mkdir()
    (tmp_path / "a" / "resume" / "state").write_text("x")
    monkeypatch.setattr(artifact, "_remove", lambda path: None)
    work.remove("resume")
    assert not work.has("resume")
    monkeypatch.undo()
    begin(tmp_path / "a")
    assert not list(tmp_path.rglob("*.tmp"))
