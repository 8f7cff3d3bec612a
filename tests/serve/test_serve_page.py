"""The chat page, as served and in a real browser (skipped where there is none)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from support import Parrot, app_of

from tumbler.chat import ChatModel
from tumbler.serve.app import create_app
from tumbler.serve.models import Models

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ANSWER = "Oslo is the capital.\n<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"


@pytest.fixture(scope="module")
def url(model: Any, tokenizer: Any, serving: Any) -> Iterator[str]:
    with serving(app_of(Parrot(model, tokenizer, tokenizer.encode(ANSWER), 0.002), tokenizer)) as at:
        yield at


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs Chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


def tab_of(browser: Any, url: str) -> Any:
    tab = browser.new_page()
    tab.set_default_timeout(8000)
    tab.goto(url)
    return tab


@pytest.fixture(scope="module")
def page(browser: Any, url: str) -> Any:
    return tab_of(browser, url)


def test_the_page_allows_its_own_script_and_style_only(url: str) -> None:
    answer = httpx.get(url + "/")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert "innerHTML" not in answer.text
    assert "://" not in answer.text.replace("http://www.w3.org/2000/svg", "")


def test_a_question_is_answered_as_text_whatever_the_answer_holds(page: Any) -> None:
    page.get_by_text("tiny-chat").wait_for()
    page.fill("#ask", "What is the capital of Norway?")
    page.keyboard.press("Enter")
    page.locator(".foot").wait_for()
    assert page.locator(".turn.assistant .text").text_content() == ANSWER
    assert page.title() == "tiny-chat · tumbler"
    assert "tokens" in page.locator(".foot").text_content()


def test_an_answer_can_be_stopped_and_a_new_chat_begun(page: Any) -> None:
    page.click("#new")
    page.fill("#ask", "go on forever")
    page.keyboard.press("Enter")
    page.locator(".turn.assistant .text", has_text="Oslo").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("stopped").wait_for()
    page.click("#new")
    page.locator("#welcome").wait_for()


def test_the_system_prompt_and_the_temperature_are_sent(page: Any) -> None:
    page.click("#open")
    page.fill("#system", "You are Nemo.")
    page.locator("#temperature").fill("0")
    with page.expect_request("**/v1/chat/completions") as sent:
        page.locator("#examples button").first.click()
    body = sent.value.post_data_json
    assert body["messages"][0] == {"role": "system", "content": "You are Nemo."}
    assert body["temperature"] == 0
    page.locator(".foot").wait_for()
    page.click("#new")


def test_an_error_is_shown_and_the_message_given_back(page: Any) -> None:
    page.fill("#ask", "word " * 400)
    page.keyboard.press("Enter")
    page.locator(".error", has_text="shorten the messages").wait_for()
    assert page.input_value("#ask").startswith("word word")


def test_a_key_is_asked_for_models_are_chosen_and_thoughts_fold(
    browser: Any, model: Any, tokenizer: Any, serving: Any
) -> None:
    says = [tokenizer.special["<|think|>"], *tokenizer.encode("<b>One</b> and two.")]
    says += [tokenizer.special["<|/think|>"], *tokenizer.encode("Three.")]
    chats = {name: ChatModel.of(Parrot(model, tokenizer, says), tokenizer) for name in ("small", "large")}
    with serving(create_app(Models.of(chats), keys=["open-sesame"])) as url:
        page = tab_of(browser, url)
        page.fill("#key", "open-sesame")
        page.keyboard.press("Enter")
        page.select_option("#models", "large")
        page.fill("#ask", "What are one and two?")
        with page.expect_request("**/v1/chat/completions") as sent:
            page.locator("#ask").press("Enter")
        assert sent.value.post_data_json["model"] == "large"
        page.locator(".foot").wait_for()
        assert page.locator(".turn.assistant .text").text_content() == "Three."
        thought = page.locator(".thought")
        assert not thought.is_visible()
        page.get_by_text("Thought for 1 s").click()
        thought.wait_for()
        assert thought.text_content() == "<b>One</b> and two."
