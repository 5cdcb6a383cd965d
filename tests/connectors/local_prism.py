"""Prism's connector with a stand-in of its SDK, and what tests ask of it."""

from datetime import UTC, datetime

from connectors.base import (
    AuthorizationRequest,
    GatewayAnswer,
    MandateAnswer,
    MandateChargeRequest,
    MandateRequest,
    MovementRequest,
    OrderRequest,
    StatusRequest,
)
from connectors.prism.client import PrismConnector
from connectors.prism.registration import PrismCredentials
from connectors.prism.sdk import Flow
from domain.facts import FactKind
from tests.connectors.case import ACCOUNT
from tests.connectors.cases.prism import CASES
from tests.connectors.fake_prism import Answer, ScriptedPrism

NOW = datetime(2026, 1, 2, 3, tzinfo=UTC)
MANUAL, AUTOMATIC = "planned:manual:USD:1200:payment-1", "planned:automatic:USD:1200:payment-1"


def credentials(**settings: object) -> PrismCredentials:
    """The suite's credentials, with other settings where they are given."""
    return PrismCredentials.model_validate({**CASES.credentials, **settings})


def connector(sdk: ScriptedPrism, **settings: object) -> PrismConnector:
    """The connector at a time that stands still."""
    return PrismConnector(credentials(**settings), sdk, clock=lambda: NOW)


def scripted(flow: Flow, answer: Answer | list[Answer]) -> ScriptedPrism:
    """A stand-in that has one call."""
    return ScriptedPrism({flow: answer})


def order(
    payment_method: str | None = None,
    *,
    payment_id: str = "payment-1",
    amount_minor: int = 1200,
    currency: str = "USD",
    manual: bool = False,
) -> OrderRequest:
    """A payment to set up."""
    return OrderRequest(
        payment_id=payment_id,
        account=ACCOUNT,
        idempotency_key="command-1",
        amount_minor=amount_minor,
        currency=currency,
        manual_capture=manual,
        return_url="https://shop.example/back",
        payment_method=payment_method,
    )


def authorization(reference: str, return_url: str | None = None) -> AuthorizationRequest:
    """A token put to a payment."""
    return AuthorizationRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key="command-2",
        provider_reference=reference,
        payment_method_token="pm_1",
        return_url=return_url,
    )


def movement(amount_minor: int = 1200, reference: str = MANUAL, transaction: str | None = "txn_1") -> MovementRequest:
    """What follows an authorization."""
    return MovementRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key="command-3",
        provider_reference=reference,
        authorization_reference=transaction,
        amount_minor=amount_minor,
        currency="USD",
        reason="Not wanted",
    )


def status(*refunds: str, reference: str = MANUAL, transaction: str | None = "txn_1") -> StatusRequest:
    """A payment to read back, with its open refunds."""
    return StatusRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        provider_reference=reference,
        authorization_reference=transaction,
        refund_references=refunds,
    )


def mandate(payment_method: str | None = "pm_1") -> MandateRequest:
    """A payment method to keep."""
    return MandateRequest(
        mandate_id="mandate-1",
        account=ACCOUNT,
        idempotency_key="command-4",
        customer_id="cus_1",
        currency="USD",
        payment_method_token=payment_method,
        return_url="https://shop.example/back",
    )


def charge(kept: MandateAnswer) -> MandateChargeRequest:
    """A charge of what was kept."""
    return MandateChargeRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key="command-5",
        amount_minor=1200,
        currency="USD",
        mandate_reference=kept.provider_reference,
        customer_reference=kept.customer_reference,
        payment_method_reference=kept.payment_method_reference,
    )


def said(answer: GatewayAnswer) -> list[tuple[FactKind, str | None, int | None]]:
    """Kinds, movements and amounts of an answer's facts."""
    return [(fact.kind, fact.movement_reference, fact.amount_minor) for fact in answer.facts]
