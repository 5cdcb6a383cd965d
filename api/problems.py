"""Errors as RFC 9457 problem details, with stable codes and pointers to the fields that are wrong.

The one place where the house's errors become HTTP statuses. What is not in the tree is a bug: it is logged and answered
as `internal_error`, without a word about its inside.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from domain.errors import (
    AmountExceeded,
    CapabilityMissing,
    CommandConflict,
    Forbidden,
    GatewayDeclined,
    GatewayRejected,
    GatewayUnavailable,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    PaystreamError,
    PreconditionFailed,
    Refused,
    Unauthenticated,
    Unavailable,
    VerificationFailed,
)

MEDIA_TYPE = "application/problem+json"

STATUSES: Mapping[type[PaystreamError], HTTPStatus] = {
    InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    NotFound: HTTPStatus.NOT_FOUND,
    CommandConflict: HTTPStatus.CONFLICT,
    CapabilityMissing: HTTPStatus.UNPROCESSABLE_ENTITY,
    AmountExceeded: HTTPStatus.UNPROCESSABLE_ENTITY,
    PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    Refused: HTTPStatus.CONFLICT,
    VerificationFailed: HTTPStatus.UNPROCESSABLE_ENTITY,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    GatewayDeclined: HTTPStatus.PAYMENT_REQUIRED,
    GatewayRejected: HTTPStatus.BAD_GATEWAY,
    GatewayUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    OutcomeUnknown: HTTPStatus.GATEWAY_TIMEOUT,
}
"""The nearest ancestor of an error's class decides."""

HTTP_CODES = {400: "malformed_json", 404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}
"""Codes of what the framework itself refuses."""

RETRY_AFTER_SECONDS = 5


class FieldProblem(BaseModel):
    """One thing that is wrong with the request."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})

    pointer: str = Field(description="JSON pointer into the body, or the name of the parameter.", examples=["#/amount"])
    code: str
    message: str


class Problem(BaseModel):
    """What went wrong, after RFC 9457. `code` is stable; texts may change."""

    type: str = Field(description="A URI that names the kind of problem.", examples=["urn:paystream:problem:not_found"])
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    errors: list[FieldProblem] = Field(default_factory=list)


class ProblemResponse(JSONResponse):
    """A problem on the wire."""

    media_type = MEDIA_TYPE


def problem_of(request: Request, error: Exception) -> ProblemResponse:
    """Answer an error. Whatever is not known here is an internal error."""
    if isinstance(error, RequestValidationError):
        return _invalid_request(request, error)
    if isinstance(error, PaystreamError):
        return problem_of_error(request, error)
    if isinstance(error, HTTPException):
        code = HTTP_CODES.get(error.status_code, "http_error")
        return respond(request, error.status_code, code, str(error.detail), headers=error.headers)
    return respond(request, 500, "internal_error", "this is our mistake; the request id finds it in our logs")


def problem_of_error(request: Request, error: PaystreamError) -> ProblemResponse:
    """Answer an error of the tree."""
    status = status_of(error)
    headers = {}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    errors = []
    if error.field is not None:
        errors = [FieldProblem(pointer=_pointer(error.field), code=error.code, message=error.message)]
    return respond(request, status, error.code, error.message, errors=errors, headers=headers)


def status_of(error: PaystreamError) -> HTTPStatus:
    """The HTTP status of an error."""
    ancestors = type(error).__mro__
    return next((STATUSES[kind] for kind in ancestors if kind in STATUSES), HTTPStatus.INTERNAL_SERVER_ERROR)


def respond(
    request: Request,
    status: int,
    code: str,
    detail: str,
    *,
    errors: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
) -> ProblemResponse:
    """Write a problem."""
    problem = Problem(
        type=f"urn:paystream:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        detail=detail,
        request_id=request_id_of(request),
        errors=list(errors),
    )
    return ProblemResponse(problem.model_dump(), status, headers=dict(headers or {}))


def request_id_of(request: Request) -> str:
    """The id that the middleware gave the request."""
    return str(request.scope.get("state", {}).get("request_id", ""))


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that a route's documentation names."""
    return {status: {"description": HTTPStatus(status).phrase} for status in statuses}


def _invalid_request(request: Request, error: RequestValidationError) -> ProblemResponse:
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return respond(request, 400, "malformed_json", "the body is not JSON")
    errors = [
        FieldProblem(pointer=_location(item["loc"]), code=str(item["type"]), message=str(item["msg"])) for item in found
    ]
    return respond(request, 422, "invalid_request", "the request is not right; see errors", errors=errors)


def _location(location: Sequence[int | str]) -> str:
    where, *path = location
    if where == "body":
        return "#/" + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in path)
    return ".".join(map(str, path)) or str(where)


def _pointer(field: str) -> str:
    return "#/" + field.replace(".", "/")
