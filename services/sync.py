"""Read payments back from their gateways when a callback was only a hint or an outcome is unknown."""

from collections.abc import Callable
from datetime import datetime, timedelta

from connectors.base import GatewayAnswer
from domain.errors import GatewayError, InvariantViolated, NotFound
from services.apply_events import ReceivedFact, apply_facts
from services.gateway_calls import call_gateway, fetch_call
from services.gateways import ConnectorSource
from storage.unit_of_work import Database

DELAYS_SECONDS = (5, 15, 60, 300, 1_800, 7_200, 43_200, 86_400)
"""How long to wait after each attempt that brought no answer."""


async def sync_due_payments(
    database: Database, gateways: ConnectorSource, clock: Callable[[], datetime], *, limit: int = 50
) -> int:
    """Fetch the status of payments that are due; returns how many were tried. Several processes may run this."""
    now = clock()
    async with database.transaction() as transaction:
        due = await transaction.payments.take_due_for_sync(now, now + timedelta(seconds=DELAYS_SECONDS[2]), limit)
    for payment_id in due:
        await sync_payment(database, gateways, payment_id, clock)
    return len(due)


async def sync_payment(
    database: Database, gateways: ConnectorSource, payment_id: str, clock: Callable[[], datetime]
) -> bool:
    """Fetch one payment's status and apply what its gateway says; False when the gateway gave no answer."""
    async with database.transaction() as transaction:
        payment = await transaction.payments.get(payment_id)
    if payment is None or payment.provider_reference is None:
        return False
    terms = payment.terms
    try:
        connector = await gateways.connector(terms.account, terms.gateway)
        answer = await call_gateway(connector, fetch_call(payment, payment.provider_reference))
    except (GatewayError, NotFound):
        delay = DELAYS_SECONDS[min(payment.sync_attempts, len(DELAYS_SECONDS) - 1)]
        async with database.transaction() as transaction:
            await transaction.payments.plan_sync(payment_id, clock() + timedelta(seconds=delay), payment.sync_attempts)
        return False
    if not isinstance(answer, GatewayAnswer):
        raise InvariantViolated("a status fetch brings facts")
    async with database.transaction() as transaction:
        await apply_facts(transaction, [ReceivedFact(fact=fact) for fact in answer.facts], clock())
        await transaction.payments.plan_sync(payment_id, None)
    return True
