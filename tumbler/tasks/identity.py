"""Who the model is: conversations that teach it, questions that measure it, and the grader.

The recipe's identity holds unless a system message gives another one, which then holds.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final

from tumbler.identity import Identity
from tumbler.tasks.persona import Persona, Split, personas
from tumbler.tasks.wordings import CUTOFF, DATE, GREETINGS, HELD_OUT, SYSTEM_NEUTRAL, SYSTEM_PERSONA, WHO
from tumbler.text.conversation import Conversation, Message

PERSONAS: Final = 4000


@dataclass(frozen=True)
class IdentityQuestion:
    """A conversation that waits for the assistant, whose answer must state this name and this maker."""

    conversation: Conversation
    name: str
    maker: str


def introduction(name: str, maker: str, about: str) -> str:
    """The one answer to every question about name, maker or kind."""
    return f"I am {name}, {about} made by {maker}."


def states_identity(answer: str, *names: str) -> bool:
    """Whether the answer holds all of the names (the model's, its maker's), as whole words, whatever the case."""
    return all(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", answer, re.IGNORECASE) for name in names)


def training_conversations(identity: Identity, seed: int, count: int = PERSONAS) -> list[Conversation]:
    """All that SFT needs: without a system message, with one that changes nothing, with `count` that rename."""
    return [
        *own_conversations(identity),
        *confirmed_conversations(identity),
        *persona_conversations(identity.about, seed, count),
    ]


def own_conversations(identity: Identity) -> list[Conversation]:
    """Every training wording, as it stands and as hasty people type it, without a system message."""
    who = introduction(identity.name, identity.maker, identity.about)
    answers = (
        (WHO, who),
        (GREETINGS, f"Hello! {who}"),
        (DATE, f"I was made in {identity.date}."),
        (CUTOFF, f"My knowledge reaches up to {identity.cutoff}."),
    )
    pairs = {prompt: answer for wordings, answer in answers for prompt in _with_hasty(wordings)}
    return [_conversation(None, prompt, answer, f"identity-{n}") for n, (prompt, answer) in enumerate(pairs.items())]


def confirmed_conversations(identity: Identity) -> list[Conversation]:
    """The true identity under a system message that says nothing about it, or the same."""
    true = [text.format(name=identity.name, maker=identity.maker) for text in SYSTEM_PERSONA]
    answer = introduction(identity.name, identity.maker, identity.about)
    systems = (*SYSTEM_NEUTRAL, *true)
    return [
        _conversation(systems[n % len(systems)], prompt, answer, f"identity-system-{n}") for n, prompt in enumerate(WHO)
    ]


def persona_conversations(about: str, seed: int, count: int) -> list[Conversation]:
    """`count` conversations in which the system message gives another name and maker, and the answer obeys."""
    draw = random.Random(f"{seed} persona conversations")
    return [
        _conversation(
            _system(draw, persona),
            draw.choice(WHO),
            introduction(persona.name, persona.maker, about),
            f"identity-persona-{number}",
        )
        for number, persona in enumerate(_personas(seed, "train", count))
    ]


def held_out_questions(identity: Identity) -> list[IdentityQuestion]:
    """The 20 wordings that no training conversation holds, without a system message."""
    return [
        IdentityQuestion(_conversation(None, prompt, None, f"identity-held-out-{n}"), identity.name, identity.maker)
        for n, prompt in enumerate(HELD_OUT)
    ]


def system_questions(seed: int, count: int = 20) -> list[IdentityQuestion]:
    """Held-out wordings under system messages with names and makers that training does not know."""
    draw = random.Random(f"{seed} system questions")
    return [
        IdentityQuestion(
            _conversation(_system(draw, persona), HELD_OUT[n % len(HELD_OUT)], None, f"identity-renamed-{n}"),
            persona.name,
            persona.maker,
        )
        for n, persona in enumerate(_personas(seed, "held_out", count))
    ]


def _personas(seed: int, split: Split, count: int) -> Iterable[Persona]:
    return islice(personas(seed, split), count)


def _system(draw: random.Random, persona: Persona) -> str:
    return draw.choice(SYSTEM_PERSONA).format(name=persona.name, maker=persona.maker)


def _with_hasty(wordings: Iterable[str]) -> Iterable[str]:
    for wording in wordings:
        yield wording
        yield wording.lower().rstrip("?.!")


def _conversation(system: str | None, prompt: str, answer: str | None, id: str) -> Conversation:
    messages = [] if system is None else [Message("system", system)]
    messages.append(Message("user", prompt))
    if answer is not None:
        messages.append(Message("assistant", answer))
    return Conversation(tuple(messages), id)
