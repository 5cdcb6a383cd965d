import pytest

from domain.errors import InvalidMoney
from domain.money import (
    EXPONENTS,
    MAX_AMOUNT_MINOR,
    Money,
    allocate,
    check_amount,
    check_currency,
    from_wire,
    to_decimal_string,
    to_minor,
    to_wire,
)


@pytest.mark.parametrize(
    ("value", "currency", "amount_minor"),
    [
        ("10.99", "USD", 1099),
        ("10", "USD", 1000),
        ("10.5", "USD", 1050),
        ("-0.01", "EUR", -1),
        ("500", "JPY", 500),
        ("500.00", "JPY", 500),
        ("1.234", "KWD", 1234),
        ("1.2300000000", "USD", 123),
        ("0", "USD", 0),
        ("-0.00", "USD", 0),
    ],
)
def test_a_decimal_string_becomes_minor_units(value: str, currency: str, amount_minor: int) -> None:
    assert to_minor(value, currency) == amount_minor


@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        "10.",
        ".5",
        " 10",
        "10\n",
        "+10",
        "1e3",
        "1_000",
        "1,000.00",
        "٣",
        "NaN",
        "Infinity",
        "0x10",
        "9" * 21,
        10,
        10.5,
        None,
    ],
)
def test_what_is_not_a_plain_decimal_string_is_refused(value: object) -> None:
    with pytest.raises(InvalidMoney) as refusal:
        to_minor(value, "USD")
    assert refusal.value.field == "amount"


@pytest.mark.parametrize(
    ("value", "currency"), [("0.001", "USD"), ("0.1", "JPY"), ("1.0000000000000000001", "USD"), ("1.2345", "KWD")]
)
def test_no_decimal_is_ever_rounded_away(value: str, currency: str) -> None:
    with pytest.raises(InvalidMoney, match="more decimals"):
        to_minor(value, currency)


def test_an_amount_beyond_the_bound_is_refused() -> None:
    largest = to_decimal_string(MAX_AMOUNT_MINOR, "USD")
    assert to_minor(largest, "USD") == MAX_AMOUNT_MINOR
    with pytest.raises(InvalidMoney, match="out of range"):
        to_minor(to_decimal_string(MAX_AMOUNT_MINOR, "JPY"), "USD")


@pytest.mark.parametrize(
    ("amount_minor", "currency", "text"),
    [
        (1099, "USD", "10.99"),
        (5, "USD", "0.05"),
        (-5, "USD", "-0.05"),
        (500, "JPY", "500"),
        (1, "KWD", "0.001"),
        (MAX_AMOUNT_MINOR, "USD", "46116860184273879.04"),
    ],
)
def test_minor_units_become_a_decimal_string(amount_minor: int, currency: str, text: str) -> None:
    assert to_decimal_string(amount_minor, currency) == text


@pytest.mark.parametrize("amount", [1.0, "1", None, True, 10**30])
def test_only_integers_in_range_are_amounts(amount: object) -> None:
    with pytest.raises(InvalidMoney) as refusal:
        check_amount(amount)
    assert refusal.value.field == "amount_minor"


@pytest.mark.parametrize("currency", ["usd", "XXX", "", "US", "USDT"])
def test_only_known_upper_case_codes_are_currencies(currency: str) -> None:
    with pytest.raises(InvalidMoney) as refusal:
        check_currency(currency)
    assert refusal.value.field == "currency"


def test_money_checks_both_its_parts() -> None:
    assert Money(-5, "EUR") == Money(-5, "EUR")
    with pytest.raises(InvalidMoney):
        Money(5, "eur")
    with pytest.raises(InvalidMoney):
        Money(MAX_AMOUNT_MINOR + 1, "EUR")


def test_exponents_are_those_of_iso_4217() -> None:
    assert {EXPONENTS[code] for code in ("USD", "EUR", "INR", "MGA", "CRC")} == {2}
    assert {EXPONENTS[code] for code in ("JPY", "KRW", "ISK", "UGX", "CLP", "VND")} == {0}
    assert {EXPONENTS[code] for code in ("BHD", "KWD", "TND", "IQD")} == {3}


def test_a_gateway_that_counts_in_hundredths_is_read_exactly() -> None:
    overrides = {"ISK": 2, "UGX": 2}
    assert from_wire(500, "ISK", overrides) == 5
    assert to_wire(5, "ISK", overrides) == 500
    assert from_wire(-500, "UGX", overrides) == -5
    assert from_wire(500, "USD", overrides) == 500


def test_a_part_of_a_minor_unit_on_the_wire_is_refused() -> None:
    with pytest.raises(InvalidMoney, match="whole minor units"):
        from_wire(550, "ISK", {"ISK": 2})


def test_a_gateway_that_counts_coarser_than_iso_is_read_exactly() -> None:
    overrides = {"KWD": 2}
    assert from_wire(123, "KWD", overrides) == 1230
    assert to_wire(1230, "KWD", overrides) == 123
    with pytest.raises(InvalidMoney, match="cannot be expressed"):
        to_wire(1234, "KWD", overrides)


@pytest.mark.parametrize("amount", [1.5, "100", None])
def test_only_integers_are_read_from_the_wire(amount: object) -> None:
    with pytest.raises(InvalidMoney):
        from_wire(amount, "USD", {})


def test_the_last_minor_unit_goes_to_the_largest_remainder_and_ties_to_the_first() -> None:
    assert allocate(100, [1, 1, 1]) == (34, 33, 33)
    assert allocate(10, [6, 6, 2]) == (4, 4, 2)
    assert allocate(-100, [1, 1, 1]) == (-34, -33, -33)
    assert allocate(0, [1, 2]) == (0, 0)
    assert allocate(7, [0, 1]) == (0, 7)


@pytest.mark.parametrize("weights", [[], [0, 0], [1, -1], [3, -1]])
def test_weights_that_cannot_split_are_refused(weights: list[int]) -> None:
    with pytest.raises(InvalidMoney) as refusal:
        allocate(100, weights)
    assert refusal.value.field == "splits"
