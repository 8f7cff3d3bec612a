"""A pool of processes on this machine: one pipe a worker, so that a lost worker costs its own item and no other.

Workers are started by `spawn` (safe beside threads, the same on every system) when they are first needed, and
stay, with what they have imported, for all maps of the run.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Final

from tumbler.executor.calls import Answer, Lost, perform

IDLE_SECONDS: Final = 30.0
"""A worker without work for so long ends, and gives its memory to the stages that compute on their own."""
JOIN_SECONDS: Final = 10.0
PREPARED: Final = 2
"""Workers that are started before there is work; the others when they find some."""


def available_cores() -> int:
    """The cores this process may use (its affinity mask, where the system has one)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Worker:
    process: SpawnProcess
    connection: Connection

    @classmethod
    def start(cls, idle_seconds: float, modules: Sequence[str] = ()) -> Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, idle_seconds, modules), daemon=True)
        process.start()
        theirs.close()
        return cls(process, ours)

    def give(self, call: bytes) -> bool:
        """Send a call; False when the worker is gone."""
        try:
            self.connection.send_bytes(call)
        except OSError:
            return False
        return True

    def answer(self) -> Answer:
        """The answer, once the pipe or the process has something to tell."""
        try:
            if self.connection.poll():
                answer: Answer = pickle.loads(self.connection.recv_bytes())
                return answer
        except (EOFError, ConnectionError):
            pass
        self.process.join(JOIN_SECONDS)
        return Lost(_ending(self.process.exitcode))

    def stop(self) -> None:
        self.process.kill()
        self.process.join(JOIN_SECONDS)
        self.connection.close()


class ProcessPool:
    """Up to `slots` workers; each has one call at a time, so none waits behind a slow one."""

    def __init__(self, slots: int, idle_seconds: float = IDLE_SECONDS) -> None:
        self.slots = slots
        self._idle_seconds = idle_seconds
        self._idle: list[Worker] = []
        self._busy: dict[int, Worker] = {}

    def prepare(self, modules: Sequence[str]) -> None:
        """Start some workers now, and let them load what they will need."""
        self._idle += [Worker.start(self._idle_seconds, modules) for _ in range(min(self.slots, PREPARED))]

    def submit(self, ticket: int, call: bytes) -> None:
        for worker in self._idlers():
            if worker.give(call):
                break
            worker.stop()
        else:
            worker = Worker.start(self._idle_seconds)
            worker.give(call)  # if it is gone already, `wait` will tell
        self._busy[ticket] = worker

    def _idlers(self) -> Iterator[Worker]:
        while self._idle:
            yield self._idle.pop()

    def wait(self) -> list[tuple[int, Answer]]:
        tickets: dict[Connection | int, int] = {}
        for ticket, worker in self._busy.items():
            tickets[worker.connection] = tickets[worker.process.sentinel] = ticket
        ended = sorted({tickets[handle] for handle in wait(list(tickets))})  # type: ignore[index]
        return [(ticket, self._collect(ticket)) for ticket in ended]

    def _collect(self, ticket: int) -> Answer:
        worker = self._busy.pop(ticket)
        answer = worker.answer()
        if isinstance(answer, Lost):
            worker.stop()
        else:
            self._idle.append(worker)
        return answer

    def drop(self) -> None:
        _stop(list(self._busy.values()))
        self._busy.clear()

    def close(self) -> None:
        self.drop()
        _stop(self._idle)
        self._idle.clear()


def _stop(workers: list[Worker]) -> None:
    for worker in workers:
        worker.process.kill()
    for worker in workers:
        worker.stop()


def _ending(code: int | None) -> str:
    if code is None:
        return "closed its pipe and hangs"
    if code >= 0:
        return f"ended with exit code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")


def serve(connection: Connection, idle_seconds: float, modules: Sequence[str]) -> None:
    """A worker's life: a call, its answer, the next call; until the pipe is closed or nothing comes for long."""
    gc.set_threshold(100_000, 50, 50)  # workers hold large tables that are no garbage; looking for some took 4 %
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the driver stops its workers
    _die_with_parent()
    for module in modules:
        importlib.import_module(module)
    try:
        while connection.poll(idle_seconds):
            connection.send_bytes(perform(connection.recv_bytes()))
    except (EOFError, ConnectionError):
        pass


def _die_with_parent() -> None:
    """A worker whose driver was killed must not live on and write into a folder that a rerun owns."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    sentinel = parent.sentinel

    def watch() -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
