"""Whether a prompt fits the model's context. Nothing is ever cut off unsaid."""

from __future__ import annotations

from tumbler.engine import Request, Sampler
from tumbler.errors import UserError


class TooLong(UserError):
    """The prompt does not fit."""


def check_room(request: Request, sampler: Sampler, what: str, part: str) -> None:
    """TooLong, which tells of `what` and asks to shorten `part`, where the prompt leaves no room for an answer."""
    tokens, context = len(request.ids), sampler.context
    if tokens >= context:
        raise TooLong(
            f"{what} would have {tokens:,} tokens, but the model's context holds {context:,} with the answer; "
            f"shorten the {part}"
        )
