"""Numbers as people read them."""

from __future__ import annotations

from typing import Any


def fact(value: Any) -> str:
    """One fact as text: thousands separated, four digits of a fraction, lists joined."""
    if isinstance(value, list | tuple):
        return ", ".join(fact(item) for item in value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def compact(value: float) -> str:
    """A tick's label: 1200000 -> 1.2M, 5000 -> 5k, 0.25 -> 0.25."""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{suffix}"
    return f"{value:g}"


def size(count: float) -> str:
    """Bytes, in decimal units and three digits: 830 B, 4.61 kB, 69.5 MB."""
    if count < 0:
        return "−" + size(-count)
    if count < 1000:
        return f"{count:.0f} B"
    for unit in ("kB", "MB", "GB", "TB"):
        count /= 1000
        if count < 999.5:
            return f"{count:.{2 if count < 9.995 else 1 if count < 99.95 else 0}f} {unit}"
    return f"{count / 1000:,.1f} PB"


def share(part: float, whole: float) -> str:
    """13.6 %; what is not nothing never reads as nothing, nor what is not all as all."""
    if not part or part == whole:
        return "100 %" if part else "0 %"
    percent = 100 * part / whole
    if percent < 0.05:
        return "< 0.1 %"
    return "> 99.9 %" if 99.95 <= percent < 100 else f"{percent:.1f} %"


def duration(seconds: float) -> str:
    """8.2 s, 45 s, 4 min 03 s, 2 h 05 min."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
