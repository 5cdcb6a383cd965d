"""The ledger as it is shown. Debits are positive and credits negative, in minor units of the currency beside them."""

import uuid
from datetime import date, datetime
from typing import Literal

from pydantic import Field

from api.schemas.base import ResponseModel
from services.ledger_queries import TrialBalance
from storage.ledger_list import Balance, PostedTransaction

LEDGER_ACCOUNT = Field(examples=["gateway:stripe:receivable"])


class CurrencyBalanceResponse(ResponseModel):
    """A balance in one currency."""

    currency: str
    balance_minor: int


class LedgerAccountResponse(ResponseModel):
    """A ledger account with its balances."""

    object: Literal["ledger_account"] = "ledger_account"
    ledger_account: str = LEDGER_ACCOUNT
    balances: list[CurrencyBalanceResponse]


class LedgerAccountsResponse(ResponseModel):
    """Every ledger account that something was posted to."""

    at: datetime = Field(description="The moment that the balances are of.")
    data: list[LedgerAccountResponse]


class TrialBalanceLineResponse(ResponseModel):
    """A ledger account's day in one currency; `closing_minor` is opening + debit - credit."""

    ledger_account: str = LEDGER_ACCOUNT
    currency: str
    opening_minor: int
    debit_minor: int
    credit_minor: int
    closing_minor: int


class TrialBalanceTotalResponse(ResponseModel):
    """The sums in one currency: opening and closing are zero, and debits equal credits."""

    currency: str
    opening_minor: int
    debit_minor: int
    credit_minor: int
    closing_minor: int


class TrialBalanceResponse(ResponseModel):
    """The books of one day in UTC, by the time of recording."""

    object: Literal["trial_balance"] = "trial_balance"
    date: date
    start: datetime
    end: datetime
    lines: list[TrialBalanceLineResponse]
    totals: list[TrialBalanceTotalResponse]


class PostingResponse(ResponseModel):
    """One side of a transaction."""

    ledger_account: str = LEDGER_ACCOUNT
    amount_minor: int


class LedgerTransactionResponse(ResponseModel):
    """A transaction, whose postings sum to zero. It is never changed."""

    id: uuid.UUID
    object: Literal["ledger_transaction"] = "ledger_transaction"
    account: str
    cause: str = Field(description="Why money moved.", examples=["capture", "refund", "payout_executed"])
    currency: str
    payment_id: str | None
    payout_batch_id: uuid.UUID | None
    reference: str | None
    occurred_at: datetime
    recorded_at: datetime
    postings: list[PostingResponse]


def ledger_accounts_response(found: list[Balance], at: datetime) -> LedgerAccountsResponse:
    """Show balances, by ledger account."""
    by_account: dict[str, list[CurrencyBalanceResponse]] = {}
    for balance in found:
        by_account.setdefault(balance.ledger_account, []).append(CurrencyBalanceResponse.model_validate(balance))
    return LedgerAccountsResponse(
        at=at,
        data=[LedgerAccountResponse(ledger_account=name, balances=balances) for name, balances in by_account.items()],
    )


def trial_balance_response(found: TrialBalance) -> TrialBalanceResponse:
    """Show a day's trial balance."""
    return TrialBalanceResponse(
        date=found.start.date(),
        start=found.start,
        end=found.end,
        lines=[TrialBalanceLineResponse.model_validate(line) for line in found.lines],
        totals=[TrialBalanceTotalResponse.model_validate(total) for total in found.totals],
    )


def ledger_transaction_response(transaction: PostedTransaction) -> LedgerTransactionResponse:
    """Show a transaction with its postings."""
    return LedgerTransactionResponse.model_validate(
        {
            "id": transaction.id,
            "account": transaction.account,
            "cause": transaction.cause,
            "currency": transaction.currency,
            "payment_id": transaction.payment_id,
            "payout_batch_id": transaction.payout_batch_id,
            "reference": transaction.reference,
            "occurred_at": transaction.occurred_at,
            "recorded_at": transaction.recorded_at,
            "postings": [
                {"ledger_account": ledger_account, "amount_minor": amount_minor}
                for ledger_account, amount_minor in transaction.postings
            ],
        }
    )
