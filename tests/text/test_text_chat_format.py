"""Chat templates of others' models: the ids that transformers gives, and no text ever becomes special."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tumbler.errors import UserError
from tumbler.text.byte_pairs import added_ids
from tumbler.text.chat_format import ChatFormat, Marks, OwnFormat, TemplateFormat, chat_format
from tumbler.text.conversation import Conversation, Message, ToolCall
from tumbler.text.jinja_template import JinjaTemplate
from tumbler.text.render import render
from tumbler.text.tokenizer import Tokenizer

NAMES = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>", "</tool_call>", "<s>"),
    *("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|user|>", "<|assistant|>", "<|end|>", "[INST]"),
)
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content | trim + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
PIECES = st.lists(
    st.one_of(st.text(max_size=5), st.sampled_from([*NAMES, "<|", "<", " ", "im_end|>", "\ue000"])), max_size=8
)
HOSTILE = PIECES.map("".join)
SHIPPED = find_spec("trl")
TEMPLATES = (
    sorted((Path(SHIPPED.origin).parent / "chat_templates").glob("*.jinja")) if SHIPPED and SHIPPED.origin else []
)

CALLS = (ToolCall("add", '{"x": 1, "y": "é"}', "call00001"),)
TALK = (
    Message("user", "What is 1 + é?"),
    Message("assistant", "Let me see.", "", CALLS),
    Message("tool", '{"sum": 2}', call_id="call00001", name="add"),
    Message("assistant", "It is 2."),
    Message("user", " Thanks\n"),
)
TOOLS = (
    {
        "type": "function",
        "function": {
            "name": "add",
            "description": "Adds.",
            "parameters": {"type": "object", "properties": {"x": {"type": "number", "description": "one"}}},
        },
    },
)
TALKS = {
    "short": Conversation((Message("user", "Hi"),), "x"),
    "system": Conversation((Message("system", "Be kind."), *TALK[:1], Message("assistant", "2"), TALK[-1]), "x"),
    "tools": Conversation(TALK, "x", TOOLS),
    "system and tools": Conversation((Message("system", "Be kind."), *TALK[:3]), "x", TOOLS),
}


@pytest.fixture(scope="session")
def folder(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    body = json.loads(tokenizer.files["tokenizer.json"])
    first = min(added_ids(body).values())
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    body["added_tokens"] = [{"id": first + n, "content": name, **flags} for n, name in enumerate(NAMES)]
    body["post_processor"] = None
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "tokenizer.json").write_text(json.dumps(body))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "<|im_end|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="session")
def foreign(folder: Path) -> Tokenizer:
    return Tokenizer.load(folder)


@pytest.fixture(scope="session")
def outside(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def asked(message: Message) -> dict[str, object]:
    more: dict[str, object] = {}
    if message.tool_calls:
        more["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": json.loads(c.arguments)}}
            for c in message.tool_calls
        ]
    if message.role == "tool":
        more |= {"tool_call_id": message.call_id, "name": message.name}
    return {"role": message.role, "content": message.content, **more}


@pytest.mark.skipif(not TEMPLATES, reason="trl, whose chat templates are compared, is not installed")
def test_every_template_that_trl_ships_gives_the_ids_that_transformers_gives(foreign: Tokenizer, outside: Any) -> None:
    equal = 0
    for path in TEMPLATES:
        source = path.read_text(encoding="utf-8")
        template = TemplateFormat(foreign, source, path.name)
        for name, talk in TALKS.items():
            rows, tools = [asked(message) for message in talk.messages], list(talk.tools) or None
            if "strftime_now" in source:
                continue
            try:
                expected = outside.apply_chat_template(
                    rows, tools=tools, chat_template=source, add_generation_prompt=True, return_dict=True
                )["input_ids"]
            except Exception as error:  # whatever transformers raises, we refuse in a line
                with pytest.raises(UserError):
                    template.prompt(talk)
                assert str(error)
                continue
            if talk.tools and "tools" not in source:
                with pytest.raises(UserError, match="knows no tools"):
                    template.prompt(talk)
                continue
            assert template.prompt(talk) == expected, (path.name, name)
            equal += 1
    assert equal > 2 * len(TEMPLATES)


@settings(max_examples=200, deadline=None)
@given(contents=st.lists(HOSTILE, min_size=1, max_size=3), thought=HOSTILE)
def test_whatever_a_text_spells_only_the_template_places_special_tokens(
    foreign: Tokenizer, contents: list[str], thought: str
) -> None:
    template = JinjaTemplate(CHATML, foreign, "test")
    ids = template.ids(Conversation(tuple(Message("user", text) for text in contents), "x"), {})
    special = [foreign.decode([id]) for id in ids if id in foreign.special.values()]
    assert special == ["<|im_start|>", "<|im_end|>"] * len(contents) + ["<|im_start|>"]
    plain = "".join(f"<|im_start|>user\n{text.strip()}<|im_end|>\n" for text in contents)
    assert foreign.decode(ids) == plain + "<|im_start|>assistant\n"


def test_the_test_above_means_something(outside: Any) -> None:
    rows = [{"role": "user", "content": "<|im_end|>"}]
    ids = outside.apply_chat_template(rows, chat_template=CHATML, return_dict=True)["input_ids"]
    assert outside.decode(ids).count("<|im_end|>") == 2
    assert ids.count(outside.convert_tokens_to_ids("<|im_end|>")) == 2


def test_names_and_arguments_and_tools_become_no_special_tokens_either(foreign: Tokenizer) -> None:
    source = (
        "{{ tools | tojson }}{% for m in messages %}{{ m.tool_calls | tojson }}{{ m.reasoning_content }}{% endfor %}"
    )
    call = ToolCall("<|im_end|>", '{"<|im_end|>": ["<|im_end|>"]}', "<|im_end|>")
    tool = {"type": "function", "function": {"name": "<|im_end|>", "x": {"<|im_end|>": "<|im_end|>"}}}
    talk = Conversation((Message("assistant", "", "<|im_end|>", (call,)),), "x", (tool,))
    ids = JinjaTemplate(source, foreign, "test").ids(talk, {})
    assert foreign.decode(ids).count("<|im_end|>") == 8
    assert not set(ids) & set(foreign.special.values())


def test_which_form_a_model_has(tokenizer: Tokenizer, foreign: Tokenizer, folder: Path, tmp_path: Path) -> None:
    assert chat_format(foreign, "base") is None
    own = chat_format(tokenizer, "own")
    assert isinstance(own, OwnFormat)
    assert own.prompt(TALKS["tools"]) == render(tokenizer, TALKS["tools"], generation_prompt=True).ids
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    config["chat_template"] = [{"name": "rag", "template": "x"}, {"name": "default", "template": CHATML}]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    found = chat_format(Tokenizer.load(tmp_path), "foreign")
    assert found is not None
    assert found.prompt(TALKS["short"]) == TemplateFormat(foreign, CHATML, "x").prompt(TALKS["short"])


def test_how_thoughts_and_calls_are_marked_is_read_off_the_template(foreign: Tokenizer) -> None:
    qwen = "{{ tools }}<tool_call>{{ enable_thinking }}{% if add_generation_prompt %}<think>\n{% endif %}"
    made: ChatFormat = TemplateFormat(foreign, qwen, "x")
    assert made.marks == Marks(("<think>", "</think>"), ("<tool_call>", "</tool_call>"), spelled=True)
    assert made.thinking(made.prompt(TALKS["short"], {"enable_thinking": True}))
    assert not made.thinking(foreign.encode("<think> and so on"))


@pytest.mark.parametrize(
    ("source", "options", "error"),
    [
        ("{{ x", {}, r"test: its chat template is no valid Jinja: "),
        ("{{ raise_exception('no ' + messages[0].role) }}", {}, "template refuses the conversation: no user"),
        ("{{ messages[0].content.nothing.more }}", {}, "template refuses the conversation: "),
        ("{{ ''.__class__.__mro__ }}", {}, "template refuses the conversation: access to attribute '__class__'"),
        ("{{ messages.append(1) }}", {}, "template refuses the conversation: "),
        ("{% for a in range(99999) %}{{ 'x' * 999 }}{% endfor %}", {}, "makes more than 16,777,216 characters"),
        ("{{ messages }}", {"thinking": True}, "'thinking' is no variable of this model's chat template"),
        ("{{ messages }}", {"messages": []}, "'messages' is no variable of this model's chat template"),
        ("{{ bos_token }}", {"bos_token": "x"}, "'bos_token' is no variable of this model's chat template"),
    ],
)
def test_what_a_template_cannot_do_is_an_error_in_one_line(
    foreign: Tokenizer, source: str, options: dict[str, Any], error: str
) -> None:
    with pytest.raises(UserError, match=error):
        TemplateFormat(foreign, source, "test").prompt(TALKS["short"], options)
