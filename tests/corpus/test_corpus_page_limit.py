"""A page that brings down its worker is dropped; one that stood near another death is not."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tumbler.corpus.page_limit import PageGuard

needs_sigprof = pytest.mark.skipif(not hasattr(signal, "SIGPROF"), reason="no SIGPROF, no limit")
WORKER = """
import json, os, signal, sys
from pathlib import Path
from tumbler.corpus.page_limit import PageGuard

def spin():
    pow(3, 10**9)  # one call in C: no Python code can stop it

def burn(seconds):
    until = os.times().user + seconds
    while os.times().user < until:
        sum(range(1000))

def attributes():
    from tumbler.corpus.extraction.extraction import Extraction

    Extraction()("<p " + " ".join(f"a{n}" for n in range(10**6)) + ">", "html")

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def rows():
    for number, work in enumerate(WORKS):
        burn(WAIT)
        if work == "killer":
            die()
        yield number, work

guard = PageGuard(Path(sys.argv[1]), SECONDS, SUSPECTED)
done = [number for number, work in guard.watch(rows()) if number not in guard.refused and not work()]
burn(WAIT)
print(json.dumps([done, sorted(guard.refused)]))
"""


def attempt(
    crumb: Path, works: str, seconds: float = 0.3, wait: float = 0.0, suspected: bool = True
) -> int | list[list[int]]:
    """A worker's exit code if it died, else the rows done and the rows refused."""
    code = WORKER.replace("WORKS", works).replace("SECONDS", str(seconds)).replace("WAIT", str(wait))
    code = code.replace("SUSPECTED", str(suspected))
    worker = subprocess.run([sys.executable, "-c", code, str(crumb)], capture_output=True, text=True, timeout=100)
    if worker.returncode:
        return worker.returncode
    found: list[list[int]] = json.loads(worker.stdout)
    return found


@needs_sigprof
@pytest.mark.parametrize("page", ["spin", "attributes"])
def test_a_page_that_runs_out_of_time_twice_is_refused(tmp_path: Path, page: str) -> None:
    works = f"[bool, {page}, bool]"
    assert [attempt(tmp_path / "crumb", works) for _ in range(2)] == [-signal.SIGPROF] * 2
    assert attempt(tmp_path / "crumb", works) == attempt(tmp_path / "crumb", works) == [[0, 2], [1]]


@needs_sigprof
def test_two_such_pages_are_both_refused(tmp_path: Path) -> None:
    works = "[spin, bool, spin]"
    assert [attempt(tmp_path / "crumb", works) for _ in range(4)] == [-signal.SIGPROF] * 4
    assert attempt(tmp_path / "crumb", works) == [[1], [0, 2]]


@needs_sigprof
def test_time_between_pages_and_after_them_does_not_count(tmp_path: Path) -> None:
    works = "[lambda: burn(0.2)] * 3"
    assert attempt(tmp_path / "crumb", works, seconds=0.4, wait=0.5) == [[0, 1, 2], []]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL")
def test_a_page_that_stood_near_one_death_is_not_refused(tmp_path: Path) -> None:
    assert attempt(tmp_path / "crumb", "[bool, die, bool]") == -signal.SIGKILL
    assert attempt(tmp_path / "crumb", "[bool, bool, die]") == -signal.SIGKILL
    assert attempt(tmp_path / "crumb", "[bool, bool, bool]") == [[0, 1, 2], []]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL")
def test_a_page_that_is_done_bears_no_blame(tmp_path: Path) -> None:
    assert [attempt(tmp_path / "crumb", "[bool, 'killer']") for _ in range(3)] == [-signal.SIGKILL] * 3
    assert attempt(tmp_path / "crumb", "[bool, bool]") == [[0, 1], []]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL")
def test_a_death_that_no_driver_saw_is_no_witness(tmp_path: Path) -> None:
    for _ in range(3):  # the whole run killed, and begun again
        assert attempt(tmp_path / "crumb", "[bool, die, bool]", suspected=False) == -signal.SIGKILL
    assert attempt(tmp_path / "crumb", "[bool, bool, bool]", suspected=False) == [[0, 1, 2], []]


def test_an_exception_is_no_death(tmp_path: Path) -> None:
    for _ in range(3):
        guard = PageGuard(tmp_path / "crumb", 10, True)
        with pytest.raises(ValueError, match="disk"):
            for _row, _page in guard.watch(enumerate("ab")):
                raise ValueError("disk full")
        if hasattr(signal, "getitimer"):
            assert signal.getitimer(signal.ITIMER_PROF) == (0, 0)
    assert not PageGuard(tmp_path / "crumb", 10, True).refused


def test_rows_pass_as_they_are_where_there_is_no_sigprof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "setitimer", raising=False)
    guard = PageGuard(tmp_path / "crumb", 0.001, True)
    assert list(guard.watch([(5, "a"), (7, "b")])) == [(5, "a"), (7, "b")]


def test_the_guard_costs_microseconds(tmp_path: Path) -> None:
    guard = PageGuard(tmp_path / "crumb", 10, True)
    start = time.process_time()
    assert sum(1 for _ in guard.watch(enumerate(range(20_000)))) == 20_000
    assert (time.process_time() - start) / 20_000 < 10e-6
