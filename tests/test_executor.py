"""The executor keeps the order, holds nothing up, and has done again what a lost worker or a passing error broke."""

from __future__ import annotations

import errno
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumbler.errors import Failure, UserError
from tumbler.executor import Executor, ExecutorSettings, executor, faults, suspected
from tumbler.executor.calls import Answer, Lost, perform
from tumbler.executor.processes import ProcessPool


@pytest.fixture(scope="module")
def two() -> Iterator[Executor]:
    with Executor(2) as made:
        yield made


def square(number: int) -> int:
    return number * number


def pid(number: int) -> int:
    return os.getpid()


def called(folder: Path, number: int) -> int:
    """How often this item was begun, this time included."""
    with (folder / str(number)).open("a") as file:
        file.write(f"{os.getpid()}\n")
    return (folder / str(number)).read_text().count("\n")


def calls(folder: Path) -> dict[int, int]:
    return {int(path.name): path.read_text().count("\n") for path in folder.iterdir()}


def fail(folder: Path, how: Callable[[], object], bad: int, times: int, number: int) -> int:
    """The square; but item `bad` fails, its first `times` times."""
    if called(folder, number) <= times and number == bad:
        how()
    return square(number)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def reset() -> None:
    raise OSError(errno.ECONNRESET, "reset by peer")


def lack() -> None:
    raise FileNotFoundError(errno.ENOENT, "no such file", "pages.warc.gz")


def refuse() -> None:
    raise UserError("pages.warc.gz: bad")


def divide() -> float:
    return 1 / 0


def squares(many: int) -> list[int]:
    return [number * number for number in range(many)]


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    with Executor(workers) as pool:
        assert list(pool.map(square, range(20))) == squares(20)


def wait_for_last(folder: Path, number: int) -> int:
    deadline = time.monotonic() + 20
    while number == 0 and not (folder / "9").exists():
        assert time.monotonic() < deadline, "item 9 was held up by item 0"
        time.sleep(0.01)
    (folder / str(number)).touch()
    return number


def test_one_slow_item_does_not_hold_the_rest(two: Executor, tmp_path: Path) -> None:
    finished = [index for index, _ in two.completions(partial(wait_for_last, tmp_path), range(10))]
    assert finished == [*range(1, 10), 0]


def first_is_slow(number: int) -> int:
    time.sleep(0.5 * (number == 0))
    return number


def test_an_endless_source_is_read_as_results_are_taken(two: Executor) -> None:
    read = count()
    results = two.map(first_is_slow, iter(read.__next__, None))
    assert [next(results), next(results)] == [0, 1]
    assert next(read) <= 2 * executor.AHEAD + 2
    results.close()  # type: ignore[attr-defined]


def test_a_lost_workers_item_is_done_again_and_no_other(two: Executor, tmp_path: Path) -> None:
    said: list[str] = []
    assert list(two.map(partial(fail, tmp_path, die, 3, 2), range(8), said.append)) == squares(8)
    assert calls(tmp_path) == {number: 3 if number == 3 else 1 for number in range(8)}
    assert said == [f"3: worker killed by SIGKILL (out of memory?); doing it again ({n} of 3)" for n in (1, 2)]


def suspect(folder: Path, number: int) -> bool:
    if called(folder, number) == 1:
        {1: die, 2: reset}.get(number, bool)()
    return suspected()


def test_only_the_item_that_lost_its_worker_is_suspected(two: Executor, tmp_path: Path) -> None:
    assert list(two.map(partial(suspect, tmp_path), range(6), lambda text: None)) == [n == 1 for n in range(6)]


def test_an_item_that_loses_every_worker_is_named_with_the_way_out(tmp_path: Path) -> None:
    with Executor(2, retries=1) as pool, pytest.raises(Failure) as failure:
        list(pool.map(partial(fail, tmp_path, die, 1, 9), range(3)))
    assert str(failure.value).startswith("1: its worker was lost 2 times, at last killed by SIGKILL")
    assert "smaller executor.workers" in str(failure.value)


def test_a_worker_that_exits_is_lost_too(tmp_path: Path) -> None:
    with Executor(1, retries=0) as pool, pytest.raises(Failure, match="ended with exit code 3"):
        list(pool.map(partial(fail, tmp_path, partial(sys.exit, 3), 0, 1), range(1)))


def test_a_passing_error_is_tried_again_with_the_reason_told(two: Executor, tmp_path: Path) -> None:
    said: list[str] = []
    assert list(two.map(partial(fail, tmp_path, reset, 1, 1), range(3), said.append)) == squares(3)
    assert len(said) == 1
    assert "ConnectionResetError: [Errno 104] reset by peer; doing it again (1 of 3)" in said[0]


def test_a_passing_error_that_stays_is_raised_itself(tmp_path: Path) -> None:
    with Executor(1, retries=1) as pool, pytest.raises(ConnectionResetError) as error:
        list(pool.map(partial(fail, tmp_path, reset, 0, 9), range(3)))
    assert "On 0, try 2, in a worker:" in error.value.__notes__[0]


@pytest.mark.parametrize(
    ("how", "kind"), [(refuse, UserError), (lack, FileNotFoundError), ((1).__truediv__, TypeError)]
)
def test_another_error_is_raised_at_once_with_its_traceback(
    two: Executor, tmp_path: Path, how: Callable[[], object], kind: type[Exception]
) -> None:
    with pytest.raises(kind) as error:
        list(two.map(partial(fail, tmp_path, how, 0, 9), range(3)))
    assert calls(tmp_path)[0] == 1
    assert "in fail" in error.value.__notes__[0]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.EIO, "input/output error"), True),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), True),
        (socket.gaierror(socket.EAI_AGAIN, "name server is away"), True),
        (TimeoutError("timed out"), True),
        (OSError("what HTTP clients raise"), True),
        (FileNotFoundError("what file system clients raise"), False),
        (PermissionError(errno.EACCES, "denied"), False),
        (OSError(errno.ENOSPC, "disk full"), False),
        (OSError(errno.EFBIG, "file too large"), False),
        (ValueError("not of this world"), False),
    ],
)
def test_which_errors_pass(error: Exception, expected: bool) -> None:
    assert faults.passing(error) is expected


def unpicklable(number: int) -> object:
    return lambda: number


class Picky(Exception):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(one + two)


def raise_picky(number: int) -> None:
    raise Picky("one", "two")


def test_what_cannot_travel_is_an_error_and_no_hang(two: Executor) -> None:
    with pytest.raises(Exception, match="lambda"):
        list(two.map(unpicklable, range(1)))
    with pytest.raises(RuntimeError, match="Picky: onetwo"):
        list(two.map(raise_picky, range(1)))
    with pytest.raises(Exception, match="lambda"):
        list(two.map(lambda number: number, range(1)))


def test_workers_stay_for_the_next_map(two: Executor) -> None:
    first = set(two.map(pid, range(40)))
    assert set(two.map(pid, range(40))) == first
    results = two.map(pid, range(40))
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert list(two.map(square, range(5))) == squares(5)


def test_a_worker_killed_between_two_maps_is_replaced_without_a_word(two: Executor) -> None:
    said: list[str] = []
    for victim in set(two.map(pid, range(40))):
        process = psutil.Process(victim)
        process.kill()
        process.wait(10)
    assert list(two.map(square, range(5), said.append)) == squares(5)
    assert said == []


def loaded(name: str) -> tuple[bool, int]:
    return name in sys.modules, os.getpid()


def test_prepared_workers_have_loaded_what_they_will_need() -> None:
    others = set(psutil.Process().children())
    with Executor(1) as pool:
        pool.prepare(["colorsys", "wave"])
        (child,) = set(psutil.Process().children()) - others
        assert list(pool.map(loaded, ["colorsys", "wave", "antigravity"])) == [
            (True, child.pid),
            (True, child.pid),
            (False, child.pid),
        ]


def test_a_prepared_worker_that_cannot_load_is_replaced() -> None:
    with Executor(1) as pool:
        pool.prepare(["no_such_module"])
        assert list(pool.map(square, range(3))) == squares(3)


def test_workers_without_work_end() -> None:
    with Executor(start=lambda: ProcessPool(1, idle_seconds=0.1)) as pool:
        worker = psutil.Process(next(pool.map(pid, range(1))))
        psutil.wait_procs([worker], timeout=10)
        assert not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE
        assert list(pool.map(square, range(3))) == squares(3)


def test_close_stops_the_workers() -> None:
    with Executor(1) as pool:
        worker = psutil.Process(next(pool.map(pid, range(1))))
    assert not worker.is_running()


def test_workers_do_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, pathlib, time\nfrom tumbler.executor import Executor\n"
        f"def work(number):\n    pathlib.Path({str(tmp_path)!r}, f'pid-{{os.getpid()}}').touch()\n    time.sleep(60)\n"
        "if __name__ == '__main__':\n    list(Executor(2).map(work, range(2)))\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)])
    deadline = time.monotonic() + 20
    while len(found := list(tmp_path.glob("pid-*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    workers = [psutil.Process(int(path.name.removeprefix("pid-"))) for path in found]
    assert len(workers) == 2
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []


class ToyPool:
    """Performs a call when it is waited for: the one that `chance` picks; or loses its worker, if `chance` says so."""

    def __init__(self, slots: int, chance: Callable[[int], int]) -> None:
        self.slots, self.chance = slots, chance
        self.calls: dict[int, bytes] = {}

    def submit(self, ticket: int, call: bytes) -> None:
        self.calls[ticket] = call
        assert len(self.calls) <= self.slots

    def wait(self) -> list[tuple[int, Answer]]:
        ticket = sorted(self.calls)[self.chance(len(self.calls))]
        call = self.calls.pop(ticket)
        if self.chance(4) == 0:
            return [(ticket, Lost("gone"))]
        return [(ticket, pickle.loads(perform(call)))]

    def drop(self) -> None:
        self.calls.clear()

    def close(self) -> None:
        self.drop()


@settings(max_examples=50)
@given(data=st.data(), slots=st.integers(1, 4), ahead=st.integers(1, 3) | st.none(), many=st.integers(0, 30))
def test_every_item_is_finished_once_in_whatever_order_answers_come(
    data: st.DataObject, slots: int, ahead: int | None, many: int
) -> None:
    pool = ToyPool(slots, lambda below: data.draw(st.integers(0, below - 1)))
    begun: list[int] = []
    items = (begun.append(number) or number for number in range(many))  # type: ignore[func-returns-value]
    seen: Counter[int] = Counter()
    said: list[str] = []
    toy = Executor(retries=10**6, start=lambda: pool)
    for index, result in toy.completions(square, items, said.append, ahead):
        assert result == square(index)
        seen[index] += 1
        oldest = next(number for number in count() if number not in seen)
        assert ahead is None or len(begun) <= oldest + ahead * slots
    assert seen == Counter(range(many))


def test_settings_that_contradict_each_other_or_lack_a_package_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match='address is for kind = "ray"'):
        Executor.of(ExecutorSettings(address="auto"), Path("out"))
    monkeypatch.setattr(executor, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r'pip install "tumbler\[ray\]"'):
        Executor.of(ExecutorSettings(kind="ray"), Path("out"))
