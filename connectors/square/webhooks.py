"""Square's callbacks: proven by their signature, then read as facts.

Square signs the address it posts to and the body, without a time, so a callback never grows stale; repeats are
recognized by the event's id. The address is the one of the subscription, never put together from the request: behind a
proxy the two differ.
"""

import base64
from collections.abc import Callable, Mapping, Sequence

from connectors.base import Callback
from connectors.callback_proofs import hmac_sha256, is_one_of, require_header, usable_secrets
from connectors.payloads import (
    Payload,
    as_object,
    optional_identifier,
    parse_object,
    require_identifier,
    unmapped_status,
)
from connectors.square.status import (
    Source,
    facts_of_dispute,
    facts_of_order,
    facts_of_payment,
    facts_of_refund,
    read_time,
)
from domain.errors import MalformedPayload, VerificationFailed
from domain.facts import Fact, FactKind

SIGNATURE_HEADER = "x-square-hmacsha256-signature"

Reader = Callable[[Payload, Source], list[Fact]]

_READERS: Mapping[str, tuple[tuple[str, ...], Reader]] = {
    "payment.created": (("payment",), facts_of_payment),
    "payment.updated": (("payment",), facts_of_payment),
    "refund.created": (("refund",), facts_of_refund),
    "refund.updated": (("refund",), facts_of_refund),
    "dispute.created": (("dispute",), facts_of_dispute),
    "dispute.state.updated": (("dispute",), facts_of_dispute),
    "dispute.state.changed": (("dispute", "object"), facts_of_dispute),
    "order.updated": (("order_updated",), facts_of_order),
}
"""By event: under which names its object may be found, and how it is read."""


def verify_signature(callback: Callback, url: str, keys: Sequence[str]) -> str:
    """Return the body's text once one of the keys proves that Square posted it to `url`.

    Raises VerificationFailed with the code `secret_missing`, `signature_missing` or `signature_invalid`.
    """
    usable = usable_secrets(keys, "webhook signature key", "Square")
    signature = require_header(callback, SIGNATURE_HEADER)
    message = url.encode() + callback.body
    if not is_one_of(signature, (_signature(key, message) for key in usable)):
        raise VerificationFailed("the signature of Square does not match address and body", code="signature_invalid")
    try:
        return callback.body.decode()
    except UnicodeDecodeError:
        raise MalformedPayload("the body is not UTF-8") from None


def read_event(text: str, callback: Callback) -> tuple[Fact, ...]:
    """Return the facts of a proven event, at least one. Raises MalformedPayload when it cannot be read."""
    event = parse_object(text)
    event_id, event_type = require_identifier(event, "event_id"), require_identifier(event, "type")
    created_at = event.get("created_at")
    occurred_at = callback.received_at if created_at is None else read_time(created_at)
    source = Source(callback.account, event_id, occurred_at)
    data = as_object(event.get("data", {}), "the event's data")
    subject = optional_identifier(data.get("id")) or event_id
    if event_type not in _READERS:
        return (source.fact(FactKind.IGNORED, (subject,), None, reason=f"unmapped event type {event_type}"),)
    names, read = _READERS[event_type]
    item = _object_in(data, names)
    facts = read(item, source)
    return tuple(facts) or (source.fact(FactKind.IGNORED, (subject,), None, reason=_explanation(item)),)


def _signature(key: str, message: bytes) -> str:
    return base64.b64encode(hmac_sha256(key, message)).decode()


def _object_in(data: Payload, names: tuple[str, ...]) -> Payload:
    holder = as_object(data.get("object"), "the event's object")
    return as_object(next((holder[name] for name in names if name in holder), None), f"the event's {names[0]}")


def _explanation(item: Payload) -> str:
    if item.get("unlinked") is True:
        return "the refund is of money that Square did not take"
    status = item.get("status") or item.get("state")
    return unmapped_status(status)
