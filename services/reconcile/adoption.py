"""Adopt payments that a gateway tells of and nobody here knows: made in its dashboard, or by other software.

A fact about such a payment waits as an orphan. Its gateway is asked; when the answer says how much it is, the payment
is recorded here under the gateway's name, all of it the tenant's, and the facts that waited are applied to it.
"""

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from connectors.base import GatewayAnswer, StatusRequest
from connectors.registry import get_registration
from domain.errors import InvalidMoney, InvariantViolated
from domain.money import check_amount, check_currency
from domain.payment import PaymentState, PaymentTerms, Split, status_of
from services.apply_events import ReceivedFact, apply_facts, apply_orphans
from services.create_payment import CREATED
from services.gateways import ConnectorSource
from services.messages import payment_event
from services.reconcile.asking import LookUp, fetch
from services.reconcile.cases import ACTOR, Subject, open_case
from services.reconcile.rules import ReconcileRules
from services.reconcile.schedule import LEASE, later_look, next_look
from services.settlement_rules import fee_terms
from storage.orphans import OrphanSearch
from storage.payments import PaymentRecord, Reference
from storage.unit_of_work import Database, Transaction

WAIT = timedelta(seconds=10)
"""How long a fact may wait for the command that made its payment, before the gateway is asked."""

GIVE_UP_AFTER = timedelta(days=1)
RESOURCE_TYPE = "adopted"

Verdict = Literal["adopted", "known", "gone", "waiting", "case"]


class Adopter:
    """Searches for the payments of orphaned facts; one instance per process."""

    def __init__(
        self,
        database: Database,
        gateways: ConnectorSource,
        clock: Callable[[], datetime],
        rules: ReconcileRules,
        look_up: LookUp = get_registration,
    ) -> None:
        self._database = database
        self._gateways = gateways
        self._clock = clock
        self._rules = rules
        self._look_up = look_up

    async def claim(self) -> list[OrphanSearch]:
        """Note names that facts wait for, and claim the searches that are due."""
        now = self._clock()
        async with self._database.transaction(ACTOR) as transaction:
            await transaction.orphans.begin_searches(WAIT, self._rules.batch_size)
            return await transaction.orphans.take_due(now, now + LEASE, self._rules.batch_size)

    async def search(self, search: OrphanSearch) -> Verdict:
        """Ask the gateway, and adopt the payment if the answer is enough for that."""
        request = StatusRequest(payment_id=None, account=search.account, provider_reference=search.reference)
        reading = await fetch(self._gateways, self._look_up, search.gateway, request)
        if reading.answer is None:
            return await self.put_off(search, reading.problem)
        async with self._database.transaction(ACTOR) as transaction:
            verdict, problem = await _take_in(transaction, search, reading.answer, self._clock())
        return verdict if verdict != "waiting" else await self.put_off(search, problem)

    async def put_off(self, search: OrphanSearch, problem: str) -> Verdict:
        """Plan the next search; after a day, ask a person as well."""
        now = self._clock()
        deadline = search.first_seen_at + GIVE_UP_AFTER
        due_at = next_look(search.gateway, search.attempts, now) or later_look(search.gateway, now)
        async with self._database.transaction(ACTOR) as transaction:
            if now < deadline:
                await transaction.orphans.put_off(search, min(due_at, deadline))
                return "waiting"
            await transaction.orphans.put_off(search, later_look(search.gateway, now))
            waiting = await transaction.orphans.waiting(search.key)
            if not waiting:
                await transaction.orphans.end(search.key)
                return "gone"
            subject = Subject(account=search.account, gateway=search.gateway, reference=search.reference)
            detail = f"{waiting} facts wait for a payment that nobody here knows: {problem}"
            opened = await open_case(transaction, "orphan_not_adopted", subject, detail, now)
        return "case" if opened else "waiting"


async def _take_in(
    transaction: Transaction, search: OrphanSearch, answer: GatewayAnswer, now: datetime
) -> tuple[Verdict, str]:
    """Give the waiting facts a payment; if that cannot be yet, say in words why."""
    references = _references(search, answer)
    # Whoever names a payment takes the same locks: either we see the name, or it sees our payment.
    await transaction.payments.lock_references(references)
    if not await transaction.orphans.waiting(search.key):
        await transaction.orphans.end(search.key)
        return "gone", ""
    owners = set((await transaction.payments.resolve(references)).values())
    if len(owners) > 1:
        return "waiting", f"its names belong to different payments: {', '.join(sorted(owners))}"
    verdict: Verdict = "known"
    payment_id = owners.pop() if owners else await _echoed(transaction, search, answer)
    if payment_id is None:
        if (problem := await _find_problem(transaction, search, answer)) is not None:
            return "waiting", problem
        payment_id, verdict = (await _adopt(transaction, search, answer, now)).id, "adopted"
    await transaction.payments.add_references((reference, payment_id) for reference in references)
    await transaction.payments.set_provider_reference(payment_id, answer.provider_reference)
    await apply_orphans(transaction, payment_id, references, now)
    await apply_facts(transaction, [ReceivedFact(fact=fact) for fact in answer.facts], now)
    await transaction.orphans.end(search.key)
    return verdict, ""


async def _echoed(transaction: Transaction, search: OrphanSearch, answer: GatewayAnswer) -> str | None:
    """The payment whose id the gateway echoes, as long as that payment has no name there."""
    for payment_id in sorted({fact.payment_id for fact in answer.facts if fact.payment_id is not None}):
        payment = await transaction.payments.get(payment_id)
        if payment is None or payment.provider_reference is not None:
            continue
        if (payment.terms.gateway, payment.terms.account) == (search.gateway, search.account):
            return payment.id
    return None


async def _find_problem(transaction: Transaction, search: OrphanSearch, answer: GatewayAnswer) -> str | None:
    if answer.amount_minor is None or answer.currency is None:
        return "the gateway does not say how much it is"
    try:
        check_currency(answer.currency)
        if check_amount(answer.amount_minor) <= 0:
            return "the gateway says that it is of nothing"
    except InvalidMoney as error:
        return error.message
    if await transaction.orphans.may_be_named(search.gateway, search.account, answer.amount_minor, answer.currency):
        return "a command of unknown outcome may have made it"
    if await transaction.accounts.get(search.account) is None:
        return f"there is no account {search.account!r}"
    return None


async def _adopt(transaction: Transaction, search: OrphanSearch, answer: GatewayAnswer, now: datetime) -> PaymentRecord:
    account = await transaction.accounts.get(search.account)
    if account is None or answer.amount_minor is None or answer.currency is None:
        raise InvariantViolated("an adoption was not checked")
    fees = await fee_terms(transaction, account, gateway=search.gateway, method=None, currency=answer.currency, at=now)
    state = PaymentState()
    payment = PaymentRecord(
        terms=PaymentTerms(
            payment_id=adopted_payment_id((search.gateway, search.account, answer.provider_reference)),
            account=search.account,
            gateway=search.gateway,
            amount_minor=answer.amount_minor,
            currency=answer.currency,
            splits=(Split("tenant", search.account, answer.amount_minor),),
            fee_basis_points=fees.basis_points,
            fee_fixed_minor=fees.fixed_minor,
            fee_min_minor=fees.min_minor,
            fee_max_minor=fees.max_minor,
            fee_on_refund=fees.on_refund,
        ),
        state=state,
        status=status_of(state),
        resource_type=RESOURCE_TYPE,
        resource_id=answer.provider_reference,
        provider_reference=answer.provider_reference,
        event_sequence=1,
        changed_by=ACTOR,
        created_at=now,
    )
    if not await transaction.payments.insert(payment):
        raise InvariantViolated(f"payment {payment.id} exists and does not have its name")
    message, row = payment_event(payment, CREATED, 1, now)
    await transaction.movements.add_events([row], now)
    await transaction.outbox.add([message])
    return payment


def adopted_payment_id(name: Reference) -> str:
    """The id of an adopted payment: always the same for one name at one gateway."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, ":".join(name)))


def _references(search: OrphanSearch, answer: GatewayAnswer) -> Sequence[Reference]:
    names = {search.reference, answer.provider_reference}
    names.update(reference for fact in answer.facts for reference in fact.references)
    return [(search.gateway, search.account, name) for name in sorted(names)]
