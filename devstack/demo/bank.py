"""The bank of the demo: it reads the payment file as a bank does, carries it out, and writes its statement."""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from xml.etree.ElementTree import Element, SubElement, fromstring, indent, tostring

from xmlschema import XMLSchema, XMLSchemaException

from domain.money import to_decimal_string, to_minor

PAYMENTS = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
STATEMENTS = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
_NAMES = {"p": PAYMENTS}
OPENING_MAJOR = 1_000_000
"""What is on each account before the file is carried out, in units of its currency."""


class FileRefused(Exception):
    """The bank does not take the file; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """A payment that the bank has carried out. `end_to_end_id` is the payer's reference, `reference` is the bank's."""

    reference: str
    end_to_end_id: str
    amount_minor: int
    currency: str
    account: str


def read_payment_file(content: bytes) -> list[Booking]:
    """Check a pain.001 against ISO 20022's schema, then carry out every payment in it. Raises FileRefused."""
    check_schema(content)
    document = fromstring(content)  # noqa: S314 - it has just been written here, and was checked against its schema
    bookings = []
    for group in document.findall(".//p:PmtInf", _NAMES):
        account = _text(group, "p:DbtrAcct/p:Id/p:Othr/p:Id")
        for transfer in group.findall("p:CdtTrfTxInf", _NAMES):
            amount = transfer.find("p:Amt/p:InstdAmt", _NAMES)
            if amount is None:
                raise FileRefused("a payment has no amount")
            currency = amount.get("Ccy", "")
            bookings.append(
                Booking(
                    reference=f"BANK-{uuid.uuid4().hex[:12].upper()}",
                    end_to_end_id=_text(transfer, "p:PmtId/p:EndToEndId"),
                    amount_minor=to_minor(amount.text, currency),
                    currency=currency,
                    account=account,
                )
            )
    return bookings


def check_schema(content: bytes) -> None:
    """Compare a pain.001 with the message's own schema. Raises FileRefused."""
    schema = XMLSchema(str(files("sepaxml").joinpath("schemas/pain.001.001.09.xsd")))
    try:
        schema.validate(content.decode())
    except XMLSchemaException as error:
        raise FileRefused(f"the file does not follow its schema: {error}") from error


def write_statement(bookings: Sequence[Booking], booked_at: datetime) -> bytes:
    """Write a camt.053 with one statement for each account: opening balance, every booking, closing balance."""
    document = Element("Document", {"xmlns": STATEMENTS})
    message = SubElement(document, "BkToCstmrStmt")
    header = SubElement(message, "GrpHdr")
    _add(header, "MsgId", f"STATEMENT-{booked_at:%Y%m%d%H%M%S}")
    _add(header, "CreDtTm", _moment(booked_at))
    by_account: Mapping[tuple[str, str], list[Booking]] = defaultdict(list)
    for booking in bookings:
        by_account[booking.account, booking.currency].append(booking)
    for number, ((account, currency), own) in enumerate(sorted(by_account.items()), start=1):
        statement = SubElement(message, "Stmt")
        _add(statement, "Id", f"{booked_at:%Y%m%d}-{number}")
        _add(SubElement(SubElement(SubElement(statement, "Acct"), "Id"), "Othr"), "Id", account)
        opening = to_minor(str(OPENING_MAJOR), currency)
        closing = opening - sum(booking.amount_minor for booking in own)
        for code, balance in (("OPBD", opening), ("CLBD", closing)):
            _add_balance(statement, code, balance, currency, booked_at)
        for booking in own:
            _add_entry(statement, booking, booked_at)
    indent(document)
    written: bytes = tostring(document, encoding="UTF-8", xml_declaration=False)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + written + b"\n"


def _add_balance(statement: Element, code: str, amount_minor: int, currency: str, at: datetime) -> None:
    balance = SubElement(statement, "Bal")
    _add(SubElement(SubElement(balance, "Tp"), "CdOrPrtry"), "Cd", code)
    _add_amount(balance, abs(amount_minor), currency)
    _add(balance, "CdtDbtInd", "CRDT" if amount_minor >= 0 else "DBIT")
    _add(SubElement(balance, "Dt"), "Dt", at.date().isoformat())


def _add_entry(statement: Element, booking: Booking, at: datetime) -> None:
    entry = SubElement(statement, "Ntry")
    _add_amount(entry, booking.amount_minor, booking.currency)
    _add(entry, "CdtDbtInd", "DBIT")
    _add(SubElement(entry, "Sts"), "Cd", "BOOK")
    _add(SubElement(entry, "BookgDt"), "DtTm", _moment(at))
    _add(entry, "AcctSvcrRef", booking.reference)
    details = SubElement(SubElement(entry, "NtryDtls"), "TxDtls")
    _add(SubElement(details, "Refs"), "EndToEndId", booking.end_to_end_id)


def _add_amount(parent: Element, amount_minor: int, currency: str) -> None:
    _add(parent, "Amt", to_decimal_string(amount_minor, currency)).set("Ccy", currency)


def _add(parent: Element, name: str, text: str) -> Element:
    element = SubElement(parent, name)
    element.text = text
    return element


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _text(element: Element, path: str) -> str:
    found = element.findtext(path, None, _NAMES)
    if not found:
        raise FileRefused(f"{path.replace('p:', '')} is missing")
    return found
