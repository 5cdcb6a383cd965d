"""Reading a callback off the wire: which door it knocks at, its headers and its body, each within bounds."""

from collections.abc import Sequence

from starlette.types import Message, Receive, Scope

from connectors.base import Headers
from domain.errors import PaystreamError
from webhook_ingress.responses import Refusal

CALLBACK_PREFIX = "/webhooks/"

RawHeaders = Sequence[tuple[bytes, bytes]]
"""Headers as the server read them, names in lower case."""


class ClientGone(PaystreamError):
    """The client closed the connection before its request was complete; there is nobody to answer."""

    code = "client_gone"


def split_path(path: str) -> tuple[str, str] | None:
    """Return gateway and account of a callback path; None when it is not one."""
    gateway, _, account = path.removeprefix(CALLBACK_PREFIX).partition("/")
    return (gateway, account) if gateway and account and "/" not in account else None


def request_target(scope: Scope) -> str:
    """The path and query exactly as they were sent: some gateways sign them."""
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    return (raw_path + b"?" + query if query else raw_path).decode("latin-1")


def remote_address(scope: Scope) -> str:
    """The peer's address. Behind a proxy it is the proxy's; what that says of its client is among the headers."""
    client = scope.get("client")
    return client[0] if client else ""


def decode_headers(raw: RawHeaders) -> tuple[tuple[str, str], ...]:
    """Headers as text, in order, repeats kept. Servers lower-case the names; latin-1 reads any byte and loses none."""
    return tuple([(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw])


def require_headers(headers: Headers, required: Sequence[str]) -> None:
    """Refuse a callback that cannot be genuine because a header its gateway always sends is missing or empty."""
    for wanted in required:
        for name, value in headers:
            if name == wanted and value.strip():
                break
        else:
            raise Refusal(401, "signature_header_missing", f"the header {wanted} is required")


def declared_length(headers: Headers, max_body_bytes: int) -> int | None:
    """Return Content-Length, or None for a chunked body; refuse what cannot be taken, before any of it is read."""
    length: int | None = None
    for name, value in headers:
        if name == "content-length":
            if not (value.isascii() and value.isdigit()):
                raise Refusal(400, "malformed", "Content-Length is not a number")
            length = int(value)
        elif name == "content-encoding" and value.strip().lower() not in {"", "identity"}:
            raise Refusal(415, "unsupported_encoding", "send the body as it was signed, without Content-Encoding")
    if length is not None and length > max_body_bytes:
        raise _too_large(max_body_bytes)
    return length


async def read_body(receive: Receive, max_body_bytes: int) -> bytes:
    """Read the body to its end, or until it is longer than it may be and no further. Raises ClientGone."""
    message = await receive()
    if message["type"] == "http.disconnect" or message.get("more_body", False):
        return await _read_rest(receive, message, max_body_bytes)
    body: bytes = message.get("body", b"")
    return body


def check_length(body: bytes, declared_bytes: int | None, max_body_bytes: int) -> None:
    """Refuse a body that is too long, or not as long as it was said to be."""
    if len(body) > max_body_bytes:
        raise _too_large(max_body_bytes)
    if declared_bytes is not None and declared_bytes != len(body):
        raise Refusal(400, "malformed", "the body is not as long as Content-Length says")


async def _read_rest(receive: Receive, message: Message, max_body_bytes: int) -> bytes:
    """Read on from a first message that was not the whole body."""
    parts: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGone("the client closed the connection")
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if not message.get("more_body", False) or size > max_body_bytes:
            return b"".join(parts)
        message = await receive()


def _too_large(max_body_bytes: int) -> Refusal:
    return Refusal(413, "too_large", f"a callback may have at most {max_body_bytes} bytes")
