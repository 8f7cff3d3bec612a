"""report.html of a corpus: complete, the same each time, and harmless in a real browser (skipped where none is)."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tumbler.corpus.report import pictures
from tumbler.corpus.report.flow import KEPT, Tally, count, dropped, flow
from tumbler.corpus.report.page import html, in_force
from tumbler.corpus.report.pictures import Cluster, Example, Examples
from tumbler.corpus.rules.gopher_quality import GopherQuality
from tumbler.corpus.rules.language import LanguageFilter
from tumbler.recipe import Settings
from tumbler.views import View

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
EVIL = """<script>document.title='broken'</script><img src=x onerror="document.title='broken'"></details></style>"""
RULES = ("url_filter", "extraction", "language", "gopher_quality", "near_duplicate")
LANGUAGES = [("en", 60), ("de", 30), ("fr", 20), *((f"l{number}", 2) for number in range(20))]


class Rules(Settings):
    language: LanguageFilter = LanguageFilter()
    """Which languages stay."""
    gopher_quality: GopherQuality = GopherQuality()
    """Texts that are no running prose."""


def pictures_of_a_corpus() -> dict[str, View]:
    tally: Tally = {}
    examples = Examples()
    count(tally, "extraction:empty", "", 900)
    for language, pages in LANGUAGES:
        outcome = KEPT if language == "en" else f"language:{language}"
        count(tally, outcome, language, 500 * pages, pages)
        count(tally, "extraction:markup", language, 4000 * pages, pages=0)
    for number in range(4):
        count(tally, f"gopher_quality:{EVIL}{number}", "en", 77, pages=3)
        examples.offer(f"gopher_quality:{EVIL}{number}", EVIL, "http://evil.example/" + EVIL)
    cluster = Cluster(9, Example(EVIL, EVIL), (EVIL, EVIL))
    return {
        "funnel": flow(tally, RULES),
        "lengths": pictures.lengths("Length of texts", "bytes of text", {9: 40, 10: 20}, {3: 100, 9: 20}),
        "languages": pictures.languages(tally),
        "removed": pictures.removed(examples, tuple(dropped(tally, RULES))),
        "duplicates": pictures.clusters([cluster]),
        "kept": pictures.kept([(EVIL, EVIL, EVIL)]),
    }


def report() -> str:
    settings = Rules(gopher_quality=GopherQuality(min_words=31))
    return html(pictures_of_a_corpus(), settings, {"read": 163, "emails replaced": 12}, ("CC-BY-4.0", EVIL))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs Chromium")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def tab(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """The page opened from disk without a network; what it says or asks for is in `tab.heard`."""
    (tmp_path / "report.html").write_text(report(), encoding="utf-8")
    context = browser.new_context(offline=True, viewport={"width": 390, "height": 800})
    tab = context.new_page()
    tab.set_default_timeout(8000)
    tab.heard = []
    tab.on("console", lambda message: tab.heard.append(message.text))
    tab.on("pageerror", lambda error: tab.heard.append(str(error)))
    tab.on("request", lambda request: tab.heard.append(request.url))
    tab.goto((tmp_path / "report.html").as_uri())
    yield tab
    context.close()


def test_the_page_asks_for_nothing_and_hostile_text_does_nothing(tab: Any) -> None:
    assert [line for line in tab.heard if not line.endswith("/report.html")] == []
    assert tab.title() == "Corpus: 163 pages in, 60 documents out"
    assert tab.locator("script, img, a, iframe, link").count() == 0
    assert tab.locator("text=onerror=").count() > 0, "it is shown, as text"


def test_the_page_has_a_row_a_rule_and_fits_a_telephone(tab: Any) -> None:
    rows = tab.locator(".panel:visible .passage:not(.head):not(.end) .name").all_inner_texts()
    assert [name.strip() for name in rows] == list(RULES)
    assert tab.evaluate("document.documentElement.scrollWidth") == 390


def test_a_rule_opens_to_its_reasons_and_a_reason_to_its_examples(tab: Any) -> None:
    rule = tab.locator(".panel:visible details.step", has_text="gopher_quality")
    assert not rule.locator(".reason").first.is_visible()
    rule.locator("summary").first.click()
    rule.locator("summary.reason").first.click()
    assert rule.locator(".sample .output").first.inner_text() == EVIL
    assert rule.locator(".sample .prompt").first.inner_text() == "http://evil.example/" + EVIL


def test_the_strip_shows_one_language_by_itself(tab: Any) -> None:
    names = tab.locator(".tab .name").all_inner_texts()
    assert names[:3] == ["all", "en", "de"] and names[-2:] == ["other", "none"]
    tab.locator(".tab", has_text="de").first.click()
    assert tab.locator(".panel:visible").count() == 1
    assert tab.locator(".panel:visible .passage", has_text="language").locator(".taken").inner_text() == "−30"
    tab.keyboard.press("ArrowRight")
    assert tab.locator(".tab:has(:checked) .name").inner_text() == "fr"


def test_the_page_tells_the_thresholds_in_force_and_which_are_not_the_default() -> None:
    [quality] = [rule for rule in in_force(Rules(gopher_quality=GopherQuality(min_words=31))) if "quality" in rule.name]
    [changed] = [item for item in quality.settings if item.default]
    assert (changed.key, changed.value, changed.default) == ("min_words", "31", "50")
    assert changed.about.startswith("Fewest words")
    assert "31" in report() and "emails replaced" in report() and "CC-BY-4.0" in report()


def test_a_rule_that_is_off_is_marked() -> None:
    off = Rules(language=LanguageFilter(enabled=False))
    assert [rule.enabled for rule in in_force(off)] == [False, True, True]
    assert "Left out here." in html(pictures_of_a_corpus(), off, {}, ())


def test_equal_corpora_have_equal_pages_and_nothing_is_fetched() -> None:
    assert report() == report()
    assert re.findall(r"""(?:src|href|url)\s*[=(]""", re.sub(r"&[#\w]+;|src=x", "", report())) == []


def test_a_corpus_of_nothing_has_a_page() -> None:
    nothing = html({"funnel": flow({}, RULES), "lengths": pictures.lengths("", "", {}, {})}, Rules(), {}, ())
    assert "0 pages in, 0 documents out" in nothing
