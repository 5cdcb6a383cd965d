"""PayPal's disputes, found by the capture that the payer disputes."""

import logging
from collections.abc import Iterable

from connectors.outcomes import is_about_credentials, reading
from connectors.payloads import as_objects
from connectors.paypal.api import PayPalApi, path_to
from connectors.paypal.errors import GATEWAY_NAME
from connectors.paypal.status import Source, facts_of_dispute
from domain.errors import GatewayRejected
from domain.facts import Fact, FactKind

DISPUTES = "/v1/customer/disputes"
PAGE_SIZE = 50

_log = logging.getLogger(__name__)


async def read_disputes(api: PayPalApi, facts: Iterable[Fact], source: Source) -> list[Fact]:
    """Return what PayPal says of the disputes about captures.

    An app may lack the feature, and its payments must be readable all the same: then there are none, with a warning.
    """
    found: list[Fact] = []
    for fact in facts:
        if fact.kind is FactKind.CAPTURED and fact.movement_reference is not None:
            found += await _disputes_of(api, fact, fact.movement_reference, source)
    return found


async def _disputes_of(api: PayPalApi, capture: Fact, capture_id: str, source: Source) -> list[Fact]:
    query = {"disputed_transaction_id": capture_id, "page_size": str(PAGE_SIZE)}
    try:
        listed = await api.read(DISPUTES, query)
    except GatewayRejected as error:
        if not is_about_credentials(error):
            raise
        _log.warning("PayPal does not let this app read disputes: they are missing from what is known of payments")
        return []
    about = Source(
        source.account,
        order_id=capture.provider_reference,
        payment_id=capture.payment_id,
        read_at=source.read_at,
    )
    found: list[Fact] = []
    for item in as_objects(listed.get("items")):
        # The list leaves out how a dispute ended.
        dispute = await api.read(path_to(DISPUTES, str(item.get("dispute_id"))))
        with reading(GATEWAY_NAME):
            found += facts_of_dispute(dispute, about, capture_id)
    return found
