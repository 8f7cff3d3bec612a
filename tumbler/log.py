"""What a person sees while a stage works, and what stays: rich progress and `metrics.jsonl`.

Progress goes to standard error, so that standard output stays clean for pipes.
"""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

T = TypeVar("T")
QUIET_SECONDS = 15.0
"""Without a terminal (a log file, CI), progress is one plain line at most this often."""
PACE_SECONDS, PACE_MARKS = 60.0, 8


class Pace:
    """How fast it goes lately: over the last minute, or where items come slowly, over the last few.

    So what an earlier run had finished, which passes at once, is soon forgotten.
    """

    def __init__(self, now: float) -> None:
        self._marks: deque[tuple[float, int]] = deque([(now, 0)])
        """(seconds, items done by then), a second or more apart."""
        self._last = (now, 0)

    def done(self, count: int, now: float) -> None:
        self._last = (now, count)
        if now - self._marks[-1][0] >= 1:
            self._marks.append(self._last)
        while len(self._marks) > PACE_MARKS and now - self._marks[0][0] > PACE_SECONDS:
            self._marks.popleft()

    def text(self, total: int | None) -> str:
        """`3.2/s, 0:05:10 left`."""
        seconds, items = (last - first for last, first in zip(self._last, self._marks[0], strict=True))
        if not seconds or not items:
            return ""
        rate = items / seconds
        left = f", {timedelta(seconds=round((total - self._last[1]) / rate))} left" if total else ""
        return f"{rate:,.0f}/s{left}" if rate >= 10 else f"{rate:.2g}/s{left}"


class Log:
    """Console and metrics of one stage. `metrics` is None for work that has no folder.

    `silent`: nothing is shown or written; of several processes that do the same work, one tells of it.
    """

    def __init__(
        self, name: str, metrics: Path | None = None, console: Console | None = None, silent: bool = False
    ) -> None:
        self.name = name
        self.metrics_path = metrics
        self.silent = silent
        self.console = console or Console(stderr=True, highlight=False, quiet=silent)

    def say(self, text: str) -> None:
        """One line on the console, behind the step's name. The text is shown as it is, never as markup."""
        self.console.print(Text.assemble((f"{self.name:>9} ", "bold cyan"), text), soft_wrap=True)

    def track(self, items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
        """Yield the items and show how far we are, how fast, and how long it will take.

        A bar on a terminal, sparse lines elsewhere.
        """
        pace = Pace(time.monotonic())
        if not self.console.is_terminal:
            yield from self._track_plainly(items, what, total, pace)
            return
        columns = (
            TextColumn(f"{self.name:>9}", style="bold cyan", markup=False),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[pace]}", markup=False),
        )
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task(what, total=total, pace="")
            for count, item in enumerate(items, 1):
                pace.done(count, time.monotonic())
                progress.update(task, completed=count, pace=pace.text(total))
                yield item

    def _track_plainly(self, items: Iterable[T], what: str, total: int | None, pace: Pace) -> Iterator[T]:
        said = time.monotonic()
        for count, item in enumerate(items, 1):
            now = time.monotonic()
            pace.done(count, now)
            if now - said > QUIET_SECONDS:
                said = now
                self.say(f"{what} {count}" + (f"/{total}" if total else "") + f", {pace.text(total)}")
            yield item

    def metrics(self, step: int, **values: float | int | str) -> None:
        """Append one JSON line `{"step": step, ...}` to metrics.jsonl."""
        if self.silent:
            return
        assert self.metrics_path is not None, "this log has no metrics file"
        with self.metrics_path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")

    def rewind(self, step: int) -> None:
        """Forget the lines after `step`: a resumed run writes them again."""
        if self.silent:
            return
        assert self.metrics_path is not None, "this log has no metrics file"
        kept = [line for line in read_metrics(self.metrics_path) if int(line["step"]) <= step]
        temporary = self.metrics_path.with_name(self.metrics_path.name + ".tmp")
        temporary.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
        temporary.replace(self.metrics_path)


def read_metrics(path: Path) -> list[dict[str, float | int | str]]:
    """The lines of a metrics.jsonl; a last line cut by a kill is left out."""
    if not path.exists():
        return []
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return lines
