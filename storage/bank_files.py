"""Bank files that were made, and which payout batches each pays."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.reconciliation_tables import BANK_FILE_BATCHES, BANK_FILES
from storage.sealing import Sealed


@dataclass(frozen=True, slots=True, kw_only=True)
class BankFileRow:
    """A bank file as stored. `totals` are minor units per currency, `digest` is the SHA-256 of its bytes."""

    id: uuid.UUID
    account: str
    format: str
    digest: bytes
    transfer_count: int
    totals: Mapping[str, int]
    execution_date: date
    sealed: Sealed
    created_by: str
    created_at: datetime
    cancelled_by: str | None = None
    cancelled_at: datetime | None = None
    cancel_reason: str | None = None


def file_context(account: str, file_id: uuid.UUID) -> str:
    """What the seal of a bank file is bound to."""
    return f"bank-file:{account}:{file_id}"


_FILES_OF = text(
    "select payout_batch_id, bool_or(stands) as stands from bank_file_batches"
    " where payout_batch_id = any(:batch_ids) group by payout_batch_id"
)
_COUNT_OF_DAY = text(
    "select count(*) from bank_files where account = :account and format = :format"
    " and created_at >= :day and created_at < :next_day"
)


_LOCK = text("select pg_advisory_xact_lock(hashtextextended('bank-files:' || :account, 0))")


class BankFiles:
    """Reads and writes bank files."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def lock(self, account: str) -> None:
        """Wait until nobody else makes or cancels a file of the account, until the end of the transaction."""
        await self._connection.execute(_LOCK, {"account": account})

    async def insert(self, file: BankFileRow, batches: Sequence[tuple[uuid.UUID, int, str]]) -> None:
        """Record a file and its batches (id, amount in minor units, currency).

        The database refuses a batch that is in another file that stands.
        """
        values = {column.name: getattr(file, column.name, None) for column in BANK_FILES.columns}
        values |= {
            "key_id": file.sealed.key_id,
            "wrapped_key": file.sealed.wrapped_key,
            "ciphertext": file.sealed.ciphertext,
        }
        await self._connection.execute(insert(BANK_FILES).values(values))
        rows = [
            {
                "bank_file_id": file.id,
                "payout_batch_id": batch_id,
                "account": file.account,
                "amount_minor": amount_minor,
                "currency": currency,
                "stands": True,
            }
            for batch_id, amount_minor, currency in batches
        ]
        await self._connection.execute(insert(BANK_FILE_BATCHES), rows)

    async def get(self, file_id: uuid.UUID, *, lock: bool = False) -> BankFileRow | None:
        """Return a file, locked for a change if asked for."""
        statement = select(BANK_FILES).where(BANK_FILES.c.id == file_id)
        row = (await self._connection.execute(statement.with_for_update() if lock else statement)).first()
        return None if row is None else _file(row)

    async def of_account(self, account: str, limit: int = 1_000) -> list[BankFileRow]:
        """An account's files, the newest first."""
        files = BANK_FILES.c
        statement = select(BANK_FILES).where(files.account == account)
        rows = await self._connection.execute(statement.order_by(files.created_at.desc(), files.id.desc()).limit(limit))
        return [_file(row) for row in rows]

    async def batches(self, file_id: uuid.UUID) -> list[uuid.UUID]:
        """The batches a file pays, by id."""
        batches = BANK_FILE_BATCHES.c
        statement = select(batches.payout_batch_id).where(batches.bank_file_id == file_id)
        return list((await self._connection.execute(statement.order_by(batches.payout_batch_id))).scalars())

    async def standing(self, batch_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, bool]:
        """Of these batches, those that are or were in a file, and whether one of their files stands."""
        rows = await self._connection.execute(_FILES_OF, {"batch_ids": list(batch_ids)})
        return {row.payout_batch_id: row.stands for row in rows}

    async def count_of_day(self, account: str, file_format: str, moment: datetime) -> int:
        """How many files of a format an account has made on a day, in UTC."""
        day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
        values = {"account": account, "format": file_format, "day": day, "next_day": day + timedelta(days=1)}
        return int((await self._connection.execute(_COUNT_OF_DAY, values)).scalar_one())

    async def cancel(self, file_id: uuid.UUID, *, by: str, reason: str, now: datetime) -> None:
        """Write down that a file never went to the bank, which lets go of its batches."""
        values = {"cancelled_by": by, "cancelled_at": now, "cancel_reason": reason}
        await self._connection.execute(update(BANK_FILES).where(BANK_FILES.c.id == file_id).values(values))
        released = update(BANK_FILE_BATCHES).where(BANK_FILE_BATCHES.c.bank_file_id == file_id)
        await self._connection.execute(released.values(stands=False))


def _file(row: Row[Any]) -> BankFileRow:
    return BankFileRow(
        id=row.id,
        account=row.account,
        format=row.format,
        digest=row.digest,
        transfer_count=row.transfer_count,
        totals=row.totals,
        execution_date=row.execution_date,
        sealed=Sealed(row.key_id, row.wrapped_key, row.ciphertext),
        created_by=row.created_by,
        created_at=row.created_at,
        cancelled_by=row.cancelled_by,
        cancelled_at=row.cancelled_at,
        cancel_reason=row.cancel_reason,
    )
