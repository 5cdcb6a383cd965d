"""The HTTP client of the connectors that use no SDK: bounded in time and size, silent about secrets, closed by default.

A request is written or read (`Effect`). A write is sent once: without an answer nobody knows what became of it. Reads
are sent again when the connection failed. Redirects are never followed, certificates are always checked, and nothing
but method, host, path, status and time is logged.
"""

import asyncio
import json
import logging
import secrets
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import cached_property
from typing import Self

import httpx

from connectors.outcomes import Timeouts, from_transport
from connectors.payloads import Payload, parse_object
from connectors.tls import system_tls
from domain.errors import MalformedPayload, OutcomeUnknown

MAX_RESPONSE_BYTES = 4 * 1024 * 1024
READ_ATTEMPTS = 2
READ_PAUSE_SECONDS = 0.1

# Below this level these libraries log headers and whole addresses.
logging.getLogger("httpx").setLevel(logging.WARNING)
logging.getLogger("httpcore").setLevel(logging.WARNING)

_log = logging.getLogger(__name__)


class Effect(Enum):
    """What a request does at the gateway; decides whether it may be sent again."""

    READS = "reads"
    WRITES = "writes"


@dataclass(frozen=True, slots=True)
class GatewayResponse:
    """A whole answer: status, lower-cased headers, body."""

    status_code: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """True for 2xx."""
        return httpx.codes.is_success(self.status_code)

    def json_object(self) -> Payload:
        """The body as a JSON object, fractions as Decimal. Raises MalformedPayload."""
        return parse_object(self.body)

    def json_object_or_empty(self) -> Payload:
        """The body as a JSON object, an empty one where it is none: for answers that tell of an error."""
        try:
            return self.json_object()
        except MalformedPayload:
            return {}

    def text(self) -> str:
        """The body as text. Raises MalformedPayload when it is not UTF-8."""
        try:
            return self.body.decode()
        except UnicodeDecodeError as error:
            raise MalformedPayload("the answer is not UTF-8") from error


class GatewayHttp:
    """One account's connections to one gateway. They are opened when first used; close them with `aclose`.

    - `gateway_name`: the display name, for errors.
    - `base_url`: an origin or a prefix, to which the path of every request is put.
    - `headers`: sent with every request; they may hold secrets, and are never logged.
    - `tls`: for gateways that want a client certificate; otherwise the system's certificate authorities count.
    """

    def __init__(
        self,
        gateway_name: str,
        base_url: str,
        timeouts: Timeouts,
        *,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._gateway_name = gateway_name
        self._base_url = base_url.rstrip("/")
        self._timeouts = timeouts
        self._headers = dict(headers or {})
        self._auth = auth
        self._tls = tls

    async def read(
        self, path: str, *, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> GatewayResponse:
        """GET something; sent again once when the connection failed. Raises GatewayUnavailable or OutcomeUnknown."""
        return await self.send("GET", path, Effect.READS, params=params, headers=headers)

    async def send(
        self,
        method: str,
        path: str,
        effect: Effect,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        json_body: object | None = None,
        form: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> GatewayResponse:
        """Send a request and return the whole answer, whatever its status.

        `json_body` may hold Decimal, which is written as a plain number. Raises GatewayUnavailable when the request
        certainly had no effect, OutcomeUnknown when no complete answer came in time.
        """
        sent_headers = dict(headers or {})
        if json_body is not None:
            content = encode_json(json_body)
            sent_headers = {"Content-Type": "application/json", **sent_headers}
        request = self._client.build_request(
            method, self._base_url + path, params=params, headers=sent_headers, data=form, content=content
        )
        attempts = READ_ATTEMPTS if effect is Effect.READS else 1
        try:
            async with asyncio.timeout(self._timeouts.total_seconds):
                return await self._send_up_to(attempts, request)
        except (httpx.HTTPError, TimeoutError) as error:
            # The cause may quote the address or the headers of the request.
            raise from_transport(self._gateway_name, error) from None

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        if "_client" in self.__dict__:
            await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _send_up_to(self, attempts: int, request: httpx.Request) -> GatewayResponse:
        for _ in range(attempts - 1):
            try:
                return await self._send_once(request)
            except (httpx.ConnectError, httpx.RemoteProtocolError, httpx.ReadError):
                await asyncio.sleep(READ_PAUSE_SECONDS)
        return await self._send_once(request)

    async def _send_once(self, request: httpx.Request) -> GatewayResponse:
        started, status = time.perf_counter(), "no answer"
        try:
            response = await self._client.send(request, stream=True)
            try:
                status = str(response.status_code)
                body = await self._read_whole(response)
            finally:
                await response.aclose()
        finally:
            seconds = time.perf_counter() - started
            url = request.url
            _log.debug("%s %s%s: %s in %.3f s", request.method, url.host, url.path, status, seconds)
        return GatewayResponse(response.status_code, dict(response.headers.items()), body)

    async def _read_whole(self, response: httpx.Response) -> bytes:
        body = bytearray()
        async for part in response.aiter_bytes():
            body += part
            if len(body) > MAX_RESPONSE_BYTES:
                raise OutcomeUnknown(f"{self._gateway_name} gave an answer of more than {MAX_RESPONSE_BYTES} bytes")
        return bytes(body)

    @cached_property
    def _client(self) -> httpx.AsyncClient:
        timeouts = self._timeouts
        return httpx.AsyncClient(
            headers={"User-Agent": "paystream", "Accept": "application/json", **self._headers},
            auth=self._auth,
            timeout=httpx.Timeout(timeouts.read_seconds, connect=timeouts.connect_seconds),
            verify=self._tls or system_tls(),
            follow_redirects=False,
        )


def encode_json(value: object) -> bytes:
    """Write JSON in which a Decimal is a plain number, digit for digit: no float is ever between."""
    numbers: list[Decimal] = []
    # Nobody can guess the marks, so no text from outside can be taken for one.
    mark = secrets.token_hex(16)

    def keep(item: object) -> str:
        if not isinstance(item, Decimal):
            raise TypeError(f"{type(item).__name__} cannot be written as JSON")
        numbers.append(item)
        return f"{mark}-{len(numbers) - 1}"

    text = json.dumps(value, default=keep, separators=(",", ":"))
    for index, number in enumerate(numbers):
        text = text.replace(f'"{mark}-{index}"', f"{number:f}", 1)
    return text.encode()
