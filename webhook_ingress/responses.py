"""Answers as ready-made ASGI messages, and refusals as one JSON shape: `{"error": {"code": …, "message": …}}`."""

import json
import math
from dataclasses import dataclass
from http import client

from starlette.types import Message, Send

from domain.errors import PaystreamError

SECURITY_HEADERS = ((b"x-content-type-options", b"nosniff"),)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response; sent unchanged any number of times."""

    start: Message
    body: Message
    head: bytes
    """Status line and headers as they go over the wire; more may follow before the empty line."""
    content: bytes

    async def send(self, send: Send) -> None:
        """Write it."""
        await send(self.start)
        await send(self.body)


def build_answer(
    status_code: int, body: bytes, content_type: str, extra_headers: tuple[tuple[bytes, bytes], ...] = ()
) -> Answer:
    """Make an answer; names of extra headers are lower-case."""
    headers = [
        (b"content-type", content_type.encode("latin-1")),
        (b"content-length", str(len(body)).encode("ascii")),
        *SECURITY_HEADERS,
        *extra_headers,
    ]
    lines = [b"HTTP/1.1 %d %b\r\n" % (status_code, client.responses.get(status_code, "").encode("ascii"))]
    lines += [b"%b: %b\r\n" % header for header in headers]
    return Answer(
        start={"type": "http.response.start", "status": status_code, "headers": headers},
        body={"type": "http.response.body", "body": body},
        head=b"".join(lines),
        content=body,
    )


def error_body(code: str, message: str) -> bytes:
    """Write the one shape of errors."""
    return json.dumps({"error": {"code": code, "message": message}}).encode()


class Refusal(PaystreamError):
    """A callback that is not taken, with the HTTP status that says so. `code` is also the outcome in the metrics."""

    def __init__(
        self,
        status_code: int,
        code: str,
        message: str,
        *,
        retry_after_seconds: float | None = None,
        allow: bytes | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.status_code = status_code
        self.retry_after_seconds = retry_after_seconds
        self.allow = allow

    def answer(self) -> Answer:
        """The response."""
        extra: list[tuple[bytes, bytes]] = []
        if self.retry_after_seconds is not None:
            extra.append((b"retry-after", str(max(1, math.ceil(self.retry_after_seconds))).encode("ascii")))
        if self.allow is not None:
            extra.append((b"allow", self.allow))
        return build_answer(self.status_code, error_body(self.code, self.message), "application/json", tuple(extra))
