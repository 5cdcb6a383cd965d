"""ISO 20022 customer credit transfer initiation, message pain.001.001.09.

The order of the elements, the lengths and the patterns are those of the message definition. Texts are written in the
characters that banks take; references are made of letters and digits alone.
"""

from datetime import UTC
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from domain.bank_accounts import LONGEST_NAME, BankAccount, DebtorAccount
from domain.bank_text import bank_name, transliterate
from domain.money import to_decimal_string
from services.bank_files.orders import CreditTransfer, PaymentGroup, PaymentOrder, amounts_of, decimal_sum

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
LONGEST_REMITTANCE = 140
LONGEST_TOWN = 35
_GROUP_ID_DIGITS = 24
"""Of the file's reference; the number of the group follows, and both together are at most 35 characters."""


def write(order: PaymentOrder) -> bytes:
    """Write a payment order as UTF-8 XML: the same order gives the same bytes."""
    document = Element("Document", {"xmlns": NAMESPACE})
    message = SubElement(document, "CstmrCdtTrfInitn")
    _write_header(message, order)
    number = 0
    for group in order.groups:
        for is_sepa in (True, False):
            transfers = tuple(one for one in group.transfers if _is_sepa(one, group.debtor) is is_sepa)
            if transfers:
                number += 1
                part = PaymentGroup(debtor=group.debtor, currency=group.currency, transfers=transfers)
                _write_group(message, order, part, number, is_sepa=is_sepa)
    indent(document)
    written: bytes = tostring(document, encoding="UTF-8", xml_declaration=False)
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + written + b"\n"


def _write_header(message: Element, order: PaymentOrder) -> None:
    header = SubElement(message, "GrpHdr")
    _text(header, "MsgId", order.message_id)
    _text(header, "CreDtTm", order.created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    _write_sums(header, order.transfers)
    _text(SubElement(header, "InitgPty"), "Nm", bank_name(order.initiator, LONGEST_NAME))


def _write_group(message: Element, order: PaymentOrder, group: PaymentGroup, number: int, *, is_sepa: bool) -> None:
    information = SubElement(message, "PmtInf")
    _text(information, "PmtInfId", f"{order.message_id[:_GROUP_ID_DIGITS]}-{number}")
    _text(information, "PmtMtd", "TRF")
    _write_sums(information, group.transfers)
    if is_sepa:
        _text(SubElement(SubElement(information, "PmtTpInf"), "SvcLvl"), "Cd", "SEPA")
    _text(SubElement(information, "ReqdExctnDt"), "Dt", order.execution_date.isoformat())
    debtor = group.debtor
    _write_party(information, "Dbtr", debtor.account, company_id=debtor.company_id)
    _write_account(information, "DbtrAcct", debtor.account, group.currency)
    _write_bank(information, "DbtrAgt", debtor.account, is_required=True)
    _text(information, "ChrgBr", "SLEV" if is_sepa else "SHAR")
    for transfer in group.transfers:
        _write_transfer(information, transfer)


def _write_transfer(information: Element, transfer: CreditTransfer) -> None:
    written = SubElement(information, "CdtTrfTxInf")
    _text(SubElement(written, "PmtId"), "EndToEndId", transfer.end_to_end_id)
    amount = to_decimal_string(transfer.amount_minor, transfer.currency)
    _text(SubElement(written, "Amt"), "InstdAmt", amount).set("Ccy", transfer.currency)
    _write_bank(written, "CdtrAgt", transfer.creditor, is_required=False)
    _write_party(written, "Cdtr", transfer.creditor)
    _write_account(written, "CdtrAcct", transfer.creditor, None)
    remittance = transliterate(transfer.remittance)[:LONGEST_REMITTANCE].rstrip()
    if remittance:
        _text(SubElement(written, "RmtInf"), "Ustrd", remittance)


def _write_sums(parent: Element, transfers: tuple[CreditTransfer, ...]) -> None:
    _text(parent, "NbOfTxs", str(len(transfers)))
    _text(parent, "CtrlSum", decimal_sum(amounts_of(transfers)))


def _write_party(parent: Element, name: str, account: BankAccount, company_id: str | None = None) -> None:
    party = SubElement(parent, name)
    _text(party, "Nm", bank_name(account.holder, LONGEST_NAME))
    if account.country is not None:
        address = SubElement(party, "PstlAdr")
        if account.town is not None:
            _text(address, "TwnNm", bank_name(account.town, LONGEST_TOWN))
        _text(address, "Ctry", account.country)
    if company_id is not None:
        other = SubElement(SubElement(SubElement(party, "Id"), "OrgId"), "Othr")
        _text(other, "Id", company_id)


def _write_account(parent: Element, name: str, account: BankAccount, currency: str | None) -> None:
    written = SubElement(parent, name)
    identifier = SubElement(written, "Id")
    if account.iban is not None:
        _text(identifier, "IBAN", account.iban)
    else:
        _text(SubElement(identifier, "Othr"), "Id", account.number or "")
    if currency is not None:
        _text(written, "Ccy", currency)


def _write_bank(parent: Element, name: str, account: BankAccount, *, is_required: bool) -> None:
    """Name the bank by what is known of it; a debtor's bank must be there even when only the IBAN names it."""
    if account.bic is None and account.clearing_system is None and not is_required:
        return
    institution = SubElement(SubElement(parent, name), "FinInstnId")
    if account.bic is not None:
        _text(institution, "BICFI", account.bic)
    if account.clearing_system is not None:
        member = SubElement(institution, "ClrSysMmbId")
        _text(SubElement(member, "ClrSysId"), "Cd", account.clearing_system)
        _text(member, "MmbId", account.bank_code or "")
    if account.bic is None and account.clearing_system is None:
        _text(SubElement(institution, "Othr"), "Id", "NOTPROVIDED")


def _is_sepa(transfer: CreditTransfer, debtor: DebtorAccount) -> bool:
    return transfer.currency == "EUR" and transfer.creditor.is_in_sepa and debtor.account.is_in_sepa


def _text(parent: Element, name: str, text: str) -> Element:
    element = SubElement(parent, name)
    element.text = text
    return element
