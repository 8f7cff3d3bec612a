"""Gate: the requests of many processes to one server, at most so many at once and never too fast.

The state is a few small files in a folder that all workers see. Locks are the system's, so a worker
that is killed gives its connection back.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

POLL_SECONDS: Final = 0.05


@dataclass(frozen=True)
class Gate:
    folder: Path
    connections: int
    """Requests under way at the same time, at most."""
    delay: float
    """Seconds between the starts of two requests, at least."""

    @contextmanager
    def connection(self) -> Iterator[None]:
        """Wait for one of the connections and hold it."""
        lock = self._free()
        while lock is None:
            time.sleep(POLL_SECONDS * random.uniform(0.5, 1.5))
            lock = self._free()
        try:
            yield
        finally:
            lock.release()

    def turn(self) -> None:
        """Wait until a request may start."""
        while (wait := self._ask()) > 0:
            time.sleep(wait)

    def pause(self, seconds: float) -> None:
        """Let nobody start a request for so long."""
        with self._clock() as due:
            self._write(max(due, time.time() + seconds))

    def _free(self) -> FileLock | None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for number in range(self.connections):
            lock = FileLock(self.folder / f"connection-{number}.lock", timeout=0)
            try:
                lock.acquire()
            except Timeout:
                continue
            return lock
        return None

    def _ask(self) -> float:
        """Seconds still to wait; 0 takes the turn."""
        with self._clock() as due:
            now = time.time()
            if due <= now:
                self._write(now + self.delay)
            return max(0.0, due - now)

    @contextmanager
    def _clock(self) -> Iterator[float]:
        """The time (seconds since 1970, as all machines count it) before which nobody starts; locked meanwhile."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / "clock.lock"):
            yield self._read()

    def _read(self) -> float:
        try:
            return float((self.folder / "clock").read_text())
        except (FileNotFoundError, ValueError):  # the first request, or a machine that went down while writing
            return 0.0

    def _write(self, due: float) -> None:
        (self.folder / "clock").write_text(repr(due))
