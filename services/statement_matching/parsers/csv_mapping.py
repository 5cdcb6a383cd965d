"""Any CSV statement, of a gateway or a bank, read by a mapping that says which column means what."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from domain.errors import InvalidInput
from domain.statement_lines import LineKind, Side, StatementLine, normal_names, words_with_digits
from services.statement_matching.parsers.fields import Row, refuse
from services.statement_matching.parsers.tables import read_rows

Column = Annotated[str, Field(min_length=1, max_length=200)]


class CsvMapping(BaseModel):
    """Which column means what, and how amounts and times are written.

    An amount is in one column, or in a `credit` and a `debit` column, where both are written without a sign.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    delimiter: str = Field(default=",", min_length=1, max_length=1)
    encoding: str = "utf-8-sig"
    skipped_lines: int = Field(default=0, ge=0, le=1000, description="Lines above the header.")
    decimal_separator: Literal[".", ","] = "."
    thousands_separator: Literal["", ",", ".", " ", "'"] = ""
    time_formats: tuple[str, ...] = Field(default=("%Y-%m-%d %H:%M:%S", "%Y-%m-%d"), min_length=1)
    time_zone: str = "UTC"

    reference: Column | None = Field(default=None, description="What the statement calls a line.")
    names: tuple[Column, ...] = Field(default=(), description="Columns that name payments, the most telling first.")
    texts: tuple[Column, ...] = Field(default=(), description="Columns of free text that may hold references.")
    occurred_at: Column
    currency_column: Column | None = None
    currency: str | None = Field(default=None, pattern="^[A-Z]{3}$", description="Where every line has the same.")
    amount: Column | None = None
    credit: Column | None = None
    debit: Column | None = None
    sign: Literal["as_written", "inverted"] = "as_written"
    fee: Column | None = Field(default=None, description="What was kept of the amount.")
    fee_sign: Literal["positive", "negative"] = "positive"
    net: Column | None = Field(default=None, description="Checked against amount and fee, where it is there.")
    kind_column: Column | None = None
    kinds: Mapping[str, LineKind] = Field(default_factory=dict, description="What the words of the kind column mean.")
    outgoing_kinds: frozenset[LineKind] = Field(
        default=frozenset(), description="Kinds whose amounts are written without the minus they mean."
    )
    payout_reference: Column | None = None
    description: Column | None = None

    @model_validator(mode="after")
    def _check(self) -> "CsvMapping":
        if (self.amount is None) == (self.credit is None and self.debit is None):
            raise ValueError("an amount is in the column `amount`, or in `credit` and `debit`")
        if (self.credit is None) != (self.debit is None):
            raise ValueError("`credit` and `debit` go together")
        if (self.currency is None) == (self.currency_column is None):
            raise ValueError("give either `currency` or `currency_column`")
        if self.decimal_separator == self.thousands_separator:
            raise ValueError("the separators of decimals and of thousands are two")
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"there is no time zone {self.time_zone!r}") from error
        return self

    @property
    def columns(self) -> list[str]:
        """The columns a file must have."""
        named = (
            self.reference, *self.names, *self.texts, self.occurred_at, self.currency_column, self.amount, self.credit,
            self.debit, self.fee, self.net, self.kind_column, self.payout_reference, self.description,
        )  # fmt: skip
        return list(dict.fromkeys(column for column in named if column is not None))


def read_mapping(values: Mapping[str, Any]) -> CsvMapping:
    """Read a mapping. Raises InvalidInput, naming what is wrong with it."""
    try:
        return CsvMapping.model_validate(dict(values))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'mapping'}: {item['msg']}" for item in error.errors()
        )
        raise InvalidInput(f"the mapping is not right: {problems}", field="mapping") from None


def parse(content: bytes, mapping: CsvMapping, side: Side) -> list[StatementLine]:
    """Read a file by its mapping. Raises MalformedPayload, naming line and column."""
    rows = read_rows(
        content,
        required=mapping.columns,
        delimiter=mapping.delimiter,
        encoding=mapping.encoding,
        skipped_lines=mapping.skipped_lines,
    )
    lines: dict[str, StatementLine] = {}
    repeats: Counter[str] = Counter()
    for row in rows:
        reference = row.optional(mapping.reference)
        if reference is None:
            digest = _digest(row)
            repeats[digest] += 1
            reference = f"{digest}-{repeats[digest]}"
        elif reference in lines:
            refuse(row.number, mapping.reference or "", f"{reference!r} is in the file twice")
        lines[reference] = _line(row, mapping, side, reference)
    return list(lines.values())


def _line(row: Row, mapping: CsvMapping, side: Side, reference: str) -> StatementLine:
    currency = mapping.currency or row.currency(mapping.currency_column or "")
    kind = LineKind.BANK if side is Side.BANK else _kind(row, mapping)
    gross = _gross(row, mapping, currency, kind)
    fee = 0
    if mapping.fee is not None and row.optional(mapping.fee) is not None:
        fee = _amount(row, mapping, mapping.fee, currency) * (-1 if mapping.fee_sign == "negative" else 1)
    net = gross - fee
    if mapping.net is not None and abs(_amount(row, mapping, mapping.net, currency)) != abs(net):
        refuse(row.number, mapping.net, "is not the amount less the fee")
    words = [word for column in mapping.texts for word in words_with_digits(row.optional(column) or "")]
    return StatementLine(
        number=row.number,
        reference=reference,
        kind=kind,
        names=normal_names([*(row.optional(column) for column in mapping.names), *words]),
        gross_minor=gross,
        fee_minor=fee,
        net_minor=net,
        currency=currency,
        occurred_at=row.moment(mapping.occurred_at, mapping.time_formats, ZoneInfo(mapping.time_zone)),
        payout_reference=row.optional(mapping.payout_reference),
        description=row.optional(mapping.description) or row.first(*mapping.texts),
    )


def _kind(row: Row, mapping: CsvMapping) -> LineKind:
    if mapping.kind_column is None:
        return LineKind.CAPTURE
    return mapping.kinds.get(row.required(mapping.kind_column), LineKind.OTHER)


def _gross(row: Row, mapping: CsvMapping, currency: str, kind: LineKind) -> int:
    if mapping.amount is not None:
        amount = _amount(row, mapping, mapping.amount, currency)
    else:
        parts = [
            0 if row.optional(column) is None else _amount(row, mapping, column or "", currency)
            for column in (mapping.credit, mapping.debit)
        ]
        if min(parts) < 0 or all(parts) or not any(parts):
            refuse(row.number, mapping.debit or "", "one of credit and debit has an amount, without a sign")
        amount = parts[0] - parts[1]
    if mapping.sign == "inverted":
        amount = -amount
    return -amount if kind in mapping.outgoing_kinds and amount > 0 else amount


def _amount(row: Row, mapping: CsvMapping, column: str, currency: str) -> int:
    return row.amount(column, currency, point=mapping.decimal_separator, thousands=mapping.thousands_separator)


def _digest(row: Row) -> str:
    said = "\x1f".join(f"{column}\x1e{cell.strip()}" for column, cell in sorted(row.cells.items()))
    return hashlib.sha256(said.encode()).hexdigest()[:24]
