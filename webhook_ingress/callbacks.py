"""`POST /webhooks/{gateway}/{account}`: take a callback, store it on Kafka, then answer as the gateway expects.

What is done with a callback are plain steps: admit it by its head, store it with its body, conclude by what became of
it. A callback that is still on its way goes through them as an ASGI request; one that has arrived whole needs no task
of its own, and `webhook_ingress.protocol` hands it to `take` at once.
"""

import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from hashlib import sha256

import structlog
from starlette.types import Receive, Scope, Send

from bootstrap.clock import Clock
from bootstrap.settings import IngressSettings
from connectors.base import Headers
from topics.webhooks import raw_record_headers
from webhook_ingress.batches import Outcome, Tell
from webhook_ingress.delivery_ids import delivery_ids
from webhook_ingress.doors import Door, Doors
from webhook_ingress.limits import CallbackRates, InFlight, peer_of
from webhook_ingress.metrics import UNKNOWN_GATEWAY, IngressMetrics
from webhook_ingress.publisher import NotAcknowledged, Publisher
from webhook_ingress.request import (
    ClientGone,
    RawHeaders,
    check_length,
    declared_length,
    decode_headers,
    read_body,
    remote_address,
    request_target,
    require_headers,
)
from webhook_ingress.responses import Answer, Refusal

BUSY_RETRY_SECONDS = 1
BROKER_RETRY_SECONDS = 5

logger = structlog.stdlib.get_logger(__name__)


class Callback:
    """A callback: what its head says, and what is noted about it until it is answered.

    `target` is the path with its query as they were sent.
    """

    __slots__ = (
        "account",
        "address",
        "body_bytes",
        "declared_bytes",
        "door",
        "gateway",
        "has_query",
        "headers",
        "held_bytes",
        "method",
        "path",
        "peer",
        "raw_headers",
        "received_at",
        "sent_at",
        "target",
    )

    door: Door
    account: str
    peer: str
    headers: Headers
    declared_bytes: int | None
    received_at: datetime
    sent_at: float
    body_bytes: int

    def __init__(
        self, *, method: str, path: str, target: str, has_query: bool, address: str, raw_headers: RawHeaders
    ) -> None:
        self.method = method
        self.path = path
        self.target = target
        self.has_query = has_query
        self.address = address
        self.raw_headers = raw_headers
        self.gateway = UNKNOWN_GATEWAY
        self.held_bytes: int | None = None


class CallbackEndpoint:
    """Takes callbacks. As an ASGI application it answers every request itself and raises only on a bug."""

    def __init__(
        self,
        *,
        settings: IngressSettings,
        doors: Doors,
        publisher: Publisher,
        in_flight: InFlight,
        rates: CallbackRates,
        metrics: IngressMetrics,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._doors = doors
        self._publisher = publisher
        self._in_flight = in_flight
        self._rates = rates
        self._metrics = metrics
        self._clock = clock
        self._delivery_ids = delivery_ids()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        callback = Callback(
            method=scope["method"],
            path=scope["path"],
            target=request_target(scope),
            has_query=bool(scope["query_string"]),
            address=remote_address(scope),
            raw_headers=scope["headers"],
        )
        try:
            self._admit(callback)
            body = await read_body(receive, self._settings.max_body_bytes)
            outcome = Outcome()
            self._store(callback, body, outcome.tell)
            answer = self._conclude(callback, await outcome)
        except Refusal as refusal:
            answer = self._refuse(callback, refusal)
        except ClientGone as gone:
            self._metrics.refused(callback.gateway, gone.code)
            return
        except Exception as error:
            await self._refuse(callback, error).send(send)
            raise
        finally:
            self._release(callback)
        await answer.send(send)

    def take(self, callback: Callback, body: bytes, answer: Callable[[Answer], None]) -> None:
        """Take a callback that has arrived whole; it is answered once, at once or when the broker has spoken."""
        try:
            self._admit(callback)
            self._store(callback, body, partial(self._answer_stored, callback, answer))
        except Exception as error:  # noqa: BLE001 - told, counted and logged
            told = self._refuse_and_log(callback, error)
            self._release(callback)
            answer(told)

    def _answer_stored(
        self, callback: Callback, answer: Callable[[Answer], None], not_stored: Exception | None
    ) -> None:
        try:
            told = self._conclude(callback, not_stored)
        except Exception as error:  # noqa: BLE001 - told, counted and logged
            told = self._refuse_and_log(callback, error)
        self._release(callback)
        answer(told)

    def _admit(self, callback: Callback) -> None:
        """Refuse what can be refused before its body is read, and make room for the rest."""
        callback.door, callback.account = self._doors.find(callback.path)
        door = callback.door
        callback.gateway = door.gateway
        if callback.method != "POST":
            raise Refusal(405, "method_not_allowed", "callbacks are posted", allow=b"POST")
        callback.received_at = self._clock()
        callback.headers = headers = decode_headers(callback.raw_headers)
        require_headers(headers, door.required_headers)
        callback.declared_bytes = declared = declared_length(headers, self._settings.max_body_bytes)
        held_bytes = self._settings.max_body_bytes if declared is None else declared
        callback.peer = peer_of(callback.address, headers, self._settings.trusted_proxies)
        wait_seconds = self._rates.take(door.gateway, callback.account, callback.peer, declared)
        if wait_seconds:
            raise Refusal(429, "rate_limited", "too many callbacks at once", retry_after_seconds=wait_seconds)
        if not self._in_flight.admit(held_bytes):
            raise Refusal(503, "overloaded", "too many callbacks wait", retry_after_seconds=BUSY_RETRY_SECONDS)
        callback.held_bytes = held_bytes

    def _store(self, callback: Callback, body: bytes, tell: Tell) -> None:
        """Send a callback to the broker, with a body that may still be refused."""
        check_length(body, callback.declared_bytes, self._settings.max_body_bytes)
        callback.body_bytes = len(body)
        if callback.declared_bytes is None:
            self._settle(callback)
        if not body and not callback.has_query:
            raise Refusal(400, "malformed", "there is neither a body nor a query")
        headers = raw_record_headers(
            next(self._delivery_ids),
            callback.gateway,
            callback.account,
            callback.target,
            callback.address,
            callback.received_at,
            callback.headers,
        )
        key = sha256(body).hexdigest().encode()
        callback.sent_at = time.perf_counter()
        try:
            self._publisher.publish(key=key, value=body, headers=headers, tell=tell)
        except NotAcknowledged as error:
            raise _not_stored(error) from error

    def _settle(self, callback: Callback) -> None:
        """Count a body that did not declare its size by the size it turned out to have."""
        self._in_flight.shrink((callback.held_bytes or 0) - callback.body_bytes)
        callback.held_bytes = callback.body_bytes
        self._rates.owe(callback.gateway, callback.account, callback.peer, callback.body_bytes)

    def _conclude(self, callback: Callback, not_stored: Exception | None) -> Answer:
        """Return the gateway's own answer when the broker has the callback."""
        try:
            self._publisher.check(not_stored)
        except NotAcknowledged as error:
            raise _not_stored(error) from error
        callback.door.count_accepted(callback.body_bytes, time.perf_counter() - callback.sent_at)
        return callback.door.answer

    def _refuse(self, callback: Callback, error: Exception) -> Answer:
        internal = Refusal(500, "internal_error", "this is our mistake; please send it again")
        refusal = error if isinstance(error, Refusal) else internal
        self._metrics.refused(callback.gateway, refusal.code)
        return refusal.answer()

    def _refuse_and_log(self, callback: Callback, error: Exception) -> Answer:
        if not isinstance(error, Refusal):
            logger.error("ingress_callback_failed", gateway=callback.gateway, exc_info=error)
        return self._refuse(callback, error)

    def _release(self, callback: Callback) -> None:
        """Give back the room that was made."""
        if callback.held_bytes is not None:
            self._in_flight.release(callback.held_bytes)


def _not_stored(error: NotAcknowledged) -> Refusal:
    message = "the callback could not be stored in time"
    return Refusal(503, error.code, message, retry_after_seconds=BROKER_RETRY_SECONDS)
