"""Chat templates of others' models: Jinja, run in its sandbox, as transformers does.

A template puts special tokens and untrusted texts into one string. So that no text becomes a token, each special
token's name in a text is broken by a character that no text has, which is taken out again before the pieces between the
template's own special tokens are encoded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension
from jinja2.meta import find_undeclared_variables
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tumbler.errors import UserError
from tumbler.text.conversation import Conversation, Message, plain
from tumbler.text.tokenizer import Tokenizer

BREAKS: Final = "".join(map(chr, range(0xE000, 0xE040)))
"""Private characters (Unicode, section 23.5); the first that no text has breaks the names of special tokens."""
LONGEST: Final = 2**24
"""Characters that a template may make, at most."""
GIVEN: Final = frozenset(("messages", "tools", "add_generation_prompt"))


class JinjaTemplate:
    """A template, ready to render conversations; UserError where it is no Jinja."""

    def __init__(self, source: str, tokenizer: Tokenizer, where: str) -> None:
        self._tokenizer, self._where = tokenizer, where
        environment = _environment()
        try:
            self._variables = find_undeclared_variables(environment.parse(source))
            self._template = environment.from_string(source)
        except jinja2.TemplateError as error:
            raise UserError(f"{where}: its chat template is no valid Jinja: {error}") from error
        names = sorted(tokenizer.special, key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, names)) or "(?!)")
        spelled = {id: name for name, id in tokenizer.special.items()}
        self._roles = {f"{role}_token": spelled[id] for role, id in tokenizer.roles.items() if role in ("bos", "pad")}
        if "end" in tokenizer.roles:
            self._roles["eos_token"] = spelled[tokenizer.end]

    def ids(self, conversation: Conversation, options: Mapping[str, Any]) -> list[int]:
        """Ready for the assistant's next words.

        Raises UserError where the template refuses the conversation, or knows no tools or an option.
        """
        unknown = sorted(options.keys() - (self._variables - GIVEN - self._roles.keys()))
        if unknown:
            raise UserError(f"{unknown[0]!r} is no variable of this model's chat template; leave it out")
        if conversation.tools and "tools" not in self._variables:
            raise UserError("this model's chat template knows no tools; leave them out")
        messages = [_plain(message) for message in conversation.messages]
        texts = json.dumps([messages, conversation.tools, options], ensure_ascii=False)
        mark = next((character for character in BREAKS if character not in texts), None)
        if mark is None:
            raise UserError("the texts hold every private character from U+E000 to U+E03F; leave one out")
        values = {"messages": messages, "tools": list(conversation.tools) or None, **options}
        return self._encoded(self._rendered(_mapped(values, lambda text: self._broken(text, mark))), mark)

    def _broken(self, text: str, mark: str) -> str:
        return self._special.sub(lambda found: found[0][0] + mark + found[0][1:], text)

    def _rendered(self, values: Mapping[str, Any]) -> str:
        pieces, length = [], 0
        try:
            for piece in self._template.generate(**self._roles, **values, add_generation_prompt=True):
                pieces.append(piece)
                length += len(piece)
                if length > LONGEST:
                    raise UserError(f"{self._where}: its chat template makes more than {LONGEST:,} characters")
        except (jinja2.TemplateError, TypeError, ValueError, LookupError, ArithmeticError) as error:
            raise UserError(f"this model's chat template refuses the conversation: {error}") from error
        return "".join(pieces)

    def _encoded(self, text: str, mark: str) -> list[int]:
        names = self._special.findall(text)
        texts = [piece.replace(mark, "") for piece in self._special.split(text)]
        first, *encoded = self._tokenizer.encode_batch(texts)
        for name, piece in zip(names, encoded, strict=True):
            first += [self._tokenizer.special[name], *piece]
        return first


def template_source(files: Mapping[str, bytes], where: str) -> str | None:
    """The template among a tokenizer's files: a file of its own, or in its configuration."""
    if "chat_template.jinja" in files:
        return files["chat_template.jinja"].decode("utf-8", "replace")
    try:
        found = json.loads(files.get("tokenizer_config.json", b"{}")).get("chat_template")
    except (ValueError, RecursionError, AttributeError) as error:
        raise UserError(f"{where}: its tokenizer_config.json is not a JSON object") from error
    if isinstance(found, list):  # several, by name
        found = next((item.get("template") for item in found if item.get("name") == "default"), None)
    return found if isinstance(found, str) else None


def _plain(message: Message) -> dict[str, Any]:
    """As transformers gives it to templates: a call's arguments are an object."""
    row = plain(message)
    for call in row.get("tool_calls", ()):
        call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return row


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """The value with each text in it changed, keys too."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(key): _mapped(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mapped(item, change) for item in value]
    return value


class _Generation(Extension):
    """`{% generation %}...{% endgeneration %}` marks the assistant's part for transformers; here it is its content."""

    tags = {"generation"}  # noqa: RUF012  (as Jinja declares it)

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, "jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _to_json
    environment.globals.update(raise_exception=_refuse, strftime_now=lambda form: datetime.now().strftime(form))
    return environment


def _to_json(value: Any, **options: Any) -> str:
    """Jinja's own would escape HTML."""
    return json.dumps(value, **{"ensure_ascii": False, **options})


def _refuse(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)
