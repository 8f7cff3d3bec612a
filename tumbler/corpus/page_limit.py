"""PageGuard: one page can neither stall a run nor end it.

A page that crashes the parser, eats all memory or spins in C code cannot be stopped from Python. So each page has a
CPU limit that the kernel enforces by ending the process, and the number of the page in work stands in a file that
outlives it. The executor does the shard again; a page during which two workers died is refused from then on. One
death is not enough, for workers also die for reasons of their own; and a worker that ended with its driver bears no
witness at all, or a run that is killed and begun again would not end in the same bytes.
"""

from __future__ import annotations

import mmap
import signal
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from tumbler.artifact import replacing

T = TypeVar("T")
NONE: Final = -1
DEATHS: Final = 2
"""Workers that a page may bring down before it is refused."""


class PageGuard:
    """`crumb` belongs to one shard. It holds 64-bit numbers: the row in work (-1: none), then a row for each death."""

    def __init__(self, crumb: Path, seconds: float, suspected: bool) -> None:
        """`seconds`: CPU time of the process for one page, by any thread; no limit where there is no SIGPROF.

        `suspected`: whether the driver saw the last worker of this shard die, so that the page in work counts.
        """
        self.crumb = crumb
        self.seconds = seconds if hasattr(signal, "setitimer") else None
        deaths = _deaths(crumb, suspected)
        with replacing(crumb) as temporary:
            temporary.write_bytes(array("q", [NONE, *deaths]).tobytes())
        self.refused = frozenset(row for row, count in Counter(deaths).items() if count >= DEATHS)
        """Rows that are not to be worked on."""

    def watch(self, rows: Iterable[tuple[int, T]]) -> Iterator[tuple[int, T]]:
        """The same rows; what the caller does with one before it asks for the next is limited and noted.

        An exception of the caller's is no death: it ends the iteration, and the row is forgotten.
        """
        with (
            self.crumb.open("r+b") as file,
            mmap.mmap(file.fileno(), 0) as mapped,
            memoryview(mapped).cast("q") as crumb,
        ):
            for row, item in rows:
                crumb[0] = row
                self._limit(self.seconds)
                try:
                    yield row, item
                finally:
                    self._limit(0)
                    crumb[0] = NONE

    def _limit(self, seconds: float | None) -> None:
        """SIGPROF's default action is to end the process; 0 takes the limit away."""
        if self.seconds is not None:
            signal.setitimer(signal.ITIMER_PROF, seconds or 0)


def _deaths(crumb: Path, suspected: bool) -> list[int]:
    """The row of each death so far, the last one's included when that is `suspected`."""
    if not crumb.exists():
        return []
    last, *earlier = array("q", crumb.read_bytes())
    return [*earlier, *([last] if suspected and last != NONE else [])]
