"""Serves the API over HTTP/1.1 until SIGTERM, and then finishes what it has begun."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog
import uvicorn
from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError

from api.app import create_app
from api.context import ApiContext
from api.idempotency import KEPT_FOR
from bootstrap.broker import KafkaBroker
from bootstrap.clock import system_clock
from bootstrap.credential_changes import CredentialChanges
from bootstrap.http_protocol import BoundedConfig, BoundedProtocol, ConnectionLimits
from bootstrap.rate_limits import RateLimiter
from bootstrap.settings import Settings
from bootstrap.wiring import build_database, build_gateways, build_key_ring
from connectors.registry import load_entry_points

ARRIVAL_SECONDS = 10.0
MAX_CONNECTIONS = 5_000
MAX_HEADER_BYTES = 32_768
KEEP_ALIVE_SECONDS = 75
GRACE_SECONDS = 30
"""A gateway's call that is under way is waited for; its outcome would otherwise be unknown."""

PURGE_EVERY = timedelta(minutes=10)

_log = structlog.get_logger(__name__)


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; return when every request that had arrived is answered."""
    load_entry_points()
    server = uvicorn.Server(server_config(settings))
    # Uvicorn raises the signal again once it is done; with these handlers that does not kill the process half way out.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    server.run()


def server_config(settings: Settings) -> BoundedConfig:
    """Everything uvicorn is told."""
    config = BoundedConfig(
        build_app(settings),
        http=BoundedProtocol,
        host=settings.api.host,
        port=settings.api.port,
        loop="uvloop",
        lifespan="on",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    config.limits = ConnectionLimits(
        max_header_bytes=MAX_HEADER_BYTES, arrival_seconds=ARRIVAL_SECONDS, max_connections=MAX_CONNECTIONS
    )
    return config


def build_app(settings: Settings) -> FastAPI:
    """Put the application together; its lifespan opens and closes what it needs."""
    database = build_database(settings, "api")
    gateways = build_gateways(settings, database)
    broker = KafkaBroker(settings.kafka)
    context = ApiContext(
        settings=settings,
        database=database,
        ring=build_key_ring(settings.keys),
        gateways=gateways,
        limiter=RateLimiter(
            rate_per_second=settings.api.rate_limit_per_second,
            burst=settings.api.rate_limit_burst,
            monotonic=time.monotonic,
        ),
        clock=system_clock,
        broker=broker,
    )
    changes = CredentialChanges(database, changed=gateways.forget, missed=gateways.forget_all)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(purge_forever(context)), asyncio.create_task(changes.run())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            await broker.close()
            await gateways.close()
            await database.close()

    return create_app(context, lifespan)


async def purge_forever(context: ApiContext) -> None:
    """Forget answers that nobody will ask for any more."""
    while True:
        try:
            async with context.database.transaction() as transaction:
                await transaction.api_answers.purge(context.clock() - KEPT_FOR)
        except (SQLAlchemyError, OSError) as error:
            _log.warning("stored answers were not purged", error=type(error).__name__)
        await asyncio.sleep(PURGE_EVERY.total_seconds())
