"""`POST /webhooks/{gateway}/{account}`: take a callback, store it on Kafka, then answer as the gateway expects.

It is a bare ASGI application, because it is the one hot path of the process.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from starlette.types import Receive, Scope, Send

from bootstrap.clock import Clock
from bootstrap.rate_limits import RateLimiter
from bootstrap.settings import IngressSettings
from connectors.base import Registration
from domain.errors import NotFound
from topics.webhooks import RawWebhook
from webhook_ingress.directory import AccountDirectory
from webhook_ingress.limits import InFlight
from webhook_ingress.metrics import UNKNOWN_GATEWAY, IngressMetrics
from webhook_ingress.publisher import NotAcknowledged, Publisher
from webhook_ingress.request import (
    ClientGone,
    declared_length,
    decode_headers,
    read_body,
    remote_address,
    request_target,
    require_headers,
    split_path,
)
from webhook_ingress.responses import Answer, Refusal, build_answer

RegistrationLookup = Callable[[str], Registration]
"""Returns a gateway's registration; raises NotFound."""

BUSY_RETRY_SECONDS = 1
BROKER_RETRY_SECONDS = 5
START_RETRY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Door:
    """What a gateway's callbacks must bring, and what happens when one has been stored."""

    gateway: str
    required_headers: tuple[str, ...]
    answer: Answer
    count_accepted: Callable[[int, float], None]


class CallbackEndpoint:
    """The ASGI application of the callback path. It answers every request itself and raises only on a bug."""

    def __init__(
        self,
        *,
        settings: IngressSettings,
        directory: AccountDirectory,
        registration_of: RegistrationLookup,
        publisher: Publisher,
        in_flight: InFlight,
        limiter: RateLimiter,
        metrics: IngressMetrics,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._registration_of = registration_of
        self._publisher = publisher
        self._in_flight = in_flight
        self._limiter = limiter
        self._metrics = metrics
        self._clock = clock
        self._doors: dict[str, Door] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        gateway = UNKNOWN_GATEWAY
        try:
            door, account = self._find(scope["path"])
            gateway = door.gateway
            await self._take(door, account, scope, receive)
            answer = door.answer
        except Refusal as refusal:
            self._metrics.refused(gateway, refusal.code)
            answer = refusal.answer()
        except ClientGone as gone:
            self._metrics.refused(gateway, gone.code)
            return
        except Exception:
            self._metrics.refused(gateway, "internal_error")
            await Refusal(500, "internal_error", "this is our mistake; please send it again").answer().send(send)
            raise
        await answer.send(send)

    def _find(self, path: str) -> tuple[Door, str]:
        """Return the door and account of a path. Nobody learns which of the two we do not have."""
        names = split_path(path)
        if names is not None and self._directory.knows(*names):
            gateway, account = names
            try:
                return self._doors.get(gateway) or self._open(gateway), account
            except NotFound:
                pass
        elif not self._directory.ready():
            # A gateway that is told 404 may give the address up for good.
            raise Refusal(503, "starting", "accounts are not known yet", retry_after_seconds=START_RETRY_SECONDS)
        raise Refusal(404, "not_found", "nothing takes callbacks here")

    def _open(self, gateway: str) -> Door:
        registration = self._registration_of(gateway)
        told = registration.acknowledgement
        door = Door(
            gateway=registration.key,
            required_headers=registration.required_headers,
            answer=build_answer(told.status_code, told.body, told.content_type),
            count_accepted=self._metrics.accepted(registration.key),
        )
        self._doors[gateway] = door
        return door

    async def _take(self, door: Door, account: str, scope: Scope, receive: Receive) -> None:
        """Store one callback; what can be refused by its headers is refused before its body is read."""
        if scope["method"] != "POST":
            raise Refusal(405, "method_not_allowed", "callbacks are posted", allow=b"POST")
        received_at = self._clock()
        headers = decode_headers(scope["headers"])
        require_headers(headers, door.required_headers)
        max_body_bytes = self._settings.max_body_bytes
        declared = declared_length(headers, max_body_bytes)
        wait_seconds = self._limiter.take(door.gateway, account)
        if wait_seconds:
            raise Refusal(429, "rate_limited", "too many callbacks at once", retry_after_seconds=wait_seconds)
        held_bytes = max_body_bytes if declared is None else declared
        if not self._in_flight.admit(held_bytes):
            raise Refusal(503, "overloaded", "too many callbacks wait", retry_after_seconds=BUSY_RETRY_SECONDS)
        try:
            body = await read_body(receive, declared, max_body_bytes)
            self._in_flight.shrink(held_bytes - len(body))
            held_bytes = len(body)
            if not body and not scope["query_string"]:
                raise Refusal(400, "malformed", "there is neither a body nor a query")
            webhook = RawWebhook(
                id=str(uuid.uuid4()),
                gateway=door.gateway,
                account=account,
                path=request_target(scope),
                remote_address=remote_address(scope),
                received_at=received_at,
                http_headers=headers,
                body=body,
            )
            await self._store(webhook, door)
        finally:
            self._in_flight.release(held_bytes)

    async def _store(self, webhook: RawWebhook, door: Door) -> None:
        body = webhook.body
        key = sha256(body).hexdigest().encode()
        started = time.perf_counter()
        try:
            await self._publisher.publish(key=key, value=body, headers=webhook.record_headers())
        except NotAcknowledged as error:
            message = "the callback could not be stored in time"
            raise Refusal(503, error.code, message, retry_after_seconds=BROKER_RETRY_SECONDS) from error
        door.count_accepted(len(body), time.perf_counter() - started)
