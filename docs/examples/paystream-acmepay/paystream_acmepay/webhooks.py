"""Callbacks: proven by their signature, then read as facts.

The header is `t=<Unix seconds>,v1=<hex>`: HMAC-SHA256, with the endpoint's secret, of the time, a dot and the body.
"""

import hmac
import re
from collections.abc import Sequence
from datetime import timedelta

from connectors.base import Callback
from connectors.callback_proofs import check_age, hmac_sha256, require_header, usable_secrets
from connectors.payloads import (
    as_object,
    moment,
    moment_or,
    numbered,
    optional_identifier,
    parse_object,
    require_identifier,
)
from domain.errors import MalformedPayload, VerificationFailed
from domain.facts import Fact, FactKind

from paystream_acmepay.errors import GATEWAY_NAME
from paystream_acmepay.status import GATEWAY, Source, facts_of_order

SIGNATURE_HEADER = "x-acmepay-signature"
TOLERANCE = timedelta(minutes=5)

EVENTS = frozenset({"order.processing", "order.paid", "order.declined", "order.expired", "refund.updated"})
"""Known events. What happened, the order in them says; the event alone moves nothing."""

_SIGNATURE = re.compile(r"t=([0-9]{1,11}),v1=([0-9a-f]{64})")


def verify_signature(callback: Callback, secrets: Sequence[str]) -> None:
    """Check that one of the secrets proves the callback; the first is the current one and must be there.

    Raises VerificationFailed with the code `secret_missing`, `signature_missing`, `signature_invalid`,
    `signature_stale` or `signature_from_future`. The signed time is compared with the time of receipt, not with the
    clock: a callback may be verified long after it came.
    """
    usable = usable_secrets(secrets, "webhook secret", GATEWAY_NAME)
    parts = _SIGNATURE.fullmatch(require_header(callback, SIGNATURE_HEADER))
    if parts is None or not any(_is_signed_with(secret, parts[1], callback.body, parts[2]) for secret in usable):
        raise VerificationFailed(f"the signature of {GATEWAY_NAME} does not match", code="signature_invalid")
    check_age(moment(int(parts[1])), callback.received_at, oldest=TOLERANCE, newest=TOLERANCE)


def read_event(callback: Callback) -> tuple[Fact, ...]:
    """Return the facts of a proven event, at least one. Raises MalformedPayload when it cannot be read."""
    try:
        event = parse_object(callback.body.decode())
    except UnicodeDecodeError as error:
        raise MalformedPayload("the payload is not UTF-8") from error
    event_id, event_type = require_identifier(event, "id"), require_identifier(event, "type")
    order = as_object(event.get("order"), "the event's order")
    source = Source(callback.account, event_id, moment_or(event.get("created_at"), callback.received_at))
    if event_type not in EVENTS:
        reason = f"unmapped event type {event_type}"
    elif facts := facts_of_order(order, source):
        return numbered(facts)
    else:
        reason = f"unmapped status {order.get('status')}"
    return (
        Fact(
            gateway=GATEWAY,
            account=callback.account,
            gateway_event_id=event_id,
            kind=FactKind.IGNORED,
            provider_reference=optional_identifier(order.get("id")) or event_id,
            occurred_at=source.occurred_at or callback.received_at,
            payment_id=optional_identifier(order.get("reference")),
            reason=reason,
        ),
    )


def _is_signed_with(secret: str, seconds: str, body: bytes, signature: str) -> bool:
    expected = hmac_sha256(secret, f"{seconds}.".encode() + body)
    return hmac.compare_digest(expected, bytes.fromhex(signature))
