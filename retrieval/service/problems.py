"""What goes wrong, as RFC 9457 has it: ``application/problem+json`` with a stable code and a sentence for people.

An answer never holds a path of this machine or the words of an engine; the log does, under the request's id.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException

from amgan.errors import PhotoError, UserError

MEDIA_TYPE = "application/problem+json"
TYPE = "urn:amgan:problem:"

# code: status, title
CODES = {
    "bad-request": (400, "The request cannot be read"),
    "unauthorized": (401, "No valid API key"),
    "not-allowed": (403, "This key may not do that"),
    "not-found": (404, "There is no such thing"),
    "method-not-allowed": (405, "Not this method"),
    "too-large": (413, "The request is too large"),
    "unsupported-media-type": (415, "The request is of a type that is not read"),
    "invalid": (422, "The request does not say what to do"),
    "photo": (422, "The picture cannot be used"),
    "uncertain-cut-out": (422, "The garment may not have been found"),
    "too-many-requests": (429, "Too many requests"),
    "internal": (500, "A fault of the service"),
    "busy": (503, "Too much to do"),
    "timed-out": (503, "It took too long"),
    "catalogue-unavailable": (503, "The catalogue does not answer"),
    "not-ready": (503, "Not ready"),
}
_BY_STATUS = {400: "bad-request", 401: "unauthorized", 403: "not-allowed", 404: "not-found", 405: "method-not-allowed"}
_BY_STATUS |= {413: "too-large", 415: "unsupported-media-type", 422: "invalid", 429: "too-many-requests"}

log = logging.getLogger("amgan.service")


class ProblemDetails(BaseModel):
    """RFC 9457, with a code that does not change."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": f"{TYPE}invalid",
                    "title": CODES["invalid"][1],
                    "status": 422,
                    "detail": "Unknown value 'lang' for sleeve. Did you mean 'long'?",
                    "code": "invalid",
                    "request_id": "5f0c9a52b7e14c0d",
                }
            ]
        },
    )
    type: str = Field(description=f"`{TYPE}` and the code.")
    title: str = Field(description="What the code means.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What was wrong here, and what would be valid.")
    code: str = Field(description="Stable, for programs.", json_schema_extra={"enum": list(CODES)})
    request_id: str = Field(description="Under which the service's log knows this request.")


class Problem(Exception):
    """An answer that says what was wrong.

    Args:
        code: of ``CODES``.
        detail: a sentence that may leave this machine.
        headers: of the answer.
        extra: further members of it.
    """

    def __init__(self, code: str, detail: str, headers: Mapping[str, str] | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.code, self.detail, self.headers, self.extra = code, detail, dict(headers or {}), extra
        self.status = CODES[code][0]

    def response(self, request_id: str) -> JSONResponse:
        body = {"type": TYPE + self.code, "title": CODES[self.code][1], "status": self.status, "detail": self.detail}
        body |= {"code": self.code, "request_id": request_id, **self.extra}
        return JSONResponse(body, self.status, self.headers, MEDIA_TYPE)


class StoreFailed(Exception):
    """The store refused or did not answer; its words are for the log."""


@contextlib.contextmanager
def as_problems() -> Iterator[None]:
    """A caller's mistakes as problems: their sentences name edits, filters and photos, and nothing of this machine."""
    try:
        yield
    except PhotoError as error:
        raise Problem("photo", str(error), reason=error.reason) from error
    except UserError as error:
        raise Problem("invalid", str(error)) from error


def invalid(error: ValidationError) -> Problem:
    """A body that is not of the form that the OpenAPI document gives."""
    return _invalid([(e["loc"], e["msg"]) for e in error.errors(include_url=False, include_input=False)])


def _invalid(errors: list[tuple[tuple[Any, ...], str]]) -> Problem:
    listed = [{"where": ".".join(map(str, where)), "message": message} for where, message in errors[:20]]
    first = f"{listed[0]['where']}: {listed[0]['message']}".removeprefix(": ")
    return Problem("invalid", f"{first}.", errors=listed)


def documented(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The problems that an operation may answer with, for the OpenAPI document."""
    responses: dict[int | str, dict[str, Any]] = {}
    for code in codes:
        status, title = CODES[code]
        meaning = f"`{code}`: {title}"
        if status in responses:
            meaning = f"{responses[status]['description']}; {meaning}"
        schema = {"$ref": "#/components/schemas/ProblemDetails"}
        responses[status] = {"description": meaning, "content": {MEDIA_TYPE: {"schema": schema}}}
    return responses


def add_handlers(app: FastAPI) -> None:
    """Have everything that is raised answered as a problem."""

    def handle(request: Request, error: Exception) -> JSONResponse:
        return problem_of(error).response(request.state.request_id)

    for kind in (Problem, StoreFailed, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, handle)


def problem_of(error: Exception) -> Problem:
    """What to answer when this was raised; what nobody foresaw is logged with its traceback."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, StoreFailed):
        log.error("store failed", extra={"fields": {"error": str(error)}})
        return Problem("catalogue-unavailable", "The catalogue does not answer; try again.", {"Retry-After": "5"})
    if isinstance(error, RequestValidationError):
        return _invalid([(e["loc"], e["msg"]) for e in error.errors()])
    if isinstance(error, HTTPException):
        code = _BY_STATUS.get(error.status_code, "bad-request")
        own = {"not-found": "There is nothing at this address; /openapi.json lists what there is."}
        own["method-not-allowed"] = "This address does not take that method; /openapi.json says which."
        return Problem(code, own.get(code) or f"The request cannot be read: {error.detail}", error.headers)
    log.error("fault", exc_info=error)
    return Problem("internal", "Something went wrong here. The request's id finds it in the service's log.")
