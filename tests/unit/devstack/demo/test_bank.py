"""The demo's bank: it takes what the schema allows, and its statement is one that reconciliation can read."""

from datetime import UTC, datetime

import pytest

from devstack.demo.bank import OPENING_MAJOR, FileRefused, read_payment_file, write_statement
from services.bank_files.pain001 import write
from services.statement_matching.parsers import camt053
from tests.unit.services.bank_files.payments import DOLLAR_DEBTOR, INDIAN, group, order, transfer

BOOKED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ORDER = order(
    group(DOLLAR_DEBTOR, "USD", transfer(1, 123_456, "USD", INDIAN), transfer(2, 1, "USD", INDIAN)),
    group(DOLLAR_DEBTOR, "JPY", transfer(3, 500, "JPY", INDIAN)),
)


def test_every_payment_of_the_file_is_booked() -> None:
    bookings = read_payment_file(write(ORDER))
    assert [(one.end_to_end_id, one.amount_minor, one.currency) for one in bookings] == [
        (f"{1:032x}", 123_456, "USD"),
        (f"{2:032x}", 1, "USD"),
        (f"{3:032x}", 500, "JPY"),
    ]
    assert {one.account for one in bookings} == {DOLLAR_DEBTOR.account.number}
    assert len({one.reference for one in bookings}) == 3


def test_a_file_against_the_schema_is_refused() -> None:
    with pytest.raises(FileRefused, match="schema"):
        read_payment_file(write(ORDER).replace(b"<PmtMtd>TRF<", b"<PmtMtd>XXX<"))


def test_the_statement_tells_every_booking_and_adds_up() -> None:
    bookings = read_payment_file(write(ORDER))
    statement = write_statement(bookings, BOOKED_AT)
    lines = camt053.parse(statement)
    told = {(line.names[0], line.net_minor, line.currency, line.occurred_at) for line in lines}
    assert told == {(one.end_to_end_id, -one.amount_minor, one.currency, BOOKED_AT) for one in bookings}
    assert f"{OPENING_MAJOR}.00".encode() in statement
