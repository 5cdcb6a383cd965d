"""Stripe's report of balance transactions, made from what the local Stripe has recorded; one amount in it is wrong."""

import csv
import io
import json
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import stripe

from connectors.stripe.status import is_released_rest
from domain.errors import InvariantViolated
from domain.money import to_decimal_string

COLUMNS = (
    "balance_transaction_id",
    "created_utc",
    "currency",
    "gross",
    "fee",
    "net",
    "reporting_category",
    "source_id",
    "charge_id",
    "payment_intent_id",
)
PAGE_SIZE = 100
PLANTED_MINOR = -100
"""By how much the report is wrong about one charge, in minor units."""

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedBreak:
    """The charge that the report is wrong about, in minor units: what Stripe has of it, and what the report says."""

    charge_id: str
    currency: str
    recorded_minor: int
    reported_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeRecords:
    """What the local Stripe has: balance transactions, and by their ids the charges and refunds they are about."""

    transactions: list[Record]
    charges: dict[str, Record]
    refunds: dict[str, Record]


async def read_records(client: stripe.StripeClient) -> StripeRecords:
    """Read everything that moved money, through the SDK."""
    charges = await _all(client.v1.charges.list_async({"limit": PAGE_SIZE}))
    refunds = await _all(client.v1.refunds.list_async({"limit": PAGE_SIZE}))
    return StripeRecords(
        transactions=await _all(client.v1.balance_transactions.list_async({"limit": PAGE_SIZE})),
        charges={str(one["id"]): one for one in charges},
        refunds={str(one["id"]): one for one in refunds},
    )


def write_report(records: StripeRecords) -> tuple[bytes, PlantedBreak]:
    """Write the report with its one wrong amount; returns it, and what is wrong."""
    planted = _choose(records)
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    for transaction in sorted(records.transactions, key=lambda one: (one["created"], one["id"])):
        is_planted = transaction["source"] == planted.charge_id
        writer.writerow(_row(transaction, records, PLANTED_MINOR if is_planted else 0))
    return text.getvalue().encode(), planted


def _choose(records: StripeRecords) -> PlantedBreak:
    """Choose the largest charge that was captured as a whole, in dollars if there is one."""
    parts = {str(one["charge"]) for one in records.refunds.values() if is_released_rest(one)}
    whole = [one for one in records.transactions if one["type"] == "charge" and one["source"] not in parts]
    if not whole:
        raise InvariantViolated("the local Stripe has no charge that a break could be planted in")
    chosen = max(whole, key=lambda one: (one["currency"] == "usd", one["amount"], one["id"]))
    return PlantedBreak(
        charge_id=chosen["source"],
        currency=chosen["currency"].upper(),
        recorded_minor=chosen["amount"],
        reported_minor=chosen["amount"] + PLANTED_MINOR,
    )


def _row(transaction: Record, records: StripeRecords, wrong_by_minor: int) -> dict[str, str]:
    currency = transaction["currency"].upper()
    refund = records.refunds.get(transaction["source"])
    charge_id = transaction["source"] if refund is None else refund["charge"]
    released = refund is not None and is_released_rest(refund)
    amounts = {name: transaction[column] + wrong_by_minor for name, column in (("gross", "amount"), ("net", "net"))}
    return {
        "balance_transaction_id": transaction["id"],
        "created_utc": f"{datetime.fromtimestamp(transaction['created'], UTC):%Y-%m-%d %H:%M:%S}",
        "currency": transaction["currency"],
        **{name: to_decimal_string(amount_minor, currency) for name, amount_minor in amounts.items()},
        "fee": to_decimal_string(transaction["fee"], currency),
        "reporting_category": "partial_capture_reversal" if released else transaction["reporting_category"],
        "source_id": charge_id if released else transaction["source"],
        "charge_id": charge_id,
        "payment_intent_id": records.charges[charge_id].get("payment_intent") or "",
    }


async def _all(call: Awaitable[stripe.ListObject[Any]]) -> list[Record]:
    return [json.loads(str(item)) async for item in (await call).auto_paging_iter()]
