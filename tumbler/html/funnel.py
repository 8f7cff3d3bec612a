"""What the bars of a funnel show."""

from __future__ import annotations

from tumbler.views import Funnel


def funnel_rows(funnel: Funnel) -> list[tuple[str, int, float, float]]:
    """(what, how many, share left after it, share it took) for each bar of a funnel, of what was read."""
    whole = max(funnel.read, 1)
    rows = [("read", funnel.read, 1.0, 0.0)]
    left = funnel.read
    for reason, count in funnel.dropped:
        left -= count
        rows.append((reason, count, left / whole, count / whole))
    return [*rows, ("kept", funnel.kept, funnel.kept / whole, 0.0)]
