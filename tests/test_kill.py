"""kill -9 at any moment changes nothing: the same command again ends in the same bytes.

Roads through recipes/smoke.toml are killed at seeded random moments, some aimed at a stage or at a
checkpoint write, and started again until they end. Every road's final weights must equal an unbroken road's.
"""

from __future__ import annotations

import itertools
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil
import pytest

from tumbler.artifact import MANIFEST, PLAN, TEMPORARY

STAGES = ("almanac", "crawl", "corpus", "tokens", "pretrain", "sft", "eval")
TRAINED = ("pretrain", "sft")
KILLS, WRITES = 20, 2
PATIENCE = 900.0


def start(out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tumbler", "run", "smoke", "--out", str(out)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def stage_at(out: Path) -> str | None:
    """The stage that is begun and not finished."""
    for stage in STAGES:
        if (out / stage / PLAN).exists() and not (out / stage / MANIFEST).exists():
            return stage
    return None


def writing(out: Path) -> bool:
    """Whether a checkpoint is half written."""
    return any(list((out / stage / "resume").glob("*" + TEMPORARY)) for stage in TRAINED)


def kill_when(process: subprocess.Popen[bytes], due: Callable[[], bool]) -> bool:
    """Kill the process as soon as `due` says so; False when it ended by itself before."""
    begun = time.monotonic()
    while process.poll() is None:
        if due():
            workers = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGKILL)
            process.wait()
            psutil.wait_procs(workers, timeout=10)
            return True
        assert time.monotonic() - begun < PATIENCE, "the run hangs"
        time.sleep(0.0005)
    assert process.stderr is not None
    assert process.returncode == 0, process.stderr.read().decode()
    return False


def after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def inside(out: Path, stage: str, delay: float) -> Callable[[], bool]:
    """Due `delay` seconds after the process was first seen inside `stage`."""
    seen: list[float] = []

    def due() -> bool:
        if stage_at(out) == stage:
            seen.append(time.monotonic())
        return bool(seen) and time.monotonic() - seen[0] > delay

    return due


@pytest.mark.slow
def test_a_road_killed_at_any_moment_ends_in_the_same_bytes(tmp_path: Path) -> None:
    chance = random.Random(20)
    assert kill_when(start(tmp_path / "unbroken"), lambda: False) is False
    seconds = {stage: json.loads((tmp_path / "unbroken" / stage / MANIFEST).read_text())["seconds"] for stage in STAGES}
    files = ("sft/model.safetensors", "pretrain/model.safetensors", "tokens/tokenizer/tokenizer.json")
    expected = [(tmp_path / "unbroken" / name).read_bytes() for name in files]
    kills: Counter[str] = Counter()
    for road in itertools.count():
        out = tmp_path / f"road-{road}"
        for attempt in itertools.count():
            missing = [stage for stage in STAGES if not kills[stage] and not (out / stage / MANIFEST).exists()]
            if kills["checkpoint write"] < WRITES and attempt % 3 == 2:
                due: Callable[[], bool] = partial(writing, out)
            elif missing and attempt % 3 != 1:
                due = inside(out, missing[0], chance.uniform(0, 0.8 * seconds[missing[0]]))
            else:
                due = after(chance.uniform(1, 0.5 * sum(seconds.values())))
            if not kill_when(start(out), due):
                break
            kills["all"] += 1
            kills[stage_at(out) or "between"] += 1
            kills["checkpoint write"] += writing(out)
        assert [(out / name).read_bytes() for name in files] == expected, f"road {road} ended elsewhere ({kills})"
        if kills["all"] >= KILLS and all(kills[stage] for stage in STAGES) and kills["checkpoint write"] >= WRITES:
            break
    print(dict(kills), f"{road + 1} roads")
