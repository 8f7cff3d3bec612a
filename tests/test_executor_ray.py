"""Ray tasks behind the same map: a real cluster of two local nodes, one of which is killed in the middle."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from tumbler.artifact import replacing
from tumbler.errors import Failure, UserError
from tumbler.executor import Executor, ExecutorSettings
from tumbler.executor.calls import Raised

ray = pytest.importorskip("ray")

NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}
MANY, CHUNKS = 12, 20


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head and a second node, of one core each; nothing of it is left running."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        tests = Path(__file__).parent  # the workers import this module, and the package beside it
        patch.setenv("PYTHONPATH", os.pathsep.join([str(tests), str(tests.parent)]))
        made = Cluster(initialize_head=True, head_node_args=NODE)
        made.add_node(**NODE)
        made.wait_for_nodes()
        yield made
        made.shutdown()
    left = [process for process in psutil.Process().children(recursive=True) if "ray" in process.name()]
    _, alive = psutil.wait_procs(left, timeout=20)
    assert alive == []


@pytest.fixture
def executor(cluster: Any, tmp_path: Path) -> Iterator[Executor]:
    with Executor.of(ExecutorSettings(kind="ray", address=cluster.address, retries=2), tmp_path / "out") as made:
        yield made
    assert list((tmp_path / "out").glob("*.tmp")) == []


def content(number: int) -> bytes:
    return bytes([number]) * 1000 * CHUNKS


def write(folder: Path, number: int) -> str:
    """Write a file in about a second; the id of the node that did."""
    node = str(ray.get_runtime_context().get_node_id())
    (folder / f"begun-{number}").write_text(node)
    with replacing(folder / f"{number}.bin") as temporary, temporary.open("wb") as file:
        for _ in range(CHUNKS):
            file.write(bytes([number]) * 1000)
            time.sleep(0.04)
    return node


def fail(folder: Path, how: Callable[[], object], number: int) -> int:
    """The square; but the first try at item 1 fails."""
    first = not (folder / f"begun-{number}").exists()
    (folder / f"begun-{number}").touch()
    if first and number == 1:
        how()
    return number * number


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def refuse() -> None:
    raise UserError("pages.warc.gz: bad")


@pytest.mark.slow
def test_a_killed_workers_item_is_done_again(executor: Executor, tmp_path: Path) -> None:
    said: list[str] = []
    assert list(executor.map(partial(fail, tmp_path, die), range(6), said.append)) == [0, 1, 4, 9, 16, 25]
    assert len(said) == 1
    assert said[0].startswith("1: worker lost: WorkerCrashedError: ")


@pytest.mark.slow
def test_a_users_mistake_is_raised_as_it_is(executor: Executor, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        list(executor.map(partial(fail, tmp_path, refuse), range(6)))
    assert str(error.value) == "pages.warc.gz: bad"


def always_die(number: int) -> None:
    die()


@pytest.mark.slow
def test_an_item_that_loses_every_worker_is_named(executor: Executor) -> None:
    with pytest.raises(Failure, match="7: its worker was lost 3 times"):
        list(executor.map(always_die, [7], lambda text: None))


@pytest.mark.slow
def test_a_relative_path_means_what_it_means_to_the_driver(
    executor: Executor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("here").mkdir()
    list(executor.map(partial(fail, Path("here"), refuse), [0, 2]))
    assert len(list((tmp_path / "here").iterdir())) == 2


def begun_on(folder: Path, node: str) -> bool:
    """Whether the node is at work on a file right now."""
    begun = [path for path in folder.glob("begun-*") if path.read_text() == node]
    return any(not (folder / f"{path.name.removeprefix('begun-')}.bin").exists() for path in begun)


@pytest.mark.slow
def test_a_node_killed_in_the_middle_costs_time_and_nothing_else(
    cluster: Any, executor: Executor, tmp_path: Path
) -> None:
    second = next(node for node in cluster.list_all_nodes() if node is not cluster.head_node)
    said: list[str] = []
    results: dict[int, str] = {}
    for index, node in executor.completions(partial(write, tmp_path), range(MANY), said.append):
        results[index] = node
        if len(results) == 4:
            deadline = time.monotonic() + 30
            while not begun_on(tmp_path, second.node_id) and time.monotonic() < deadline:
                time.sleep(0.01)
            cluster.remove_node(second, allow_graceful=False)
    assert sorted(results) == list(range(MANY))
    assert set(results.values()) == {second.node_id, cluster.head_node.node_id}
    assert [(tmp_path / f"{number}.bin").read_bytes() for number in range(MANY)] == [content(n) for n in range(MANY)]
    assert said
    assert all("worker lost: " in line and line.endswith("(1 of 2)") for line in said)


def test_a_node_that_does_not_see_the_runs_folder_says_so(tmp_path: Path) -> None:
    from tumbler.executor.ray_tasks import perform_as_here

    answer = pickle.loads(perform_as_here(b"", tmp_path / "absent" / "token", tmp_path))
    assert isinstance(answer, Raised)
    assert isinstance(answer.error, UserError)
    assert f"does not see {tmp_path / 'absent'}; give --out a folder that all nodes share" in str(answer.error)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere"])
def test_no_cluster_at_the_address_is_one_line(tmp_path: Path, address: str) -> None:
    settings = ExecutorSettings(kind="ray", address=address)
    with Executor.of(settings, tmp_path) as executor, pytest.raises(UserError, match="no Ray cluster there"):
        list(executor.map(abs, [1]))


def digests(out: Path, *settings: str) -> dict[str, str]:
    """Run the smoke recipe's data stages; the digest of each step."""
    sets = [word for setting in settings for word in ("--set", setting)]
    command = [sys.executable, "-m", "tumbler", "run", "smoke", "--to", "tokens", "--out", str(out), *sets]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return {path.parent.name: json.loads(path.read_text())["digest"] for path in out.glob("*/manifest.json")}


@pytest.mark.slow
def test_the_data_stages_make_the_same_bytes_on_ray(tmp_path: Path) -> None:
    on_ray = digests(tmp_path / "ray", 'executor.kind="ray"', "executor.workers=2")
    assert on_ray == digests(tmp_path / "processes")
    assert set(on_ray) == {"almanac", "crawl", "corpus", "tokens"}
