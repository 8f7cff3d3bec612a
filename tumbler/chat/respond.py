"""A conversation or a prompt in, a stream of events out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from tumbler.chat.events import Done, Event
from tumbler.chat.reply import Reply
from tumbler.engine import Request, Sampler, Sampling
from tumbler.text.conversation import Conversation
from tumbler.text.render import render
from tumbler.text.tokenizer import Tokenizer


def respond(
    sampler: Sampler, tokenizer: Tokenizer, conversation: Conversation, sampling: Sampling, stop: Sequence[str] = ()
) -> Iterator[Event]:
    """The assistant's next message. Closing the iterator frees the sampler's slot."""
    return _run(sampler, tokenizer, chat_request(tokenizer, conversation, sampling), stop)


def complete(
    sampler: Sampler, tokenizer: Tokenizer, prompt: str, sampling: Sampling, stop: Sequence[str] = ()
) -> Iterator[Event]:
    """What follows the prompt in a document. Closing the iterator frees the sampler's slot."""
    return _run(sampler, tokenizer, text_request(tokenizer, prompt, sampling), stop)


def chat_request(tokenizer: Tokenizer, conversation: Conversation, sampling: Sampling) -> Request:
    return _request(tokenizer, render(tokenizer, conversation, generation_prompt=True).ids, sampling)


def text_request(tokenizer: Tokenizer, prompt: str, sampling: Sampling) -> Request:
    return _request(tokenizer, [*tokenizer.begin, *tokenizer.encode(prompt)], sampling)


def _request(tokenizer: Tokenizer, ids: list[int], sampling: Sampling) -> Request:
    """Ends at the end of the turn or document; also where a model, in error, begins another one itself."""
    ends = tuple(id for role, id in tokenizer.roles.items() if role != "pad")
    return Request(ids, dataclasses.replace(sampling, stop_ids=(*sampling.stop_ids, *ends)))


def _run(sampler: Sampler, tokenizer: Tokenizer, request: Request, stop: Sequence[str]) -> Iterator[Event]:
    reply = Reply(tokenizer, len(request.ids), stop)
    for token in sampler.stream([request]):
        for event in reply.push(token):
            yield event
            if isinstance(event, Done):
                return
