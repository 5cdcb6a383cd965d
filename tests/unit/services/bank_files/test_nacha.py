"""NACHA files: every record at its place, every sum right, and the controls are what the records add up to."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.bank_accounts import BankAccount, DebtorAccount
from domain.errors import InvalidInput
from services.bank_files.nacha import LARGEST_ENTRY_MINOR, write
from services.bank_files.orders import PaymentOrder
from tests.unit.services.bank_files.payments import (
    AMERICAN,
    DOLLAR_DEBTOR,
    EURO_DEBTOR,
    GERMAN,
    SAVER,
    group,
    order,
    transfer,
)


def dollars(*amounts: tuple[int, BankAccount], modifier: int = 0) -> PaymentOrder:
    transfers = (transfer(0xF00 + number, amount, "USD", to) for number, (amount, to) in enumerate(amounts))
    return order(group(DOLLAR_DEBTOR, "USD", *transfers), modifier=modifier)


def records(written: bytes) -> list[str]:
    return written.decode("ascii").splitlines()


def test_the_file_is_blocks_of_ten_records_of_94_characters() -> None:
    for count in (1, 2, 3, 4, 9):
        lines = records(write(dollars(*[(100, AMERICAN)] * count)))
        assert len(lines) % 10 == 0
        assert {len(line) for line in lines} == {94}
        control = next(line for line in lines if line.startswith("9") and line != "9" * 94)
        assert int(control[7:13]) == len(lines) // 10
        assert set(lines[lines.index(control) + 1 :]) <= {"9" * 94}


def test_each_record_says_what_it_should() -> None:
    lines = records(write(dollars((123_456, AMERICAN), (789, SAVER), modifier=2)))
    assert [line[0] for line in lines] == list("1567856789")
    header, people, saver, _, _, companies, acme, addenda, batch_control, control = lines
    assert header[:13] == "101 091000019"
    assert header[13:23] == "1234567890"
    assert header[23:40] == "2601020304C094101"
    assert header[40:63].rstrip() == "BANK OF THE LAKES"
    assert (people[50:53], companies[50:53]) == ("PPD", "CCD")
    assert (people[1:4], people[69:75], people[79:87]) == ("220", "260105", "09100001")
    assert (saver[1:3], saver[3:12], saver[12:29].rstrip(), saver[29:39]) == ("32", "011401533", "987", "0000000789")
    assert (acme[1:3], acme[12:29], acme[29:39]) == ("22", "12345678901234567", "0000123456")
    assert (saver[54:76].rstrip(), acme[54:76].rstrip()) == ("JOSE NUNEZ", "ACME INC.")
    assert (saver[78], saver[79:94], acme[79:94]) == ("1", "091000010000001", "091000010000002")
    assert (addenda[:3], addenda[83:94]) == ("705", "00010000002")
    assert addenda[3:35] == f"{0xF00:032X}"
    assert (batch_control[4:10], batch_control[10:20]) == ("000002", "0002100002")
    assert (control[1:7], control[13:21], control[21:31]) == ("000002", "00000004", "0003240155")
    assert (control[31:43], control[43:55]) == ("0" * 12, "000000124245")


@given(
    st.lists(
        st.tuples(st.integers(min_value=1, max_value=10**9), st.sampled_from([AMERICAN, SAVER])),
        min_size=1,
        max_size=25,
    )
)
def test_the_controls_are_what_a_reader_of_the_records_counts(payments: list[tuple[int, BankAccount]]) -> None:
    lines = records(write(dollars(*payments)))
    entries = [line for line in lines if line[0] == "6"]
    details = [line for line in lines if line[0] in "67"]
    (control,) = [line for line in lines if line[0] == "9" and line != "9" * 94]
    batches = [line for line in lines if line[0] == "8"]
    assert sum(int(line[29:39]) for line in entries) == int(control[43:55]) == sum(amount for amount, _ in payments)
    assert sum(int(line[3:11]) for line in entries) % 10**10 == int(control[21:31])
    assert len(details) == int(control[13:21]) == sum(int(line[4:10]) for line in batches)
    assert sum(int(line[32:44]) for line in batches) == int(control[43:55])
    assert [int(line[87:94]) for line in entries] == list(range(1, len(payments) + 1))
    assert [int(line[87:94]) for line in batches] == list(range(1, len(batches) + 1))


@pytest.mark.parametrize(
    "wrong",
    [
        order(group(EURO_DEBTOR, "EUR", transfer(1, 1, "EUR", GERMAN))),
        order(group(DOLLAR_DEBTOR, "USD", transfer(1, 1, "USD", GERMAN))),
        order(group(DebtorAccount(account=DOLLAR_DEBTOR.account), "USD", transfer(1, 1, "USD", AMERICAN))),
        order(group(DOLLAR_DEBTOR, "USD", transfer(1, 1, "USD", replace(AMERICAN, number="1" * 18)))),
        dollars((LARGEST_ENTRY_MINOR + 1, AMERICAN)),
        dollars(*[(LARGEST_ENTRY_MINOR, AMERICAN)] * 101),
        dollars((1, AMERICAN), modifier=36),
        order(),
    ],
)
def test_what_an_ach_file_cannot_say_is_refused(wrong: PaymentOrder) -> None:
    with pytest.raises(InvalidInput):
        write(wrong)
