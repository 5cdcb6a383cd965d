"""Turn a raw callback into facts, or say why it is refused. Nothing unproven gets past here."""

from collections.abc import Sequence
from typing import TypeGuard

import structlog
from pydantic import ValidationError

from connectors.base import Callback, FetchesProofs, VerifiesWebhooks
from domain.errors import (
    CapabilityMissing,
    InvalidInput,
    MalformedPayload,
    NotFound,
    PaystreamError,
    VerificationFailed,
)
from services.gateways import ConnectorSource
from topics.gateway_events import GatewayEvent
from topics.webhooks import RawWebhook

UNREADABLE = "connector_failed"
"""The reason of a callback that its connector failed on: that is a bug, and once it is mended they can be replayed."""

REFUSALS = (VerificationFailed, InvalidInput, NotFound, CapabilityMissing)
"""Errors that are about the callback itself, and will be the same however often it is tried."""

_log = structlog.get_logger(__name__)


async def verify_webhook(gateways: ConnectorSource, webhook: RawWebhook) -> Sequence[GatewayEvent] | PaystreamError:
    """Return the callback's facts, or the error that refuses it. Anything transient is raised."""
    try:
        connector = await gateways.connector(webhook.account, webhook.gateway)
        if not _verifies(connector):
            raise CapabilityMissing(f"{webhook.gateway} posts no callbacks")
        callback = Callback(
            account=webhook.account,
            body=webhook.body,
            headers=webhook.http_headers,
            received_at=webhook.received_at,
            target=webhook.path,
        )
        proofs: object = connector
        if _fetches_proofs(proofs):
            await proofs.fetch_proof(callback)
        return _read(connector, callback, webhook.gateway)
    except ValidationError as error:
        fields = ", ".join(sorted({str(item["loc"][0]) for item in error.errors() if item["loc"]}))
        return InvalidInput(f"the callback's {fields} cannot be used", code="malformed_payload")
    except REFUSALS as error:
        return error


def _read(connector: VerifiesWebhooks, callback: Callback, gateway: str) -> list[GatewayEvent]:
    """Have a callback read, which takes no I/O: what a connector raises beyond its contract does not pass by itself.

    Anybody may post a callback. One that a connector stumbles over must not stop those of other accounts, so it is
    refused like any other that cannot be read.
    """
    try:
        facts = connector.parse_callback(callback)
    except (PaystreamError, ValidationError):
        raise
    except Exception as error:
        _log.exception("a connector failed on a callback", gateway=gateway, account=callback.account)
        raise MalformedPayload("the connector failed on this callback", code=UNREADABLE) from error
    return [GatewayEvent.from_fact(fact) for fact in facts]


def _verifies(connector: object) -> TypeGuard[VerifiesWebhooks]:
    return _fulfils(type(connector), VerifiesWebhooks)


def _fetches_proofs(connector: object) -> TypeGuard[FetchesProofs]:
    return _fulfils(type(connector), FetchesProofs)


def _fulfils(kind: type, protocol: type) -> bool:
    """Looked up once for a class: a runtime check of a protocol goes through all its members, for every callback."""
    known = _FULFILLED.get((kind, protocol))
    if known is None:
        known = _FULFILLED[kind, protocol] = issubclass(kind, protocol)
    return known


_FULFILLED: dict[tuple[type, type], bool] = {}
