"""The audit log: who changed what. Triggers of the database write it; nothing here does."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.tables import AUDIT_LOG


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One write of one row. `before` and `after` of an update hold only the columns that changed."""

    id: int
    recorded_at: datetime
    account: str | None
    actor: str
    request_id: str | None
    action: str
    subject_type: str
    subject_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class AuditLog:
    """Reads the audit log."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find(
        self,
        *,
        subject_type: str | None = None,
        subject_id: str | None = None,
        account: str | None = None,
        limit: int = 1_000,
    ) -> list[AuditRecord]:
        """The newest records of a subject, of an account, or of all, the oldest of them first."""
        log = AUDIT_LOG
        statement = select(log).order_by(log.c.id.desc()).limit(limit)
        for column, wanted in (
            (log.c.subject_type, subject_type),
            (log.c.subject_id, subject_id),
            (log.c.account, account),
        ):
            if wanted is not None:
                statement = statement.where(column == wanted)
        rows = list(await self._connection.execute(statement))
        return [audit_record(row) for row in reversed(rows)]


def audit_record(row: Row[Any]) -> AuditRecord:
    """Read a record from its row."""
    return AuditRecord(
        id=row.id,
        recorded_at=row.recorded_at,
        account=row.account,
        actor=row.actor,
        request_id=row.request_id,
        action=row.action,
        subject_type=row.subject_type,
        subject_id=row.subject_id,
        before=row.before,
        after=row.after,
    )
