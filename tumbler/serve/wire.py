"""What the bodies of requests share: strict, and nothing unknown is passed over.

A parameter that we do not have is still accepted at the value that changes nothing, since clients send
those by themselves; at any other value it is refused by name.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from tumbler.chat.load import ChatModel
from tumbler.chat.structures import Choice, JsonObject, JsonSchema, Lark, Regex, Structure
from tumbler.engine import Sampling
from tumbler.serve.errors import ApiError

SEEDS: Final = 2**63
TOP: Final = 20
"""Alternatives that are told with each token, at most (OpenAI's limit)."""


def listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def only(*neutral: JsonValue) -> AfterValidator:
    """Accepts null and the values that change nothing."""

    def check(value: JsonValue) -> None:
        kinds = [(isinstance(item, bool), item) for item in neutral]
        if value is not None and (isinstance(value, bool), value) not in kinds:
            allowed = " or ".join(map(repr, neutral)) or "null"
            raise PydanticCustomError(
                "unsupported", "is not supported here (only {allowed}); leave it out", {"allowed": allowed}
            )

    return AfterValidator(check)


class Wire(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class SentBack(Wire):
    """A part of an earlier answer, as clients send it back: with keys of other servers' answers, as null."""

    @model_validator(mode="before")
    @classmethod
    def _known(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {key: item for key, item in value.items() if item is not None or key in cls.model_fields}


StopString = Annotated[str, StringConstraints(min_length=1, max_length=200)]
StopStrings = Annotated[
    Annotated[list[StopString], Field(max_length=16)] | None,
    BeforeValidator(listed, json_schema_input_type=str | list[str] | None),
]
Id = Annotated[int, Field(ge=0)]


class StreamOptions(Wire):
    include_usage: bool | None = None
    include_obfuscation: Annotated[JsonValue, only(False)] = None


class StructuredOutputs(Wire):
    """vLLM's parameter: what the answer's text is held to; one of these."""

    json_schema: Annotated[dict[str, JsonValue] | None, Field(alias="json")] = None
    json_object: Literal[True] | None = None
    regex: str | None = None
    choice: list[str] | None = None
    grammar: str | None = None

    def structure(self) -> Structure:
        forms: list[Structure | None] = [
            None if self.json_schema is None else JsonSchema(self.json_schema),
            JsonObject() if self.json_object else None,
            None if self.regex is None else Regex(self.regex),
            None if self.choice is None else Choice(self.choice),
            None if self.grammar is None else Lark(self.grammar),
        ]
        given = [form for form in forms if form is not None]
        if len(given) != 1:
            message = "structured_outputs: give one of json, json_object, regex, choice, grammar"
            raise ApiError(400, message, param="structured_outputs", code="invalid_value")
        return given[0]


class NamedSchema(Wire):
    name: str | None = None
    description: str | None = None
    schema_: Annotated[dict[str, JsonValue], Field(alias="schema")]
    strict: bool | None = None


class ResponseFormat(Wire):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: NamedSchema | None = None

    def structure(self) -> Structure | None:
        if self.type == "json_schema" and self.json_schema is None:
            message, place = "parameter 'response_format.json_schema' is missing", "response_format.json_schema"
            raise ApiError(400, message, param=place, code="missing_required_parameter")
        if self.json_schema is not None:
            return JsonSchema(self.json_schema.schema_)
        return JsonObject() if self.type == "json_object" else None


class GenerationRequest(Wire):
    """What endpoints that write share. `top_k`, `min_p`, `repetition_penalty` are not OpenAI's; vLLM and llama.cpp have
    them too."""

    model: str
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=1)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=100)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    logit_bias: Annotated[dict[str, Annotated[float, Field(ge=-100, le=100)]], Field(max_length=1024)] | None = None
    seed: Annotated[int, Field(ge=-SEEDS, lt=SEEDS)] | None = None
    stop: StopStrings = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    response_format: ResponseFormat | None = None
    structured_outputs: StructuredOutputs | None = None

    @property
    def limit(self) -> int | None:
        return self.max_tokens

    @property
    def wants_usage(self) -> bool:
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    def structure(self) -> Structure | None:
        """What the answer's text is held to."""
        if self.structured_outputs is not None:
            return self.structured_outputs.structure()
        return None if self.response_format is None else self.response_format.structure()

    def sampling(self, model: ChatModel, top: int = 0) -> Sampling:
        """What the request leaves open is the checkpoint's own; without max_tokens, the context is the limit."""
        own = model.generation
        return Sampling(
            max_tokens=self.limit or model.sampler.context,
            temperature=own.temperature if self.temperature is None else self.temperature,
            top_k=self.top_k or own.top_k,
            top_p=own.top_p if self.top_p is None else self.top_p,
            min_p=own.min_p if self.min_p is None else self.min_p,
            seed=None if self.seed is None else self.seed % SEEDS,
            repetition_penalty=self.repetition_penalty or own.repetition_penalty,
            presence_penalty=self.presence_penalty or 0.0,
            frequency_penalty=self.frequency_penalty or 0.0,
            logit_bias=self._bias(),
            top=top,
        )

    def _bias(self) -> dict[int, float]:
        for id in self.logit_bias or {}:
            if not (id.isascii() and id.isdigit() and len(id) < 10):
                raise ApiError(400, f"logit_bias: {id[:40]!r} is no token id", param="logit_bias", code="invalid_value")
        return {int(id): bias for id, bias in (self.logit_bias or {}).items()}


Body = dict[str, Any]


def to_json(body: Body) -> str:
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
