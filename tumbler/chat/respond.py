"""A conversation or a prompt in, a stream of events out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tumbler.chat.events import Done, Event
from tumbler.chat.load import ChatModel
from tumbler.chat.marked import Kind
from tumbler.chat.reply import Reply
from tumbler.engine import Request, Sampling
from tumbler.errors import UserError
from tumbler.text.chat_format import Marks
from tumbler.text.conversation import Conversation, Message


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

    def times(self, count: int) -> list[Asked]:
        """The same, so often: a seed draws another answer each time, the same ones every time."""
        sampling = self.request.sampling
        seeds = [None if sampling.seed is None else (sampling.seed + n) % 2**63 for n in range(count)]
        requests = [
            dataclasses.replace(self.request, sampling=dataclasses.replace(sampling, seed=seed)) for seed in seeds
        ]
        return [dataclasses.replace(self, request=request) for request in requests]

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
    model: ChatModel, conversation: Conversation, sampling: Sampling, stop: Sequence[str] = ()
) -> Iterator[Event]:
    """The assistant's next message. Closing the iterator frees the sampler's slot."""
    return _run(chat_request(model, conversation, sampling), stop)


def complete(model: ChatModel, prompt: str, sampling: Sampling, stop: Sequence[str] = ()) -> Iterator[Event]:
    """What follows the prompt in a document. Closing the iterator frees the sampler's slot."""
    return _run(text_request(model, prompt, sampling), stop)


def chat_request(
    model: ChatModel, conversation: Conversation, sampling: Sampling, options: Mapping[str, Any] = {}
) -> Asked:
    """The checkpoint's own system message stands before a conversation that has none.

    options: variables of the chat template's own. UserError: a base model, or its template refuses the conversation.
    """
    if model.format is None:
        raise UserError("this is a base model: it has no chat template; ask it to complete a text")
    system = model.generation.system_message
    if system and conversation.messages[0].role != "system":
        conversation = dataclasses.replace(conversation, messages=(Message("system", system), *conversation.messages))
    ids = model.format.prompt(conversation, options)
    kind: Kind = "think" if model.format.thinking(ids) else "text"
    return Asked(model, _request(model, ids, sampling), model.format.marks, kind, bool(conversation.tools))


def text_request(model: ChatModel, prompt: str | Sequence[int], sampling: Sampling) -> Asked:
    """The prompt is a text, which stands at the begin of a document, or ids, taken as they are."""
    if isinstance(prompt, str):
        prompt = [*model.tokenizer.begin, *model.tokenizer.encode(prompt)]
    return Asked(model, _request(model, prompt, sampling))


def _request(model: ChatModel, ids: Sequence[int], sampling: Sampling) -> Request:
    return Request(ids, dataclasses.replace(sampling, stop_ids=(*sampling.stop_ids, *model.ends)))


def _run(asked: Asked, stop: Sequence[str]) -> Iterator[Event]:
    reply = asked.reply(stop)
    for token in asked.model.sampler.stream([asked.request]):
        for event in reply.push(token):
            yield event
            if isinstance(event, Done):
                return
