"""How deep the tags of a page are nested, told without a parser: the time of extraction grows with the square of it."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Final

_NESTING = re.compile(
    r"<(/?)(?!(?:area|base|br|col|embed|hr|img|input|link|meta|source|track|wbr|p|li|d[td]|t[dhr]|option)\b)[a-z]", re.I
)
"""Tags that nest; not those that are empty or close themselves."""
_STEP: Final = {"": 1, "/": -1}
SAMPLES: Final = 8
SAMPLE: Final = 256
"""Characters."""


def is_deep(html: str, limit: int) -> bool:
    """Whether tags are nested deeper than `limit`. They are only counted where samples of the page have many more
    opening than closing ones, and it has so many: one search through all pages would cost a tenth of their
    extraction."""
    return _sampled_depth(html) > limit and html.count("<") - html.count("</") > limit and depth(html) > limit


def depth(html: str) -> int:
    """About: a tag that is never closed counts as open."""
    return max(accumulate(map(_STEP.__getitem__, _NESTING.findall(html))), default=0)


def _sampled_depth(html: str) -> int:
    stride = max(len(html) // SAMPLES, SAMPLE)
    samples = (html[start : start + SAMPLE] for start in range(0, len(html), stride))
    opened = accumulate(sample.count("<") - 2 * sample.count("</") for sample in samples)
    return max(opened, default=0) * stride // SAMPLE
