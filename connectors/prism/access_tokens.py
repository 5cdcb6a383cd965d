"""Access tokens, which some processors want with every request and Prism does not fetch by itself."""

from collections.abc import Callable
from datetime import datetime, timedelta

from connectors.outcomes import before_sending, nothing_moved_yet, reading
from connectors.payloads import Payload, as_object
from connectors.prism.errors import GATEWAY_NAME, PrismFailure, classify
from connectors.prism.sdk import Flow, PrismSdk
from connectors.prism.status import whole_number
from domain.errors import OutcomeUnknown

MARGIN = timedelta(minutes=1)
"""A token is not used when it has less than this to live."""
SHORT_LIFE_SECONDS = 300
"""What a token is given to live when its processor does not say."""


class AccessTokens:
    """Fetches a token when one is needed, and keeps it until it grows old."""

    def __init__(self, sdk: PrismSdk, clock: Callable[[], datetime]) -> None:
        self._sdk = sdk
        self._clock = clock
        self._is_needed = True
        self._state: Payload = {}
        self._good_until: datetime | None = None

    async def state(self) -> Payload:
        """Return the part of a request that carries the token; empty where the processor has none.

        Raises GatewayUnavailable or GatewayRejected when no token can be had: nothing was asked for by then.
        """
        now = self._clock()
        if self._is_needed and (self._good_until is None or self._good_until <= now):
            try:
                answer = await self._sdk.call(Flow.CREATE_ACCESS_TOKEN, {})
                self._keep(answer, now)
            except PrismFailure as failure:
                if not failure.is_not_there:
                    raise _before_the_request(failure) from failure
                self._is_needed = False
        return self._state

    def _keep(self, answer: Payload, now: datetime) -> None:
        with nothing_moved_yet(), reading(GATEWAY_NAME):
            token = as_object(answer.get("accessToken"), "the access token").get("value")
        seconds = whole_number(answer.get("expiresInSeconds")) or SHORT_LIFE_SECONDS
        self._state = {"state": {"accessToken": {"token": {"value": token}, "expiresInSeconds": str(seconds)}}}
        self._good_until = now + timedelta(seconds=seconds) - MARGIN


def _before_the_request(failure: PrismFailure) -> Exception:
    error = classify(failure)
    return before_sending(error) if isinstance(error, OutcomeUnknown) else error
