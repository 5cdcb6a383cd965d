"""The HTTP client behind Adyen's SDK, which brings its own otherwise.

The SDK's has one timeout for everything, follows redirects, reads answers of any size, and turns failures into classes
that quote the whole request. It never sends anything twice, and neither does this one.
"""

import time
from collections.abc import Mapping
from functools import cached_property

import httpx

from connectors.adyen.errors import GATEWAY_NAME, classify_answer, classify_transport
from connectors.http_client import MAX_RESPONSE_BYTES, encode_json
from connectors.outcomes import Timeouts, unreadable
from connectors.payloads import parse_object
from connectors.tls import system_tls
from domain.errors import MalformedPayload, OutcomeUnknown

Answer = tuple[str, object, int, Mapping[str, str]]
"""What the SDK wants of a request: the answer's text, the request's body, the status and the answer's headers."""


class SdkTransport:
    """Sends what the SDK asks for. It raises the house's errors, and threads may share it."""

    user_agent = "paystream"

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts

    def request(self, method: str, url: str, *, json: object, xapikey: str, headers: Mapping[str, str]) -> Answer:
        """Send a request once, and return an answer that is a success with a JSON object in it."""
        sent = {**headers, "X-API-Key": xapikey, "Accept": "application/json"}
        content = None
        if json is not None:
            content, sent["Content-Type"] = encode_json(json), "application/json"
        deadline = time.monotonic() + self._timeouts.total_seconds
        try:
            with self._client.stream(method, url, content=content, headers=sent) as response:
                body = _read_whole(response, deadline)
        except httpx.HTTPError as error:
            # The cause may quote the address or the headers of the request.
            raise classify_transport(error) from None
        if not response.is_success:
            raise classify_answer(response.status_code, body.decode(errors="replace"))
        return _json_in(body), json, response.status_code, response.headers

    def close(self) -> None:
        """Close the connections, if any were opened."""
        if "_client" in self.__dict__:
            self._client.close()

    @cached_property
    def _client(self) -> httpx.Client:
        timeout = httpx.Timeout(self._timeouts.read_seconds, connect=self._timeouts.connect_seconds)
        return httpx.Client(timeout=timeout, verify=system_tls(), follow_redirects=False)


def _read_whole(response: httpx.Response, deadline: float) -> bytes:
    # The socket's timeout starts again with every byte. Nobody waits longer than the total, so neither does the thread.
    body = bytearray()
    for part in response.iter_bytes():
        body += part
        if len(body) > MAX_RESPONSE_BYTES or time.monotonic() > deadline:
            raise OutcomeUnknown(f"{GATEWAY_NAME} gave an answer that did not end")
    return bytes(body)


def _json_in(body: bytes) -> str:
    # The SDK stumbles over a success that is anything else than an object.
    try:
        text = body.decode()
        parse_object(text)
    except (UnicodeDecodeError, MalformedPayload) as error:
        raise unreadable(GATEWAY_NAME) from error
    return text
