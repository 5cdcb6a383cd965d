"""What a bank file says, whatever its format: who pays whom how much, from which account, on which day."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from domain.bank_accounts import BankAccount, DebtorAccount
from domain.money import to_decimal_string

LONGEST_REFERENCE = 35
"""Characters of a reference in ISO 20022 (Max35Text); a UUID with its hyphens has 36."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditTransfer:
    """One payment: the net amount of one payout batch, in minor units."""

    batch_id: uuid.UUID
    amount_minor: int
    currency: str
    creditor: BankAccount
    remittance: str

    @property
    def end_to_end_id(self) -> str:
        """The reference that travels with the payment to the creditor's statement and back on ours."""
        return end_to_end_id(self.batch_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentGroup:
    """The transfers out of one account in one currency."""

    debtor: DebtorAccount
    currency: str
    transfers: tuple[CreditTransfer, ...]

    @property
    def total_minor(self) -> int:
        """The sum of the transfers."""
        return sum(transfer.amount_minor for transfer in self.transfers)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentOrder:
    """Everything a bank file is made of. `modifier` tells the files of one day apart, from 0 on."""

    id: uuid.UUID
    initiator: str
    created_at: datetime
    execution_date: date
    groups: tuple[PaymentGroup, ...]
    modifier: int = 0

    @property
    def message_id(self) -> str:
        """The file's own reference."""
        return self.id.hex

    @property
    def transfers(self) -> tuple[CreditTransfer, ...]:
        """The transfers of all groups, in the order of the file."""
        return tuple(transfer for group in self.groups for transfer in group.transfers)

    @property
    def totals(self) -> dict[str, int]:
        """The sum per currency, in minor units."""
        sums: dict[str, int] = {}
        for group in self.groups:
            sums[group.currency] = sums.get(group.currency, 0) + group.total_minor
        return sums


def end_to_end_id(batch_id: uuid.UUID) -> str:
    """The reference of a batch at banks: its id without hyphens, 32 characters."""
    return batch_id.hex


def decimal_sum(amounts: Iterable[tuple[int, str]]) -> str:
    """Add amounts of several currencies up as plain numbers, the control sum of ISO 20022, exactly."""
    minor_by_places: dict[int, int] = {}
    for amount_minor, currency in amounts:
        places = len(to_decimal_string(0, currency).partition(".")[2])
        minor_by_places[places] = minor_by_places.get(places, 0) + amount_minor
    most = max(minor_by_places, default=0)
    total = sum(amount * 10 ** (most - places) for places, amount in minor_by_places.items())
    digits = str(total).rjust(most + 1, "0")
    return f"{digits[:-most]}.{digits[-most:]}" if most else digits


def amounts_of(transfers: Sequence[CreditTransfer]) -> list[tuple[int, str]]:
    """The amounts of transfers with their currencies."""
    return [(transfer.amount_minor, transfer.currency) for transfer in transfers]
