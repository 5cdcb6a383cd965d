"""What becomes of a callback that its connector cannot deal with."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from connectors.base import Callback
from domain.errors import GatewayUnavailable, PaystreamError, VerificationFailed
from domain.facts import Fact
from services.gateways import ConnectorSource
from services.verify_webhooks import UNREADABLE, verify_webhook
from topics.webhooks import RawWebhook

WEBHOOK = RawWebhook(
    id="1",
    gateway="stripe",
    account="shop",
    path="/webhooks/stripe/shop",
    remote_address="203.0.113.9",
    received_at=datetime(2026, 1, 2, tzinfo=UTC),
    http_headers=(),
    body=b"{}",
)


class Stumbling(ConnectorSource):
    """A connector that raises what it is told, as the source of itself."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def connector(self, account: str, gateway: str) -> object:
        return self

    def parse_callback(self, callback: Callback) -> Sequence[Fact]:
        raise self._error


@pytest.mark.parametrize("error", [KeyError("secret"), TypeError(), RecursionError(), UnicodeError(), MemoryError()])
async def test_a_connector_that_fails_on_a_callback_refuses_it_and_nothing_else(error: Exception) -> None:
    verdict = await verify_webhook(Stumbling(error), WEBHOOK)

    assert isinstance(verdict, PaystreamError)
    assert verdict.code == UNREADABLE
    assert "secret" not in verdict.message


async def test_a_refusal_keeps_its_own_reason() -> None:
    verdict = await verify_webhook(Stumbling(VerificationFailed("no", code="signature_stale")), WEBHOOK)

    assert isinstance(verdict, VerificationFailed)
    assert verdict.code == "signature_stale"


async def test_what_passes_by_itself_is_not_the_callbacks_fault() -> None:
    with pytest.raises(GatewayUnavailable):
        await verify_webhook(Stumbling(GatewayUnavailable("not now")), WEBHOOK)
