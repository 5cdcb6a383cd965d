"""The API's own description: FastAPI's, with problems as they really are on the wire and names a client likes."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema

from api.problems import MEDIA_TYPE, FieldProblem, Problem, problem_responses

REFERENCE = "#/components/schemas/{model}"
IDEMPOTENCY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same request again gets the same answer, and nothing happens twice.",
    "schema": {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$"},
}
ACCOUNT_PARAMETER = {
    "name": "Paystream-Account",
    "in": "header",
    "required": False,
    "description": "The account that the request is about. Keys for one account need not say it.",
    "schema": {"type": "string"},
}
_NOT_OURS = ("HTTPValidationError", "ValidationError")


def operation_id(route: APIRoute) -> str:
    """Name an operation after its function, so that generated clients read well."""
    return route.name


def describe(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """Return the function that builds the description, once."""

    def build() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _build(app)
        return app.openapi_schema

    return build


def _build(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in _NOT_OURS:
        schemas.pop(name, None)
    _, problems = models_json_schema(
        [(Problem, "serialization"), (FieldProblem, "serialization")], ref_template=REFERENCE
    )
    schemas.update(problems["$defs"])
    for path in document["paths"].values():
        for method, operation in path.items():
            _add_headers(method, operation)
            _mend(operation)
    return document


def _add_headers(method: str, operation: dict[str, Any]) -> None:
    """Name the headers that are read before any route is."""
    parameters = operation.setdefault("parameters", [])
    if not any(parameter["name"] == "account" for parameter in parameters):
        parameters.append(ACCOUNT_PARAMETER)
    if method == "post":
        parameters.append(IDEMPOTENCY_PARAMETER)


def _mend(operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    if "requestBody" in operation:
        responses |= {str(status): response for status, response in problem_responses(400, 413).items()}
    problem = {MEDIA_TYPE: {"schema": {"$ref": REFERENCE.format(model=Problem.__name__)}}}
    for status, response in responses.items():
        if int(status) >= 400:  # noqa: PLR2004 - everything from here on is a problem
            response["content"] = problem
