"""The order of the road and where licences enter it."""

from __future__ import annotations

from pathlib import Path

from tumbler.artifact import Artifact, Outcome, begin, finish
from tumbler.eval.road import road
from tumbler.executor import Executor
from tumbler.log import Log
from tumbler.recipe import Settings
from tumbler.views import Funnel


def made(folder: Path, step: str, inputs: list[Artifact], licences: tuple[str, ...] = ()) -> Artifact:
    work = begin(folder / step, step, step, Settings(), inputs, Executor(1), Log(step))
    work.view("funnel", Funnel(step, "things", 2, (), 2))
    return finish(work, Outcome("facts", {"made": 1}, licences), 1.5)


def test_each_artifact_comes_once_and_after_its_sources(tmp_path: Path) -> None:
    almanac = made(tmp_path, "almanac", [], ("MIT",))
    crawl = made(tmp_path, "crawl", [almanac])
    tokens = made(tmp_path, "tokens", [crawl])
    pretrain = made(tmp_path, "pretrain", [tokens])
    sft = made(tmp_path, "sft", [pretrain, tokens, almanac], ("CC0",))
    stops = road([sft, pretrain, tokens, almanac])
    assert [stop.step for stop in stops] == ["almanac", "crawl", "tokens", "pretrain", "sft"]
    assert [stop.licences for stop in stops] == [("MIT",), (), (), (), ("CC0",)]
    assert [name for name, _ in stops[0].views] == ["funnel"]
    assert stops[0].seconds == 1.5
