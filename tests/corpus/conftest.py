"""Real pages for the corpus room's tests: a sample by default, all of them among the slow tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from crawled_texts import crawled_texts

EVERY = [pytest.param(40, id="a-sample"), pytest.param(1, id="all-pages", marks=pytest.mark.slow)]


@pytest.fixture(scope="session", params=EVERY)
def crawled(request: pytest.FixtureRequest, shared: Path) -> list[tuple[str, str]]:
    """(URL, text) of pages of the shared crawls."""
    return crawled_texts(shared, request.param)
