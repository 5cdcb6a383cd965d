"""Razorpay's payment links: each is for one payment and can be paid once.

A link's reference is our payment's id and unique at Razorpay, so a link that was made before is found again.
"""

from connectors.base import GatewayAnswer, PaymentLinkAnswer, PaymentLinkRequest
from connectors.outcomes import reading
from connectors.payloads import Payload, as_objects, optional_identifier, require_url
from connectors.razorpay.api import RazorpayApi, id_of, read_facts, receipt_of, wire_money
from connectors.razorpay.errors import GATEWAY_NAME
from connectors.razorpay.status import Source, facts_of_link, read_money
from domain.errors import GatewayRejected

LINK_PREFIX = "plink_"
MAX_DESCRIPTION_LENGTH = 2_048

_CLOSED = frozenset({"cancelled", "expired"})


def is_link(provider_reference: str) -> bool:
    """Say whether a name is that of a link rather than of a payment."""
    return provider_reference.startswith(LINK_PREFIX)


async def create_payment_link(api: RazorpayApi, request: PaymentLinkRequest) -> PaymentLinkAnswer:
    """Make a link. Razorpay tells the payer nothing of it; that is for whoever asked.

    Raises GatewayRejected for a reusable link, which Razorpay does not have.
    """
    if request.reusable:
        raise GatewayRejected(f"{GATEWAY_NAME} has no reusable links", field="reusable")
    amount, currency = wire_money(request)
    data: dict[str, object] = {
        "amount": amount,
        "currency": currency,
        "accept_partial": False,
        "reference_id": receipt_of(request.payment_id),
        "description": request.description[:MAX_DESCRIPTION_LENGTH],
        "notify": {"sms": False, "email": False},
        "reminder_enable": False,
        "notes": {"payment_id": request.payment_id, "payment_link_id": request.payment_link_id},
    }
    if request.expires_at is not None:
        data["expire_by"] = int(request.expires_at.timestamp())
    try:
        link = await api.one(lambda timeout: api.sdk.payment_link.create(data, timeout=timeout))
    except GatewayRejected:
        made_before = await _find(api, data)
        if made_before is None:
            raise
        link = made_before
    with reading(GATEWAY_NAME):
        url = require_url(link, "short_url")
    return PaymentLinkAnswer(provider_reference=id_of(link), url=url)


async def cancel_payment_link(api: RazorpayApi, provider_reference: str) -> None:
    """Close a link. Closing it again does nothing; raises GatewayRejected for one that was paid."""
    try:
        await api.one(lambda timeout: api.sdk.payment_link.cancel(provider_reference, timeout=timeout))
    except GatewayRejected:
        link = await api.one(lambda timeout: api.sdk.payment_link.fetch(provider_reference, timeout=timeout))
        if link.get("status") not in _CLOSED:
            raise


async def read_link(api: RazorpayApi, provider_reference: str, account: str) -> GatewayAnswer:
    """Return what a link says of itself, and what the payments made by it say."""
    link = await api.one(lambda timeout: api.sdk.payment_link.fetch(provider_reference, timeout=timeout))
    names = (optional_identifier(payment.get("payment_id")) for payment in as_objects(link.get("payments")))
    payments = [await api.payment(name) for name in names if name is not None]
    source = Source(account, order=link)
    facts = [*read_facts([link], facts_of_link, source), *await api.facts_of_payments(payments, source)]
    with reading(GATEWAY_NAME):
        amount_minor, currency = read_money(link.get("amount"), link)
    return GatewayAnswer(
        provider_reference=provider_reference, facts=tuple(facts), amount_minor=amount_minor, currency=currency
    )


async def _find(api: RazorpayApi, data: dict[str, object]) -> Payload | None:
    """Return the link that an earlier request for the same made, if it can still be used."""
    query = {"reference_id": data["reference_id"]}
    answer = await api.one(lambda timeout: api.sdk.payment_link.all(query, timeout=timeout))
    same = ("reference_id", "amount", "currency", "notes")
    return next(
        (
            link
            for link in as_objects(answer.get("payment_links"))
            if all(link.get(name) == data[name] for name in same) and link.get("status") not in _CLOSED
        ),
        None,
    )
