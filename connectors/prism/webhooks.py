"""Callbacks of processors behind Prism: proven by a token in their URL alone, so that every fact is a hint.

Prism can say what a callback is about for most processors. It checks signatures for some of them only, and takes a
callback without a check as well; so what it says of a signature is not asked for.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

from connectors.base import Callback
from connectors.callback_proofs import is_one_of, usable_secrets
from connectors.payloads import Payload, optional_identifier
from connectors.prism.errors import PrismFailure
from connectors.prism.sdk import PrismSdk
from connectors.prism.status import GATEWAY, map_status
from domain.errors import MalformedPayload, VerificationFailed
from domain.facts import Fact, FactKind, Trust

TOKEN_PARAMETER = "token"  # noqa: S105 - the name of a parameter
UNSPECIFIED = "WEBHOOK_EVENT_TYPE_UNSPECIFIED"
DIGEST_LENGTH = 32

_NAMES = (
    "connectorTransactionId",
    "merchantTransactionId",
    "connectorRefundId",
    "connectorDisputeId",
    "connectorMandateId",
    "connectorPayoutId",
)
_ABOUT_NO_PAYMENT = frozenset(
    {"WEBHOOK_REFERENCE_ID_NOT_FOUND", "WEBHOOKS_NOT_IMPLEMENTED", "NOT_IMPLEMENTED", "FLOW_NOT_SUPPORTED"}
)


def verify_token(callback: Callback, tokens: Sequence[str]) -> None:
    """Check that the callback came to a URL with one of the tokens.

    Raises VerificationFailed with the code `secret_missing`, `signature_missing` or `signature_invalid`.
    """
    usable = usable_secrets(tokens, "token", "the URL of Prism's callbacks")
    given = [value for name, value in _query(callback) if name == TOKEN_PARAMETER]
    if len(given) != 1 or not given[0]:
        raise VerificationFailed("the URL must have its token exactly once", code="signature_missing")
    if not is_one_of(given[0], usable):
        raise VerificationFailed("the token in the URL is another", code="signature_invalid")


def read_event(callback: Callback, sdk: PrismSdk) -> tuple[Fact, ...]:
    """Return the hint that a callback gives. Raises MalformedPayload when Prism cannot read it."""
    event_id = f"callback:{hashlib.sha256(callback.body).hexdigest()[:DIGEST_LENGTH]}"
    ignored = Fact(
        gateway=GATEWAY,
        account=callback.account,
        gateway_event_id=event_id,
        kind=FactKind.IGNORED,
        provider_reference=event_id,
        occurred_at=callback.received_at,
        trust=Trust.HINT,
    )
    try:
        event = sdk.read_event({"requestDetails": _details(callback)})
    except PrismFailure as failure:
        if failure.code in _ABOUT_NO_PAYMENT:
            return (replace(ignored, reason=f"Prism reads no payment in this callback: {failure.code}"),)
        raise MalformedPayload(f"Prism cannot read this callback: {failure.code}") from failure
    return (_hint(event, ignored),)


def _hint(event: Payload, ignored: Fact) -> Fact:
    told = event.get("eventType")
    event_type = told if isinstance(told, str) else UNSPECIFIED
    kind, about = _subject_of(event)
    references = list(dict.fromkeys(filter(None, (optional_identifier(about.get(name)) for name in _NAMES))))
    movement = optional_identifier(about.get("connectorRefundId") or about.get("connectorDisputeId"))
    mapped = map_status("event", event_type)
    if mapped is None and kind == "refund" and movement is not None:
        # Some processors' callbacks about refunds are known to be just that.
        mapped = FactKind.REFUND_PENDING
    if mapped is None or not references:
        return replace(
            ignored,
            provider_reference=references[0] if references else ignored.provider_reference,
            reason=f"unmapped event type {event_type}",
        )
    return replace(
        ignored,
        kind=mapped,
        provider_reference=references[0],
        related_references=tuple(references[1:]),
        movement_reference=movement,
        payment_id=optional_identifier(about.get("merchantTransactionId")),
    )


def _subject_of(event: Payload) -> tuple[str, Payload]:
    reference = event.get("reference")
    parts = reference.items() if isinstance(reference, dict) else ()
    return next(((kind, about) for kind, about in parts if isinstance(about, dict)), ("", {}))


def _details(callback: Callback) -> Payload:
    """The request as the processor made it. Our token is no part of it."""
    query = urlencode([(name, value) for name, value in _query(callback) if name != TOKEN_PARAMETER])
    path = callback.target.partition("?")[0]
    headers: Mapping[str, str] = dict(callback.headers)
    return {
        "method": "HTTP_METHOD_POST",
        "uri": f"{path}?{query}" if query else path,
        "queryParams": query,
        "headers": headers,
        "body": base64.b64encode(callback.body).decode(),
    }


def _query(callback: Callback) -> list[tuple[str, str]]:
    return parse_qsl(callback.target.partition("?")[2], keep_blank_values=True)
