"""Statements of banks in camt.053: every booked line, and nothing from a file that attacks its reader."""

from datetime import UTC, datetime

import pytest

from domain.errors import MalformedPayload
from services.statement_matching.parsers import camt053
from services.statement_matching.parsers.safe_xml import parse_xml
from tests.unit.services.statement_matching.samples import sample

STATEMENT = sample("camt053.xml")
ENTITIES = b"""<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08">&b;&c;</Document>"""


def spoiled(right: str, wrong: str) -> bytes:
    text = STATEMENT.decode()
    assert right in text
    return text.replace(right, wrong, 1).encode()


def test_booked_entries_are_read_one_line_for_each_transaction() -> None:
    lines = camt053.parse(STATEMENT)
    assert [(line.net_minor, line.currency, line.names) for line in lines] == [
        (94_100, "EUR", ("po1a2b3c",)),
        (-100_000, "EUR", (f"{1:032x}",)),
        (-7_000, "EUR", (f"{2:032x}",)),
    ]
    assert len({line.reference for line in lines}) == 3
    assert lines[1].occurred_at == datetime(2026, 1, 5, 16, 30, tzinfo=UTC)
    assert lines[0].description == "STRIPE PAYOUT po_1A2b3C"


def test_an_entry_whose_transactions_do_not_add_up_is_one_line() -> None:
    lines = camt053.parse(spoiled('<Amt Ccy="EUR">70.00</Amt>', '<Amt Ccy="EUR">69.00</Amt>'))
    assert [line.net_minor for line in lines] == [94_100, -107_000]
    assert lines[1].names == (f"{1:032x}", f"{2:032x}")


def test_older_versions_are_read_too() -> None:
    older = STATEMENT.replace(b"camt.053.001.08", b"camt.053.001.02")
    older = older.replace(b"<Sts>\n          <Cd>BOOK</Cd>\n        </Sts>", b"<Sts>BOOK</Sts>")
    assert [line.net_minor for line in camt053.parse(older)] == [94_100, -100_000, -7_000]


def test_two_lines_that_look_the_same_are_two() -> None:
    text = STATEMENT.decode().replace("BANK-0002", "BANK-0001")
    lines = camt053.parse(text.encode())
    assert len({line.reference for line in lines}) == len(lines) == 3
    assert camt053.parse(text.encode()) == lines


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("871.00", "871.01", "column Bal: the booked entries do not lead"),
        ("941.00", "94x.00", "line 41, column Amt"),
        ("941.00", "941.001", "more decimals"),
        ("941.00", "-941.00", "line 41, column Amt: is below zero"),
        ('"EUR">941', '"EU">941', "not a known currency"),
        ("<CdtDbtInd>DBIT", "<CdtDbtInd>X", "is neither CRDT nor DBIT"),
        ("<Dt>2026-01-05</Dt>\n        </BookgDt>", "<Dt>05.01.2026</Dt>\n        </BookgDt>", "is not a date"),
        ("camt.053.001.08", "pain.001.001.09", "this is no camt.053 statement"),
        ("</Ntry>", "</Ntri>", "is not XML that can be read"),
    ],
)
def test_a_fault_in_a_statement_is_named(right: str, wrong: str, said: str) -> None:
    with pytest.raises(MalformedPayload) as refusal:
        camt053.parse(spoiled(right, wrong))
    assert said in refusal.value.message


@pytest.mark.parametrize(
    "content",
    [
        ENTITIES,
        b'<!DOCTYPE Document SYSTEM "http://127.0.0.1/x.dtd"><Document/>',
        b"<a>" * 1_000 + b"</a>" * 1_000,
        b"",
        b"\x00\xff",
        b" " * (32 * 1_048_576 + 1),
    ],
)
def test_what_wants_to_do_something_to_its_reader_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedPayload):
        parse_xml(content)
