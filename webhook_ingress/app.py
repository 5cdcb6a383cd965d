"""The ASGI application: the callback path, and what operators ask of the process."""

import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import cast

from aiokafka import AIOKafkaProducer
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bootstrap.clock import Clock, system_clock
from bootstrap.producer import broker_knows_topic, build_producer
from bootstrap.rate_limits import Monotonic
from bootstrap.readiness import Readiness, disk_check
from bootstrap.settings import ReadinessSettings, Settings
from connectors.registry import get_registration
from topics.catalog import RAW_WEBHOOKS
from webhook_ingress.batches import Producer
from webhook_ingress.callbacks import CallbackEndpoint
from webhook_ingress.directory import AccountDirectory
from webhook_ingress.doors import Doors, RegistrationLookup
from webhook_ingress.limits import CallbackRates, InFlight
from webhook_ingress.metrics import IngressMetrics
from webhook_ingress.publisher import BrokerProbe, ProducerFactory, Publisher
from webhook_ingress.request import CALLBACK_PREFIX
from webhook_ingress.responses import SECURITY_HEADERS, error_body

LARGEST_BODIES_HELD = 64
"""Bodies are held in memory up to as many bytes as this many of the largest allowed."""

PROBE_SECONDS = 1.0


class Ingress(Starlette):
    """Starlette for the operators' routes; callbacks pass it by."""

    def __init__(
        self, callbacks: CallbackEndpoint, routes: list[Route], lifespan: AbstractAsyncContextManager[None]
    ) -> None:
        super().__init__(
            routes=routes,
            lifespan=lambda _: lifespan,
            exception_handlers={HTTPException: _http_error},
        )
        self.callbacks = callbacks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["path"].startswith(CALLBACK_PREFIX):
            await self.callbacks(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(
    settings: Settings,
    directory: AccountDirectory,
    *,
    registration_of: RegistrationLookup = get_registration,
    producer_factory: ProducerFactory | None = None,
    probe: BrokerProbe | None = None,
    clock: Clock = system_clock,
    monotonic: Monotonic = time.monotonic,
) -> Ingress:
    """Build the application. Its lifespan runs the directory, and connects to Kafka however long that takes."""
    topic = settings.kafka.topic(RAW_WEBHOOKS)
    publisher = Publisher(
        build=producer_factory or _producer_factory(settings),
        probe=probe or _broker_probe(topic),
        topic=topic,
        acknowledge_timeout_seconds=settings.ingress.acknowledge_timeout_seconds,
    )
    in_flight = InFlight(
        max_requests=settings.ingress.max_in_flight, max_bytes=LARGEST_BODIES_HELD * settings.ingress.max_body_bytes
    )
    metrics = IngressMetrics(lambda: in_flight.requests)
    callbacks = CallbackEndpoint(
        settings=settings.ingress,
        doors=Doors(directory, registration_of, metrics),
        publisher=publisher,
        in_flight=in_flight,
        rates=CallbackRates(settings.ingress, monotonic),
        metrics=metrics,
        clock=clock,
    )
    return Ingress(
        callbacks,
        _routes(_readiness(settings.readiness, directory, publisher), publisher, metrics),
        _lifespan(directory, publisher),
    )


@asynccontextmanager
async def _lifespan(directory: AccountDirectory, publisher: Publisher) -> AsyncIterator[None]:
    await publisher.start()
    try:
        await directory.start()
        yield
    finally:
        await publisher.stop()
        await directory.stop()


def _producer_factory(settings: Settings) -> ProducerFactory:
    limits = settings.ingress

    def build() -> Producer:
        producer = build_producer(
            settings.kafka,
            client_id="paystream-ingress",
            # What comes from here are batches, which have waited for company already.
            linger_milliseconds=0,
            # Nobody waits longer than the acknowledgement's timeout, so a silent connection is given up soon after it.
            request_timeout_seconds=2 * limits.acknowledge_timeout_seconds + 1,
            max_batch_bytes=limits.max_body_bytes,
        )
        return cast("Producer", producer)

    return build


def _broker_probe(topic: str) -> BrokerProbe:
    async def probe(producer: Producer) -> bool:
        return await broker_knows_topic(cast("AIOKafkaProducer", producer), topic, PROBE_SECONDS)

    return probe


def _readiness(settings: ReadinessSettings, directory: AccountDirectory, publisher: Publisher) -> Readiness:
    async def accounts() -> bool:
        return directory.ready()

    # Neither the database nor what waits behind the broker takes part: callbacks are taken without the one, and the
    # other is what the broker is there for.
    return Readiness({"broker": publisher.ready, "directory": accounts, **disk_check(settings)})


def _routes(readiness: Readiness, publisher: Publisher, metrics: IngressMetrics) -> list[Route]:
    async def livez(_request: Request) -> Response:
        alive = publisher.alive()
        return _json(200 if alive else 503, {"status": "live" if alive else "lost"})

    async def readyz(_request: Request) -> Response:
        report = await readiness.look()
        return _json(report.status_code, report.content())

    async def exposition(_request: Request) -> Response:
        return Response(metrics.exposition(), media_type=CONTENT_TYPE_LATEST, headers=_security_headers())

    return [Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", exposition)]


def _json(status_code: int, content: dict[str, object]) -> Response:
    return JSONResponse(content, status_code, headers=_security_headers())


def _security_headers() -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in SECURITY_HEADERS}


def _http_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "error")
    headers = {**_security_headers(), **(error.headers or {})}
    return Response(error_body(code, error.detail), error.status_code, headers, "application/json")
