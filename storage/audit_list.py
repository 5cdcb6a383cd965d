"""The audit log of an account as pages, in the order of its numbers, which is the order it was written in."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.audit_log import AuditRecord, audit_record
from storage.listing import Position, position_id
from storage.tables import AUDIT_LOG


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """What a record must be like; None asks for nothing. `recorded_before` is excluded, `recorded_from` included."""

    account: str
    subject_type: str | None = None
    subject_id: str | None = None
    actor: str | None = None
    action: str | None = None
    recorded_from: datetime | None = None
    recorded_before: datetime | None = None


async def list_audit_records(
    connection: AsyncConnection,
    wanted: AuditFilter,
    *,
    limit: int,
    after: Position | None = None,
    ascending: bool = False,
) -> tuple[list[AuditRecord], Position | None]:
    """Read a page of records. The number alone places a record; the time in its position is for people.

    Raises InvalidInput when the position is none of this list's.
    """
    number = AUDIT_LOG.c.id
    conditions = _conditions(wanted)
    if after is not None:
        last = position_id(number, after.id)
        conditions.append(number > last if ascending else number < last)
    statement = select(AUDIT_LOG).where(*conditions).order_by(number.asc() if ascending else number.desc())
    found = [audit_record(row) for row in await connection.execute(statement.limit(limit + 1))]
    records = found[:limit]
    if len(found) <= limit:
        return records, None
    return records, Position(records[-1].recorded_at, str(records[-1].id))


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    columns = AUDIT_LOG.c
    equal = {
        columns.account: wanted.account,
        columns.subject_type: wanted.subject_type,
        columns.subject_id: wanted.subject_id,
        columns.actor: wanted.actor,
        columns.action: wanted.action,
    }
    conditions = [column == value for column, value in equal.items() if value is not None]
    if wanted.recorded_from is not None:
        conditions.append(columns.recorded_at >= wanted.recorded_from)
    if wanted.recorded_before is not None:
        conditions.append(columns.recorded_at < wanted.recorded_before)
    return conditions
