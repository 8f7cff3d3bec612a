"""POST /tokenize, /detokenize, GET /tokenizer_info (vLLM's), POST /v1/embeddings"""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import Request
from fastapi.responses import Response
from pydantic import Field, JsonValue, model_validator

from tumbler.chat.respond import chat_request
from tumbler.engine import Sampling
from tumbler.serve.chat import WireMessage
from tumbler.serve.completions import Ids, Several
from tumbler.serve.errors import ApiError
from tumbler.serve.models import Running
from tumbler.serve.service import Service, whole
from tumbler.serve.wire import Body, Id, Wire, only
from tumbler.text.chat_format import chat_format
from tumbler.text.conversation import Conversation, parse_messages


class TokenizeRequest(Wire):
    """A text, taken as it is or after a begin token; or a conversation, rendered for the assistant."""

    model: str
    prompt: str | None = None
    messages: Annotated[list[WireMessage], Field(min_length=1)] | None = None
    add_special_tokens: bool = True
    return_token_strs: bool = False

    @model_validator(mode="after")
    def _one(self) -> TokenizeRequest:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give either prompt or messages")
        return self


class DetokenizeRequest(Wire):
    model: str
    tokens: list[Id]


class EmbeddingRequest(Wire):
    model: str
    input: str | Ids | Several[str] | Several[Ids]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[JsonValue, only()] = None
    user: str | None = None

    @property
    def inputs(self) -> Sequence[str | Sequence[int]]:
        if isinstance(self.input, str) or isinstance(self.input[0], int):
            return [self.input]
        return self.input


async def tokenize(service: Service, body: TokenizeRequest) -> Body:
    model = (await service.model(body.model)).model
    if body.messages is not None:
        messages = parse_messages([message.plain() for message in body.messages], "messages")
        ids = list(chat_request(model, Conversation(messages, "request"), Sampling(1)).request.ids)
    else:
        begin = model.tokenizer.begin if body.add_special_tokens else []
        ids = [*begin, *model.tokenizer.encode(body.prompt or "")]
    strings = [model.tokenizer.decode([id]) for id in ids] if body.return_token_strs else None
    return {"count": len(ids), "max_model_len": model.sampler.context, "tokens": ids, "token_strs": strings}


async def detokenize(service: Service, body: DetokenizeRequest) -> Body:
    tokenizer = (await service.model(body.model)).model.tokenizer
    if body.tokens and max(body.tokens) >= tokenizer.vocab_size:
        raise ApiError(
            400, f"tokens: an id is outside the vocabulary (0 to {tokenizer.vocab_size - 1})", param="tokens"
        )
    return {"prompt": tokenizer.decode(body.tokens)}


async def tokenizer_info(service: Service, name: str) -> Body:
    model = (await service.model(name)).model
    tokenizer, form = model.tokenizer, chat_format(model.tokenizer, name)
    return {
        "vocab_size": tokenizer.vocab_size,
        "max_model_len": model.sampler.context,
        "special_tokens": dict(tokenizer.special),
        "roles": dict(tokenizer.roles),
        "chat": form is not None,
    }


async def embeddings(service: Service, body: EmbeddingRequest, request: Request) -> Response:
    running = await service.model(body.model)
    return await whole(_embedded(service, running, body), request)


async def _embedded(service: Service, running: Running, body: EmbeddingRequest) -> Body:
    tokenizer, context = running.model.tokenizer, running.model.sampler.context
    rows = [[*tokenizer.begin, *tokenizer.encode(one)] if isinstance(one, str) else list(one) for one in body.inputs]
    for number, row in enumerate(rows):
        if not 0 < len(row) <= context:
            message = f"input {number} has {len(row)} tokens, the model's context holds 1 to {context}"
            raise ApiError(400, message, param="input", code="context_length_exceeded")
    with running.in_use():
        vectors = await running.worker.call(lambda sampler: sampler.embed(rows))
    data = [
        {"object": "embedding", "index": number, "embedding": _wire(vector, body.encoding_format)}
        for number, vector in enumerate(vectors)
    ]
    read = sum(map(len, rows))
    usage = {"prompt_tokens": read, "total_tokens": read}
    return {"object": "list", "data": data, "model": running.name, "usage": usage}


def _wire(vector: Sequence[float], form: Literal["float", "base64"]) -> Sequence[float] | str:
    return vector if form == "float" else base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
