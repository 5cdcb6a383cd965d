"""Bank statements: ISO 20022 message camt.053, in any of its versions from 001.02 on.

Only booked entries count. An entry of several transactions that say their own amounts is several lines; else it is one.
A statement whose entries do not lead from its opening to its closing balance is refused. Source: ISO 20022 message
definition report, bank-to-customer cash management.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from domain.errors import InvalidMoney, MalformedPayload
from domain.money import check_currency
from domain.statement_lines import LineKind, StatementLine, normal_names, words_with_digits
from services.statement_matching.parsers.fields import read_amount, refuse, shown
from services.statement_matching.parsers.safe_xml import line_of, parse_xml

_NAMESPACE = re.compile(r"\{urn:iso:std:iso:20022:tech:xsd:camt\.053\.001\.[0-9]{2}\}Document")
_NO_NAMES = frozenset({"NOTPROVIDED", "NOTAVAILABLE", "NONREF"})
_NAMED_BY = ("EndToEndId", "InstrId", "PmtInfId", "TxId", "UETR", "MsgId")
"""References of a transaction, the most telling first; the bank's own reference names the line, not what it is for."""


def parse(content: bytes) -> list[StatementLine]:
    """Read a file of statements. Raises MalformedPayload, naming line and element."""
    document = parse_xml(content)
    if not _NAMESPACE.fullmatch(document.tag):
        raise MalformedPayload("this is no camt.053 statement", field="Document")
    path = _Path(document.tag.removesuffix("Document"))
    lines: dict[str, StatementLine] = {}
    repeats: Counter[str] = Counter()
    for statement in path.all(document, "BkToCstmrStmt/Stmt"):
        found = [line for entry in path.all(statement, "Ntry") for line in _lines(path, statement, entry)]
        _check_balances(path, statement, found)
        for line in found:
            repeats[line.reference] += 1
            number = repeats[line.reference]
            reference = line.reference if number == 1 else f"{line.reference}#{number}"
            lines[reference] = replace(line, reference=reference)
    return list(lines.values())


class _Path:
    """Finds elements of one namespace."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace

    def all(self, element: Element, path: str) -> list[Element]:
        """Every element at a path."""
        return element.findall("/".join(f"{self._namespace}{name}" for name in path.split("/")))

    def text(self, element: Element, *paths: str) -> str | None:
        """The text at the first path that has some."""
        for path in paths:
            for found in self.all(element, path):
                if found.text and found.text.strip():
                    return found.text.strip()
        return None


def _lines(path: _Path, statement: Element, entry: Element) -> Iterator[StatementLine]:
    number = line_of(entry)
    status = path.text(entry, "Sts/Cd", "Sts/Prtry", "Sts")
    if status != "BOOK":
        return
    total, currency = _money(path, entry)
    sign = _sign(path, entry)
    booked_at = _moment(path, entry)
    bank_reference = path.text(entry, "AcctSvcrRef", "NtryRef")
    account = path.text(statement, "Acct/Id/IBAN", "Acct/Id/Othr/Id") or ""
    details = path.all(entry, "NtryDtls/TxDtls")
    amounts = [_own_amount(path, one, currency) for one in details]
    if len(details) < 2 or None in amounts or sum(filter(None, amounts)) != total:  # noqa: PLR2004 - several
        parts: list[tuple[int, list[Element]]] = [(total, details)]
    else:
        parts = [(amount or 0, [one]) for amount, one in zip(amounts, details, strict=True)]
    for place, (amount, transactions) in enumerate(parts, start=1):
        own = next((path.text(one, "Refs/AcctSvcrRef") for one in transactions), None)
        named = own or bank_reference
        described = f"{booked_at.date()}|{sign * amount}|{_text_of(path, entry, transactions)}"
        reference = f"{account}:{named}:{place}" if named else f"{account}:{described}:{place}"
        yield StatementLine(
            number=number,
            reference=reference,
            kind=LineKind.BANK,
            names=_names(path, transactions),
            gross_minor=sign * amount,
            fee_minor=0,
            net_minor=sign * amount,
            currency=currency,
            occurred_at=booked_at,
            description=_text_of(path, entry, transactions) or None,
        )


def _names(path: _Path, transactions: list[Element]) -> tuple[str, ...]:
    names = [path.text(one, f"Refs/{name}") for name in _NAMED_BY for one in transactions]
    structured = [path.text(one, "RmtInf/Strd/CdtrRefInf/Ref") for one in transactions]
    words = [
        word
        for one in transactions
        for text in path.all(one, "RmtInf/Ustrd")
        for word in words_with_digits(text.text or "")
    ]
    return normal_names(name for name in (*names, *structured, *words) if name not in _NO_NAMES)


def _text_of(path: _Path, entry: Element, transactions: list[Element]) -> str:
    texts = [text.text or "" for one in transactions for text in path.all(one, "RmtInf/Ustrd")]
    return " ".join(filter(None, [*texts, path.text(entry, "AddtlNtryInf")]))


def _money(path: _Path, element: Element) -> tuple[int, str]:
    """An element's amount and its currency. Raises MalformedPayload."""
    amount = next(iter(path.all(element, "Amt")), None)
    if amount is None:
        refuse(line_of(element), "Amt", "is missing")
    currency = amount.get("Ccy", "")
    try:
        check_currency(currency)
    except InvalidMoney:
        refuse(line_of(amount), "Amt", f"{shown(currency)} is not a known currency")
    minor = read_amount(line_of(amount), "Amt", (amount.text or "").strip(), currency)
    if minor < 0:
        refuse(line_of(amount), "Amt", "is below zero; CdtDbtInd says the way")
    return minor, currency


def _own_amount(path: _Path, transaction: Element, currency: str) -> int | None:
    """A transaction's own amount, when it is in its entry's currency."""
    for parent in (transaction, *path.all(transaction, "AmtDtls/TxAmt")):
        if path.all(parent, "Amt"):
            minor, own_currency = _money(path, parent)
            return minor if own_currency == currency else None
    return None


def _sign(path: _Path, element: Element) -> int:
    direction = path.text(element, "CdtDbtInd")
    if direction not in {"CRDT", "DBIT"}:
        refuse(line_of(element), "CdtDbtInd", "is neither CRDT nor DBIT")
    return 1 if direction == "CRDT" else -1


def _moment(path: _Path, entry: Element) -> datetime:
    text = path.text(entry, "BookgDt/DtTm", "BookgDt/Dt", "ValDt/DtTm", "ValDt/Dt")
    if text is None:
        refuse(line_of(entry), "BookgDt", "is missing")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        refuse(line_of(entry), "BookgDt", f"{shown(text)} is not a date")
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _check_balances(path: _Path, statement: Element, lines: list[StatementLine]) -> None:
    """Refuse a statement whose booked entries do not lead from the opening to the closing balance."""
    balances: dict[str, tuple[int, str]] = {}
    for balance in path.all(statement, "Bal"):
        code = path.text(balance, "Tp/CdOrPrtry/Cd")
        if code in {"OPBD", "PRCD", "CLBD"}:
            minor, currency = _money(path, balance)
            balances[code] = (minor * _sign(path, balance), currency)
    opening, closing = balances.get("OPBD") or balances.get("PRCD"), balances.get("CLBD")
    if opening is None or closing is None:
        return
    moved = sum(line.net_minor for line in lines if line.currency == closing[1])
    if opening[0] + moved != closing[0]:
        refuse(line_of(statement), "Bal", "the booked entries do not lead from the opening to the closing balance")
