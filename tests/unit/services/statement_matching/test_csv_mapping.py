"""Any CSV by its mapping: signs, separators, dates and zones, and every fault named by line and column."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput, MalformedPayload
from domain.statement_lines import LineKind, Side
from services.statement_matching.parsers.csv_mapping import parse, read_mapping
from services.statement_matching.parsers.fields import read_amount

GATEWAY: dict[str, Any] = {
    "delimiter": ";",
    "decimal_separator": ",",
    "thousands_separator": ".",
    "time_formats": ["%d.%m.%Y %H:%M"],
    "time_zone": "Europe/Berlin",
    "reference": "Nr",
    "names": ["Transaktion", "Auftrag"],
    "occurred_at": "Datum",
    "currency_column": "Währung",
    "amount": "Betrag",
    "fee": "Gebühr",
    "fee_sign": "negative",
    "net": "Netto",
    "kind_column": "Art",
    "kinds": {"Zahlung": "capture", "Erstattung": "refund", "Auszahlung": "payout"},
    "outgoing_kinds": ["refund", "payout"],
    "payout_reference": "Auszahlung",
}
HEADER = "Nr;Transaktion;Auftrag;Datum;Währung;Betrag;Gebühr;Netto;Art;Auszahlung"
LINES = (
    "1;TX-1;A-1;31.03.2026 14:00;EUR;1.234,56;-12,50;1.222,06;Zahlung;P-1",
    "2;TX-2;A-1;31.03.2026 14:05;EUR;34,56;;34,56;Erstattung;P-1",
    "3;;;01.04.2026 00:00;EUR;-1.187,50;;-1.187,50;Auszahlung;P-1",
    "4;;;01.04.2026 00:00;EUR;5,00;;5,00;Gutschrift;",
)
BANK: dict[str, Any] = {
    "occurred_at": "Date",
    "currency": "USD",
    "credit": "Paid in",
    "debit": "Paid out",
    "texts": ["Details"],
    "skipped_lines": 2,
}
BANK_FILE = (
    "Statement of account 1\nJanuary\nDate,Details,Paid in,Paid out\n2026-01-05,STRIPE po_1A2b3C,941.00,\n"
    "2026-01-05,Fee,,2.00\n2026-01-05,Fee,,2.00\n\n"
)


def gateway_file(*lines: str) -> bytes:
    return "\n".join((HEADER, *(lines or LINES))).encode()


def test_a_gateways_file_is_read_by_its_mapping() -> None:
    lines = parse(gateway_file(), read_mapping(GATEWAY), Side.GATEWAY)
    assert [(line.kind, line.gross_minor, line.fee_minor, line.net_minor) for line in lines] == [
        (LineKind.CAPTURE, 123_456, 1_250, 122_206),
        (LineKind.REFUND, -3_456, 0, -3_456),
        (LineKind.PAYOUT, -118_750, 0, -118_750),
        (LineKind.OTHER, 500, 0, 500),
    ]
    assert (lines[0].names, lines[0].payout_reference) == (("tx1", "a1"), "P-1")
    assert lines[0].occurred_at == datetime(2026, 3, 31, 12, 0, tzinfo=UTC)


def test_a_banks_file_without_references_keeps_lines_that_look_the_same_apart() -> None:
    lines = parse(BANK_FILE.encode(), read_mapping(BANK), Side.BANK)
    assert [(line.kind, line.net_minor, line.names) for line in lines] == [
        (LineKind.BANK, 94_100, ("po1a2b3c",)),
        (LineKind.BANK, -200, ()),
        (LineKind.BANK, -200, ()),
    ]
    assert len({line.reference for line in lines}) == 3
    assert [line.number for line in lines] == [4, 5, 6]
    again = parse(BANK_FILE.replace("January", "Again").encode(), read_mapping(BANK), Side.BANK)
    assert [line.reference for line in again] == [line.reference for line in lines]


def test_signs_may_be_written_the_other_way_round() -> None:
    mapping = read_mapping({"occurred_at": "d", "currency": "EUR", "amount": "a", "sign": "inverted"})
    (line,) = parse(b"d,a\n2026-01-01,-5.00\n", mapping, Side.BANK)
    assert line.net_minor == 500


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("1;TX;A;31.03.2026 14:00;EUR;12.34,5x;0;1;Zahlung;", "line 2, column Betrag: '12.34,5x' is not an amount"),
        ("1;TX;A;31.03.2026 14:00;EUR;12,345;;12,345;Zahlung;", "line 2, column Betrag"),
        ("1;TX;A;31.03.2026 14:00;EUR;;;1;Zahlung;", "line 2, column Betrag: is empty"),
        ("1;TX;A;31.03.2026 14:00;EUR;10,00;-1,00;8,00;Zahlung;", "line 2, column Netto: is not the amount less"),
        ("1;TX;A;31.02.2026 14:00;EUR;10,00;;10,00;Zahlung;", "line 2, column Datum"),
        ("1;TX;A;31.03.2026 14:00;EURO;10,00;;10,00;Zahlung;", "line 2, column Währung"),
        ("1;TX;A;31.03.2026 14:00;EUR;10,00;;10,00;;", "line 2, column Art: is empty"),
        ("1;TX;A", "line 2 has 3 columns, the header has 10"),
    ],
)
def test_a_fault_in_a_file_is_named(line: str, said: str) -> None:
    with pytest.raises(MalformedPayload) as refusal:
        parse(gateway_file(line), read_mapping(GATEWAY), Side.GATEWAY)
    assert said in refusal.value.message


def test_a_reference_twice_and_both_columns_filled_are_faults() -> None:
    with pytest.raises(MalformedPayload, match="line 3, column Nr: '1' is in the file twice"):
        parse(gateway_file(LINES[0], LINES[0]), read_mapping(GATEWAY), Side.GATEWAY)
    for cells in ("1.00,1.00", ",", "-1.00,"):
        content = BANK_FILE.replace("941.00,", cells, 1).encode()
        with pytest.raises(MalformedPayload, match="line 4, column Paid out: one of credit and debit"):
            parse(content, read_mapping(BANK), Side.BANK)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"amount": None}, "an amount is in the column"),
        ({"credit": "x"}, "an amount is in the column"),
        ({"currency": "EUR"}, "give either"),
        ({"thousands_separator": ","}, "the separators"),
        ({"time_zone": "Mars/Olympus"}, "there is no time zone"),
        ({"colour": "red"}, "colour"),
        ({"kinds": {"x": "sale"}}, "kinds.x"),
    ],
)
def test_a_mapping_that_cannot_be_right_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        read_mapping({**GATEWAY, **changes})
    assert said in refusal.value.message


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"Date\n"])
def test_what_is_no_file_of_the_mapping_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedPayload):
        parse(content, read_mapping(BANK | {"skipped_lines": 0}), Side.BANK)


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("1,234.50", 123_450),
        ("(12.00)", -1_200),
        ("12.00-", -1_200),
        ("+3", 300),
        ("\u22125.5", -550),
        ("1\u00a0000", 100_000),
    ],
)
def test_amounts_are_read_as_people_write_them(text: str, minor: int) -> None:
    assert read_amount(1, "a", text, "EUR", thousands=",") == minor


@pytest.mark.parametrize("text", ["", "1e5", "--1", "1.2.3", "NaN", "0x1", "\uff11\uff12", "1_000", "$5"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(MalformedPayload):
        read_amount(1, "a", text, "EUR", thousands=",")


@given(st.integers(min_value=-(10**12), max_value=10**12))
def test_every_amount_comes_back_exact(minor: int) -> None:
    whole, cents = divmod(abs(minor), 100)
    text = f"{'-' if minor < 0 else ''}{whole:,}.{cents:02d}".translate(str.maketrans(",.", ".,"))
    assert read_amount(1, "a", text, "EUR", point=",", thousands=".") == minor
