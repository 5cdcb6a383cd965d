"""Import a statement: the whole file or nothing of it, and each file and each line only once."""

import hashlib
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from domain.card_numbers import refuse_card_number
from domain.errors import InvalidInput, InvariantViolated, MalformedPayload, NotFound
from domain.statement_lines import Side, StatementLine
from services.statement_matching.parsers import camt053, csv_mapping, razorpay_report, stripe_report
from storage.statements import StatementReport, Statements
from storage.unit_of_work import Database

LONGEST_REFERENCE = 300
LONGEST_DESCRIPTION = 500
MOST_NAMES = 30
WITHHELD = "[withheld: it looks like a card number]"
_SOURCE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class ReportFormat(StrEnum):
    """What can be read."""

    STRIPE = "stripe"
    RAZORPAY = "razorpay"
    CSV = "csv"
    CAMT_053 = "camt.053"


SIDES: Mapping[ReportFormat, Side | None] = {
    ReportFormat.STRIPE: Side.GATEWAY,
    ReportFormat.RAZORPAY: Side.GATEWAY,
    ReportFormat.CSV: None,
    ReportFormat.CAMT_053: Side.BANK,
}
"""Whose statements a format is for; None where a mapping can read either."""


@dataclass(frozen=True, slots=True)
class ImportedStatement:
    """What came of an import. `is_new` is False when the same file had been imported before."""

    report: StatementReport
    is_new: bool


async def import_statement(
    database: Database,
    account: str,
    side: Side,
    source: str,
    report_format: ReportFormat,
    content: bytes,
    *,
    file_name: str,
    mapping: Mapping[str, Any] | None = None,
    actor: str,
    request_id: str,
    now: datetime,
) -> ImportedStatement:
    """Read a file and store its lines. `source` is the gateway's key, or a name for the account at the bank.

    Raises NotFound, InvalidInput, and MalformedPayload that names the line and the column of the first fault.
    """
    if not _SOURCE.fullmatch(source):
        raise InvalidInput("a source is the key of a gateway, or a name in small letters", field="source")
    lines = [_storable(line) for line in read_lines(content, side, report_format, mapping)]
    if not lines:
        raise MalformedPayload("the file has no lines")
    report = StatementReport(
        id=uuid.uuid4(),
        account=account,
        side=side,
        source=source,
        format=report_format,
        file_name=_printable(file_name)[-LONGEST_REFERENCE:],
        digest=hashlib.sha256(content).digest(),
        line_count=len(lines),
        new_line_count=0,
        imported_by=actor,
        imported_at=now,
    )
    async with database.transaction(actor, request_id) as transaction:
        if await transaction.accounts.get(account) is None:
            raise NotFound(f"there is no account {account!r}", field="account")
        statements = Statements(transaction.connection)
        await statements.lock(account)
        if not await statements.start(report):
            known = await statements.find(account, side, source, report.digest)
            if known is None:
                raise InvariantViolated(f"the report {report.id} is neither new nor known")
            return ImportedStatement(known, is_new=False)
        added = await statements.add_lines(report, lines)
    return ImportedStatement(replace(report, new_line_count=added), is_new=True)


async def find_statements(database: Database, account: str) -> list[StatementReport]:
    """Return what an account has imported, the newest first and at most a thousand files."""
    async with database.transaction() as transaction:
        return await Statements(transaction.connection).reports(account)


def read_lines(
    content: bytes, side: Side, report_format: ReportFormat, mapping: Mapping[str, Any] | None = None
) -> list[StatementLine]:
    """Read a file without storing anything. Raises InvalidInput, MalformedPayload."""
    if SIDES[report_format] not in {None, side}:
        raise InvalidInput(f"{report_format} is no statement of a {side}", field="format")
    if (report_format is ReportFormat.CSV) != (mapping is not None):
        raise InvalidInput("a CSV needs a mapping, and nothing else takes one", field="mapping")
    if mapping is not None:
        return csv_mapping.parse(content, csv_mapping.read_mapping(mapping), side)
    readers = {
        ReportFormat.STRIPE: stripe_report.parse,
        ReportFormat.RAZORPAY: razorpay_report.parse,
        ReportFormat.CAMT_053: camt053.parse,
    }
    return readers[report_format](content)


def _storable(line: StatementLine) -> StatementLine:
    """A line without what must not be stored; raises MalformedPayload when it has no name that can be."""
    if len(line.reference) > LONGEST_REFERENCE or "\x00" in line.reference + (line.payout_reference or ""):
        raise MalformedPayload(f"line {line.number}: its reference cannot be stored", field="reference")
    return replace(line, names=line.names[:MOST_NAMES], description=_described(line.description))


def _described(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return refuse_card_number(_printable(text))[:LONGEST_DESCRIPTION]
    except InvalidInput:
        return WITHHELD


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
