"""Reading fields of statements: each error names the line and the column, and nothing is ever rounded."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import NoReturn

from domain.errors import InvalidMoney, MalformedPayload
from domain.money import check_currency, to_minor

_PLAIN_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
LONGEST_SHOWN = 40


def refuse(line: int, column: str, problem: str) -> NoReturn:
    """Raise MalformedPayload for a field of a line."""
    raise MalformedPayload(f"line {line}, column {column}: {problem}", field=column)


def shown(value: str) -> str:
    """A value as an error may show it."""
    return repr(value if len(value) <= LONGEST_SHOWN else value[:LONGEST_SHOWN] + "…")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table, by column. Raises MalformedPayload, naming line and column, for what cannot be read."""

    number: int
    cells: Mapping[str, str]

    def required(self, column: str) -> str:
        """Text that must be there."""
        value = self.optional(column)
        if value is None:
            refuse(self.number, column, "is empty")
        return value

    def optional(self, column: str | None) -> str | None:
        """Text that may be empty or in no column."""
        value = self.cells.get(column, "").strip() if column else ""
        return value or None

    def first(self, *columns: str) -> str | None:
        """The first of these columns that says something."""
        return next((value for column in columns if (value := self.optional(column))), None)

    def currency(self, column: str) -> str:
        """A currency, in letters of either case."""
        value = self.required(column).upper()
        try:
            return check_currency(value)
        except InvalidMoney:
            refuse(self.number, column, f"{shown(value)} is not a known currency")

    def amount(self, column: str, currency: str, *, point: str = ".", thousands: str = "") -> int:
        """An amount of major units, in minor units; exact."""
        return read_amount(self.number, column, self.required(column), currency, point=point, thousands=thousands)

    def moment(self, column: str, formats: tuple[str, ...], zone: tzinfo = UTC) -> datetime:
        """A time in one of the formats of `strptime`; one without a zone is of `zone`."""
        return read_moment(self.number, column, self.required(column), formats, zone)


def read_amount(line: int, column: str, text: str, currency: str, *, point: str = ".", thousands: str = "") -> int:
    """Read an amount as people write it, with a sign in front or behind, or in brackets when it is negative."""
    number = text.replace("\u2212", "-").replace("\u00a0", "").replace(" ", "")
    if thousands:
        number = number.replace(thousands, "")
    if number.startswith("(") and number.endswith(")"):
        number = f"-{number[1:-1]}"
    if number.endswith(("-", "+")):
        number = number[-1] + number[:-1]
    if point != ".":
        if "." in number:
            refuse(line, column, f"{shown(text)} has a point, and decimals come after {point!r}")
        number = number.replace(point, ".")
    if not _PLAIN_NUMBER.fullmatch(number):
        refuse(line, column, f"{shown(text)} is not an amount")
    try:
        return to_minor(number.removeprefix("+"), currency)
    except InvalidMoney as error:
        raise MalformedPayload(f"line {line}, column {column}: {error.message}", field=column) from error


def read_moment(line: int, column: str, text: str, formats: tuple[str, ...], zone: tzinfo = UTC) -> datetime:
    """Read a time in one of several formats, as UTC."""
    for form in formats:
        try:
            moment = datetime.strptime(text, form)  # noqa: DTZ007 - the zone is set below, when the text has none
        except ValueError:
            continue
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    refuse(line, column, f"{shown(text)} is not a time written as {' or '.join(formats)}")
