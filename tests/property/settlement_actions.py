"""What people and upstream services do to settlement: payments are made, rules changed, batches handled."""

import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, time
from random import Random
from typing import Any

from domain.errors import CommandConflict, OperationNotAllowed
from domain.fees import BASIS, FeeOnRefund, FeeSchedule, FeeTerms, FeeTier
from domain.reserve import ReserveRule
from domain.schedule import Cadence, Schedule
from services.create_payment import create_payment
from services.payouts import approve_payout, execute_payout, fail_payout
from services.settlement_rules import add_fee_schedule, set_reserve, set_schedule, set_thresholds
from storage.settlement_rules import ANY, PayoutThresholds, ReserveScope
from storage.unit_of_work import Database
from tests.integration.services.books import rows
from tests.property.settlement_stream import GATEWAY, PARTNERS
from topics.commands import CreatePayment, SplitPart

SCHEDULES = (
    Schedule(cadence=Cadence.FIXED, size_seconds=900),
    Schedule(cadence=Cadence.HOURLY, time_zone="Asia/Kolkata"),
    Schedule(cadence=Cadence.DAILY, time_zone="America/New_York", cut_off=time(17)),
    Schedule(cadence=Cadence.WEEKLY, time_zone="Europe/Berlin", cut_off=time(2, 30), weekday=4),
)
AMOUNTS = (1, 3, 999, 1_001, 8_000, 25_000)

Batch = tuple[str, uuid.UUID]
"""A batch's account and its id."""


class SettlementActions:
    """Acts on one database, at the times of a clock."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._payments = 0

    async def take_payment(self, account: str, currency: str, chance: Random) -> tuple[str, int]:
        """Make a payment, with parts for partners or without, by amounts or by shares; returns its id and amount."""
        amount = chance.choice(AMOUNTS)
        name, whole = chance.choice((("amount_minor", amount), ("share_basis_points", BASIS)))
        parts, left = [], whole
        for partner in PARTNERS:
            if left and chance.randint(0, 1):
                said = chance.randint(1, left)
                parts.append(SplitPart.model_validate({**_of(partner), name: said}))
                left -= said
        return await self.make_payment(account, currency, amount, parts), amount

    async def make_payment(self, account: str, currency: str, amount: int, parts: Sequence[SplitPart]) -> str:
        """Make a payment with these parts, whose rest is the tenant's; returns its id."""
        self._payments += 1
        name = f"p{self._payments}"
        command = CreatePayment(
            command_id=f"c{self._payments}",
            account=account,
            requested_at=self._clock(),
            payment_id=name,
            amount_minor=amount,
            currency=currency,
            resource_type="order",
            resource_id="o1",
            gateway=GATEWAY,
            splits=tuple(parts),
        )
        async with self._database.transaction() as transaction:
            await create_payment(transaction, command, gateway=GATEWAY, now=self._clock())
            await transaction.payments.add_references([((GATEWAY, account, f"pi_{name}"), name)])
            await transaction.payments.set_provider_reference(name, f"pi_{name}")
        return name

    async def handle(self, batch: Batch, who: str, what: str) -> None:
        """Approve, execute, complete or fail a batch. Raises OperationNotAllowed."""
        account, batch_id = batch
        said: dict[str, Any] = {"actor": who, "request_id": "r", "now": self._clock()}
        if what == "approve":
            await approve_payout(self._database, account, batch_id, **said)
        elif what == "fail":
            await fail_payout(self._database, account, batch_id, reason="came back", **said)
        else:
            reference = f"bank-{batch_id}" if what == "complete" else None
            await execute_payout(self._database, account, batch_id, bank_reference=reference, **said)

    async def pay(self, batch: Batch, what: str) -> None:
        """Have a batch approved by as many people as it takes, and then executed, completed or failed."""
        for who in ("ann", "bob"):
            with suppress(OperationNotAllowed):
                await self.handle(batch, who, "approve")
        with suppress(OperationNotAllowed):
            await self.handle(batch, "cid", what)

    async def batches(self, *, at_their_end: bool) -> list[Batch]:
        """The batches, in the order in which they were made; with or without those that are completed or failed."""
        found = await rows(
            self._database,
            "select account, id, status in ('completed', 'failed') from payout_batches order by created_at, id",
        )
        return [
            (str(account), uuid.UUID(str(batch_id)))
            for account, batch_id, is_at_its_end in found
            if at_their_end or not is_at_its_end
        ]

    async def set_schedule(self, account: str, schedule: Schedule) -> None:
        """Set a schedule, unless the first windows are being counted: the view might be ahead of PostgreSQL."""
        known = (
            "select not exists (select from settlement_entries), count(*) > 0"
            " from settlement_windows where account = '{}'"
        )
        if any((await rows(self._database, known.format(account)))[0]):
            await set_schedule(self._database, account, schedule, grace_seconds=None, actor="ann", now=self._clock())

    async def set_fees(self, account: str, currency: str, chance: Random) -> None:
        """Let some fees count, in one currency or in all."""
        schedule = FeeSchedule(
            effective_from=self._clock(),
            currency=chance.choice((None, currency)),
            terms=FeeTerms(
                basis_points=chance.choice((0, 33, 450)),
                fixed_minor=chance.choice((0, 7)),
                min_minor=chance.choice((0, 5)),
                max_minor=chance.choice((None, 60)),
                on_refund=chance.choice(tuple(FeeOnRefund)),
            ),
            tiers=(FeeTier(from_volume_minor=2_000, basis_points=15),) if chance.randint(0, 1) else (),
        )
        with suppress(CommandConflict):
            await add_fee_schedule(self._database, account, schedule, actor="ann", now=self._clock())

    async def set_reserve(self, account: str, basis_points: int, days: int) -> None:
        """Hold back of the tenant, and of everybody."""
        for kind in ("tenant", ANY):
            rule = ReserveRule(basis_points=basis_points, days=days)
            scope = ReserveScope(recipient_type=kind, recipient_id=ANY, rule=rule)
            await set_reserve(self._database, account, scope, actor="ann", now=self._clock())

    async def set_thresholds(self, account: str, currency: str, chance: Random | None) -> None:
        """Set some thresholds; without a chance, those of the settings and no minimum."""
        wanted = PayoutThresholds(currency=currency)
        if chance is not None:
            wanted = PayoutThresholds(
                currency=currency,
                auto_approve_minor=chance.choice((None, 0, 5_000)),
                minimum_payout_minor=chance.choice((0, 50, 2_000)),
            )
        await set_thresholds(self._database, account, wanted, actor="ann", now=self._clock())

    async def bring_in_what_is_owed_to_us(self) -> list[tuple[str, str, str, int]]:
        """Make a payment of more than that for whoever owes; returns id, account, currency and amount of each."""
        owing = await rows(
            self._database,
            "select account, recipient_type, recipient_id, currency, -sum(net_minor)::int from settlement_entries"
            " where payout_batch_id is null group by 1, 2, 3, 4",
        )
        made = []
        for account, kind, recipient, currency, owed in owing:
            assert isinstance(owed, int)
            amount = 2 * abs(owed) + 10_000
            parts = [SplitPart(**_of(str(recipient)), amount_minor=amount)] if kind == "partner" else []
            name = await self.make_payment(str(account), str(currency), amount, parts)
            made.append((name, str(account), str(currency), amount))
        return made


def _of(partner: str) -> dict[str, Any]:
    return {"recipient_type": "partner", "recipient_id": partner}
