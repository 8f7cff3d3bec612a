"""Every error of the server in OpenAI's body: {"error": {message, type, param, code}}."""

from __future__ import annotations

import re
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from tumbler.errors import Failure, UserError

INVALID: Final = "invalid_request_error"
LONGEST: Final = 200
"""Characters of a place that an error tells."""
KIND: Final = re.compile(r"^(str|int|float|bool|dict)$|\[|^[A-Z]\w+$")
"""What pydantic puts into a place to say which kind of a union it tried; no parameter is called so."""


class ErrorDetail(BaseModel):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(BaseModel):
    """What every error's body is."""

    error: ErrorDetail


class ApiError(Exception):
    """An answer that is an error; `type` and `code` are OpenAI's names."""

    def __init__(
        self, status: int, message: str, *, type: str = INVALID, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.type, self.param, self.code = status, message, type, param, code

    def body(self) -> dict[str, dict[str, str | None]]:
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


def describe(error: Exception) -> ApiError:
    """Any error that a handler may raise, as the one that the client sees."""
    match error:
        case ApiError():
            return error
        case UserError():
            return ApiError(400, str(error))
        case Failure():
            return ApiError(500, str(error), type="server_error", code="engine_failed")
        case RequestValidationError():
            return _invalid(error)
        case HTTPException():
            return ApiError(error.status_code, str(error.detail))
        case _:
            return ApiError(500, "the server failed; its log says why", type="server_error")


def install(app: FastAPI) -> None:
    """Make `app` answer every error, its own and the framework's, in OpenAI's body."""

    async def answer(request: Request, error: Exception) -> JSONResponse:
        found = describe(error)
        return JSONResponse(found.body(), found.status)

    for kind in (ApiError, UserError, Failure, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, answer)


def _invalid(error: RequestValidationError) -> ApiError:
    """The first thing that is wrong with a request's body, by its place: messages[0].content"""
    found = error.errors()
    # Of a parameter that may be of several kinds, the one whose kind it is tells more.
    first = next((one for one in found if not one["type"].endswith("_type")), found[0])
    if first["type"] == "json_invalid":
        return ApiError(400, f"the body is not valid JSON: {first['ctx']['error']}")
    names = [part for part in first["loc"][1:] if isinstance(part, int) or not KIND.search(part)]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in names).lstrip(".")
    place = place if len(place) <= LONGEST else place[:LONGEST] + "..."
    if not place and first["type"] == "value_error":
        return ApiError(400, str(first["ctx"]["error"]))
    if not place:
        return ApiError(400, "the body must be a JSON object, sent with Content-Type: application/json")
    if first["type"] == "extra_forbidden":
        return ApiError(400, f"unknown parameter {place!r}; leave it out", param=place, code="unknown_parameter")
    if first["type"] == "missing":
        return ApiError(400, f"parameter {place!r} is missing", param=place, code="missing_required_parameter")
    return ApiError(400, f"{place}: {first['msg'][:1].lower()}{first['msg'][1:]}", param=place, code="invalid_value")
