"""What a person sees while a stage works, and what stays: rich progress and `metrics.jsonl`.

Progress goes to standard error, so that standard output stays clean for pipes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

T = TypeVar("T")
QUIET_SECONDS = 15.0
"""Without a terminal (a log file, CI), progress is one plain line at most this often."""


class Log:
    """Console and metrics of one stage. `metrics` is None for work that has no folder."""

    def __init__(self, name: str, metrics: Path | None = None, console: Console | None = None) -> None:
        self.name = name
        self.metrics_path = metrics
        self.console = console or Console(stderr=True, highlight=False)

    def say(self, text: str) -> None:
        """One line on the console, behind the step's name. The text is shown as it is, never as markup."""
        self.console.print(Text.assemble((f"{self.name:>9} ", "bold cyan"), text), soft_wrap=True)

    def track(self, items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
        """Yield the items and show how far we are: a bar on a terminal, sparse lines elsewhere."""
        if not self.console.is_terminal:
            yield from self._track_plainly(items, what, total)
            return
        columns = (
            TextColumn(f"[bold cyan]{self.name:>9}[/] {{task.description}}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console, transient=True) as progress:
            yield from progress.track(items, total=total, description=what)

    def _track_plainly(self, items: Iterable[T], what: str, total: int | None) -> Iterator[T]:
        said = time.monotonic()
        for count, item in enumerate(items, 1):
            yield item
            if time.monotonic() - said > QUIET_SECONDS:
                said = time.monotonic()
                self.say(f"{what} {count}" + (f"/{total}" if total else ""))

    def metrics(self, step: int, **values: float | int | str) -> None:
        """Append one JSON line `{"step": step, ...}` to metrics.jsonl."""
        assert self.metrics_path is not None, "this log has no metrics file"
        with self.metrics_path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")

    def rewind(self, step: int) -> None:
        """Forget the lines after `step`: a resumed run writes them again."""
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
