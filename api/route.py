"""The route class of the API: identify, limit the rate, replay, work, keep; and every error as a problem."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api.authentication import Caller, identify, requires
from api.context import ApiContext, context_of
from api.idempotency import idempotency_of
from api.openapi import operation_id
from api.problems import problem_of, problem_responses, respond
from domain.errors import PaystreamError
from services.api_keys import Scope

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

KNOWN_ERRORS = (PaystreamError, RequestValidationError, HTTPException)


class ApiRoute(APIRoute):
    """A route that only callers with an API key reach."""

    def get_route_handler(self) -> Handler:
        """Wrap the route's own handler."""
        work = super().get_route_handler()

        async def handle(request: Request) -> Response:
            context = context_of(request)
            try:
                return await _serve(request, context, work)
            except KNOWN_ERRORS as error:
                return problem_of(request, error)

        return handle


def router(tag: str, scope: Scope = Scope.PAYMENTS_READ) -> APIRouter:
    """A router under `/v1` whose routes need an API key with at least `scope`; single routes may ask for more."""
    return APIRouter(
        prefix="/v1",
        tags=[tag],
        route_class=ApiRoute,
        generate_unique_id_function=operation_id,
        dependencies=[Depends(requires(scope))],
        responses=problem_responses(400, 401, 403, 404, 409, 422, 429),
    )


async def _serve(request: Request, context: ApiContext, work: Handler) -> Response:
    caller = await identify(request, context)
    request.state.caller = caller
    response = _limit(request, context, caller) or await _once(request, context, caller, work)
    response.headers["RateLimit-Limit"] = str(context.limiter.burst)
    response.headers["RateLimit-Remaining"] = str(context.limiter.left(caller.key.id))
    return response


def _limit(request: Request, context: ApiContext, caller: Caller) -> Response | None:
    wait_seconds = context.limiter.take(caller.key.id)
    if not wait_seconds:
        return None
    headers = {"Retry-After": str(max(1, round(wait_seconds)))}
    return respond(request, 429, "rate_limited", "too many requests with this API key", headers=headers)


async def _once(request: Request, context: ApiContext, caller: Caller, work: Handler) -> Response:
    idempotency = await idempotency_of(request, context, caller)
    if idempotency is None:
        return await work(request)
    if (replayed := await idempotency.replay()) is not None:
        return replayed
    try:
        response = await work(request)
    except KNOWN_ERRORS as error:
        response = problem_of(request, error)
    await idempotency.keep(response, is_final=getattr(request.state, "command_ran", False))
    return response
