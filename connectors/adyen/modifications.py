"""Captures, cancellations, reversals, refunds and new amounts of Adyen's payments.

Adyen only says that a request was received; what came of it is told by a callback. So the answers move no money. A
refund's answer tells that it is pending, under the name that the callback about it will have.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from connectors.adyen.api import AdyenApi, key_of, money, name_in, path_part
from connectors.adyen.errors import GATEWAY_NAME
from connectors.adyen.references import Purpose, purpose_of
from connectors.adyen.status import Source, Subject, map_status
from connectors.base import GatewayAnswer, MovementRequest
from connectors.outcomes import unreadable
from connectors.payloads import Payload
from domain.errors import GatewayRejected

RECEIVED = "received"

SdkMethod = Callable[..., Any]
"""A modification of the SDK's, which ships no types: body, PSP reference and idempotency key."""


async def capture(api: AdyenApi, request: MovementRequest) -> GatewayAnswer:
    """Ask for the capture of the amount. The rest is released unless the account allows several captures."""
    await _send(api, request, api.checkout.modifications_api.capture_authorised_payment, _amount(request))
    return GatewayAnswer(provider_reference=request.provider_reference)


async def void(api: AdyenApi, request: MovementRequest) -> GatewayAnswer:
    """Ask for the cancellation of the authorization."""
    await _send(api, request, api.checkout.modifications_api.cancel_authorised_payment_by_psp_reference, {})
    return GatewayAnswer(provider_reference=request.provider_reference)


async def reverse(api: AdyenApi, request: MovementRequest) -> GatewayAnswer:
    """Ask for the whole to be given back, which Adyen cancels or refunds as the case may be."""
    await _send(api, request, api.checkout.modifications_api.refund_or_cancel_payment, {})
    return GatewayAnswer(provider_reference=request.provider_reference)


async def increment_authorization(api: AdyenApi, request: MovementRequest) -> GatewayAnswer:
    """Ask for the authorization to be raised to `amount_minor`, the new total."""
    await _send(api, request, api.checkout.modifications_api.update_authorised_amount, _amount(request))
    return GatewayAnswer(provider_reference=request.provider_reference)


async def refund(api: AdyenApi, request: MovementRequest) -> GatewayAnswer:
    """Ask for the refund of the amount. However often the payment was captured, it is refunded as one."""
    answer = await _send(api, request, api.checkout.modifications_api.refund_captured_payment, _amount(request))
    kind = map_status("refund", str(answer.get("status")))
    facts = []
    if kind is not None:
        subject = Subject.of(request.provider_reference, psp_reference_of(request))
        source = Source(request.account, datetime.now(UTC))
        movement = name_in(answer, "pspReference")
        facts = [subject.fact(kind, source, movement=movement, money=(request.amount_minor, request.currency))]
    return GatewayAnswer(provider_reference=request.provider_reference, facts=tuple(facts))


def psp_reference_of(request: MovementRequest) -> str:
    """Return the PSP reference of the payment to change.

    It is told by the authorization, or by the capture where both are one. A payment without a reference of ours is
    itself named after it. Raises GatewayRejected when no callback has told it yet.
    """
    purpose = purpose_of(request.provider_reference)
    capture_reference = request.capture_reference if purpose is Purpose.SALE else None
    itself = request.provider_reference if purpose is None else None
    found = request.authorization_reference or capture_reference or itself
    if found is None:
        raise GatewayRejected(f"{GATEWAY_NAME} has not told yet what the payment is called there")
    return path_part(found, "payment")


async def _send(api: AdyenApi, request: MovementRequest, method: SdkMethod, terms: Mapping[str, object]) -> Payload:
    psp_reference, key = psp_reference_of(request), key_of(request.idempotency_key)
    # The callback brings this reference back, signed: it says which payment is meant and how that is captured.
    body = {
        "merchantAccount": api.credentials.merchant_account,
        "reference": request.provider_reference,
        **terms,
    }
    answer = await api.send(lambda: method(body, psp_reference, idempotency_key=key))
    if answer.get("status") != RECEIVED:
        raise unreadable(GATEWAY_NAME)
    name_in(answer, "pspReference")
    return answer


def _amount(request: MovementRequest) -> dict[str, object]:
    return {"amount": money(request.amount_minor, request.currency)}
