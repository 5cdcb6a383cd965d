"""Lines of statements: what a gateway or a bank says happened to the money it keeps for us."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.errors import InvariantViolated


class Side(StrEnum):
    """Whose statement it is."""

    GATEWAY = "gateway"
    BANK = "bank"


class LineKind(StrEnum):
    """What a line is about. Lines of banks are all `bank`: their sign says the way the money went."""

    CAPTURE = "capture"
    REFUND = "refund"
    REFUND_FAILED = "refund_failed"
    DISPUTE = "dispute"
    DISPUTE_WON = "dispute_won"
    PAYOUT = "payout"
    OTHER = "other"
    BANK = "bank"


SHORTEST_WORD = 6
"""Shorter words of a free text name nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLine:
    """One line, in minor units; what raises the balance is positive, and net = gross - fee.

    - `number`: where the line stands in its file, for people.
    - `reference`: what the statement calls the line; with the content, it makes the line the same in every file.
    - `names`: what the line is about, normalized, the most telling name first.
    - `payout_reference`, `payout_at`: the gateway's payout that the line was paid out with, and when.
    """

    number: int
    reference: str
    kind: LineKind
    names: tuple[str, ...]
    gross_minor: int
    fee_minor: int
    net_minor: int
    currency: str
    occurred_at: datetime
    payout_reference: str | None = None
    payout_at: datetime | None = None
    description: str | None = None

    def __post_init__(self) -> None:
        if self.net_minor != self.gross_minor - self.fee_minor:
            raise InvariantViolated(f"line {self.number} does not add up: {self}")

    @property
    def fingerprint(self) -> str:
        """Digest of what the line says, so that the same reference with other content is another line."""
        said = (
            self.kind.value,
            self.gross_minor,
            self.fee_minor,
            self.currency,
            self.occurred_at.timestamp(),
            self.payout_reference,
        )
        return hashlib.sha256(repr(said).encode()).hexdigest()[:32]


def normal_name(name: str) -> str:
    """Write a name so that it compares equal however a bank wrote it: small letters and digits alone."""
    return "".join(character for character in name.casefold() if character.isalnum())


def normal_names(names: Iterable[str | None]) -> tuple[str, ...]:
    """Normalize names in their order, each once, without empty ones."""
    normal = (normal_name(name) for name in names if name)
    return tuple(dict.fromkeys(filter(None, normal)))


def words_with_digits(text: str) -> list[str]:
    """The words of a free text that may be references: long enough, and with a digit in them."""
    return [
        word
        for word in text.split()
        if len(normal_name(word)) >= SHORTEST_WORD and any(character.isdigit() for character in word)
    ]
