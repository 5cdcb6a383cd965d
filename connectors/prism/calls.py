"""Calls to a processor, with its access token where it wants one, and what their answers say as facts."""

from collections.abc import Callable
from datetime import datetime

from connectors.outcomes import reading, unreadable
from connectors.payloads import Payload, optional_identifier
from connectors.prism.access_tokens import AccessTokens
from connectors.prism.errors import GATEWAY_NAME, PrismFailure, classify
from connectors.prism.sdk import Flow, PrismSdk
from connectors.prism.status import Subject, facts_of_payment, facts_of_refund, map_status, reason_of, status_of
from domain.errors import GatewayDeclined
from domain.facts import Fact, FactKind

_FAILED_FOLLOW_UPS = frozenset({"CAPTURE_FAILED", "VOID_FAILED"})
_WITHOUT_STATE = frozenset({Flow.REVERSE})
"""Calls whose message has no place for an access token."""


class Calls:
    """Calls of one account to one processor. All raise the house's errors."""

    def __init__(self, sdk: PrismSdk, clock: Callable[[], datetime]) -> None:
        self._sdk = sdk
        self._access_tokens = AccessTokens(sdk, clock)

    async def send(self, flow: Flow, request: Payload) -> Payload:
        """Send a request and return the answer."""
        state: Payload = {} if flow in _WITHOUT_STATE else await self._access_tokens.state()
        try:
            return await self._sdk.call(flow, {**request, **state})
        except PrismFailure as failure:
            raise classify(failure) from failure

    async def order_of(self, request: Payload) -> str | None:
        """Set an order up and return its id; None at a processor without orders."""
        try:
            answer = await self._sdk.call(Flow.CREATE_ORDER, {**request, **await self._access_tokens.state()})
        except PrismFailure as failure:
            if failure.is_not_there:
                return None
            raise classify(failure) from failure
        order_id = optional_identifier(answer.get("connectorOrderId"))
        if order_id is None:
            raise unreadable(GATEWAY_NAME)
        return order_id

    def facts_of_payment(self, answer: Payload, subject: Subject) -> tuple[Fact, ...]:
        """Return what an answer says about a payment."""
        with reading(GATEWAY_NAME):
            return facts_of_payment(answer, subject)

    def facts_of_follow_up(self, answer: Payload, subject: Subject) -> tuple[Fact, ...]:
        """Return what an answer says about a capture, void or reversal. Raises GatewayDeclined when it failed."""
        status = self._status(answer)
        if status in _FAILED_FOLLOW_UPS or map_status("payment", status) is FactKind.FAILED:
            raise GatewayDeclined(f"{GATEWAY_NAME} was told no: {reason_of(answer, status)}")
        return self.facts_of_payment(answer, subject)

    def facts_of_increment(self, answer: Payload, subject: Subject) -> tuple[Fact, ...]:
        """Return what an answer says about a raised authorization. Raises GatewayDeclined when it was not raised."""
        status = self._status(answer)
        kind = map_status("increment", status)
        if kind is FactKind.ATTEMPT_FAILED:
            raise GatewayDeclined(f"{GATEWAY_NAME} was told no: {reason_of(answer, status)}")
        movement = subject.transaction_id
        amount_minor = subject.authorized_minor if kind is FactKind.AUTHORIZED else None
        return () if kind is None else (subject.fact(kind, movement, movement=movement, amount_minor=amount_minor),)

    def facts_of_refund(self, answer: Payload, subject: Subject, amount_minor: int | None) -> tuple[Fact, ...]:
        """Return what an answer says about a refund."""
        with reading(GATEWAY_NAME):
            return facts_of_refund(answer, subject, amount_minor)

    def _status(self, answer: Payload) -> str:
        with reading(GATEWAY_NAME):
            return status_of(answer)
