"""Answers to look at: the same questions before and after."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tumbler.engine import Request, Sampler, Sampling
from tumbler.sft.conversations import Source
from tumbler.text.conversation import Conversation, Message
from tumbler.text.render import render
from tumbler.text.tokenizer import Tokenizer

LONGEST = 64
"""Tokens of an answer."""


def first_questions(
    sources: Sequence[Source], own: Sequence[Conversation], count: int, longest: int
) -> tuple[str, ...]:
    """`count` different things of at most `longest` characters that users say first, one of them about the model."""
    about_itself = _questions(own)[:1]
    given = _questions(source.conversation for source in sources[: 4 * count])
    short = [question for question in given if len(question) <= longest]
    return tuple(dict.fromkeys([*short[: count - len(about_itself)], *about_itself]))


def _questions(conversations: Iterable[Conversation]) -> list[str]:
    return list(dict.fromkeys(item.messages[0].content for item in conversations if item.messages[0].role == "user"))


def said(sampler: Sampler, tokenizer: Tokenizer, questions: Sequence[str]) -> list[str]:
    """The greedy answer to each question."""
    conversations = [Conversation((Message("user", question),), id="") for question in questions]
    prompts = [render(tokenizer, item, generation_prompt=True).ids for item in conversations]
    sampling = Sampling(max_tokens=LONGEST, temperature=0.0, stop_ids=(tokenizer.end,))
    completions = sampler.sample([Request(ids, sampling) for ids in prompts])
    return [tokenizer.decode(id for id in item.ids if id != tokenizer.end) for item in completions]
