"""A conversation or a prompt in, a stream of events out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tumbler.chat.events import Done, Event
from tumbler.chat.load import ChatModel
from tumbler.chat.marked import Kind
from tumbler.chat.reply import Reply
from tumbler.chat.structures import JsonSchema, Structure
from tumbler.engine import Request, Sampling
from tumbler.errors import UserError
from tumbler.text.chat_format import Marks
from tumbler.text.conversation import Conversation, Message, Tool


@dataclass(frozen=True)
class Asked:
    """What is asked of a model: the engine's request, and how its tokens are to be read."""

    model: ChatModel
    request: Request
    marks: Marks | None = None
    kind: Kind = "text"
    """What the answer begins with."""
    tools: bool = False
    """Whether calls are told as such."""
    structure: Structure | None = None
    """What the answer is held to."""

    def times(self, count: int) -> list[Asked]:
        """The same, so often: a seed draws another answer each time, the same ones every time."""
        return [replace(self, request=self._again(number)) for number in range(count)]

    def _again(self, number: int) -> Request:
        sampling = self.request.sampling
        seed = None if sampling.seed is None else (sampling.seed + number) % 2**63
        constraint = self.request.constraint
        if number and self.structure is not None:  # it has a state
            constraint = self.model.structures.constraint(self.structure, self.model.generation.ends)
        return replace(self.request, sampling=replace(sampling, seed=seed), constraint=constraint)

    def reply(self, stop: Sequence[str] = (), tokens: bool = False) -> Reply:
        """A reader of one answer's tokens."""
        return Reply(
            self.model.tokenizer,
            len(self.request.ids),
            stop,
            marks=self.marks,
            kind=self.kind,
            tools=self.tools,
            tokens=tokens,
        )


def respond(
    model: ChatModel,
    conversation: Conversation,
    sampling: Sampling,
    stop: Sequence[str] = (),
    structure: Structure | None = None,
) -> Iterator[Event]:
    """The assistant's next message. Closing the iterator frees the sampler's slot."""
    return _run(chat_request(model, conversation, sampling, structure=structure), stop)


def complete(
    model: ChatModel,
    prompt: str,
    sampling: Sampling,
    stop: Sequence[str] = (),
    structure: Structure | None = None,
) -> Iterator[Event]:
    """What follows the prompt in a document. Closing the iterator frees the sampler's slot."""
    return _run(text_request(model, prompt, sampling, structure), stop)


def chat_request(
    model: ChatModel,
    conversation: Conversation,
    sampling: Sampling,
    *,
    options: Mapping[str, Any] = {},
    structure: Structure | None = None,
    must_call: Sequence[Tool] = (),
) -> Asked:
    """The checkpoint's own system message stands before a conversation that has none.

    options: variables of the chat template's own. must_call: the answer is a call of one of these tools.
    Raises UserError for a base model, and where its template refuses the conversation.
    """
    if model.format is None:
        raise UserError("this is a base model: it has no chat template; ask it to complete a text")
    system = model.generation.system_message
    if system and conversation.messages[0].role != "system":
        conversation = replace(conversation, messages=(Message("system", system), *conversation.messages))
    ids = model.format.prompt(conversation, options)
    kind: Kind = "think" if model.format.thinking(ids) else "text"
    if kind == "think" and (structure or must_call):
        raise UserError("this model thinks before it answers, so its answer can be held to no structure; ask without")
    if must_call:
        ids, kind, structure = [*ids, *model.format.begin_call()], "call", _call_schema(must_call)
    asked = Asked(model, _request(model, ids, sampling, structure), structure=structure)
    return replace(asked, marks=model.format.marks, kind=kind, tools=bool(conversation.tools))


def text_request(
    model: ChatModel, prompt: str | Sequence[int], sampling: Sampling, structure: Structure | None = None
) -> Asked:
    """The prompt is a text, which stands at the begin of a document, or ids, taken as they are."""
    if isinstance(prompt, str):
        tokenizer = model.tokenizer
        prompt = [*tokenizer.begin, *tokenizer.encode(prompt)]
        if not prompt and "bos" in tokenizer.roles:  # an empty text needs something to go on from
            prompt = [tokenizer.bos]
    return Asked(model, _request(model, prompt, sampling, structure), structure=structure)


def _request(model: ChatModel, ids: Sequence[int], sampling: Sampling, structure: Structure | None) -> Request:
    constraint = None
    if structure is not None:
        constraint = model.structures.constraint(structure, (*sampling.stop_ids, *model.generation.ends))
    return Request(ids, replace(sampling, stop_ids=(*sampling.stop_ids, *model.ends)), constraint=constraint)


def _call_schema(tools: Sequence[Tool]) -> JsonSchema:
    """What stands between the marks of a call of one of the tools."""
    functions = [tool["function"] for tool in tools]
    calls = [
        {
            "type": "object",
            "properties": {
                "name": {"const": function["name"]},
                "arguments": function.get("parameters") or {"type": "object"},
            },
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for function in functions
    ]
    return JsonSchema({"anyOf": calls})


def _run(asked: Asked, stop: Sequence[str]) -> Iterator[Event]:
    reply = asked.reply(stop)
    for token in asked.model.sampler.stream([asked.request]):
        for event in reply.push(token):
            yield event
            if isinstance(event, Done):
                return
