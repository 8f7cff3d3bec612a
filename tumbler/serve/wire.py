"""The bodies of requests, as OpenAI's API has them: strict, and nothing unknown is passed over.

A parameter that we do not have is still accepted at the value that changes nothing, since clients send
those by themselves; at any other value it is refused by name.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    TypeAdapter,
)
from pydantic_core import PydanticCustomError

from tumbler.engine import Sampling

SEEDS: Final = 2**63


def _joined(value: Any) -> Any:
    """Content given as parts of type text is their text, put together."""
    if not isinstance(value, list):
        return value
    return "".join(part.text for part in TypeAdapter(list[TextPart]).validate_python(value, strict=True))


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _only(*neutral: JsonValue) -> AfterValidator:
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


class TextPart(Wire):
    type: Literal["text"]
    text: str


class WireMessage(Wire):
    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, BeforeValidator(_joined, json_schema_input_type=str | list[TextPart])]
    # What clients add when they send an earlier answer back.
    name: str | None = None
    refusal: Annotated[JsonValue, _only()] = None
    annotations: Annotated[JsonValue, _only([])] = None
    audio: Annotated[JsonValue, _only()] = None
    function_call: Annotated[JsonValue, _only()] = None
    tool_calls: Annotated[JsonValue, _only([])] = None


class StreamOptions(Wire):
    include_usage: bool | None = None
    include_obfuscation: Annotated[JsonValue, _only(False)] = None


StopString = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class GenerationRequest(Wire):
    """What both endpoints share. `top_k` and `min_p` are not OpenAI's; vLLM and llama.cpp have them too."""

    model: str
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=1)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-SEEDS, lt=SEEDS)] | None = None
    stop: Annotated[
        Annotated[list[StopString], Field(max_length=16)] | None,
        BeforeValidator(_listed, json_schema_input_type=str | list[str] | None),
    ] = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None
    n: Annotated[JsonValue, _only(1)] = None
    frequency_penalty: Annotated[JsonValue, _only(0)] = None
    presence_penalty: Annotated[JsonValue, _only(0)] = None
    logit_bias: Annotated[JsonValue, _only({})] = None

    def sampling(self, context: int, temperature: float) -> Sampling:
        """Without max_tokens, the context is the limit; without a temperature, the model's own is taken."""
        return Sampling(
            max_tokens=self.limit or context,
            temperature=temperature if self.temperature is None else self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            min_p=self.min_p,
            seed=None if self.seed is None else self.seed % SEEDS,
        )

    @property
    def limit(self) -> int | None:
        return self.max_tokens

    @property
    def wants_usage(self) -> bool:
        return self.stream_options is not None and bool(self.stream_options.include_usage)


class ChatRequest(GenerationRequest):
    """POST /v1/chat/completions"""

    messages: Annotated[list[WireMessage], Field(min_length=1)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    metadata: dict[str, str] | None = None
    store: Annotated[JsonValue, _only(False)] = None
    service_tier: Annotated[JsonValue, _only("auto", "default")] = None
    logprobs: Annotated[JsonValue, _only(False)] = None
    top_logprobs: Annotated[JsonValue, _only(0)] = None
    tools: Annotated[JsonValue, _only([])] = None
    tool_choice: Annotated[JsonValue, _only("none", "auto")] = None
    parallel_tool_calls: Annotated[JsonValue, _only(True, False)] = None
    functions: Annotated[JsonValue, _only([])] = None
    response_format: Annotated[JsonValue, _only({"type": "text"})] = None
    modalities: Annotated[JsonValue, _only(["text"])] = None

    @property
    def limit(self) -> int | None:
        """`max_completion_tokens` is the newer name of `max_tokens`."""
        return self.max_completion_tokens or self.max_tokens


class CompletionRequest(GenerationRequest):
    """POST /v1/completions"""

    prompt: str
    best_of: Annotated[JsonValue, _only(1)] = None
    echo: Annotated[JsonValue, _only(False)] = None
    logprobs: Annotated[JsonValue, _only()] = None
    suffix: Annotated[JsonValue, _only()] = None
