"""Uvicorn's httptools protocol with the bounds it lacks: header bytes, the time a request may take, connections.

Ingress and API are both served with it.
"""

import asyncio
import json
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """What clients may ask of the server.

    - `max_header_bytes`: request target and headers together.
    - `arrival_seconds`: from the connection, or a request's first byte, to the request's last byte. A client that does
      not read what it is answered has as long.
    - `max_connections`: of all clients together. For one more, another is closed on which nothing is being answered, so
      that whoever holds connections without using them keeps nobody out; where there is none, the new one is.
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


_NOTHING, _HEAD, _BODY = _Arriving


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
        self._deadline_seconds: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._arriving = _NOTHING
        self._refusal: _Refusal | None = None
        self._unparsed_head_bytes = 0
        self._head_may_be_large = False
        self._ends_with_answer = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        """Make room for one connection too many, or turn it away; give the first request its time."""
        super().connection_made(transport)
        if len(self.connections) > self._limits.max_connections and not self._make_room():
            transport.close()
        else:
            self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock with the connection."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._stop_stall()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Give a client that does not read its answers as much time as one that does not send its request."""
        super().pause_writing()
        self._stop_stall()
        self._stall = self.loop.call_later(self._limits.arrival_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop that clock."""
        self._stop_stall()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and stop when a head that has no end yet is already too large.

        The parser reports a header only when all of it is there, and would collect one without end.
        """
        in_head = self._arriving is _HEAD
        # A head that comes whole in few bytes needs no counting.
        self._head_may_be_large = in_head or len(data) > self._limits.max_header_bytes
        super().data_received(data)
        if in_head and self._arriving is _HEAD and not self.transport.is_closing():
            self._unparsed_head_bytes += len(data)
            if self._unparsed_head_bytes > self._limits.max_header_bytes:
                self._refuse(HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Start a request's clock and count."""
        self.begin_request()
        self._start_deadline()
        self._arriving = _HEAD
        self._unparsed_head_bytes = 0

    def begin_request(self) -> None:
        """Make room for what the parser will report."""
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Refuse what its headers rule out; from here on the application bounds what is read."""
        if self._head_may_be_large and self._head_bytes() > self._limits.max_header_bytes:
            self._refusal = HEAD_TOO_LARGE
            raise _Refused
        if self.parser.should_upgrade():
            # The parser would take the body for another protocol's and report a request without one.
            self._refusal = UPGRADE
            raise _Refused
        self._arriving = _BODY
        self.start_request()

    def start_request(self) -> None:
        """Hand the request to the application; its body may still be on its way."""
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop the clock: what takes time from now on is our doing."""
        self.stop_arrival()
        super().on_message_complete()

    def stop_arrival(self) -> None:
        """Note that nothing of the request is on its way any more."""
        self._arriving = _NOTHING
        self._deadline_seconds = None

    def on_response_complete(self) -> None:
        """Close a connection that was only kept for this answer."""
        super().on_response_complete()
        if self._ends_with_answer:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be read as a request; uvicorn calls it for everything that stops the parser."""
        self._refuse(self._refusal or _Refusal(b"400 Bad Request", "malformed", msg))

    @property
    def can_be_closed(self) -> bool:
        """Whether nothing is being answered here: it waits for a request, for the rest of one, or for its client."""
        cycle: RequestResponseCycle | None = self.cycle
        waits = self._deadline_seconds is not None or cycle is None or cycle.response_complete
        return (waits or self._stall is not None) and not self.transport.is_closing()

    def _make_room(self) -> bool:
        """Close another connection that nobody would miss; connections are a set, so it is any of them."""
        others = (each for each in self.connections if isinstance(each, BoundedProtocol) and each is not self)
        unused = next((each for each in others if each.can_be_closed), None)
        if unused is not None:
            unused.transport.abort()
        return unused is not None

    def _answers_another(self) -> bool:
        """Whether a request that came before the one that is being read has not been answered yet."""
        cycle: RequestResponseCycle | None = self.cycle
        own = self._arriving is _BODY
        return bool(self.pipeline) or (not own and cycle is not None and not cycle.response_complete)

    def _stop_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _start_deadline(self) -> None:
        # Requests come and go much faster than time runs out, so a timer that runs already is left running.
        self._deadline_seconds = self.loop.time() + self._limits.arrival_seconds
        if self._timer is None:
            self._timer = self.loop.call_at(self._deadline_seconds, self._check_deadline)

    def _check_deadline(self) -> None:
        self._timer = None
        if self._deadline_seconds is None:
            return
        if self._deadline_seconds > self.loop.time():
            self._timer = self.loop.call_at(self._deadline_seconds, self._check_deadline)
        else:
            self._deadline_seconds = None
            self._too_slow()

    def _too_slow(self) -> None:
        answered = self._arriving is _BODY and self.cycle.response_started
        if self._arriving is _NOTHING or answered:
            self.transport.close()
        else:
            self._refuse(TOO_SLOW)

    def _refuse(self, refusal: _Refusal) -> None:
        if self._answers_another():
            # An earlier request waits for its answer, and would take this for it. It gets its own, and nobody more.
            self._ends_with_answer = True
            self.pipeline.clear()
            self.flow.pause_reading()
            return
        body = json.dumps({"error": {"code": refusal.code, "message": refusal.message}}).encode()
        head = b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(head % (refusal.status, len(body)) + body)
        self.transport.close()
