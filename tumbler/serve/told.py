"""Tokens and usage as OpenAI's bodies tell them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from tumbler.chat.events import Done
from tumbler.engine import PromptId, Token
from tumbler.serve.wire import Body
from tumbler.text.tokenizer import Tokenizer

LEAST: Final = -9999.0
"""OpenAI's figure for a log-probability of minus infinity, which JSON does not have."""


def usage(done: Iterable[Done], prompts: Sequence[int] | None = None) -> Body:
    """Of all answers together; a prompt that several answer is counted once. `prompts`: their tokens."""
    ends = list(done)
    read = sum(prompts) if prompts is not None else max((end.prompt_tokens for end in ends), default=0)
    made = sum(end.completion_tokens for end in ends)
    body: Body = {"prompt_tokens": read, "completion_tokens": made, "total_tokens": read + made}
    if thought := sum(end.reasoning_tokens for end in ends):
        body["completion_tokens_details"] = {"reasoning_tokens": thought}
    return body


def chat_logprob(tokenizer: Tokenizer, token: Token) -> Body:
    """An item of a chat choice's logprobs.content; probabilities are the model's own, before temperature and cuts."""
    alternatives = [_entry(tokenizer, id, logprob) for id, logprob in token.top]
    return _entry(tokenizer, token.id, token.raw_logprob) | {"top_logprobs": alternatives}


def text_logprobs(
    tokenizer: Tokenizer, prompt: Sequence[int], scores: Sequence[PromptId], tokens: Sequence[Token], offset: int
) -> Body:
    """A completion choice's logprobs: of the prompt's ids (the first has none) if there are any, then of those made.

    offset: characters of the text before.
    """
    ids = [*prompt, *(token.id for token in tokens)]
    own: list[float | None] = [None] * bool(prompt)
    own += [score.score.logprob for score in scores] + [token.raw_logprob for token in tokens]
    tops = [score.top for score in scores] + [(*token.top, (token.id, token.raw_logprob)) for token in tokens]
    texts = [tokenizer.decode([id]) for id in ids]
    places = []
    for text in texts:
        places.append(offset)
        offset += len(text)
    return {
        "tokens": texts,
        "token_logprobs": [None if logprob is None else max(logprob, LEAST) for logprob in own],
        "top_logprobs": [None] * bool(prompt) + [_by_text(tokenizer, top) for top in tops],
        "text_offset": places,
    }


def _by_text(tokenizer: Tokenizer, top: Sequence[tuple[int, float]]) -> dict[str, float]:
    """The likeliest of those that are spelled alike, such as parts of characters."""
    found: dict[str, float] = {}
    for id, logprob in top:
        text = tokenizer.decode([id])
        found[text] = max(found.get(text, LEAST), logprob)
    return found


def _entry(tokenizer: Tokenizer, id: int, logprob: float) -> Body:
    raw = tokenizer.decode_bytes([id])
    return {"token": raw.decode("utf-8", "replace"), "logprob": max(logprob, LEAST), "bytes": list(raw)}
