"""Adyen's Checkout API through the official SDK, which blocks, in threads of its own and without retries."""

import hashlib
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import quote_plus

from Adyen.client import AdyenClient  # type: ignore[import-untyped]  # ships no types
from Adyen.services.checkout import AdyenCheckoutApi  # type: ignore[import-untyped]  # ships no types

from connectors.adyen.errors import GATEWAY_NAME
from connectors.adyen.references import Purpose
from connectors.adyen.registration import AdyenCredentials
from connectors.adyen.status import WIRE_EXPONENTS
from connectors.adyen.transport import SdkTransport
from connectors.amounts import wire_amount
from connectors.outcomes import Timeouts, nothing_moved_yet, reading
from connectors.payloads import Payload, parse_object, require_identifier
from connectors.sdk_threads import SdkThreads
from domain.errors import GatewayRejected

MAX_THREADS = 16
VERSION = "v72"
TEST_ORIGIN = "https://checkout-test.adyen.com"

_THREADS = SdkThreads(GATEWAY_NAME, max_threads=MAX_THREADS)
_PATH_PART = re.compile(r"[A-Za-z0-9]{1,64}")
_KEY = re.compile(r"[\x21-\x7e]{1,64}")

SdkCall = Callable[[], Any]
"""A call of the SDK, whose answers have no type."""


class SdkClient(AdyenClient):  # type: ignore[misc]  # ships no types
    """The SDK's client with our transport behind it."""

    def __init__(self, api_key: str, transport: SdkTransport) -> None:
        super().__init__(xapikey=api_key, platform="test")
        self.http_client = transport
        self.http_init = True

    def _determine_api_url(self, platform: str, endpoint: str) -> str:  # noqa: ARG002 - the SDK's signature
        # The SDK would replace every "-test" and "-live" in an address, those in a merchant's prefix included.
        return endpoint


class AdyenApi:
    """One account's access to Adyen. Close it with `aclose`.

    The SDK's client keeps nothing between calls, so one serves every thread.
    """

    def __init__(self, credentials: AdyenCredentials, timeouts: Timeouts) -> None:
        self.credentials = credentials
        self._timeouts = timeouts

    @cached_property
    def checkout(self) -> Any:  # noqa: ANN401 - the SDK ships no types
        """The SDK's services, each at this account's address. Their calls go through `send` and `look_up`."""
        services = AdyenCheckoutApi(client=SdkClient(self.credentials.api_key.get_secret_value(), self._transport))
        base_url = base_url_of(self.credentials)
        for service in (
            services.payments_api,
            services.modifications_api,
            services.payment_links_api,
            services.recurring_api,
        ):
            service.baseUrl = base_url
        return services

    async def send(self, call: SdkCall) -> Payload:
        """Make a call and return the object that it answers with. Raises the house's errors."""
        result = await _THREADS.run(call, timeout_seconds=self._timeouts.total_seconds)
        # The SDK's own reading of the answer has floats in it.
        return parse_object(result.raw_response)

    async def look_up(self, call: SdkCall) -> Payload:
        """Make a call that comes before the one that matters; without an answer to it nothing has moved yet."""
        with nothing_moved_yet():
            return await self.send(call)

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        if "_transport" in self.__dict__:
            self._transport.close()

    @cached_property
    def _transport(self) -> SdkTransport:
        return SdkTransport(self._timeouts)


def base_url_of(credentials: AdyenCredentials) -> str:
    """Return the address of the account's API: its own one when it is live, the shared one for tests."""
    if credentials.api_base is not None:
        return f"{credentials.api_base}/{VERSION}"
    if credentials.live_prefix is not None:
        return f"https://{credentials.live_prefix}-checkout-live.adyenpayments.com/checkout/{VERSION}"
    return f"{TEST_ORIGIN}/{VERSION}"


def key_of(idempotency_key: str) -> str:
    """Return an idempotency key that Adyen takes: the given one, or its digest where that one does not fit."""
    if _KEY.fullmatch(idempotency_key):
        return idempotency_key
    return hashlib.sha256(idempotency_key.encode()).hexdigest()


def path_part(name: str, what: str) -> str:
    """Return a name that may stand in an address. Raises GatewayRejected for one that Adyen never gave."""
    if not _PATH_PART.fullmatch(name):
        raise GatewayRejected(f"{name[:64]!r} is no name that {GATEWAY_NAME} gives to a {what}")
    return name


def query(**parameters: str) -> Mapping[str, str]:
    """Write the parameters of a query. The SDK only joins them."""
    return {name: quote_plus(value) for name, value in parameters.items()}


def money(amount_minor: int, currency: str) -> dict[str, object]:
    """Return an amount as Adyen wants it; raises GatewayRejected where it has none."""
    return {"value": wire_amount(GATEWAY_NAME, amount_minor, currency, WIRE_EXPONENTS), "currency": currency}


def capture_terms(purpose: Purpose) -> dict[str, object]:
    """Return what makes Adyen capture as the payment's reference says, whatever the merchant account's own setting.

    Only an authorization that was asked for in advance (`PreAuth`) can be raised later.
    """
    if purpose is Purpose.AUTH:
        return {"additionalData": {"manualCapture": "true", "authorisationType": "PreAuth"}}
    return {"captureDelayHours": 0}


def name_in(answer: Payload, key: str) -> str:
    """Return a name that an answer must have. Raises OutcomeUnknown when it has none."""
    with reading(GATEWAY_NAME):
        return require_identifier(answer, key)
