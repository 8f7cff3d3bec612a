"""Puts questions to a chat model and prompts to a base model; the answers are greedy, so they repeat."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tumbler.engine.sampler import Request, Sampler
from tumbler.engine.sampling import Sampling
from tumbler.text.conversation import Conversation, Message
from tumbler.text.render import render
from tumbler.text.tokenizer import Tokenizer


class Asker:
    """A model with its tokenizer. Texts in, texts out."""

    def __init__(self, sampler: Sampler, tokenizer: Tokenizer, max_tokens: int) -> None:
        self.sampler, self.tokenizer = sampler, tokenizer
        self.sampling = Sampling(max_tokens=max_tokens, temperature=0.0, stop_ids=(tokenizer.end,))

    def answers(self, conversations: Sequence[Conversation]) -> list[str]:
        """What the assistant says next in each conversation."""
        return self._texts([render(self.tokenizer, item, generation_prompt=True).ids for item in conversations])

    def completions(self, prompts: Iterable[str]) -> list[str]:
        """How a document that begins with each prompt goes on."""
        return self._texts([[*self.tokenizer.begin, *self.tokenizer.encode(prompt)] for prompt in prompts])

    def _texts(self, rows: Sequence[list[int]]) -> list[str]:
        completions = self.sampler.sample([Request(tuple(ids), self.sampling) for ids in rows])
        return [self._text(item.ids) for item in completions]

    def _text(self, ids: Sequence[int]) -> str:
        stopped = ids and ids[-1] == self.tokenizer.end
        return self.tokenizer.decode(ids[:-1] if stopped else ids)


def asked(prompt: str) -> Conversation:
    """A conversation of one question."""
    return Conversation((Message("user", prompt),), id="")
