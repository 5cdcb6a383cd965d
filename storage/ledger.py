"""The ledger's tables: append-only transactions and postings."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.bulk import BulkInsert


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerTransaction:
    """One transaction with its postings (ledger account, amount in minor units); the amounts sum to zero."""

    id: uuid.UUID
    account: str
    payment_id: str | None
    payout_batch_id: uuid.UUID | None
    cause: str
    reference: str | None
    currency: str
    occurred_at: datetime
    postings: tuple[tuple[str, int], ...]


_TRANSACTIONS = BulkInsert(
    "ledger_transactions",
    {
        "id": "uuid",
        "account": "text",
        "payment_id": "text",
        "payout_batch_id": "uuid",
        "cause": "text",
        "reference": "text",
        "currency": "text",
        "occurred_at": "timestamptz",
        "recorded_at": "timestamptz",
    },
)
_POSTINGS = BulkInsert(
    "ledger_postings",
    {
        "transaction_id": "uuid",
        "line": "smallint",
        "ledger_account": "text",
        "currency": "text",
        "amount_minor": "bigint",
    },
)


class Ledger:
    """Posts transactions and sums balances."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def post(self, transactions: Sequence[LedgerTransaction], now: datetime) -> None:
        """Append transactions; the database refuses the commit when one does not sum to zero."""
        await _TRANSACTIONS.execute(
            self._connection,
            [
                (t.id, t.account, t.payment_id, t.payout_batch_id, t.cause, t.reference, t.currency, t.occurred_at, now)
                for t in transactions
            ],
        )
        await _POSTINGS.execute(
            self._connection,
            [
                (transaction.id, line, ledger_account, transaction.currency, amount_minor)
                for transaction in transactions
                for line, (ledger_account, amount_minor) in enumerate(transaction.postings, start=1)
            ],
        )

    async def balances(self) -> list[tuple[str, str, int]]:
        """(ledger account, currency, balance in minor units), over everything ever posted."""
        rows = await self._connection.execute(
            text(
                "select ledger_account, currency, sum(amount_minor)::bigint from ledger_postings"
                " group by ledger_account, currency order by ledger_account, currency"
            )
        )
        return [(row[0], row[1], row[2]) for row in rows]
