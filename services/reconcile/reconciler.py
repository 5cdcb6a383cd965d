"""One round of reconciliation: claim what is due, read payments back, settle commands, plan the next look or give up.

Nothing here holds a transaction while a gateway is asked. Several processes may do this at once: claims keep them
apart, and where a claim has run out, the inbox and the commands' states make the second one's work come to nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from connectors.base import Capability, StatusRequest
from connectors.registry import get_registration, registrations
from services.gateway_calls import open_refunds
from services.gateways import ConnectorSource
from services.reconcile.asking import LookUp, Reading, fetch, name_of, take_in_reading
from services.reconcile.cases import ACTOR, Subject, open_case
from services.reconcile.notices import case_resolved
from services.reconcile.open_commands import CommandSettler
from services.reconcile.rules import ReconcileRules
from services.reconcile.schedule import FIRST_LOOK_AFTER, LEASE, STALE_AFTER, later_look, next_look
from storage.commands import OpenCommand
from storage.payments import PaymentRecord
from storage.reconciliation import DuePayment
from storage.unit_of_work import Database, Transaction
from topics.commands import CommandResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What was claimed about one payment, or about a command that is not about a payment."""

    lease_until: datetime
    payment_id: str | None = None
    due: DuePayment | None = None
    commands: tuple[OpenCommand, ...] = ()


@dataclass(slots=True)
class Found:
    """What came of it: commands that got their final result, missed callbacks by gateway and kind, cases opened."""

    settled: list[CommandResult] = field(default_factory=list)
    missed: list[tuple[str, str]] = field(default_factory=list)
    cases: list[str] = field(default_factory=list)


class Reconciler:
    """Reads payments back and settles commands; one instance per process."""

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
        self._settler = CommandSettler(database, gateways, clock, look_up)

    async def mark_quiet(self) -> int:
        """Make payments due that are not at their end and that nothing changed for long; returns how many."""
        readable = [known.key for known in registrations() if known.has(Capability.FETCHES_STATUS)]
        now = self._clock()
        async with self._database.transaction(ACTOR) as transaction:
            return await transaction.reconciliation.mark_quiet_due(
                now, now - self._rules.quiet_after, readable, self._rules.batch_size
            )

    async def claim(self) -> list[Work]:
        """Claim what is due, at most a batch of payments and a batch of commands."""
        now = self._clock()
        lease_until = now + LEASE
        limit = self._rules.batch_size
        async with self._database.transaction(ACTOR) as transaction:
            payments = await transaction.reconciliation.take_due_payments(now, lease_until, limit)
            commands = await transaction.commands.take_due(
                now, lease_until, wait=FIRST_LOOK_AFTER, stale_after=STALE_AFTER, limit=limit
            )
        return _work(payments, commands, lease_until)

    async def carry_out(self, work: Work) -> Found:
        """Do what was claimed, and plan what is left of it."""
        found = Found()
        payment, open_commands, hinted_refunds = await self._read(work)
        reading = await self._fetch(payment, open_commands, hinted_refunds)
        if payment is not None and reading.answer is not None:
            async with self._database.transaction(ACTOR) as transaction:
                missed = await take_in_reading(transaction, payment.id, reading.answer, self._clock())
            found.missed = [(fact.gateway, fact.kind.value) for fact in missed]
        for command in open_commands:
            # A gateway that cannot be read just now is not asked to move money either.
            may_call = reading.answer is not None or not reading.is_possible
            result = await self._settler.settle(command, may_call=may_call)
            if result is not None:
                found.settled.append(result)
        await self._plan(work, reading, found)
        return found

    async def put_off(self, work: Work, problem: str) -> Found:
        """Count a look that could not be carried out, so that it too comes to a person in the end."""
        found = Found()
        await self._plan(work, Reading(problem=problem), found)
        return found

    async def _read(self, work: Work) -> tuple[PaymentRecord | None, Sequence[OpenCommand], Sequence[str]]:
        if work.payment_id is None:
            return None, work.commands, ()
        async with self._database.transaction() as transaction:
            payment = await transaction.payments.get(work.payment_id)
            if payment is not None:
                authorized = await transaction.inbox.authorization_reference(payment.id)
                payment = replace(payment, authorization_reference=authorized)
            stale_before = self._clock() - STALE_AFTER
            open_commands = await transaction.commands.open_of(work.payment_id, stale_before)
            return payment, open_commands, await transaction.inbox.hinted_refunds(work.payment_id)

    async def _fetch(
        self, payment: PaymentRecord | None, open_commands: Sequence[OpenCommand], hinted_refunds: Sequence[str]
    ) -> Reading:
        name = None if payment is None else await name_of(self._gateways, payment)
        if payment is None or name is None:
            return Reading(is_possible=False, problem="there is no name to ask the gateway for")
        request = StatusRequest(
            payment_id=payment.id,
            account=payment.terms.account,
            provider_reference=name,
            authorization_reference=payment.authorization_reference,
            refund_references=open_refunds(payment.state, hinted_refunds),
            open_keys=tuple(command.id for command in open_commands),
        )
        return await fetch(self._gateways, self._look_up, payment.terms.gateway, request)

    async def _plan(self, work: Work, reading: Reading, found: Found) -> None:
        now = self._clock()
        async with self._database.transaction(ACTOR) as transaction:
            for command in work.commands:
                await self._plan_command(transaction, command, work, reading, now, found)
            if work.due is not None:
                await self._plan_payment(transaction, work.due, reading, now, found)

    async def _plan_command(
        self,
        transaction: Transaction,
        command: OpenCommand,
        work: Work,
        reading: Reading,
        now: datetime,
        found: Found,
    ) -> None:
        gateway = await _gateway_of(transaction, command)
        due_at = next_look(gateway, command.attempts, now)
        still_open = await transaction.commands.plan(command.id, work.lease_until, due_at or later_look(gateway, now))
        if due_at is not None or not still_open:
            return
        subject = Subject(
            account=command.account, payment_id=command.payment_id, command_id=command.id, gateway=gateway or None
        )
        said = reading.problem or "the gateway answers, and shows no effect of it"
        detail = f"nobody can tell what came of {command.kind} of {command.subject_id}: {said}"
        if await open_case(transaction, "command_unknown", subject, detail, now):
            found.cases.append("command_unknown")

    async def _plan_payment(
        self, transaction: Transaction, due: DuePayment, reading: Reading, now: datetime, found: Found
    ) -> None:
        is_done = reading.answer is not None or not reading.is_possible
        due_at = next_look(due.gateway, due.attempts, now)
        if not is_done and due_at is not None:
            await transaction.reconciliation.put_off(due, due_at)
            return
        await transaction.reconciliation.finish_sync(due, now, self._rules.quiet_after)
        if reading.answer is not None:
            resolved = await transaction.cases.resolve_readable(due.id, by=ACTOR, now=now)
            await transaction.outbox.add([case_resolved(case) for case in resolved])
        elif reading.is_possible and not await transaction.commands.count_open(due.id):
            # A command of unknown outcome is a case of its own, and the more telling one.
            payment = await transaction.payments.get(due.id)
            account = "" if payment is None else payment.terms.account
            reference = None if payment is None else payment.provider_reference
            subject = Subject(account=account, payment_id=due.id, gateway=due.gateway, reference=reference)
            detail = f"the gateway does not answer for the payment: {reading.problem}"
            if await open_case(transaction, "payment_unreadable", subject, detail, now):
                found.cases.append("payment_unreadable")


async def _gateway_of(transaction: Transaction, command: OpenCommand) -> str:
    gateway = command.content.get("gateway")
    if isinstance(gateway, str):
        return gateway
    payment = None if command.payment_id is None else await transaction.payments.get(command.payment_id)
    return "" if payment is None else payment.terms.gateway


def _work(payments: Sequence[DuePayment], commands: Sequence[OpenCommand], lease_until: datetime) -> list[Work]:
    """One piece of work per payment, so that a payment is read once for all that is open about it."""
    due = {payment.id: payment for payment in payments}
    by_payment: dict[str, list[OpenCommand]] = {payment_id: [] for payment_id in due}
    alone = []
    for command in commands:
        if command.payment_id is None:
            alone.append(Work(lease_until=lease_until, commands=(command,)))
        else:
            by_payment.setdefault(command.payment_id, []).append(command)
    about_payments = [
        Work(lease_until=lease_until, payment_id=payment_id, due=due.get(payment_id), commands=tuple(claimed))
        for payment_id, claimed in by_payment.items()
    ]
    return about_payments + alone
