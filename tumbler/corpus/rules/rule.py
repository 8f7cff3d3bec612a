"""Rule: the base of every filter. A rule is a frozen value: thresholds are its fields, a call is its verdict.

A rule called on a document gives None (keep) or the reason to drop it, such as
`gopher_quality:too_few_words`. The value is at once the code's parameter, the recipe's table and
the documentation.
"""

from __future__ import annotations

from tumbler.recipe import Settings


class Rule(Settings):
    enabled: bool = True
    """false leaves this rule out."""
