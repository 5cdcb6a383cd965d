"""Uvicorn's httptools protocol with the bounds it lacks: header bytes, the time a request may take, connections.

Ingress and API are both served with it.
"""

import asyncio
import json
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """What clients may ask of the server.

    - `max_header_bytes`: request target and headers together.
    - `arrival_seconds`: from the connection, or a request's first byte, to the request's last byte.
    - `max_connections`: of all clients together; one more is closed at once.
    """

    max_header_bytes: int
    arrival_seconds: float
    max_connections: int


class BoundedConfig(uvicorn.Config):
    """Uvicorn's settings with our limits beside them; set before the server starts."""

    limits: ConnectionLimits


class _Arriving(Enum):
    """The part of a request that is being read."""

    NOTHING = auto()
    HEAD = auto()
    BODY = auto()


@dataclass(frozen=True, slots=True)
class _Refusal:
    """What a client is told when its request never reaches the application."""

    status: bytes
    code: str
    message: str


HEAD_TOO_LARGE = _Refusal(b"431 Request Header Fields Too Large", "headers_too_large", "the headers are too large")
TOO_SLOW = _Refusal(b"408 Request Timeout", "too_slow", "the request did not arrive in time")
UPGRADE = _Refusal(b"400 Bad Request", "upgrade_unsupported", "send the request without Upgrade")


class _Refused(Exception):
    """Leaves the parser's callback, so that it stops; the parser then asks for the answer."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection. What is refused here is told in JSON, and the connection is closed."""

    def __init__(
        self,
        config: BoundedConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = config.limits
        self._deadline: asyncio.TimerHandle | None = None
        self._arriving = _Arriving.NOTHING
        self._refusal: _Refusal | None = None
        self._unparsed_head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        """Turn away one connection too many; else give the first request its time."""
        super().connection_made(transport)
        if len(self.connections) > self._limits.max_connections:
            transport.close()
        else:
            self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock with the connection."""
        self._stop_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and stop when a head that has no end yet is already too large.

        The parser reports a header only when all of it is there, and would collect one without end.
        """
        in_head = self._arriving is _Arriving.HEAD
        super().data_received(data)
        if in_head and self._arriving is _Arriving.HEAD and not self.transport.is_closing():
            self._unparsed_head_bytes += len(data)
            if self._unparsed_head_bytes > self._limits.max_header_bytes:
                self._refuse(HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Start a request's clock and count."""
        super().on_message_begin()
        self._start_deadline()
        self._arriving = _Arriving.HEAD
        self._unparsed_head_bytes = 0

    def on_headers_complete(self) -> None:
        """Refuse what its headers rule out; from here on the application bounds what is read."""
        self._arriving = _Arriving.BODY
        if (
            len(self.url) + sum([len(name) + len(value) for name, value in self.headers])
            > self._limits.max_header_bytes
        ):
            self._refusal = HEAD_TOO_LARGE
            raise _Refused
        if self.parser.should_upgrade():
            # The parser would take the body for another protocol's and report a request without one.
            self._refusal = UPGRADE
            raise _Refused
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop the clock: what takes time from now on is our doing."""
        self._arriving = _Arriving.NOTHING
        self._stop_deadline()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be read as a request; uvicorn calls it for everything that stops the parser."""
        self._refuse(self._refusal or _Refusal(b"400 Bad Request", "malformed", msg))

    def _start_deadline(self) -> None:
        self._stop_deadline()
        self._deadline = self.loop.call_later(self._limits.arrival_seconds, self._too_slow)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        answered = self._arriving is _Arriving.BODY and self.cycle.response_started
        if self._arriving is _Arriving.NOTHING or answered:
            self.transport.close()
        else:
            self._refuse(TOO_SLOW)

    def _refuse(self, refusal: _Refusal) -> None:
        body = json.dumps({"error": {"code": refusal.code, "message": refusal.message}}).encode()
        head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(head % (refusal.status, len(body)) + body)
        self.transport.close()
