"""Takes a callback that has arrived whole straight from the parser; everything else goes the way of ASGI.

A task, a scope, events and coroutines for each request are what uvicorn needs for a request that may still be on its
way. A callback mostly comes in one piece. Its bounds, its steps and its answer are the same either way.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from bootstrap.http_protocol import BoundedConfig, BoundedProtocol
from webhook_ingress.callbacks import Callback, CallbackEndpoint
from webhook_ingress.request import CALLBACK_PREFIX
from webhook_ingress.responses import Answer

PREFIX = CALLBACK_PREFIX.encode()


class IngressConfig(BoundedConfig):
    """Uvicorn's settings with who takes callbacks beside them; set before the server starts."""

    callbacks: CallbackEndpoint


class Exchange:
    """A callback that is being taken, where uvicorn expects its cycle. The public names are those it uses."""

    __slots__ = ("_protocol", "disconnected", "keep_alive", "response_complete")

    message_event = asyncio.Event()
    """Told when the client is gone, which changes nothing: nobody waits for it."""

    def __init__(self, protocol: "CallbackProtocol", *, keep_alive: bool) -> None:
        self._protocol = protocol
        self.disconnected = False
        self.keep_alive = keep_alive
        self.response_complete = False

    @property
    def response_started(self) -> bool:
        """An answer is written in one piece."""
        return self.response_complete

    def answer(self, answer: Answer) -> None:
        """Write the answer, unless the client is gone."""
        self.response_complete = True
        self._protocol.write_answer(answer, keep_alive=self.keep_alive)


class CallbackProtocol(BoundedProtocol):
    """One connection. It holds a callback's body back only while one piece of what arrived is being parsed."""

    def __init__(
        self,
        config: IngressConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._callbacks = config.callbacks
        self._held: list[bytes] | None = None

    def data_received(self, data: bytes) -> None:
        """Feed the parser; a callback whose end was not in it begins as any other request."""
        super().data_received(data)
        if self._held is None:
            return
        held, self._held = self._held, None
        if not self.transport.is_closing():
            self._start_asgi_request()
            for part in held:
                super().on_body(part)

    def begin_request(self) -> None:
        """Make room for what the parser will report, but for no scope yet."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def start_request(self) -> None:
        """Wait for the end of what may be a whole callback."""
        if self._may_be_taken_whole():
            self._held = []
        else:
            self._start_asgi_request()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        if self._held is None:
            super().on_body(body)
        else:
            self._held.append(body)

    def on_message_complete(self) -> None:
        """Take the callback that was waited for."""
        if self._held is None:
            super().on_message_complete()
            return
        held, self._held = self._held, None
        self.stop_arrival()
        target = self.url.decode("ascii")
        path, _, query = target.partition("?")
        callback = Callback(
            method="POST",
            path=path,
            target=target if query else path,
            has_query=bool(query),
            address=self.client[0] if self.client else "",
            raw_headers=self.headers,
        )
        exchange = Exchange(self, keep_alive=self.parser.should_keep_alive())
        # From here on what follows on the connection waits for this answer, and a shutdown does as well.
        self.cycle = cast("RequestResponseCycle", exchange)
        self._callbacks.take(callback, held[0] if len(held) == 1 else b"".join(held), exchange.answer)

    def write_answer(self, answer: Answer, *, keep_alive: bool) -> None:
        """Write a whole answer, and go on with what waits behind it."""
        if not self.transport.is_closing():
            lines = [b"%b: %b\r\n" % header for header in self.server_state.default_headers]
            if not keep_alive:
                lines.append(b"connection: close\r\n")
            self.transport.write(b"%b%b\r\n%b" % (answer.head, b"".join(lines), answer.content))
            if not keep_alive:
                self.transport.close()
        self.on_response_complete()

    def _start_asgi_request(self) -> None:
        """Hand over what the parser has reported so far."""
        url, headers, expect_100_continue = self.url, self.headers, self.expect_100_continue
        super().begin_request()
        self.url, self.expect_100_continue = url, expect_100_continue
        self.headers += headers
        super().start_request()

    def _may_be_taken_whole(self) -> bool:
        """Whether it is a callback in its plainest form, and nothing on the connection waits to be answered first."""
        url = self.url
        cycle: RequestResponseCycle | None = self.cycle
        return (
            url.startswith(PREFIX)
            and url.isascii()
            and b"%" not in url
            and b"#" not in url
            and (cycle is None or cycle.response_complete)
            and not self.flow.write_paused
            and self.parser.get_method() == b"POST"
            and self.parser.get_http_version() == "1.1"
        )
