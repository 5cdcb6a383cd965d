"""NACHA files of ACH credits: PPD for people, CCD for companies, with one addenda record that carries the reference.

Records have 94 characters; ten make a block, and the last block is filled with nines. Source: the Nacha Operating
Rules, appendix three (ACH record format specifications).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC

from domain.bank_accounts import US_CLEARING, AccountKind, BankAccount, HolderKind
from domain.bank_text import bank_name, transliterate
from domain.errors import InvalidInput
from services.bank_files.orders import CreditTransfer, PaymentGroup, PaymentOrder

RECORD_LENGTH = 94
BLOCKING_FACTOR = 10
CURRENCY = "USD"
LARGEST_ENTRY_MINOR = 10**10 - 1
LARGEST_TOTAL_MINOR = 10**12 - 1
MODIFIERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
CREDITS_ONLY = "220"
HASH_DIGITS = 10**10

_CLASSES = ((HolderKind.INDIVIDUAL, "PPD"), (HolderKind.COMPANY, "CCD"))
_TRANSACTION_CODES = {AccountKind.CHECKING: "22", AccountKind.SAVINGS: "32"}


@dataclass(frozen=True, slots=True)
class _Sums:
    """What batches and the file are controlled by."""

    records: int = 0
    hash: int = 0
    credit_minor: int = 0

    def __add__(self, other: "_Sums") -> "_Sums":
        return _Sums(self.records + other.records, self.hash + other.hash, self.credit_minor + other.credit_minor)


def write(order: PaymentOrder) -> bytes:
    """Write a payment order of one American account in US dollars. Raises InvalidInput for anything else."""
    group = _only_group(order)
    records = [_file_header(order, group)]
    sums, batches = _Sums(), 0
    for kind, entry_class in _CLASSES:
        transfers = [transfer for transfer in group.transfers if transfer.creditor.holder_kind is kind]
        if transfers:
            batches += 1
            batch_sums = _write_batch(records, order, group, transfers, entry_class, batches, sums.records // 2)
            sums += batch_sums
    if sums.credit_minor > LARGEST_TOTAL_MINOR:
        raise InvalidInput("the file is for more than its totals have room for; export fewer batches at once")
    blocks = -(-(len(records) + 1) // BLOCKING_FACTOR)
    records.append(
        f"9{batches:06d}{blocks:06d}{sums.records:08d}{sums.hash % HASH_DIGITS:010d}"
        f"{0:012d}{sums.credit_minor:012d}{'':39}"
    )
    records += ["9" * RECORD_LENGTH] * (blocks * BLOCKING_FACTOR - len(records))
    return ("\n".join(records) + "\n").encode("ascii")


def _write_batch(
    records: list[str],
    order: PaymentOrder,
    group: PaymentGroup,
    transfers: list[CreditTransfer],
    entry_class: str,
    number: int,
    entries_before: int,
) -> _Sums:
    originator, company_id = _originating_bank(group), _company_id(group)
    created, paid = order.created_at.astimezone(UTC), order.execution_date
    records.append(
        f"5{CREDITS_ONLY}{_name(group.debtor.account.holder, 16)}{'':20}{company_id:10}{entry_class}{'PAYOUT':10}"
        f"{created:%y%m%d}{paid:%y%m%d}{'':3}1{originator}{number:07d}"
    )
    sums = _Sums()
    for sequence, transfer in enumerate(transfers, start=entries_before + 1):
        records.extend(_entry(transfer, originator, sequence))
        bank = int((transfer.creditor.bank_code or "")[:8])
        sums += _Sums(records=2, hash=bank, credit_minor=transfer.amount_minor)
    records.append(
        f"8{CREDITS_ONLY}{sums.records:06d}{sums.hash % HASH_DIGITS:010d}{0:012d}{sums.credit_minor:012d}"
        f"{company_id:10}{'':19}{'':6}{originator}{number:07d}"
    )
    return sums


def _file_header(order: PaymentOrder, group: PaymentGroup) -> str:
    account = group.debtor.account
    created = order.created_at.astimezone(UTC)
    if order.modifier >= len(MODIFIERS):
        raise InvalidInput("a day has at most 36 NACHA files of one account")
    return (
        f"101 {account.bank_code}{_company_id(group):>10}{created:%y%m%d%H%M}{MODIFIERS[order.modifier]}"
        f"{RECORD_LENGTH:03d}{BLOCKING_FACTOR}1{_name(group.debtor.bank_name or account.holder, 23)}"
        f"{_name(account.holder, 23)}{order.message_id[:8].upper()}"
    )


def _entry(transfer: CreditTransfer, originator: str, sequence: int) -> Iterator[str]:
    creditor = transfer.creditor
    if transfer.amount_minor > LARGEST_ENTRY_MINOR:
        raise InvalidInput(f"payout batch {transfer.batch_id} is for more than an ACH entry can carry")
    identification = transfer.end_to_end_id[:15].upper()
    yield (
        f"6{_TRANSACTION_CODES[creditor.account_kind]}{creditor.bank_code}{creditor.number:17}"
        f"{transfer.amount_minor:010d}{identification}{_name(creditor.holder, 22)}{'':2}1{originator}{sequence:07d}"
    )
    information = transliterate(f"{transfer.end_to_end_id} {transfer.remittance}")
    yield f"705{information[:80].upper():80}{1:04d}{sequence:07d}"


def _only_group(order: PaymentOrder) -> PaymentGroup:
    if len(order.groups) != 1 or order.groups[0].currency != CURRENCY:
        raise InvalidInput("a NACHA file is for US dollars alone, from one account", field="format")
    group = order.groups[0]
    for account in (group.debtor.account, *(transfer.creditor for transfer in group.transfers)):
        _check_account(account)
    return group


def _check_account(account: BankAccount) -> None:
    if account.clearing_system != US_CLEARING:
        raise InvalidInput(f"{account.masked} is no American account: a NACHA file cannot pay it", field="format")
    if len(account.number or "") > 17:  # noqa: PLR2004 - the width of the field, as in the record above
        raise InvalidInput(f"the number of {account.masked} is longer than NACHA's 17 characters", field="number")


def _originating_bank(group: PaymentGroup) -> str:
    """The bank the file is given to, by the first eight digits of its routing number."""
    return (group.debtor.account.bank_code or "")[:8]


def _company_id(group: PaymentGroup) -> str:
    if group.debtor.company_id is None:
        raise InvalidInput("a NACHA file needs the company id that the bank gave to the debtor", field="company_id")
    return group.debtor.company_id


def _name(text: str, width: int) -> str:
    return bank_name(text, width).upper().ljust(width)
