"""What reconciliation asks of payments: which are due to be read back, which have been quiet, what is recorded."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.facts import FactKind
from domain.payment import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class DuePayment:
    """A payment claimed to be read back. `attempts` counts this one; nobody else claims it before `lease_until`."""

    id: str
    gateway: str
    attempts: int
    lease_until: datetime


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """A step that a fact brought, and when that fact was recorded."""

    step: Step
    recorded_at: datetime


_TAKE_DUE = text(
    "update payments set sync_due_at = :lease_until, sync_attempts = sync_attempts + 1 where id in"
    " (select id from payments where sync_due_at <= :now order by sync_due_at limit :limit for update skip locked)"
    " returning id, gateway, sync_attempts"
)
_PUT_OFF = text("update payments set sync_due_at = :due_at where id = :id and sync_due_at = :lease_until")
_FINISH = text(
    # Whatever asked for another look since the claim has moved the time: that look still has to come.
    "update payments set sync_due_at = null, sync_attempts = 0, quiet_since = cast(:now as timestamptz)"
    " + greatest(interval '0', cast(:now as timestamptz) - updated_at - cast(:quiet_after as interval))"
    " where id = :id and sync_due_at = :lease_until"
)
_MARK_QUIET = text(
    "with quiet as (select id from payments"
    " where (status in ('pending', 'processing', 'authorized') or refund_pending_minor > 0)"
    " and provider_reference is not null and sync_due_at is null and coalesce(quiet_since, updated_at) <= :quiet_before"
    " and gateway = any(:gateways) order by coalesce(quiet_since, updated_at) limit :limit for update skip locked)"
    " update payments set sync_due_at = :now, sync_attempts = 0 from quiet where payments.id = quiet.id"
    " returning payments.id"
)
_RECORDED = text(
    "select kind, movement_reference, amount_minor, min(recorded_at) as recorded_at from inbox"
    " where payment_id = :payment_id and disposition = 'applied' group by 1, 2, 3"
)
_LAST_HINT = text(
    "select max(recorded_at) from inbox where payment_id = :payment_id and gateway_event_id like 'hint:%'"
)


class Reconciliation:
    """Reads and writes when payments are looked at."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def take_due_payments(self, now: datetime, lease_until: datetime, limit: int) -> list[DuePayment]:
        """Claim payments that are due; a claim that nobody ends falls due again by itself."""
        values = {"now": now, "lease_until": lease_until, "limit": limit}
        rows = await self._connection.execute(_TAKE_DUE, values)
        return [
            DuePayment(id=row.id, gateway=row.gateway, attempts=row.sync_attempts, lease_until=lease_until)
            for row in rows
        ]

    async def put_off(self, due: DuePayment, due_at: datetime) -> None:
        """Plan the next attempt."""
        values = {"id": due.id, "lease_until": due.lease_until, "due_at": due_at}
        await self._connection.execute(_PUT_OFF, values)

    async def finish_sync(self, due: DuePayment, now: datetime, quiet_after: timedelta) -> None:
        """End the reading back. If nothing changes, the payment counts as quiet again after twice as long as now."""
        values = {"id": due.id, "lease_until": due.lease_until, "now": now, "quiet_after": quiet_after}
        await self._connection.execute(_FINISH, values)

    async def mark_quiet_due(self, now: datetime, quiet_before: datetime, gateways: Sequence[str], limit: int) -> int:
        """Make payments due that are not at their end and that nothing changed for long; returns how many."""
        values = {"now": now, "quiet_before": quiet_before, "gateways": list(gateways), "limit": limit}
        return len((await self._connection.execute(_MARK_QUIET, values)).all())

    async def recorded_steps(self, payment_id: str) -> list[RecordedStep]:
        """Every step of a payment's facts and when it was first recorded."""
        rows = await self._connection.execute(_RECORDED, {"payment_id": payment_id})
        return [
            RecordedStep(Step(FactKind(row.kind), row.movement_reference, row.amount_minor), row.recorded_at)
            for row in rows
        ]

    async def last_hint_at(self, payment_id: str) -> datetime | None:
        """When the last unproven callback about a payment came; None when none did."""
        found: datetime | None = (await self._connection.execute(_LAST_HINT, {"payment_id": payment_id})).scalar_one()
        return found
