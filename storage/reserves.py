"""The reserve as rows: what batches hold back, and which batch released it."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.settlement import Recipient
from storage.settlement import DUE_HOLD, OF_RECIPIENT, recipient_values

_DUE = text(
    f"select id, amount_minor from reserve_holds where {OF_RECIPIENT} and {DUE_HOLD}"  # noqa: S608 - literals
    " order by release_at, id for update"
)
_HOLD = text(
    "insert into reserve_holds (id, account, recipient_type, recipient_id, currency, amount_minor, payout_batch_id,"
    " held_at, release_at) values (:id, :account, :recipient_type, :recipient_id, :currency, :amount_minor,"
    " :batch_id, :now, :release_at)"
)
_RELEASE = text(
    "with released as (update reserve_holds set released_batch_id = :batch_id where id = any(:ids) returning id)"
    " insert into reserve_releases select :batch_id, id from released"
)
_HELD = text(
    "select recipient_type, recipient_id, currency, sum(amount_minor)::bigint as amount_minor, min(release_at)"
    " as next_release_at from reserve_holds where account = :account and released_batch_id is null"
    " and voided_at is null group by 1, 2, 3 order by 1, 2, 3"
)
_VOID = text("update reserve_holds set voided_at = :now where payout_batch_id = :batch_id")
_TAKE_BACK = text("update reserve_holds set released_batch_id = null where released_batch_id = :batch_id")


@dataclass(frozen=True, slots=True)
class HeldReserve:
    """What is held back of a recipient in a currency, in minor units, and when the next part may be released."""

    recipient_type: str
    recipient_id: str
    currency: str
    amount_minor: int
    next_release_at: datetime


class Reserves:
    """Holds back, releases, and undoes both."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def lock_due(self, recipient: Recipient, now: datetime) -> list[tuple[uuid.UUID, int]]:
        """Lock what may be released to a recipient: (id, amount in minor units)."""
        rows = await self._connection.execute(_DUE, {**recipient_values(recipient), "due": now})
        return [(row.id, row.amount_minor) for row in rows]

    async def hold(
        self, batch_id: uuid.UUID, recipient: Recipient, amount_minor: int, *, release_at: datetime, now: datetime
    ) -> None:
        """Note what a batch holds back."""
        values = {
            **recipient_values(recipient),
            "id": uuid.uuid5(batch_id, "reserve"),
            "batch_id": batch_id,
            "amount_minor": amount_minor,
            "release_at": release_at,
            "now": now,
        }
        await self._connection.execute(_HOLD, values)

    async def release(self, batch_id: uuid.UUID, hold_ids: Sequence[uuid.UUID]) -> None:
        """Note which holds a batch releases."""
        await self._connection.execute(_RELEASE, {"batch_id": batch_id, "ids": list(hold_ids)})

    async def held(self, account: str) -> list[HeldReserve]:
        """What an account's batches hold back and have not released."""
        rows = await self._connection.execute(_HELD, {"account": account})
        return [HeldReserve(*row) for row in rows]

    async def undo(self, batch_id: uuid.UUID, now: datetime) -> None:
        """Void what a failed batch held back, and let what it released be released again."""
        await self._connection.execute(_VOID, {"batch_id": batch_id, "now": now})
        await self._connection.execute(_TAKE_BACK, {"batch_id": batch_id})
