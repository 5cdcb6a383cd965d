"""The ledger: balances, trial balance, transactions."""

import uuid
from datetime import date
from typing import Annotated

from fastapi import Query

from api.authentication import CallerDependency, ContextDependency
from api.pagination import Page, PageDependency, page_of
from api.route import router
from api.schemas.filters import Moment, TextFilter
from api.schemas.ledger import (
    LedgerAccountsResponse,
    LedgerTransactionResponse,
    TrialBalanceResponse,
    ledger_accounts_response,
    ledger_transaction_response,
    trial_balance_response,
)
from services.ledger_queries import find_transactions, read_balances, read_transaction, read_trial_balance
from storage.ledger_list import LedgerFilter
from topics.message import Name

ROUTER = router("ledger")


@ROUTER.get("/ledger/accounts")
async def list_ledger_accounts(
    caller: CallerDependency, context: ContextDependency, at: Moment = None
) -> LedgerAccountsResponse:
    """List the ledger accounts with their balances, as they are or as they were recorded `at` a moment."""
    moment = context.clock() if at is None else at
    return ledger_accounts_response(await read_balances(caller.database, caller.account, at), moment)


@ROUTER.get("/ledger/balances")
async def read_trial_balance_of_day(
    caller: CallerDependency,
    context: ContextDependency,
    day: Annotated[date | None, Query(alias="date", description="A day in UTC; today when left out.")] = None,
) -> TrialBalanceResponse:
    """Read the trial balance of a day: opening, turnovers and closing of each ledger account, which sum to zero."""
    wanted = context.clock().date() if day is None else day
    return trial_balance_response(await read_trial_balance(caller.database, caller.account, wanted))


@ROUTER.get("/ledger/transactions")
async def list_ledger_transactions(
    caller: CallerDependency,
    page: PageDependency,
    payment_id: TextFilter = None,
    payout_batch_id: uuid.UUID | None = None,
    cause: Name | None = None,
    ledger_account: TextFilter = None,
    recorded_from: Moment = None,
    recorded_before: Moment = None,
) -> Page[LedgerTransactionResponse]:
    """List the account's ledger transactions with their postings, the newest first unless `order` says otherwise."""
    wanted = LedgerFilter(
        account=caller.account,
        payment_id=payment_id,
        payout_batch_id=payout_batch_id,
        cause=cause,
        ledger_account=ledger_account,
        recorded_from=recorded_from,
        recorded_before=recorded_before,
    )
    found, following = await find_transactions(
        caller.database, wanted, limit=page.limit, after=page.after, ascending=page.ascending
    )
    return page_of([ledger_transaction_response(transaction) for transaction in found], following)


@ROUTER.get("/ledger/transactions/{transaction_id}")
async def read_ledger_transaction(transaction_id: uuid.UUID, caller: CallerDependency) -> LedgerTransactionResponse:
    """Read one ledger transaction with its postings."""
    return ledger_transaction_response(await read_transaction(caller.database, caller.account, transaction_id))
