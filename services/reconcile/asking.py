"""Ask a gateway what it knows under a name, and take in what it says."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.base import Capability, FetchesStatus, GatewayAnswer, NamesPayments, Registration, StatusRequest
from domain.errors import GatewayError, InvalidInput, InvariantViolated, NotFound, Refused
from domain.facts import Fact, FactKind
from domain.payment import Step
from services.apply_events import ReceivedFact, apply_facts, apply_orphans
from services.gateway_calls import GatewayCall, call_gateway
from services.gateways import ConnectorSource
from services.reconcile.notices import missing_webhook
from storage.payments import PaymentRecord
from storage.unit_of_work import Transaction

LookUp = Callable[[str], Registration]
"""Where to look a gateway up."""

NO_ANSWER = (GatewayError, NotFound, Refused, InvalidInput)
"""What a call may come to that says nothing about a payment, credentials that are missing or wrong among it."""

FOLLOWS_HINT_WITHIN = timedelta(minutes=5)
"""A look this soon after a hint follows it, whatever times the gateway gives to what happened."""

CREDENTIALS_REFUSED = "credentials_refused"
TOLD_BY_CALLBACK = frozenset({FactKind.CAPTURED, FactKind.REFUNDED})
"""Kinds of facts that a gateway should have told by itself."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of reading a payment back: an answer, or why there is none.

    `is_possible` is false when there is nothing to ask for, or nothing to ask with.
    """

    answer: GatewayAnswer | None = None
    is_possible: bool = True
    problem: str = ""


async def fetch(gateways: ConnectorSource, look_up: LookUp, gateway: str, request: StatusRequest) -> Reading:
    """Ask for everything the gateway knows under a name. Call it outside of any transaction."""
    try:
        if not look_up(gateway).has(Capability.FETCHES_STATUS):
            return Reading(is_possible=False, problem=f"{gateway} has no call that reads a payment")
        call = GatewayCall(FetchesStatus, lambda one: one.fetch_status(request))
        answer = await call_gateway(gateways, request.account, gateway, call)
    except NO_ANSWER as error:
        return Reading(problem=f"{error.code}: {error.message}")
    if not isinstance(answer, GatewayAnswer):
        raise InvariantViolated("a status fetch brings facts")
    return Reading(answer=answer)


async def name_of(gateways: ConnectorSource, payment: PaymentRecord) -> str | None:
    """The payment's name at its gateway: the one that is known, else the one that we would have given it there."""
    if payment.provider_reference is not None:
        return payment.provider_reference
    try:
        connector = await gateways.connector(payment.terms.account, payment.terms.gateway)
    except NO_ANSWER:
        return None
    return connector.payment_name(payment.id) if isinstance(connector, NamesPayments) else None


async def take_in_reading(
    transaction: Transaction, payment_id: str, answer: GatewayAnswer, now: datetime
) -> list[Fact]:
    """Apply what a payment's gateway says, and return the movements of money that no callback had brought by then.

    A payment without a name gets the answer's, if the answer is about the same money.
    """
    facts = answer.facts
    names = {(fact.gateway, fact.account, reference) for fact in facts for reference in fact.references}
    before = (await transaction.payments.lock({payment_id}))[payment_id]
    terms = before.terms
    own_name = (terms.gateway, terms.account, answer.provider_reference)
    await transaction.payments.lock_references({*names, own_name})
    if before.provider_reference is None and (answer.amount_minor, answer.currency) == (
        terms.amount_minor,
        terms.currency,
    ):
        await transaction.payments.add_references([(own_name, payment_id)])
        await transaction.payments.set_provider_reference(payment_id, answer.provider_reference)
        await apply_orphans(transaction, payment_id, [own_name], now)
    await apply_facts(transaction, [ReceivedFact(fact=fact) for fact in facts], now)
    after = await transaction.payments.get(payment_id)
    if after is None:
        raise InvariantViolated(f"payment {payment_id} is gone")
    missed = await _missed(transaction, before, after, answer, now)
    await transaction.outbox.add([missing_webhook(payment_id, fact) for fact in missed])
    return missed


async def _missed(
    transaction: Transaction, before: PaymentRecord, after: PaymentRecord, answer: GatewayAnswer, now: datetime
) -> list[Fact]:
    new = after.state.steps - before.state.steps
    told = {Step(fact.kind, fact.movement_reference, fact.amount_minor): fact for fact in answer.facts}
    found = [fact for step, fact in told.items() if step in new and step.kind in TOLD_BY_CALLBACK]
    if not found:
        return []
    # Some gateways' callbacks prove nothing and only say that there is news: those did come.
    hinted_at = await transaction.reconciliation.last_hint_at(after.id)
    if hinted_at is not None and now - hinted_at < FOLLOWS_HINT_WITHIN:
        return []
    return [fact for fact in found if hinted_at is None or fact.occurred_at > hinted_at]
