"""The formats of bank files, by name."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType

from services.bank_files import nacha, pain001, transfers_csv
from services.bank_files.orders import PaymentOrder


class BankFileFormat(StrEnum):
    """What a bank takes."""

    PAIN_001 = "pain.001.001.09"
    NACHA = "nacha"
    CSV = "csv"

    @property
    def suffix(self) -> str:
        """What a file's name ends with."""
        return {BankFileFormat.PAIN_001: "xml", BankFileFormat.NACHA: "ach", BankFileFormat.CSV: "csv"}[self]


WRITERS: Mapping[BankFileFormat, Callable[[PaymentOrder], bytes]] = MappingProxyType(
    {
        BankFileFormat.PAIN_001: pain001.write,
        BankFileFormat.NACHA: nacha.write,
        BankFileFormat.CSV: transfers_csv.write,
    }
)
