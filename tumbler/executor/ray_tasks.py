"""A pool of Ray tasks: the same calls and answers, on all nodes of a cluster."""

from __future__ import annotations

import os
import pickle
import socket
import tempfile
import time
from pathlib import Path
from typing import Final

import ray
from ray.exceptions import NodeDiedError, ObjectLostError, RayError

from tumbler.errors import UserError
from tumbler.executor.calls import Answer, Lost, Raised, perform

SLOTS_SECONDS: Final = 10.0
"""How long a count of the cluster's cores holds; nodes come and go."""
CONNECT_SECONDS: Final = 5.0
TASKS_A_CORE: Final = 2
"""So that a core that becomes free finds the next task already waiting in the cluster."""


class RayPool:
    """One task a call, one core a task. `shared` is the folder that all nodes must see."""

    def __init__(self, workers: int | None, address: str | None, shared: Path) -> None:
        _connect(workers, address)
        self._token, self._folder = _token(shared), Path.cwd()
        self._task = ray.remote(num_cpus=1, max_retries=0)(perform_as_here)
        self._tickets: dict[ray.ObjectRef, int] = {}
        self._most = workers if address else None  # a cluster of our own has just that many cores
        self._slots, self._counted = 0, 0.0

    @property
    def slots(self) -> int:
        if self._most is not None:
            return self._most
        if time.monotonic() > self._counted + SLOTS_SECONDS or not self._slots:
            self._slots = TASKS_A_CORE * max(1, int(ray.cluster_resources().get("CPU", 0)))
            self._counted = time.monotonic()
        return self._slots

    def submit(self, ticket: int, call: bytes) -> None:
        self._tickets[self._task.remote(call, self._token, self._folder)] = ticket

    def wait(self) -> list[tuple[int, Answer]]:
        ray.wait(list(self._tickets), num_returns=1)
        ended, _ = ray.wait(list(self._tickets), num_returns=len(self._tickets), timeout=0)
        return [(self._tickets.pop(task), _answer(task)) for task in ended]

    def drop(self) -> None:
        for task in self._tickets:
            ray.cancel(task, force=True)
        self._tickets.clear()

    def close(self) -> None:
        self.drop()
        self._token.unlink(missing_ok=True)
        ray.shutdown()


def _connect(workers: int | None, address: str | None) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address is None:
        ray.init("local", num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        return
    try:
        if address != "auto":  # asked first, since Ray itself tries for many minutes
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
        ray.init(address, log_to_driver=False, logging_level="ERROR")
    except (OSError, ValueError) as error:
        raise UserError(f"executor.address = {address!r}: no Ray cluster there ({_first_line(error)})") from error


def _token(shared: Path) -> Path:
    """A file whose name no other folder has."""
    shared.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=shared.resolve(), prefix="seen-by-all-nodes-", suffix=".tmp")
    os.close(handle)
    return Path(name)


def _answer(task: ray.ObjectRef) -> Answer:
    """A failure of the function comes as an answer; what Ray raises tells of lost workers and nodes."""
    try:
        answer: Answer = pickle.loads(ray.get(task))
    except RayError as error:
        node_lost = isinstance(error, NodeDiedError | ObjectLostError)
        return Lost(f"lost: {type(error).__name__}: {_first_line(error)}", suspect=not node_lost)
    return answer


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def perform_as_here(call: bytes, token: Path, folder: Path) -> bytes:
    """In the worker: do the call, if this node sees the run's folder; relative paths mean what they mean here."""
    if not token.exists():
        node, out = ray.util.get_node_ip_address(), token.parent
        message = f"Ray node {node} does not see {out}; give --out a folder that all nodes share under the same path"
        return pickle.dumps(Raised(UserError(message), ""))
    if folder.is_dir():
        os.chdir(folder)
    return perform(call)
