"""The other endpoints, under clients that we did not write: the `openai` and `anthropic` packages."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import openai
import pytest
import torch
from support import Parrot, app_of, random_model, serving_app

from tumbler.model import Transformer
from tumbler.text.tokenizer import Tokenizer

ASKED: Any = [{"role": "user", "content": "What is 1 + 2?"}]
PARAMETERS = {"type": "object", "properties": {"x": {"type": "number"}}}
FUNCTION = {"name": "add", "description": "Adds.", "parameters": PARAMETERS}
TOOLS: Any = [{"type": "function", "function": FUNCTION}]
ARGUMENTS = '{"x": 1, "text": "<|end|>é"}'
CALL = f'{{"name": "add", "arguments": {ARGUMENTS}}}'


def ids_of(tokenizer: Tokenizer, *pieces: str) -> list[int]:
    return [
        id
        for piece in pieces
        for id in ([tokenizer.special[piece]] if piece in tokenizer.special else tokenizer.encode(piece))
    ]


@pytest.fixture(scope="module")
def thinker(model: Transformer, tokenizer: Tokenizer) -> Iterator[str]:
    """The URL of a model that thinks, speaks and calls a tool twice."""
    call = ("<|tool_call|>", CALL, "<|/tool_call|>")
    roomy = random_model(replace(model.config, max_position_embeddings=1024), 3)
    says = ids_of(tokenizer, "<|think|>", "One and two.", "<|/think|>", "Let me add.", *call, *call, "<|end|>")
    with serving_app(app_of(Parrot(roomy, tokenizer, says), tokenizer)) as url:
        yield url


def client_of(url: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=20)


def test_chat_thoughts_and_calls_whole_and_streamed(thinker: str, tokenizer: Tokenizer) -> None:
    create = client_of(thinker).chat.completions.create
    whole = create(model="tiny-chat", messages=ASKED, tools=TOOLS)
    message = whole.choices[0].message
    assert message.content == "Let me add."
    assert message.reasoning_content == "One and two."  # type: ignore[attr-defined]
    assert whole.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls is not None
    assert [call.function.name for call in message.tool_calls] == ["add", "add"]  # type: ignore[union-attr]
    assert json.loads(message.tool_calls[0].function.arguments) == json.loads(ARGUMENTS)  # type: ignore[union-attr]
    assert len({call.id for call in message.tool_calls}) == 2
    assert whole.usage is not None
    assert whole.usage.completion_tokens_details is not None
    assert whole.usage.completion_tokens_details.reasoning_tokens == len(tokenizer.encode("One and two.")) + 1

    chunks = list(create(model="tiny-chat", messages=ASKED, tools=TOOLS, stream=True))
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert "".join(delta.content or "" for delta in deltas) == "Let me add."
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == "One and two."
    calls = [call for delta in deltas for call in delta.tool_calls or []]
    assert [(call.index, call.function.name) for call in calls if call.function] == [(0, "add"), (1, "add")]
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_the_stream_helper_of_the_client_understands_it(thinker: str) -> None:
    with client_of(thinker).chat.completions.stream(model="tiny-chat", messages=ASKED, tools=TOOLS) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.content == "Let me add."
    assert final.choices[0].message.tool_calls is not None
    assert len(final.choices[0].message.tool_calls) == 2


def test_calls_go_back_with_their_answers(thinker: str) -> None:
    create = client_of(thinker).chat.completions.create
    said = create(model="tiny-chat", messages=ASKED, tools=TOOLS).choices[0].message
    answers = [{"role": "tool", "tool_call_id": call.id, "content": "3"} for call in said.tool_calls or ()]
    history: Any = [*ASKED, said.model_dump(exclude_none=True), *answers]
    longer = create(model="tiny-chat", messages=history, tools=TOOLS)
    assert longer.usage is not None
    assert longer.usage.prompt_tokens > 2 * len(CALL)
    alone: Any = [*ASKED, answers[0]]
    with pytest.raises(openai.BadRequestError, match="must follow the call that it answers"):
        create(model="tiny-chat", messages=alone, tools=TOOLS)


def test_tool_choice_none_offers_no_tools(thinker: str) -> None:
    create = client_of(thinker).chat.completions.create
    offered = create(model="tiny-chat", messages=ASKED, tools=TOOLS)
    refused = create(model="tiny-chat", messages=ASKED, tools=TOOLS, tool_choice="none")
    assert offered.usage is not None
    assert refused.usage is not None
    assert refused.usage.prompt_tokens < offered.usage.prompt_tokens - len("Adds.")
    assert refused.choices[0].message.tool_calls is None


def test_responses_whole_and_streamed(thinker: str, tokenizer: Tokenizer) -> None:
    client = client_of(thinker)
    tools: Any = [{"type": "function", "strict": False, **FUNCTION}]
    whole = client.responses.create(model="tiny-chat", input="What is 1 + 2?", instructions="Be kind.", tools=tools)
    assert [item.type for item in whole.output] == ["reasoning", "message", "function_call", "function_call"]
    assert (whole.output_text, whole.status) == ("Let me add.", "completed")
    assert whole.usage is not None
    assert whole.usage.output_tokens_details.reasoning_tokens == len(tokenizer.encode("One and two.")) + 1

    with client.responses.stream(model="tiny-chat", input="What is 1 + 2?", tools=tools) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert final.output_text == "Let me add."
    assert [event.sequence_number for event in events] == list(range(len(events)))  # type: ignore[union-attr]
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    assert kinds.count("response.output_item.added") == kinds.count("response.output_item.done") == 4
    call = final.output[-1]
    assert call.type == "function_call"
    assert json.loads(call.arguments) == json.loads(ARGUMENTS)


def test_a_response_is_gone_on_with_by_its_id_or_by_its_items(thinker: str) -> None:
    client = client_of(thinker)
    tools: Any = [{"type": "function", "strict": False, **FUNCTION}]
    first = client.responses.create(model="tiny-chat", input="What is 1 + 2?", tools=tools)
    results: Any = [
        {"type": "function_call_output", "call_id": item.call_id, "output": "3"}
        for item in first.output
        if item.type == "function_call"
    ]
    by_id = client.responses.create(model="tiny-chat", input=results, previous_response_id=first.id, tools=tools)
    items: Any = [
        {"role": "user", "content": "What is 1 + 2?"},
        *(item.model_dump() for item in first.output),
        *results,
    ]
    by_items = client.responses.create(model="tiny-chat", input=items, tools=tools)
    assert by_id.usage is not None
    assert by_items.usage is not None
    assert by_id.usage.input_tokens == by_items.usage.input_tokens > first.usage.input_tokens  # type: ignore[union-attr]
    with pytest.raises(openai.BadRequestError, match="is not known here"):
        client.responses.create(model="tiny-chat", input="x", previous_response_id="resp_0")


def test_messages_whole_and_streamed(thinker: str) -> None:
    anthropic = pytest.importorskip("anthropic")
    client = anthropic.Anthropic(base_url=thinker, api_key="none", max_retries=0)
    tools = [{"name": "add", "description": "Adds.", "input_schema": PARAMETERS}]
    asked = {"model": "tiny-chat", "max_tokens": 200, "messages": ASKED, "tools": tools, "system": "Be kind."}
    whole = client.messages.create(**asked)
    assert [block.type for block in whole.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert whole.content[1].text == "Let me add."
    assert whole.content[2].input == json.loads(ARGUMENTS)
    assert (whole.stop_reason, whole.role) == ("tool_use", "assistant")
    with client.messages.stream(**asked) as stream:
        assert "".join(stream.text_stream) == "Let me add."
        final = stream.get_final_message()
    strip = {"id"}
    assert [block.model_dump(exclude=strip) for block in final.content] == [
        block.model_dump(exclude=strip) for block in whole.content
    ]
    assert final.usage.output_tokens == whole.usage.output_tokens
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": [{"type": "text", "text": "3"}]}
        for block in whole.content[2:]
    ]
    history = [*ASKED, {"role": "assistant", "content": whole.content}, {"role": "user", "content": results}]
    longer = client.messages.create(**(asked | {"messages": history}))
    assert longer.usage.input_tokens > whole.usage.input_tokens + 2 * len(CALL)
    with pytest.raises(anthropic.BadRequestError):
        client.messages.create(**(asked | {"max_tokens": 0}))


def test_a_stop_sequence_is_named_to_anthropics_client(thinker: str) -> None:
    anthropic = pytest.importorskip("anthropic")
    client = anthropic.Anthropic(base_url=thinker, api_key="none", max_retries=0)
    answer = client.messages.create(model="tiny-chat", max_tokens=99, messages=ASKED, stop_sequences=["me add"])
    assert (answer.stop_reason, answer.stop_sequence) == ("stop_sequence", "me add")
    assert answer.content[-1].text == "Let "


@torch.no_grad()
def logprobs_of(server: Any, ids: list[int]) -> torch.Tensor:
    logprobs: torch.Tensor = server.model(torch.tensor([ids]))[0].log_softmax(-1)
    return logprobs


def test_chat_logprobs_are_the_models_own(server: Any) -> None:
    answer = server.client.chat.completions.create(
        model="tiny-chat",
        messages=ASKED,
        max_tokens=8,
        seed=2,
        temperature=1.7,
        top_p=0.9,
        logprobs=True,
        top_logprobs=3,
    )
    items = answer.choices[0].logprobs.content
    assert len(items) == answer.usage.completion_tokens
    tokenizer = server.tokenizer
    body = {"model": "tiny-chat", "messages": ASKED}
    ids = httpx.post(f"{server.url}/tokenize", json=body).json()["tokens"]
    for item in items:
        logprobs = logprobs_of(server, ids)[-1]
        top = logprobs.topk(3)
        assert [other.logprob for other in item.top_logprobs] == pytest.approx(top.values.tolist(), abs=1e-4)
        assert [bytes(o.bytes) for o in item.top_logprobs] == [
            tokenizer.decode_bytes([id]) for id in top.indices.tolist()
        ]
        made = [id for id in range(tokenizer.vocab_size) if tokenizer.decode_bytes([id]) == bytes(item.bytes)]
        (id,) = [id for id in made if abs(float(logprobs[id]) - item.logprob) < 1e-4]
        ids.append(id)


def test_streamed_logprobs_are_those_of_the_whole_answer(server: Any) -> None:
    asked: Any = {"model": "tiny-chat", "messages": ASKED, "max_tokens": 9, "seed": 4, "logprobs": True}
    whole = server.client.chat.completions.create(**asked).choices[0].logprobs.content
    chunks = server.client.chat.completions.create(**asked, stream=True)
    streamed = [item for chunk in chunks for item in (chunk.choices[0].logprobs or [None]) if item]
    told = [item for _, items in streamed if items for item in (items if isinstance(items, list) else [])]
    assert [item.logprob for item in told] == [item.logprob for item in whole]


def test_an_echo_scores_the_prompt_as_the_model_does(server: Any) -> None:
    ids = [server.tokenizer.bos, *server.tokenizer.encode("the cat sat")]
    logprobs = logprobs_of(server, ids)
    wanted = [float(logprobs[place, id]) for place, id in enumerate(ids[1:])]
    for most in (0, 1):
        answer = server.client.completions.create(
            model="tiny-chat", prompt=ids, max_tokens=most, echo=True, logprobs=2, temperature=0
        )
        told = answer.choices[0].logprobs
        assert told.token_logprobs[0] is None
        assert told.token_logprobs[1 : len(ids)] == pytest.approx(wanted, abs=1e-4)
        assert len(told.tokens) == len(told.text_offset) == len(ids) + most
        assert answer.choices[0].text.startswith("".join(told.tokens[: len(ids)]))
        for place, top in enumerate(told.top_logprobs[1 : len(ids)]):
            assert max(top.values()) == pytest.approx(float(logprobs[place].max()), abs=1e-4)


def test_several_prompts_and_several_answers_keep_their_places(server: Any) -> None:
    prompts = ["the cat", "a dog"]
    asked: Any = {"model": "tiny-chat", "max_tokens": 7, "seed": 3}
    answer = server.client.completions.create(prompt=prompts, n=2, **asked)
    texts = [choice.text for choice in answer.choices]
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    for place, prompt in enumerate(prompts):
        alone = server.client.completions.create(prompt=prompt, n=2, **asked)
        assert [choice.text for choice in alone.choices] == texts[2 * place : 2 * place + 2]
    assert texts[0] != texts[1]
    begin = [server.tokenizer.bos]
    ids = [[*begin, *server.tokenizer.encode(prompt)] for prompt in prompts]
    assert [choice.text for choice in server.client.completions.create(prompt=ids, n=2, **asked).choices] == texts
    streamed = [""] * 4
    for chunk in server.client.completions.create(prompt=prompts, n=2, stream=True, **asked):
        for choice in chunk.choices:
            streamed[choice.index] += choice.text
    assert streamed == texts


def test_a_bias_and_penalties_reach_the_engine(server: Any) -> None:
    id = server.tokenizer.encode("z")[0]
    asked: Any = {"model": "tiny-chat", "prompt": "the", "max_tokens": 4}
    assert server.client.completions.create(**asked, logit_bias={str(id): 100}).choices[0].text == "zzzz"
    once = server.client.completions.create(**asked, logit_bias={str(id): 100}, frequency_penalty=2, temperature=0)
    assert once.choices[0].text == "zzzz"  # 100 is far above what a penalty of 2 takes
    with pytest.raises(openai.BadRequestError, match="outside the vocabulary"):
        server.client.completions.create(**asked, logit_bias={"99999": 1})


def test_embeddings_are_means_of_the_last_states_at_length_one(server: Any) -> None:
    answer = server.client.embeddings.create(model="tiny-chat", input=["the cat", "a dog"], encoding_format="float")
    for item, text in zip(answer.data, ["the cat", "a dog"], strict=True):
        ids = torch.tensor([[server.tokenizer.bos, *server.tokenizer.encode(text)]])
        with torch.no_grad():
            mean = server.model.hidden(ids)[0].mean(0)
        wanted = mean / mean.norm()
        assert item.embedding == pytest.approx(wanted.tolist(), abs=1e-5)
        assert math.isclose(np.linalg.norm(item.embedding), 1, rel_tol=1e-5)
    coded = httpx.post(
        f"{server.url}/v1/embeddings", json={"model": "tiny-chat", "input": "the cat", "encoding_format": "base64"}
    ).json()["data"][0]["embedding"]
    assert np.frombuffer(base64.b64decode(coded), np.float32) == pytest.approx(answer.data[0].embedding, abs=1e-6)
    with pytest.raises(openai.BadRequestError, match="context holds 1 to 256"):
        server.client.embeddings.create(model="tiny-chat", input="x" * 300)


def test_text_becomes_ids_and_ids_text(server: Any) -> None:
    def post(path: str, **body: object) -> Any:
        return httpx.post(server.url + path, json={"model": "tiny-chat", **body}).json()

    ids = server.tokenizer.encode("<|end|>é")
    assert post("/tokenize", prompt="<|end|>é")["tokens"] == [server.tokenizer.bos, *ids]
    plain = post("/tokenize", prompt="<|end|>é", add_special_tokens=False, return_token_strs=True)
    assert (plain["tokens"], plain["count"], plain["max_model_len"]) == (ids, len(ids), 256)
    assert plain["token_strs"][0] == "<"
    assert post("/detokenize", tokens=ids)["prompt"] == "<|end|>é"
    assert "outside the vocabulary" in post("/detokenize", tokens=[10**6])["error"]["message"]
    assert "either prompt or messages" in post("/tokenize")["error"]["message"]
    info = httpx.get(f"{server.url}/tokenizer_info", params={"model": "tiny-chat"}).json()
    assert (info["vocab_size"], info["special_tokens"]["<|end|>"]) == (
        server.tokenizer.vocab_size,
        server.tokenizer.end,
    )


def test_metrics_count_what_was_done(server: Any) -> None:
    def figures() -> dict[str, float]:
        lines = httpx.get(f"{server.url}/metrics").text.splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")}

    before = figures()
    answer = server.client.completions.create(model="tiny-chat", prompt="the", max_tokens=5)
    after = figures()

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0.0)

    assert grown('tumbler_generation_tokens_total{model="tiny-chat"}') == answer.usage.completion_tokens
    assert grown('tumbler_prompt_tokens_total{model="tiny-chat"}') == answer.usage.prompt_tokens
    assert grown('tumbler_requests_total{path="/v1/completions",status="200"}') == 1
    assert grown('tumbler_time_to_first_token_seconds_count{model="tiny-chat"}') == 1
    httpx.get(f"{server.url}/v1/{'x' * 20}")
    assert not any("xxxx" in name for name in figures())


def test_an_answer_is_held_to_a_schema_a_regex_or_choices(server: Any) -> None:
    create = server.client.chat.completions.create
    schema = {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"], "additionalProperties": False}
    form = {"type": "json_schema", "json_schema": {"name": "number", "schema": schema, "strict": True}}
    asked: Any = {"model": "tiny-chat", "messages": ASKED, "max_tokens": 60}
    answer = create(**asked, response_format=form, n=3, seed=1)
    assert [json.loads(choice.message.content)["n"] in (1, 2) for choice in answer.choices] == [True] * 3
    assert {choice.finish_reason for choice in answer.choices} == {"stop"}
    held = {"regex": "[0-9]{3}", "choice": ["left", "right"]}
    for kind, value in held.items():
        text = create(**asked, extra_body={"structured_outputs": {kind: value}}).choices[0].message.content
        assert len(text) == 3 if kind == "regex" else text in value
    by_responses = server.client.responses.create(
        model="tiny-chat",
        input="x",
        max_output_tokens=60,
        text={"format": {"type": "json_schema", "name": "number", "schema": schema, "strict": True}},
    )
    assert json.loads(by_responses.output_text)["n"] in (1, 2)
    completed = server.client.completions.create(
        model="tiny-chat", prompt="x", max_tokens=9, extra_body={"structured_outputs": {"choice": ["left"]}}
    )
    assert completed.choices[0].text == "left"


def test_a_required_call_is_one_and_its_arguments_are_valid(server: Any) -> None:
    other = {"type": "function", "function": {"name": "stop"}}
    narrow = {"type": "object", "properties": {"x": {"enum": [1, 2]}}, "required": ["x"], "additionalProperties": False}
    add = {"type": "function", "function": {"name": "add", "parameters": narrow}}
    asked: Any = {"model": "tiny-chat", "messages": ASKED, "max_tokens": 100, "tools": [add, other]}
    for choice in ("required", {"type": "function", "function": {"name": "add"}}):
        for seed in range(3):
            answer = server.client.chat.completions.create(**asked, tool_choice=choice, seed=seed).choices[0]
            if answer.finish_reason == "length":  # of any object, a weak model finds no end
                continue
            assert answer.finish_reason == "tool_calls"
            (call,) = answer.message.tool_calls
            assert call.function.name in ("add", "stop") if choice == "required" else call.function.name == "add"
            if call.function.name == "add":
                assert json.loads(call.function.arguments)["x"] in (1, 2)
    with pytest.raises(openai.BadRequestError, match="tool_choice names 'no', but tools has none such"):
        server.client.chat.completions.create(**asked, tool_choice={"type": "function", "function": {"name": "no"}})
    with pytest.raises(openai.BadRequestError, match="tool_choice requires a call"):
        server.client.chat.completions.create(**(asked | {"tools": []}), tool_choice="required")


def test_a_structure_that_cannot_be_had_is_a_400(server: Any) -> None:
    wrong: list[Any] = [{"regex": "("}, {"choice": []}, {"regex": "a", "choice": ["b"]}, {"json": {"type": "nothing"}}]
    for outputs in wrong:
        body = {"model": "tiny-chat", "messages": ASKED, "structured_outputs": outputs}
        answer = httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=20)
        assert answer.status_code == 400
        assert "\n" not in answer.json()["error"]["message"]
