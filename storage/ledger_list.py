"""The ledger of an account, read: balances at a time, a day's trial balance, transactions as pages.

Times are those of recording: what the books said at a moment stays what they said, whatever arrives late.
"""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.listing import Position, read_page
from storage.tables import LEDGER_POSTINGS, LEDGER_TRANSACTIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerFilter:
    """What a transaction must be like; None asks for nothing. `recorded_before` is excluded, `recorded_from` not."""

    account: str
    payment_id: str | None = None
    payout_batch_id: uuid.UUID | None = None
    cause: str | None = None
    ledger_account: str | None = None
    recorded_from: datetime | None = None
    recorded_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedTransaction:
    """A ledger transaction as recorded, with its postings (ledger account, minor units) in order."""

    id: uuid.UUID
    account: str
    cause: str
    currency: str
    payment_id: str | None
    payout_batch_id: uuid.UUID | None
    reference: str | None
    occurred_at: datetime
    recorded_at: datetime
    postings: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """A ledger account's balance in one currency, in minor units: debits are positive, credits negative."""

    ledger_account: str
    currency: str
    balance_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBalanceLine:
    """What happened to a ledger account in one currency during a stretch of time; both turnovers are not negative."""

    ledger_account: str
    currency: str
    opening_minor: int
    debit_minor: int
    credit_minor: int

    @property
    def closing_minor(self) -> int:
        """The balance at the end."""
        return self.opening_minor + self.debit_minor - self.credit_minor


_POSTED = LEDGER_TRANSACTIONS.join(LEDGER_POSTINGS, LEDGER_POSTINGS.c.transaction_id == LEDGER_TRANSACTIONS.c.id)
_TRANSACTION = LEDGER_TRANSACTIONS.c
_POSTING = LEDGER_POSTINGS.c


async def balances_at(connection: AsyncConnection, account: str, at: datetime | None) -> list[Balance]:
    """Sum everything that was recorded up to a moment, or until now."""
    conditions: list[ColumnElement[bool]] = [_TRANSACTION.account == account]
    if at is not None:
        conditions.append(_TRANSACTION.recorded_at <= at)
    statement = (
        select(_POSTING.ledger_account, _POSTING.currency, func.sum(_POSTING.amount_minor).label("balance"))
        .select_from(_POSTED)
        .where(*conditions)
        .group_by(_POSTING.ledger_account, _POSTING.currency)
        .order_by(_POSTING.ledger_account, _POSTING.currency)
    )
    return [
        Balance(ledger_account=row.ledger_account, currency=row.currency, balance_minor=int(row.balance))
        for row in await connection.execute(statement)
    ]


async def trial_balance(
    connection: AsyncConnection, account: str, start: datetime, end: datetime
) -> list[TrialBalanceLine]:
    """Sum what was recorded before `start`, and what was debited and credited from then until before `end`."""
    amount, recorded_at = _POSTING.amount_minor, _TRANSACTION.recorded_at
    is_within = recorded_at >= start
    statement = (
        select(
            _POSTING.ledger_account,
            _POSTING.currency,
            func.coalesce(func.sum(amount).filter(recorded_at < start), 0).label("opening"),
            func.coalesce(func.sum(amount).filter(is_within, amount > 0), 0).label("debit"),
            func.coalesce(func.sum(-amount).filter(is_within, amount < 0), 0).label("credit"),
        )
        .select_from(_POSTED)
        .where(_TRANSACTION.account == account, recorded_at < end)
        .group_by(_POSTING.ledger_account, _POSTING.currency)
        .order_by(_POSTING.ledger_account, _POSTING.currency)
    )
    return [
        TrialBalanceLine(
            ledger_account=row.ledger_account,
            currency=row.currency,
            opening_minor=int(row.opening),
            debit_minor=int(row.debit),
            credit_minor=int(row.credit),
        )
        for row in await connection.execute(statement)
    ]


async def list_transactions(
    connection: AsyncConnection,
    wanted: LedgerFilter,
    *,
    limit: int,
    after: Position | None = None,
    ascending: bool = False,
) -> tuple[list[PostedTransaction], Position | None]:
    """Read a page of transactions with their postings, in the order they were recorded."""
    page = await read_page(
        connection,
        select(LEDGER_TRANSACTIONS).where(*_conditions(wanted)),
        _TRANSACTION.recorded_at,
        _TRANSACTION.id,
        limit=limit,
        after=after,
        ascending=ascending,
    )
    return await _with_postings(connection, page.rows), page.next


async def get_transaction(connection: AsyncConnection, transaction_id: uuid.UUID) -> PostedTransaction | None:
    """Return a transaction with its postings."""
    statement = select(LEDGER_TRANSACTIONS).where(_TRANSACTION.id == transaction_id)
    found = await _with_postings(connection, list(await connection.execute(statement)))
    return found[0] if found else None


def _conditions(wanted: LedgerFilter) -> list[ColumnElement[bool]]:
    equal = {
        _TRANSACTION.account: wanted.account,
        _TRANSACTION.payment_id: wanted.payment_id,
        _TRANSACTION.payout_batch_id: wanted.payout_batch_id,
        _TRANSACTION.cause: wanted.cause,
    }
    conditions = [column == value for column, value in equal.items() if value is not None]
    if wanted.ledger_account is not None:
        touching = select(_POSTING.transaction_id).where(
            _POSTING.transaction_id == _TRANSACTION.id, _POSTING.ledger_account == wanted.ledger_account
        )
        conditions.append(touching.exists())
    if wanted.recorded_from is not None:
        conditions.append(_TRANSACTION.recorded_at >= wanted.recorded_from)
    if wanted.recorded_before is not None:
        conditions.append(_TRANSACTION.recorded_at < wanted.recorded_before)
    return conditions


async def _with_postings(connection: AsyncConnection, rows: Sequence[Row[Any]]) -> list[PostedTransaction]:
    postings: dict[uuid.UUID, list[tuple[str, int]]] = defaultdict(list)
    if rows:
        statement = (
            select(LEDGER_POSTINGS)
            .where(_POSTING.transaction_id.in_([row.id for row in rows]))
            .order_by(_POSTING.transaction_id, _POSTING.line)
        )
        for line in await connection.execute(statement):
            postings[line.transaction_id].append((line.ledger_account, line.amount_minor))
    return [
        PostedTransaction(
            id=row.id,
            account=row.account,
            cause=row.cause,
            currency=row.currency,
            payment_id=row.payment_id,
            payout_batch_id=row.payout_batch_id,
            reference=row.reference,
            occurred_at=row.occurred_at,
            recorded_at=row.recorded_at,
            postings=tuple(postings[row.id]),
        )
        for row in rows
    ]
