"""Cases: what no machine can decide, for a person to look at."""

import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.tables import RECONCILIATION_CASES as CASES

CaseKind = Literal["command_unknown", "payment_unreadable", "orphan_not_adopted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case. It names the payment, the command, or the gateway's reference that it is about."""

    account: str
    kind: str
    detail: str
    opened_at: datetime
    id: uuid.UUID
    payment_id: str | None = None
    command_id: str | None = None
    gateway: str | None = None
    reference: str | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    resolution: str | None = None


_RESOLVE_SETTLED = text(
    "update reconciliation_cases set resolved_at = :now, resolved_by = :by,"
    " resolution = 'the command has its final result: ' || (commands.result ->> 'outcome') from commands"
    " where commands.id = reconciliation_cases.command_id and commands.state = 'finished'"
    " and reconciliation_cases.resolved_at is null returning reconciliation_cases.*"
)
_RESOLVE_ADOPTED = text(
    "update reconciliation_cases open_case set resolved_at = :now, resolved_by = :by,"
    " resolution = 'no fact waits for the name any more' where kind = 'orphan_not_adopted' and resolved_at is null"
    " and not exists (select from inbox where disposition = 'orphaned' and inbox.gateway = open_case.gateway"
    " and inbox.account = open_case.account and inbox.provider_reference = open_case.reference) returning *"
)


class Cases:
    """Reads and writes cases."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def open(self, case: Case) -> bool:
        """Open a case; False when the same one is open already."""
        statement = insert(CASES).values(_values(case)).on_conflict_do_nothing().returning(CASES.c.id)
        return (await self._connection.execute(statement)).first() is not None

    async def get(self, case_id: uuid.UUID) -> Case | None:
        """Read a case and lock it."""
        statement = select(CASES).where(CASES.c.id == case_id).with_for_update()
        row = (await self._connection.execute(statement)).first()
        return None if row is None else _case(row)

    async def find(self, *, with_resolved: bool = False, limit: int = 1_000) -> list[Case]:
        """Cases, the oldest first."""
        statement = select(CASES).order_by(CASES.c.opened_at, CASES.c.id).limit(limit)
        if not with_resolved:
            statement = statement.where(CASES.c.resolved_at.is_(None))
        return [_case(row) for row in await self._connection.execute(statement)]

    async def resolve(self, case: Case, *, by: str, resolution: str, now: datetime) -> Case:
        """Write down who resolved a case and how."""
        changes = {"resolved_at": now, "resolved_by": by, "resolution": resolution}
        await self._connection.execute(update(CASES).where(CASES.c.id == case.id).values(changes))
        return replace(case, resolved_at=now, resolved_by=by, resolution=resolution)

    async def resolve_readable(self, payment_id: str, *, by: str, now: datetime) -> list[Case]:
        """Resolve the case of a payment that its gateway answers for again."""
        statement = (
            update(CASES)
            .where(
                CASES.c.payment_id == payment_id,
                CASES.c.kind == "payment_unreadable",
                CASES.c.resolved_at.is_(None),
            )
            .values(resolved_at=now, resolved_by=by, resolution="the gateway answered again")
            .returning(CASES)
        )
        return [_case(row) for row in await self._connection.execute(statement)]

    async def resolve_settled(self, *, by: str, now: datetime) -> list[Case]:
        """Resolve the cases of commands that have their final result, and of names that no fact waits for."""
        values = {"by": by, "now": now}
        settled = (await self._connection.execute(_RESOLVE_SETTLED, values)).all()
        adopted = (await self._connection.execute(_RESOLVE_ADOPTED, values)).all()
        return [_case(row) for row in (*settled, *adopted)]


def _values(case: Case) -> dict[str, Any]:
    return {column.name: getattr(case, column.name) for column in CASES.columns}


def _case(row: Row[Any]) -> Case:
    return Case(**{column.name: getattr(row, column.name) for column in CASES.columns})
