"""What holds for every request before any route: an id, a bound on the body, and headers that keep browsers strict."""

import re
import uuid

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

REQUEST_ID_HEADER = "x-request-id"
STRICT_POLICY = "default-src 'none'; frame-ancestors 'none'"
SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "strict-transport-security": "max-age=31536000",
    "cache-control": "no-store",
    "content-security-policy": STRICT_POLICY,
}
"""Set where the route has not set another value."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{8,64}")


class BodyTooLarge(Exception):
    """The body is larger than allowed. Raised into whoever reads it."""


class Hardening:
    """The outermost part of the application."""

    def __init__(self, app: ASGIApp, *, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name: value for name, value in scope["headers"] if name in {b"x-request-id", b"content-length"}}
        request_id = _request_id(headers.get(b"x-request-id", b"").decode("latin-1"))
        scope.setdefault("state", {})["request_id"] = request_id
        started = False

        async def send_hardened(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                own = MutableHeaders(scope=message)
                own[REQUEST_ID_HEADER] = request_id
                for name, value in SECURITY_HEADERS.items():
                    own.setdefault(name, value)
            await send(message)

        if _declared(headers.get(b"content-length")) > self._max_body_bytes:
            await _refuse(send_hardened, request_id, self._max_body_bytes)
            return
        try:
            await self._app(scope, self._bounded(receive), send_hardened)
        except BodyTooLarge:
            if started:
                raise
            await _refuse(send_hardened, request_id, self._max_body_bytes)

    def _bounded(self, receive: Receive) -> Receive:
        taken = 0

        async def receive_bounded() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._max_body_bytes:
                raise BodyTooLarge
            return message

        return receive_bounded


def _request_id(offered: str) -> str:
    """The caller's own id where it can be one, so that a request is found by the same id on both sides."""
    return offered if _REQUEST_ID.fullmatch(offered) else f"req_{uuid.uuid4().hex}"


def _declared(value: bytes | None) -> int:
    return int(value) if value is not None and value.isdigit() else 0


async def _refuse(send: Send, request_id: str, limit: int) -> None:
    body = (
        '{"type":"urn:paystream:problem:body_too_large","title":"Content Too Large","status":413,'
        f'"code":"body_too_large","detail":"a body has at most {limit} bytes","request_id":"{request_id}","errors":[]}}'
    ).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 413, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})
