"""kill -9 of workers and of the driver, at any moment of the data stages, changes no byte of what they make.

Pages of the almanac, cut into eight WARC files, go through crawl, corpus and tokens with two workers. Runs are
killed at seeded random moments, the driver and one of its workers in turn. After a driver's death the same command
is given again; after a worker's, the run itself does the shard again.
"""

from __future__ import annotations

import itertools
import json
import random
import signal
import subprocess
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tumbler.artifact import MANIFEST, PLAN

KILLS, KILLS_A_ROAD, FILES, PATIENCE = 20, 4, 8, 300.0
RECIPE = """
[executor]
workers = 2
[[step]]
name = "crawl"
stage = "crawl"
sources = ["SOURCES/*.warc.gz"]
[[step]]
name = "corpus"
stage = "corpus"
inputs = ["crawl"]
keep_rejected = true
shard_bytes = 100_000
[[step]]
name = "tokens"
stage = "tokens"
inputs = ["corpus"]
vocab_size = 512
"""


def members(data: bytes) -> Iterator[bytes]:
    """The gzip members of a WARC file: one a record."""
    while data:
        unzip = zlib.decompressobj(31)
        unzip.decompress(data)
        size = len(data) - len(unzip.unused_data)
        yield data[:size]
        data = data[size:]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    almanac = [sys.executable, "-m", "tumbler", "run", "smoke", "--to", "almanac", "--out", str(tmp_path / "made")]
    subprocess.run(almanac, check=True, capture_output=True)
    records = list(members((tmp_path / "made" / "almanac" / "pages.warc.gz").read_bytes()))
    (tmp_path / "sources").mkdir()
    for number in range(FILES):
        piece = b"".join(records[number * len(records) // FILES : (number + 1) * len(records) // FILES])
        (tmp_path / "sources" / f"{number}.warc.gz").write_bytes(piece)
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.replace("SOURCES", str(tmp_path / "sources")))
    return path


def start(recipe: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tumbler", "run", str(recipe), "--out", str(out)]
    with (out.parent / "stderr").open("ab") as said:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said)


def workers(run: subprocess.Popen[bytes]) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        children = psutil.Process(run.pid).children()
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    return []


def kill_driver(run: subprocess.Popen[bytes], out: Path, chance: random.Random) -> bool:
    """Kill it, and start nothing before its workers have followed; False when it had ended."""
    orphans = workers(run)
    if run.poll() is not None:
        return False
    run.send_signal(signal.SIGKILL)
    run.wait()
    _, alive = psutil.wait_procs(orphans, timeout=10)
    assert alive == []
    return True


def kill_worker(run: subprocess.Popen[bytes], out: Path, chance: random.Random) -> bool:
    """Kill one as soon as there are any and a step has begun; False when the run ends before."""
    while run.poll() is None:
        with suppress(psutil.NoSuchProcess):
            if step_at(out) != "between" and (found := workers(run)):
                chance.choice(found).kill()
                return True
        time.sleep(0.001)
    return False


def step_at(out: Path) -> str:
    """The step that is begun and not finished."""
    begun = [path.parent for path in out.glob(f"*/{PLAN}") if not (path.parent / MANIFEST).exists()]
    return begun[0].name if begun else "between"


def made(out: Path) -> dict[str, bytes | str]:
    """What the run made: its Parquet files and token shards, and each step's digest."""
    files = [path for path in out.rglob("*") if path.suffix in (".parquet", ".bin")]
    digests = {path.parent.name: json.loads(path.read_text())["digest"] for path in out.glob(f"*/{MANIFEST}")}
    return digests | {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


@pytest.mark.slow
def test_data_stages_killed_at_any_moment_make_the_same_bytes(tmp_path: Path, recipe: Path) -> None:
    chance = random.Random(4)
    begun = time.monotonic()
    assert start(recipe, tmp_path / "unbroken").wait(PATIENCE) == 0, (tmp_path / "stderr").read_text()
    seconds = time.monotonic() - begun
    expected = made(tmp_path / "unbroken")
    assert {"crawl", "corpus", "tokens", f"crawl/pages/{FILES - 1:05}.parquet", "corpus/data/00001.parquet"} <= set(
        expected
    )
    kills: Counter[str] = Counter()
    victims = itertools.cycle([("worker", kill_worker), ("driver", kill_driver)])
    for road in itertools.count():
        out = tmp_path / f"road-{road}"
        run = start(recipe, out)
        end = min(KILLS, kills.total() + KILLS_A_ROAD)
        while kills.total() < end and run.poll() is None:
            time.sleep(0.5 * seconds * chance.random() ** 2)  # rather early: crawl is short
            name, kill = next(victims)
            kills[f"{name} in {step_at(out)}"] += kill(run, out, chance)
            if run.returncode == -signal.SIGKILL:
                run = start(recipe, out)
        assert run.wait(PATIENCE) == 0, (tmp_path / "stderr").read_text()
        assert made(out) == expected, f"road {road} ended elsewhere ({kills})"
        if kills.total() >= KILLS:
            break
    again = (tmp_path / "stderr").read_text().count("doing it again")
    print(dict(kills), f"{road + 1} roads, {again} shards done again")
    assert again > 0
