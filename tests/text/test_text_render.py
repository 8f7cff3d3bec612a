"""Claims about rendering: equal to the Jinja template, prefix-stable, masked on the assistant alone, never special."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumbler.text.conversation import ROLES, Conversation, Message
from tumbler.text.render import render
from tumbler.text.special import SPECIAL
from tumbler.text.tokenizer import Tokenizer

CONTENT = st.lists(st.one_of(st.text(max_size=20), st.sampled_from(SPECIAL)), max_size=4).map("".join)
MESSAGES = st.lists(st.builds(Message, st.sampled_from(ROLES), CONTENT), min_size=1, max_size=5)


@pytest.fixture(scope="session")
def outside(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory):
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("chat")
    tokenizer.save(folder)
    return AutoTokenizer.from_pretrained(folder)


def conversations(paragraphs: list[str], count: int) -> list[Conversation]:
    """Real prose with awkward edges, one to four exchanges, half of them under a system message."""
    draw = random.Random(0)
    edges = ["", " ", "\n", "  \n", "\t", "é", "{{ x }}", "</s>", "<|", "'s"]
    found = []
    for number in range(count):
        turns = ["system"] * (number % 2) + ["user", "assistant"] * draw.randint(1, 4)
        texts = [
            draw.choice(edges) + draw.choice(paragraphs)[: draw.randint(0, 300)] + draw.choice(edges) for _ in turns
        ]
        messages = tuple(Message(role, text) for role, text in zip(turns, texts, strict=True))  # type: ignore[arg-type]
        found.append(Conversation(messages, str(number)))
    return found


@pytest.mark.parametrize("prompt", [False, True])
def test_200_conversations_have_the_ids_that_apply_chat_template_gives(
    tokenizer: Tokenizer, outside, paragraphs: list[str], prompt: bool
) -> None:
    for conversation in conversations(paragraphs, 200):
        messages = [{"role": item.role, "content": item.content} for item in conversation.messages]
        expected = outside.apply_chat_template(messages, add_generation_prompt=prompt, return_dict=True)["input_ids"]
        assert render(tokenizer, conversation, prompt).ids == expected


def test_the_template_refuses_other_roles_and_other_contents(outside) -> None:
    with pytest.raises(Exception, match="role must be system, user or assistant, not tool"):
        outside.apply_chat_template([{"role": "tool", "content": "x"}])
    with pytest.raises(Exception, match="content must be a text"):
        outside.apply_chat_template([{"role": "user", "content": [{"type": "text", "text": "x"}]}])


def test_the_template_lies_in_both_places_that_versions_of_transformers_read(
    tokenizer: Tokenizer, tmp_path: Path
) -> None:
    import json

    tokenizer.save(tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert config["chat_template"] == (tmp_path / "chat_template.jinja").read_text()
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert "generation %}" not in config["chat_template"]


@settings(max_examples=200, deadline=None)
@given(messages=MESSAGES)
def test_the_mask_covers_what_the_assistant_says_and_its_end_and_nothing_else(
    tokenizer: Tokenizer, messages: list[Message]
) -> None:
    rendered = render(tokenizer, Conversation(tuple(messages), "x"))
    assert len(rendered.mask) == len(rendered.ids)
    said = [id for id, mine in zip(rendered.ids, rendered.mask, strict=True) if mine]
    expected = [[*tokenizer.encode(item.content), tokenizer.end] for item in messages if item.role == "assistant"]
    assert said == [id for ids in expected for id in ids]


@settings(max_examples=200, deadline=None)
@given(messages=MESSAGES)
def test_content_never_becomes_special_and_spans_tile_the_ids(tokenizer: Tokenizer, messages: list[Message]) -> None:
    rendered = render(tokenizer, Conversation(tuple(messages), "x"))
    roles = {"system": tokenizer.system, "user": tokenizer.user, "assistant": tokenizer.assistant}
    assert rendered.ids[0] == tokenizer.bos
    stop = 1
    for message, span in zip(messages, rendered.spans, strict=True):
        assert (span.role, span.start) == (message.role, stop)
        role, *content, end = rendered.ids[span.start : span.stop]
        assert (role, end) == (roles[message.role], tokenizer.end)
        assert not set(content) & set(tokenizer.special.values())
        assert tokenizer.decode(content) == message.content
        stop = span.stop
    assert stop == len(rendered.ids)


@settings(max_examples=100, deadline=None)
@given(messages=MESSAGES, data=st.data())
def test_the_first_turns_render_to_a_prefix_of_all(
    tokenizer: Tokenizer, messages: list[Message], data: st.DataObject
) -> None:
    first = messages[: data.draw(st.integers(1, len(messages)))]
    whole, part = (render(tokenizer, Conversation(tuple(some), "x")) for some in (messages, first))
    assert whole.ids[: len(part.ids)] == part.ids
    assert whole.mask[: len(part.ids)] == part.mask
    assert whole.spans[: len(part.spans)] == part.spans


def test_a_generation_prompt_is_the_assistants_token_and_is_not_trained_on(tokenizer: Tokenizer) -> None:
    conversation = Conversation((Message("user", "Hi"),), "x")
    plain, prompt = render(tokenizer, conversation), render(tokenizer, conversation, generation_prompt=True)
    assert prompt.ids == [*plain.ids, tokenizer.assistant]
    assert prompt.mask == [*plain.mask, False]
    assert prompt.spans == plain.spans
