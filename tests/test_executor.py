"""The executor keeps the order, reads lazily, and tells when a worker dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tumbler.errors import Failure, UserError
from tumbler.executor import Executor


def square(number: int) -> int:
    return number * number


def die(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def refuse(number: int) -> int:
    raise UserError(f"shard {number}: bad")


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    assert list(Executor(workers).map(square, range(20))) == [n * n for n in range(20)]


def test_items_are_read_as_they_are_needed() -> None:
    read = []

    def items() -> Iterator[int]:
        for number in range(1000):
            read.append(number)
            yield number

    results = Executor(2).map(square, items())
    next(results)
    assert len(read) < 10
    results.close()  # type: ignore[attr-defined]


def test_a_dead_worker_is_a_failure_with_the_way_out() -> None:
    with pytest.raises(Failure, match="run the same command again"):
        list(Executor(2).map(die, range(3)))


def test_an_error_in_a_worker_is_raised_here() -> None:
    with pytest.raises(UserError, match="shard 0: bad"):
        list(Executor(2).map(refuse, range(3)))


def test_workers_do_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import time\nfrom tumbler.executor import Executor\n"
        "if __name__ == '__main__':\n    list(Executor(2).map(time.sleep, [60, 60]))\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)])
    process = psutil.Process(parent.pid)
    deadline = time.monotonic() + 20
    while len(children := process.children(recursive=True)) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(children) >= 2
    time.sleep(1.0)  # let the workers reach their initializer
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
