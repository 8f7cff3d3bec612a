"""The account of one shard's first pass: what was dropped, for what reason, and examples of it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tumbler.corpus.report.flow import Tally, count, from_rows, to_rows
from tumbler.corpus.report.pictures import Examples, length_bins
from tumbler.corpus.verdict import Verdict


@dataclass
class Account:
    """What became of a shard's pages in this pass; of the candidates, only what extraction took away."""

    tally: Tally = field(default_factory=dict)
    lengths: Counter[int] = field(default_factory=Counter)
    """Pages dropped with a text, by length bin of its bytes."""
    examples: Examples = field(default_factory=Examples)

    def add(self, page: dict[str, Any], verdict: Verdict) -> None:
        size, extracted = page["bytes"], len(verdict.text.encode())
        if verdict.text and not verdict.sampled:
            count(self.tally, "extraction:markup", verdict.language, size - extracted, pages=0)
            size = extracted
        if verdict.reason is None:
            return
        count(self.tally, verdict.reason, verdict.language, size)
        self.examples.offer(verdict.reason, verdict.text, page["url"])
        if verdict.text and not verdict.sampled:
            self.lengths.update(length_bins(np.array([extracted])))

    def to_json(self) -> str:
        parts = {"tally": to_rows(self.tally), "lengths": dict(self.lengths), "examples": self.examples.rows()}
        return json.dumps(parts, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Account:
        parts = json.loads(text)
        account = cls(from_rows(parts["tally"]), Counter({int(key): n for key, n in parts["lengths"].items()}))
        account.examples.add(parts["examples"])
        return account
