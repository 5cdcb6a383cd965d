"""Bank accounts: what a mistyped number runs into, and what people may see of one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.bank_accounts import IBAN_LENGTHS, BankAccount, DebtorAccount, check_iban, check_routing_number
from domain.errors import InvalidInput

IBAN = "DE89370400440532013000"
# Examples of the IBAN registry.
EXAMPLES = (
    IBAN,
    "GB29NWBK60161331926819",
    "FR1420041010050500013M02606",
    "NL91ABNA0417164300",
    "NO9386011117947",
    "MT84MALT011000012345MTLCAST001S",
    "SA0380000000608010167519",
    "LC55HEMM000100010012001200023015",
)


def check_digits(country: str, account: str) -> str:
    """The IBAN of an account, made the way a bank makes it."""
    digits = "".join(str(int(character, 36)) for character in f"{account}{country}00")
    return f"{country}{98 - int(digits) % 97:02d}{account}"


@pytest.mark.parametrize("iban", EXAMPLES)
def test_real_ibans_are_taken(iban: str) -> None:
    assert check_iban(iban) == iban


@pytest.mark.parametrize(
    "wrong",
    [
        "DE89 3704 0044 0532 0130 00",
        "de89370400440532013000",
        "DE8937040044053201300",
        "XX89370400440532013000",
        "",
        "DE",
    ],
)
def test_what_is_no_iban_is_refused_without_repeating_it(wrong: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        check_iban(wrong)
    assert not wrong or wrong not in refusal.value.message or len(wrong) == 2


@given(st.sampled_from(sorted(IBAN_LENGTHS)), st.data())
def test_every_slip_of_one_digit_is_caught(country: str, data: st.DataObject) -> None:
    width = IBAN_LENGTHS[country] - 4
    account = data.draw(st.text("0123456789", min_size=width, max_size=width))
    iban = check_digits(country, account)
    assert check_iban(iban) == iban
    place = data.draw(st.integers(min_value=4, max_value=len(iban) - 1))
    other = str((int(iban[place]) + data.draw(st.integers(min_value=1, max_value=9))) % 10)
    with pytest.raises(InvalidInput):
        check_iban(iban[:place] + other + iban[place + 1 :])


@pytest.mark.parametrize("number", ["021000021", "011401533", "091000019"])
def test_real_routing_numbers_are_taken(number: str) -> None:
    assert check_routing_number(number) == number


@pytest.mark.parametrize("number", ["021000022", "000000000", "12345678", "1234567890", "02100002a"])
def test_what_is_no_routing_number_is_refused(number: str) -> None:
    with pytest.raises(InvalidInput):
        check_routing_number(number)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"iban": IBAN, "number": "123"}, "iban"),
        ({}, "iban"),
        ({"number": "12"}, "number"),
        ({"number": "12345678"}, "clearing_system"),
        ({"number": "12345678", "clearing_system": "XXXXX", "bank_code": "1"}, "clearing_system"),
        ({"number": "12345678", "clearing_system": "GBDSC", "bank_code": "12345"}, "bank_code"),
        ({"number": "12345678", "clearing_system": "USABA", "bank_code": "021000022"}, "bank_code"),
        ({"iban": IBAN, "bic": "DEUT"}, "bic"),
        ({"iban": IBAN, "country": "Germany"}, "country"),
        ({"iban": IBAN, "holder": "  "}, "holder"),
    ],
)
def test_what_cannot_be_paid_is_refused_by_field(values: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        BankAccount(**{"holder": "Ann Lee", **values})  # type: ignore[arg-type]  # texts of this table
    assert refusal.value.field == field


def test_nothing_shows_the_whole_number() -> None:
    accounts = (
        BankAccount(holder="Ann", iban=IBAN),
        BankAccount(holder="Ann", number="123456789", clearing_system="INFSC", bank_code="HDFC0001234"),
        BankAccount(holder="Ann", number="1234567", clearing_system="GBDSC", bank_code="601613"),
    )
    assert [account.masked for account in accounts] == ["DE…3000", "INFSC …6789", "GBDSC …67"]
    for account in accounts:
        assert (account.iban or account.number or "") not in repr(DebtorAccount(account=account))


def test_sepa_is_where_sepa_is() -> None:
    assert BankAccount(holder="Ann", iban=IBAN).is_in_sepa
    assert not BankAccount(holder="Ann", iban="SA0380000000608010167519").is_in_sepa
