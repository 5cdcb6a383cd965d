"""The HTTP API for merchants and operators. Which resources there are is the literal list below."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from typing import Any

import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from api import docs_page
from api.context import ApiContext
from api.middleware import Hardening
from api.openapi import describe, operation_id
from api.problems import problem_of
from api.routes import ROUTERS
from bootstrap.readiness import Readiness, disk_check, schema_check
from bootstrap.version import VERSION

DESCRIPTION = """\
Payments through many gateways, settled into payout batches.

- Authenticate with `Authorization: Bearer ps_live_…` or `ps_test_…`.
- Send an `Idempotency-Key` with every `POST`: the same key again gets the same answer, byte for byte.
- Amounts are integers of minor units with an ISO 4217 currency; a decimal string is taken too, where it fits exactly.
- Errors are problem details (RFC 9457) with a stable `code`; `X-Request-Id` finds a request in our logs.
- Lists are pages: `limit`, `cursor`, `order`.
"""

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

_log = structlog.get_logger(__name__)


def create_app(context: ApiContext, lifespan: Lifespan | None = None) -> FastAPI:
    """Build the application. Its context is ready; `lifespan` opens and closes what runs beside it."""
    app = _with_routes(lifespan or _nothing)
    app.state.context = context
    app.include_router(docs_page.ROUTER)
    _add_probes(app, context)
    for kind in (HTTPException, Exception):
        app.add_exception_handler(kind, _answer_error)
    origins = context.settings.api.cors_origins
    if origins:
        app.add_middleware(CORSMiddleware, allow_origins=list(origins), allow_methods=["*"], allow_headers=["*"])
    app.add_middleware(Hardening, max_body_bytes=context.settings.api.max_body_bytes)
    return app


def openapi_document() -> dict[str, Any]:
    """The OpenAPI document that the application serves; needs no database and no settings."""
    return _with_routes(_nothing).openapi()


def _with_routes(lifespan: Lifespan) -> FastAPI:
    app = FastAPI(
        title="Paystream",
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        openapi_url=docs_page.OPENAPI_PATH,
        docs_url=None,
        redoc_url=None,
        routes=list(_routes()),
    )
    app.openapi = describe(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    return app


@cache
def _routes() -> tuple[BaseRoute, ...]:
    """The routes of all resources, which every application of a process shares: reading their parameters is slow."""
    every = APIRouter(generate_unique_id_function=operation_id)
    for router in ROUTERS:
        every.include_router(router)
    return tuple(every.routes)


@asynccontextmanager
async def _nothing(_: FastAPI) -> AsyncIterator[None]:
    yield


async def _answer_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        _log.error("request failed", path=request.url.path, exc_info=error)
    return problem_of(request, error)


def _readiness(context: ApiContext) -> Readiness:
    settings = context.settings.readiness

    async def relay() -> bool:
        async with context.database.transaction() as transaction:
            return await transaction.outbox.waiting_seconds() <= settings.max_outbox_seconds

    # Messages that wait are published later; turning requests away would help nobody.
    checks = {"database": schema_check(context.database), **disk_check(settings)}
    return Readiness(checks, told={"relay": relay})


def _add_probes(app: FastAPI, context: ApiContext) -> None:
    @app.get("/livez", include_in_schema=False)
    async def livez() -> dict[str, str]:
        return {"status": "live"}

    readiness = _readiness(context)

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        report = await readiness.look()
        return JSONResponse(report.content(), report.status_code)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
