"""PhonePe's callbacks, sent with the authentication type SHA: every one carries the same digest of a name and password.

The digest does not cover the body, so whoever has seen it once can write callbacks: all that they say is a hint, which
leads to a look at PhonePe's own records. The newer type HMAC is not supported: its header and its algorithm are not
documented well enough to be relied on.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence

from connectors.base import Callback
from connectors.callback_proofs import is_one_of, require_header
from connectors.payloads import (
    Payload,
    as_object,
    numbered,
    optional_identifier,
    parse_object,
    require_identifier,
    unmapped_status,
)
from connectors.phonepe.status import (
    Source,
    attempts_of,
    facts_of_order,
    facts_of_refund,
    is_known,
    last_moment,
    references_of,
)
from domain.errors import MalformedPayload, VerificationFailed
from domain.facts import Fact, FactKind

AUTHORIZATION_HEADER = "authorization"
OPTIONAL_PREFIX = "SHA256 "

Reader = Callable[[Payload, Source], list[Fact]]

_ORDERS = (
    "checkout.order",
    "pg.order",
    "paylink.order",
    "subscription.redemption.order",
    "subscription.redemption.transaction",
    "subscription.notification",
)
_READERS: Mapping[str, tuple[str, Reader]] = {
    **{f"{name}.{end}": ("order", facts_of_order) for name in _ORDERS for end in ("completed", "failed")},
    "pg.transaction.failed": ("order", facts_of_order),
    "checkout.transaction.attempt.failed": ("order", facts_of_order),
    **{f"pg.refund.{state}": ("refund", facts_of_refund) for state in ("accepted", "completed", "failed")},
}
"""What each event is about and how it is read. The event says what is told of; what became of it, its state says."""

_OLDER_NAMES = {"PG_TRANSACTION_ATTEMPT_FAILED": "pg.transaction.failed"}


def digest_of(username: str, password: str) -> str:
    """Return what PhonePe sends as its authorization."""
    return hashlib.sha256(f"{username}:{password}".encode()).hexdigest()


def verify_authorization(callback: Callback, pairs: Sequence[tuple[str, str]]) -> None:
    """Check that the callback carries the digest of one of the pairs of username and password.

    Raises VerificationFailed with the code `secret_missing`, `signature_missing` or `signature_invalid`.
    """
    if not pairs or not all(part.strip() for part in pairs[0]):
        raise VerificationFailed("no webhook username and password are set for PhonePe", code="secret_missing")
    usable = [pair for pair in pairs if all(part.strip() for part in pair)]
    told = require_header(callback, AUTHORIZATION_HEADER).removeprefix(OPTIONAL_PREFIX)
    if not is_one_of(told, (digest_of(*pair) for pair in usable)):
        raise VerificationFailed("the authorization is not that of PhonePe's webhook", code="signature_invalid")


def read_event(callback: Callback) -> tuple[Fact, ...]:
    """Return the hints of an event, at least one. Raises MalformedPayload when it cannot be read."""
    event = parse_object(callback.body)
    name = _name_of(event)
    payload = as_object(event.get("payload"), "the event's payload")
    state = optional_identifier(payload.get("state"))
    source = Source(callback.account, _event_id(name, payload, state), last_moment(payload) or callback.received_at)
    entity, read = _READERS.get(name, ("", None))
    if read is not None and (facts := read(payload, source)):
        return numbered(facts)
    if read is None:
        reason = f"unmapped event type {name}"
    elif state is None or not is_known(entity, state):
        reason = unmapped_status(state)
    else:
        reason = f"{name} says nothing about the payment"
    references = _references(payload) or (name,)
    return (source.fact(FactKind.IGNORED, references, references[0], None, reason=reason),)


def _name_of(event: Payload) -> str:
    """The event's name; PhonePe's older samples have none, but a type that can be read as one."""
    if "event" in event:
        return require_identifier(event, "event")
    older = require_identifier(event, "type")
    return _OLDER_NAMES.get(older, older.lower().replace("_", "."))


def _event_id(name: str, payload: Payload, state: str | None) -> str:
    """PhonePe gives events no id: what an event is about and what became of it are put together to one."""
    attempts = (attempt.get("transactionId") for attempt in attempts_of(payload))
    subjects = (
        payload.get("orderId"),
        payload.get("merchantRefundId"),
        payload.get("merchantSubscriptionId"),
        *attempts,
    )
    told = [name, *filter(None, map(optional_identifier, subjects)), state or ""]
    return f"{name}:{hashlib.sha256(':'.join(told).encode()).hexdigest()[:32]}"


def _references(payload: Payload) -> tuple[str, ...]:
    original = optional_identifier(payload.get("originalMerchantOrderId"))
    if original is not None:
        return (original,)
    try:
        return references_of(payload)
    except MalformedPayload:
        other = optional_identifier(payload.get("merchantSubscriptionId"))
        return () if other is None else (other,)
