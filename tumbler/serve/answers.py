"""The bodies of answers: one stream of events becomes one JSON object, or chunks of server-sent events."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from tumbler.chat.events import Done, Event, Text

Body = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What all bodies of one answer share, and how its kind of endpoint writes them."""

    kind: Literal["chat", "text"]
    model: str
    with_usage: bool = False
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, text: str, done: Done) -> Body:
        """The answer in one body."""
        message = {"role": "assistant", "content": text, "refusal": None}
        said = {"message": message} if self.kind == "chat" else {"text": text}
        name = "chat.completion" if self.kind == "chat" else "text_completion"
        return self._body(name, [self._choice(said, done.finish)]) | {"usage": usage(done)}

    def opening(self) -> Iterator[Body]:
        """A chat stream begins with the role."""
        if self.kind == "chat":
            yield self._chunk({"delta": {"role": "assistant", "content": ""}}, None)

    def chunks(self, event: Event) -> Iterator[Body]:
        match event:
            case Text(text):
                yield self._chunk({"delta": {"content": text}} if self.kind == "chat" else {"text": text}, None)
            case Done(finish):
                yield self._chunk({"delta": {}} if self.kind == "chat" else {"text": ""}, finish)
                if self.with_usage:
                    yield self._body(self._chunk_name, []) | {"usage": usage(event)}

    @property
    def _chunk_name(self) -> str:
        return "chat.completion.chunk" if self.kind == "chat" else "text_completion"

    def _chunk(self, said: Body, finish: str | None) -> Body:
        body = self._body(self._chunk_name, [self._choice(said, finish)])
        return body | {"usage": None} if self.with_usage else body

    def _choice(self, said: Body, finish: str | None) -> Body:
        return {"index": 0, **said, "logprobs": None, "finish_reason": finish}

    def _body(self, name: str, choices: list[Body]) -> Body:
        prefix = "chatcmpl" if self.kind == "chat" else "cmpl"
        return {
            "id": f"{prefix}-{self.id}",
            "object": name,
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }


def usage(done: Done) -> Body:
    return {
        "prompt_tokens": done.prompt_tokens,
        "completion_tokens": done.completion_tokens,
        "total_tokens": done.prompt_tokens + done.completion_tokens,
    }
