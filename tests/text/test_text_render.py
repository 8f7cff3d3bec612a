"""Claims about rendering: equal to the Jinja template, prefix-stable, masked on the assistant alone, never special."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumbler.text.conversation import ROLES, Conversation, Message, Tool, ToolCall
from tumbler.text.render import render
from tumbler.text.special import SPECIAL
from tumbler.text.tokenizer import Tokenizer

CONTENT = st.lists(st.one_of(st.text(max_size=20), st.sampled_from(SPECIAL)), max_size=4).map("".join)
ARGUMENTS = st.dictionaries(CONTENT, CONTENT, max_size=2).map(json.dumps)
CALLS = st.lists(st.builds(ToolCall, CONTENT, ARGUMENTS), max_size=2).map(tuple)
MESSAGES = st.lists(
    st.one_of(
        st.builds(Message, st.sampled_from(ROLES), CONTENT),
        st.builds(Message, st.just("assistant"), CONTENT, CONTENT, CALLS),
    ),
    min_size=1,
    max_size=5,
)
TOOLS: tuple[Tool, ...] = (
    {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "x": "é<|end|>"}}},
    {"type": "function", "function": {"name": "look", "description": "up"}},
)


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


def asked(message: Message) -> dict[str, object]:
    """As OpenAI's API has it."""
    calls = [
        {"id": "x", "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
        for c in message.tool_calls
    ]
    more: dict[str, object] = {"reasoning_content": message.reasoning} if message.reasoning else {}
    return {"role": message.role, "content": message.content, **more, **({"tool_calls": calls} if calls else {})}


@pytest.mark.parametrize("system", [(), (Message("system", "Be kind."),)])
@pytest.mark.parametrize("objects", [False, True])
def test_tools_calls_and_thoughts_have_the_ids_that_apply_chat_template_gives(
    tokenizer: Tokenizer, outside, system: tuple[Message, ...], objects: bool
) -> None:
    calls = ToolCall("add", '{"x": [1, "é"]}'), ToolCall("look", "{}")
    messages = (
        *system,
        Message("user", "2 + 2?"),
        Message("assistant", "", "Let me\nadd.", calls),
        Message("tool", "4"),
        Message("tool", "{}"),
        Message("assistant", "Four."),
    )
    rows = [asked(message) for message in messages]
    if objects:  # transformers' own sets give the arguments as objects
        for call in rows[-4]["tool_calls"]:
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    tools = ({"type": "function", "function": {"name": "add", "parameters": {"type": "object", "é": None}}}, TOOLS[1])
    expected = outside.apply_chat_template(rows, tools=tools, add_generation_prompt=True, return_dict=True)["input_ids"]
    assert render(tokenizer, Conversation(messages, "x", tools), generation_prompt=True).ids == expected


def test_the_template_refuses_other_roles_and_other_contents(outside) -> None:
    with pytest.raises(Exception, match="role must be system, user, assistant or tool, not robot"):
        outside.apply_chat_template([{"role": "robot", "content": "x"}])
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
@given(messages=MESSAGES, tools=st.sampled_from([(), TOOLS]))
def test_the_mask_covers_the_assistants_turns_without_their_first_token_and_nothing_else(
    tokenizer: Tokenizer, messages: list[Message], tools: tuple[Tool, ...]
) -> None:
    rendered = render(tokenizer, Conversation(tuple(messages), "x", tools))
    assert len(rendered.mask) == len(rendered.ids)
    said = [place for place, mine in enumerate(rendered.mask) if mine]
    spans = [span for span in rendered.spans if span.role == "assistant"]
    assert said == [place for span in spans for place in range(span.start + 1, span.stop)]
    assert all(rendered.ids[span.stop - 1] == tokenizer.end for span in spans)


@settings(max_examples=200, deadline=None)
@given(messages=MESSAGES, tools=st.sampled_from([(), TOOLS]))
def test_content_never_becomes_special_and_spans_tile_the_ids(
    tokenizer: Tokenizer, messages: list[Message], tools: tuple[Tool, ...]
) -> None:
    rendered = render(tokenizer, Conversation(tuple(messages), "x", tools))
    names = {id: name for name, id in tokenizer.special.items()}
    assert rendered.ids[0] == tokenizer.bos
    stop = rendered.spans[0].start
    assert (stop > 1) == (bool(tools) and messages[0].role != "system")
    for message, span in zip(messages, rendered.spans, strict=True):
        assert (span.role, span.start) == (message.role, stop)
        ids = rendered.ids[span.start : span.stop]
        frame = {"tool": ["<|tool_result|>", "<|/tool_result|>"]}.get(message.role, [f"<|{message.role}|>", "<|end|>"])
        inside = ["<|think|>", "<|/think|>"] * bool(message.reasoning)
        inside += ["<|tool_call|>", "<|/tool_call|>"] * len(message.tool_calls)
        assert [names[id] for id in ids if id in names] == [frame[0], *inside, frame[1]]
        assert message.content in tokenizer.decode(ids)
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
