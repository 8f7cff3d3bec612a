"""A conversation or a prompt in, a stream of events out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from tumbler.chat.events import Done, Event
from tumbler.chat.reply import Reply
from tumbler.engine import Constraint, Request, Sampler, Sampling
from tumbler.text.conversation import Conversation
from tumbler.text.render import render
from tumbler.text.tokenizer import Tokenizer


def respond(
    sampler: Sampler,
    tokenizer: Tokenizer,
    conversation: Conversation,
    sampling: Sampling,
    stop: Sequence[str] = (),
    constraint: Constraint | None = None,
) -> Iterator[Event]:
    """The assistant's next message. Closing the iterator frees the sampler's slot."""
    return _run(sampler, tokenizer, chat_request(tokenizer, conversation, sampling, constraint), stop)


def complete(
    sampler: Sampler,
    tokenizer: Tokenizer,
    prompt: str,
    sampling: Sampling,
    stop: Sequence[str] = (),
    constraint: Constraint | None = None,
) -> Iterator[Event]:
    """What follows the prompt in a document. Closing the iterator frees the sampler's slot."""
    return _run(sampler, tokenizer, text_request(tokenizer, prompt, sampling, constraint), stop)


def chat_request(
    tokenizer: Tokenizer, conversation: Conversation, sampling: Sampling, constraint: Constraint | None = None
) -> Request:
    return _request(tokenizer, render(tokenizer, conversation, generation_prompt=True).ids, sampling, constraint)


def text_request(
    tokenizer: Tokenizer, prompt: str, sampling: Sampling, constraint: Constraint | None = None
) -> Request:
    return _request(tokenizer, [*tokenizer.begin, *tokenizer.encode(prompt)], sampling, constraint)


def _request(tokenizer: Tokenizer, ids: list[int], sampling: Sampling, constraint: Constraint | None) -> Request:
    """Ends at the end of the turn or document; also where a model, in error, begins another one itself."""
    ends = tuple(id for role, id in tokenizer.roles.items() if role != "pad")
    sampling = dataclasses.replace(sampling, stop_ids=(*sampling.stop_ids, *ends))
    return Request(ids, sampling, constraint=constraint)


def _run(sampler: Sampler, tokenizer: Tokenizer, request: Request, stop: Sequence[str]) -> Iterator[Event]:
    reply = Reply(tokenizer, len(request.ids), stop)
    for token in sampler.stream([request]):
        for event in reply.push(token):
            yield event
            if isinstance(event, Done):
                return
