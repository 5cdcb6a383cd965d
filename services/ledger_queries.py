"""The ledger for those who read it: what accounts hold, a day's trial balance, single transactions."""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from domain.errors import InvalidInput, NotFound
from storage.ledger_list import (
    Balance,
    LedgerFilter,
    PostedTransaction,
    TrialBalanceLine,
    balances_at,
    get_transaction,
    list_transactions,
    trial_balance,
)
from storage.listing import Position
from storage.unit_of_work import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBalanceTotal:
    """The sums of a trial balance in one currency; opening and closing are zero, debits equal credits."""

    currency: str
    opening_minor: int
    debit_minor: int
    credit_minor: int
    closing_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBalance:
    """The books of one day in UTC, `start` included and `end` excluded."""

    start: datetime
    end: datetime
    lines: tuple[TrialBalanceLine, ...]
    totals: tuple[TrialBalanceTotal, ...]


async def read_balances(database: Database, account: str, at: datetime | None) -> list[Balance]:
    """Return the balance of each ledger account and currency, as it was at a moment or is now."""
    async with database.transaction() as transaction:
        return await balances_at(transaction.connection, account, at)


async def read_trial_balance(database: Database, account: str, day: date) -> TrialBalance:
    """Return a day's trial balance. Raises InvalidInput for a day without a next one."""
    try:
        start = datetime.combine(day, time(), UTC)
        end = start + timedelta(days=1)
    except OverflowError as error:
        raise InvalidInput("this day lies outside the calendar", field="date") from error
    async with database.transaction() as transaction:
        lines = await trial_balance(transaction.connection, account, start, end)
    return TrialBalance(start=start, end=end, lines=tuple(lines), totals=totals_of(lines))


async def find_transactions(
    database: Database, wanted: LedgerFilter, *, limit: int, after: Position | None, ascending: bool
) -> tuple[list[PostedTransaction], Position | None]:
    """Return a page of transactions and where to go on."""
    async with database.transaction() as transaction:
        return await list_transactions(transaction.connection, wanted, limit=limit, after=after, ascending=ascending)


async def read_transaction(database: Database, account: str, transaction_id: uuid.UUID) -> PostedTransaction:
    """Return a transaction of an account. Raises NotFound."""
    async with database.transaction() as transaction:
        found = await get_transaction(transaction.connection, transaction_id)
    if found is None or found.account != account:
        raise NotFound(f"there is no ledger transaction {transaction_id}", field="transaction_id")
    return found


def totals_of(lines: Sequence[TrialBalanceLine]) -> tuple[TrialBalanceTotal, ...]:
    """Add up the lines of each currency."""
    by_currency: dict[str, list[TrialBalanceLine]] = defaultdict(list)
    for line in lines:
        by_currency[line.currency].append(line)
    return tuple(
        TrialBalanceTotal(
            currency=currency,
            opening_minor=sum(line.opening_minor for line in found),
            debit_minor=sum(line.debit_minor for line in found),
            credit_minor=sum(line.credit_minor for line in found),
            closing_minor=sum(line.closing_minor for line in found),
        )
        for currency, found in sorted(by_currency.items())
    )
