"""Transitions: every change of a payment's status and the fact that caused it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from storage.bulk import BulkInsert


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitionRow:
    """One change of status."""

    payment_id: str
    from_status: str
    to_status: str
    gateway_event_id: str
    occurred_at: datetime


_INSERT = BulkInsert(
    "transitions",
    {
        "payment_id": "text",
        "from_status": "text",
        "to_status": "text",
        "gateway_event_id": "text",
        "occurred_at": "timestamptz",
        "recorded_at": "timestamptz",
    },
)


class Transitions:
    """Writes transitions."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, rows: Sequence[TransitionRow], now: datetime) -> None:
        """Append changes of status in the order given."""
        await _INSERT.execute(
            self._connection,
            [
                (row.payment_id, row.from_status, row.to_status, row.gateway_event_id, row.occurred_at, now)
                for row in rows
            ],
        )
