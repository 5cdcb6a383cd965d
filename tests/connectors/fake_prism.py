"""Stand-ins for Prism's SDK, which loads on few systems. They refuse requests that the real messages have no place for.

The names of the messages and enumerations are those of version 0.6.0, kept with the samples.
"""

import asyncio
import base64
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import httpx

from connectors.outcomes import Timeouts
from connectors.payloads import Payload
from connectors.prism.errors import PrismFailure, Stage
from connectors.prism.sdk import Flow
from tests.connectors.case import FIXTURES

WHEEL = FIXTURES / "prism" / "wheel" / "0.6.0.json"
EVENT_MESSAGE = "EventServiceParseRequest"
NOT_SUPPORTED = PrismFailure(Stage.REFUSED, "FLOW_NOT_SUPPORTED", said="the processor has no such call")

Answer = Payload | PrismFailure


@cache
def wheel() -> dict[str, dict[str, Any]]:
    """The wheel's messages, by name and field, and its enumerations."""
    found: dict[str, dict[str, Any]] = json.loads(WHEEL.read_bytes())
    return found


def check_message(name: str, message: object) -> None:
    """Raise AssertionError unless a message has only fields that it has in Prism, with values of their types."""
    assert isinstance(message, Mapping), name
    fields = wheel()["messages"][name]
    for field, value in message.items():
        assert field in fields, f"{name} has no {field}"
        _check_value(f"{name}.{field}", fields[field], value)


def _check_value(place: str, kind: str, value: object) -> None:
    if kind in wheel()["messages"]:
        check_message(kind, value)
    elif kind in wheel()["enumerations"]:
        assert value in wheel()["enumerations"][kind], f"{place} is no {kind}: {value}"
    elif kind == "int64":
        assert isinstance(value, str), place
        assert value.isdecimal(), f"{place} is no whole number: {value}"
    elif kind == "bool":
        assert isinstance(value, bool), place
    elif kind in {"string", "bytes"}:
        assert isinstance(value, str), place
    else:
        # Messages that are not described are ones that need nothing, and maps.
        assert isinstance(value, Mapping), f"{place} is no {kind}"


class ScriptedPrism:
    """Answers with what the test has laid out for a call, and keeps what was asked."""

    def __init__(self, answers: Mapping[Flow, Answer | list[Answer]] | None = None) -> None:
        self.answers = dict(answers or {})
        self.event: Answer = {}
        self.asked: list[tuple[Flow, Payload]] = []
        self.events: list[Payload] = []
        self.is_closed = False

    async def call(self, flow: Flow, request: Payload) -> Payload:
        """Take the next answer for the call; a call that nothing is laid out for is not supported."""
        check_message(flow.value[2], request)
        if flow is not Flow.CREATE_ACCESS_TOKEN or flow in self.answers:
            self.asked.append((flow, request))
        planned = self.answers.get(flow, NOT_SUPPORTED)
        answer = planned.pop(0) if isinstance(planned, list) else planned
        if isinstance(answer, PrismFailure):
            raise answer
        return answer

    def read_event(self, request: Payload) -> Payload:
        """Return the event that the test has laid out."""
        check_message(EVENT_MESSAGE, request)
        self.events.append(request)
        if isinstance(self.event, PrismFailure):
            raise self.event
        return self.event

    async def aclose(self) -> None:
        """Note that it was closed."""
        self.is_closed = True


class HttpPrism:
    """Speaks to a processor that speaks the SDK's own JSON, and fails in the ways of the SDK."""

    def __init__(self, url: str, timeouts: Timeouts) -> None:
        self._url = url
        self._timeouts = timeouts

    async def call(self, flow: Flow, request: Payload) -> Payload:
        """Send the request: a GET when it only reads."""
        check_message(flow.value[2], request)
        if flow is Flow.CREATE_ACCESS_TOKEN:
            raise NOT_SUPPORTED
        method = "GET" if flow.only_reads else "POST"
        try:
            return self._read(await self._send(method, f"/{flow.name.lower()}", request))
        except httpx.ConnectError as error:
            raise PrismFailure(Stage.UNREACHABLE, "NETWORK_FAILURE") from error
        except (httpx.HTTPError, TimeoutError) as error:
            raise PrismFailure(Stage.UNANSWERED, "NETWORK_FAILURE") from error

    def read_event(self, request: Payload) -> Payload:
        """Read a callback that is the answer of Prism's own reader."""
        check_message(EVENT_MESSAGE, request)
        try:
            event = json.loads(base64.b64decode(request["requestDetails"]["body"]))
        except (ValueError, RecursionError) as error:
            raise PrismFailure(Stage.REFUSED, "WEBHOOK_BODY_DECODING_FAILED") from error
        if not isinstance(event, dict) or not isinstance(event.get("reference"), dict):
            raise PrismFailure(Stage.REFUSED, "WEBHOOK_EVENT_TYPE_NOT_FOUND")
        return event

    async def aclose(self) -> None:
        """Close nothing: each call has a connection of its own."""

    async def _send(self, method: str, path: str, request: Payload) -> httpx.Response:
        timeouts = self._timeouts
        timeout = httpx.Timeout(timeouts.read_seconds, connect=timeouts.connect_seconds)
        async with (
            asyncio.timeout(timeouts.total_seconds),
            httpx.AsyncClient(base_url=self._url, timeout=timeout, verify=False) as client,  # noqa: S501 - no TLS here
        ):
            return await client.request(method, path, json=request)

    def _read(self, response: httpx.Response) -> Payload:
        status_code = response.status_code
        try:
            body = response.json()
        except ValueError:
            body = None
        if response.is_success and isinstance(body, dict) and body:
            return body
        if response.is_success or not isinstance(body, dict):
            code = "RESPONSE_DESERIALIZATION_FAILED"
            raise PrismFailure(Stage.ANSWERED, code, status_code=status_code)
        said = body.get("message") if response.is_client_error else None
        raise PrismFailure(Stage.ANSWERED, "CONNECTOR_ERROR_RESPONSE", said=said, status_code=status_code)
