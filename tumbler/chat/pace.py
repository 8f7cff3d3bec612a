"""How fast an answer came. Pure but for the clock, which the caller reads."""

from __future__ import annotations

from dataclasses import dataclass

from tumbler.chat.events import Done


@dataclass(frozen=True)
class Pace:
    """Seconds on a clock that only goes on."""

    begun: float
    first: float
    """When the first piece of the answer was there."""
    ended: float

    def rate(self, tokens: int) -> float | None:
        """Tokens a second after the first one; None where there is no second one."""
        seconds = self.ended - self.first
        return (tokens - 1) / seconds if tokens > 1 and seconds > 0 else None


def told(pace: Pace, done: Done, context: int) -> str:
    """`prompt 43 tokens (0.12 s), answer 18 tokens (60.0 tokens/s), context 61 of 256`"""
    rate = pace.rate(done.completion_tokens)
    used = done.prompt_tokens + done.completion_tokens
    return (
        f"prompt {done.prompt_tokens:,} tokens ({pace.first - pace.begun:.2f} s), "
        f"answer {done.completion_tokens:,} tokens{'' if rate is None else f' ({rate:,.1f} tokens/s)'}, "
        f"context {used:,} of {context:,}"
    )
