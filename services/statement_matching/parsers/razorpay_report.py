"""Razorpay's settlement recon report, as its API gives it: amounts in the smallest unit, times in Unix seconds.

A payment's `credit` is its amount less the fee, which includes the tax; a refund's `debit` is what it took. Source:
Razorpay's documentation of `GET /v1/settlements/recon/combined`.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from domain.errors import InvalidMoney, MalformedPayload
from domain.money import check_amount, check_currency
from domain.statement_lines import LineKind, StatementLine, normal_names
from services.statement_matching.parsers.fields import refuse
from services.statement_matching.parsers.tables import decode

_KINDS: Mapping[str, LineKind] = MappingProxyType({"payment": LineKind.CAPTURE, "refund": LineKind.REFUND})


def parse(content: bytes) -> list[StatementLine]:
    """Read a report, whole or as the list of its items. Raises MalformedPayload, naming item and field.

    What is on hold or not settled yet is left out: a later report has it with its settlement.
    """
    try:
        report = json.loads(decode(content), parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise MalformedPayload("the report is not JSON that can be read") from error
    items = report.get("items") if isinstance(report, dict) else report
    if not isinstance(items, list):
        raise MalformedPayload("the report has no list of items", field="items")
    _check_complete(report, items)
    lines: dict[str, StatementLine] = {}
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict):
            refuse(number, "items", "is not an object")
        if item.get("settled") is False or item.get("on_hold") is True:
            continue
        line = _line(number, item)
        if line.reference in lines:
            refuse(number, "entity_id", f"{line.reference} is in the file twice")
        lines[line.reference] = line
    return list(lines.values())


def _check_complete(report: object, items: list[object]) -> None:
    count = report.get("count") if isinstance(report, dict) else None
    if count is not None and count != len(items):
        raise MalformedPayload(f"the report says it has {count} items and has {len(items)}", field="count")


def _line(number: int, item: Mapping[str, Any]) -> StatementLine:
    entity, kind = _text(number, item, "entity_id"), _text(number, item, "type")
    currency = _currency(number, item)
    credit, debit, fee = (_integer(number, item, name) for name in ("credit", "debit", "fee"))
    net = credit - debit
    if fee < 0 or _integer(number, item, "tax") > fee:
        refuse(number, "fee", "is below zero, or below its tax")
    if kind == "payment" and net + fee != _integer(number, item, "amount"):
        refuse(number, "credit", "is not the amount less the fee")
    return StatementLine(
        number=number,
        reference=f"{kind}:{entity}",
        kind=_kind(kind, item, net),
        names=normal_names([_optional(item, "dispute_id"), entity, _optional(item, "payment_id")]),
        gross_minor=net + fee,
        fee_minor=fee,
        net_minor=net,
        currency=currency,
        occurred_at=_moment(number, item, "created_at"),
        payout_reference=_optional(item, "settlement_utr") or _optional(item, "settlement_id"),
        payout_at=None if item.get("settled_at") is None else _moment(number, item, "settled_at"),
        description=_optional(item, "description"),
    )


def _kind(kind: str, item: Mapping[str, Any], net_minor: int) -> LineKind:
    if _optional(item, "dispute_id") is not None and kind == "adjustment":
        return LineKind.DISPUTE if net_minor < 0 else LineKind.DISPUTE_WON
    return _KINDS.get(kind, LineKind.OTHER)


def _text(number: int, item: Mapping[str, Any], name: str) -> str:
    value = _optional(item, name)
    if value is None:
        refuse(number, name, "is empty")
    return value


def _optional(item: Mapping[str, Any], name: str) -> str | None:
    value = item.get(name)
    return value if isinstance(value, str) and value else None


def _integer(number: int, item: Mapping[str, Any], name: str) -> int:
    value = item.get(name)
    try:
        return 0 if value is None else check_amount(value)
    except InvalidMoney as error:
        raise MalformedPayload(f"line {number}, column {name}: {error.message}", field=name) from error


def _currency(number: int, item: Mapping[str, Any]) -> str:
    value = _text(number, item, "currency").upper()
    try:
        return check_currency(value)
    except InvalidMoney as error:
        raise MalformedPayload(f"line {number}, column currency: {error.message}", field="currency") from error


def _moment(number: int, item: Mapping[str, Any], name: str) -> datetime:
    value = item.get(name)
    if type(value) is not int or not 0 < value < 2**33:
        refuse(number, name, "is not a time in Unix seconds")
    return datetime.fromtimestamp(value, UTC)
