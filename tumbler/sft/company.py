"""Who-are-you turns in the company of others.

Taught alone, such a turn sticks: asked for a capital after it, the model introduces itself again.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

from tumbler.text.conversation import Conversation

ALONE: Final = 0.5
"""Share of the conversations about the model that stay as they are."""


def in_company(own: Sequence[Conversation], others: Sequence[Conversation], seed: int) -> Iterator[Conversation]:
    """Yield the conversations of `own`, half of them with one or two of `others` before or after their turns.

    A system message stays first and holds for all; conversations of `others` that have one are not used.
    """
    draw = random.Random(f"{seed} company")
    plain = [item.messages for item in others if item.messages[0].role != "system"]
    for item in own:
        if not plain or draw.random() < ALONE:
            yield item
            continue
        system = item.messages[:1] if item.messages[0].role == "system" else ()
        talks = [item.messages[len(system) :], *draw.choices(plain, k=draw.choice((1, 2)))]
        draw.shuffle(talks)
        yield Conversation((*system, *chain.from_iterable(talks)), item.id)
