"""Klarna's callbacks: proven by the token in their address, then read as hints.

The token says that the address was told to whoever posts, not that the body is Klarna's. So nothing that a body says
moves money: it only makes the payment be read back.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from connectors.base import Callback
from connectors.klarna.names import Sessions
from connectors.klarna.status import Source, is_known, map_status, moment_in
from connectors.klarna.tokens import Address
from connectors.payloads import Payload, as_object, optional_identifier, optional_text, parse_object, require_identifier
from domain.errors import MalformedPayload
from domain.facts import Fact, FactKind, Trust

STATE_CHANGE = "payment.request.state-change."


def read_callback(callback: Callback, address: Address) -> tuple[Fact, ...]:
    """Return the hints in a callback whose address is proven, at least one. Raises MalformedPayload.

    Each kind of callback has a form of its own. A push of Klarna Checkout or Klarna Payments has no body at all.
    """
    if not callback.body:
        return (_push(callback, address),)
    payload = parse_object(callback.body)
    for key, read in _READERS.items():
        if key in payload:
            return (read(payload, callback, address),)
    raise MalformedPayload("the callback is of no kind that Klarna documents")


def _push(callback: Callback, address: Address) -> Fact:
    if address.order_id is None:
        raise MalformedPayload("a push names its order in the address", field="order_id")
    event_id = f"{address.order_id}:push"
    return _hint("push", "completed", _source(callback, address, event_id, (address.order_id,)))


def _of_page(payload: Payload, callback: Callback, address: Address) -> Fact:
    page = as_object(payload.get("session"), "the session")
    page_id, order_id = require_identifier(page, "session_id"), optional_identifier(page.get("order_id"))
    # Without our own parameter the page cannot be told from other software's.
    name = page_id if address.session_id is None else Sessions(page_id, address.session_id).name
    names = (name,) if order_id is None else (name, order_id)
    source = _source(callback, address, require_identifier(payload, "event_id"), names)
    at = moment_in(page, "updated_at") or callback.received_at
    return _hint("page", require_identifier(page, "status"), replace(source, at=at))


def _of_notification(payload: Payload, callback: Callback, address: Address) -> Fact:
    order_id, event_type = require_identifier(payload, "order_id"), require_identifier(payload, "event_type")
    source = _source(callback, address, f"{order_id}:{event_type}", (order_id,))
    return _hint("notification", event_type, source, kind_of_name="event type")


def _of_network(payload: Payload, callback: Callback, address: Address) -> Fact:
    metadata = as_object(payload.get("metadata"), "the event's metadata")
    event_type, event_id = require_identifier(metadata, "event_type"), require_identifier(metadata, "event_id")
    content = as_object(payload.get("payload"), "the event's payload")
    subject = optional_identifier(content.get("payment_request_id")) or event_id
    source = _source(callback, address, event_id, (subject,))
    source = replace(source, at=moment_in(metadata, "occurred_at") or callback.received_at)
    if not event_type.startswith(STATE_CHANGE):
        return source.fact(FactKind.IGNORED, subject, reason=f"unmapped event type {event_type}")
    return _hint("request", event_type.removeprefix(STATE_CHANGE), source, said=event_type, kind_of_name="event type")


_READERS: Mapping[str, Callable[[Payload, Callback, Address], Fact]] = {
    "session": _of_page,
    "metadata": _of_network,
    "event_type": _of_notification,
}
"""How each form of callback is read, by the key that only that form has."""


def _source(callback: Callback, address: Address, event_id: str, names: tuple[str, ...]) -> Source:
    return Source(
        account=callback.account,
        names=names,
        event_id=event_id,
        at=callback.received_at,
        payment_id=address.payment_id,
        trust=Trust.HINT,
    )


def _hint(entity: str, status: str, source: Source, *, said: str | None = None, kind_of_name: str = "status") -> Fact:
    """State what the callback claims; one that says nothing about the payment yet is ignored with a reason."""
    kind, name = map_status(entity, status), said or status
    if kind is not None:
        return source.fact(kind, source.names[0])
    says_nothing = f"{name} says nothing about the payment"
    reason = says_nothing if is_known(entity, status) else f"unmapped {kind_of_name} {name}"
    return source.fact(FactKind.IGNORED, source.names[0], reason=optional_text(reason))
