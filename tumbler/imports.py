"""What other packages would import along with them, though we have no use for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final


class _Absent:
    """Says of some packages that they are not installed. (None in `sys.modules`, the usual way, misleads Cython.)"""

    def __init__(self, names: Sequence[str]) -> None:
        self.names: Final = names

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@contextmanager
def without(*names: str) -> Iterator[None]:
    """Packages that are not loaded yet seem not to be installed."""
    absent = _Absent(names)
    sys.meta_path.insert(0, absent)
    try:
        yield
    finally:
        sys.meta_path.remove(absent)


def spare_pandas() -> None:
    """Let pyarrow, where it is loaded, look for pandas now, in vain. It would load it (0.4 s) with the first list that
    becomes a column, to see whether the list is a series, and asks only once; but `to_pandas` looks again."""
    if (pyarrow := sys.modules.get("pyarrow")) and "pandas" not in sys.modules:
        with without("pandas"):
            pyarrow.array([0])
