"""Which form a model's conversations have: tumbler's own, or the Jinja template that came with its tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from tumbler.errors import UserError
from tumbler.text.conversation import Conversation
from tumbler.text.jinja_template import JinjaTemplate, template_source
from tumbler.text.render import render
from tumbler.text.special import CALL, CALL_END, THINK, THINK_END
from tumbler.text.tokenizer import Tokenizer

Pair = tuple[str, str]


@dataclass(frozen=True)
class Marks:
    """What stands before and after a thought and a call in what a model writes."""

    think: Pair | None = None
    call: Pair | None = None
    spelled: bool = False
    """Whether a mark is one also where ordinary tokens spell it; if not, only its special token is."""


class ChatFormat(Protocol):
    @property
    def marks(self) -> Marks: ...

    def prompt(self, conversation: Conversation, options: Mapping[str, Any] = ...) -> list[int]:
        """The ids after which the assistant speaks; `options` are variables of the template's own."""

    def thinking(self, prompt: list[int]) -> bool:
        """Whether the prompt has begun a thought, which the model goes on with."""

    def begin_call(self) -> list[int]:
        """The ids after which a call stands; UserError: the model knows no calls."""


class OwnFormat:
    """See `render`."""

    marks: Final = Marks((THINK, THINK_END), (CALL, CALL_END))

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def prompt(self, conversation: Conversation, options: Mapping[str, Any] = {}) -> list[int]:
        if options:
            raise UserError(f"{min(options)!r} is no variable of this model's chat template; leave it out")
        return render(self._tokenizer, conversation, generation_prompt=True).ids

    def thinking(self, prompt: list[int]) -> bool:
        return False

    def begin_call(self) -> list[int]:
        return [self._tokenizer.special[CALL]]


class TemplateFormat:
    """The template of another's model. Texts never become its special tokens, whatever they spell."""

    def __init__(self, tokenizer: Tokenizer, source: str, where: str) -> None:
        self._tokenizer, self._template = tokenizer, JinjaTemplate(source, tokenizer, where)
        pairs = {name: (f"<{name}>", f"</{name}>") for name in ("think", "tool_call")}
        known = {name: pair for name, pair in pairs.items() if pair[0] in source or pair[0] in tokenizer.special}
        self.marks = Marks(known.get("think"), known.get("tool_call"), spelled=True)

    def prompt(self, conversation: Conversation, options: Mapping[str, Any] = {}) -> list[int]:
        return self._template.ids(conversation, options)

    def thinking(self, prompt: list[int]) -> bool:
        """Templates of models that always think end with the mark."""
        end = self._tokenizer.decode(prompt[-8:]).rstrip()
        return self.marks.think is not None and end.endswith(self.marks.think[0])

    def begin_call(self) -> list[int]:
        if self.marks.call is None:
            raise UserError("this model's chat template knows no calls; leave tool_choice out")
        begin, tokenizer = self.marks.call[0], self._tokenizer
        mark = [tokenizer.special[begin]] if begin in tokenizer.special else tokenizer.encode(begin)
        return [*mark, *tokenizer.encode("\n")]


def chat_format(tokenizer: Tokenizer, where: str) -> ChatFormat | None:
    """None: the model has none, it completes texts only."""
    if "assistant" in tokenizer.roles:
        return OwnFormat(tokenizer)
    source = template_source(tokenizer.files, where)
    return None if source is None else TemplateFormat(tokenizer, source, where)
