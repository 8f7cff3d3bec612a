"""A conversation in memory: asking, asking again, taking back. Prints nothing."""

from __future__ import annotations

from collections.abc import Iterator

from tumbler.chat.events import Event, Reasoning, Text
from tumbler.chat.load import ChatModel
from tumbler.chat.respond import chat_request, respond
from tumbler.chat.room import check_room
from tumbler.chat.settings import redrawn
from tumbler.chat.structures import Structure
from tumbler.engine import Sampling
from tumbler.errors import UserError
from tumbler.text.conversation import Conversation, Message


class Talk:
    """What was said so far. The system message stands before it, whenever it was set."""

    def __init__(self, model: ChatModel, system: str | None = None, structure: Structure | None = None) -> None:
        self._model, self._structure = model, structure
        self.system = system
        self.turns: tuple[Message, ...] = ()
        self._draws = 0
        """How often the last question was asked again."""

    @property
    def conversation(self) -> Conversation:
        return self._opened(self.turns)

    @property
    def used(self) -> int:
        """Tokens of the conversation."""
        return len(chat_request(self._model, self.conversation, Sampling(1)).request.ids) if self.turns else 0

    def ask(self, text: str, sampling: Sampling) -> Iterator[Event]:
        """The answer to a further message. Both are remembered as far as they came when the iterator is dropped.

        Raises TooLong, and nothing is remembered, when the conversation does not fit.
        """
        self._draws = 0
        return self._answer((*self.turns, Message("user", text)), sampling)

    def retry(self, sampling: Sampling) -> Iterator[Event]:
        """The last answer again: the same messages; with a seed, another one each time. The old answer stays until
        the new one begins."""
        asked = self.turns[: self._last_question() + 1]
        self._draws += 1
        return self._answer(asked, redrawn(sampling, self._draws))

    def undo(self) -> Message:
        """Take back the last question and what followed it. -> the question"""
        place = self._last_question()
        question, self.turns = self.turns[place], self.turns[:place]
        return question

    def reset(self) -> None:
        """Forget what was said; the system message stays."""
        self.turns = ()

    def take(self, conversation: Conversation) -> None:
        """Go on with another conversation."""
        first, *others = conversation.messages
        self.system = first.content if first.role == "system" else None
        self.turns = tuple(others) if first.role == "system" else conversation.messages

    def _last_question(self) -> int:
        places = [place for place, message in enumerate(self.turns) if message.role == "user"]
        if not places:
            raise UserError("nothing was asked yet")
        return places[-1]

    def _opened(self, turns: tuple[Message, ...]) -> Conversation:
        opening = () if self.system is None else (Message("system", self.system),)
        return Conversation((*opening, *turns), "chat")

    def _answer(self, asked: tuple[Message, ...], sampling: Sampling) -> Iterator[Event]:
        conversation, written, thought = self._opened(asked), "", ""
        request = chat_request(self._model, conversation, sampling).request
        check_room(request, self._model.sampler, "the conversation", "message")
        for event in respond(self._model, conversation, sampling, structure=self._structure):
            written += event.text if isinstance(event, Text) else ""
            thought += event.text if isinstance(event, Reasoning) else ""
            self.turns = (*asked, Message("assistant", written, thought))
            yield event
