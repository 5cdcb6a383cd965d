from decimal import Decimal

import pytest

from connectors.amounts import read_amount, read_decimal, wire_amount, write_decimal, written_out
from connectors.razorpay.status import WIRE_EXPONENTS as RAZORPAY
from connectors.stripe.status import WIRE_EXPONENTS as STRIPE
from domain.errors import GatewayRejected, MalformedPayload
from domain.money import EXPONENTS


@pytest.mark.parametrize("currency", sorted(EXPONENTS))
@pytest.mark.parametrize("exponents", [STRIPE, RAZORPAY])
def test_an_amount_comes_back_as_it_was_sent(currency: str, exponents: dict[str, int]) -> None:
    wire = wire_amount("Gateway", 12_300, currency, exponents)

    assert read_amount(wire, currency, exponents) == (12_300, currency)


@pytest.mark.parametrize(
    ("amount_minor", "currency", "stripe", "razorpay"),
    [
        (1099, "USD", 1099, 1099),
        (500, "JPY", 500, 500),
        (1230, "KWD", 1230, 1230),
        (5, "ISK", 500, 5),
        (123, "UGX", 12300, 123),
        (5500, "MGA", 55, 5500),
    ],
)
def test_each_gateway_counts_in_its_own_way(amount_minor: int, currency: str, stripe: int, razorpay: int) -> None:
    assert wire_amount("Stripe", amount_minor, currency, STRIPE) == stripe
    assert wire_amount("Razorpay", amount_minor, currency, RAZORPAY) == razorpay


@pytest.mark.parametrize(
    ("amount_minor", "currency"), [(1234, "KWD"), (1, "BHD"), (5501, "MGA"), (1, "XXX"), (1.5, "USD")]
)
def test_an_amount_that_cannot_be_sent_is_refused(amount_minor: int, currency: str) -> None:
    with pytest.raises(GatewayRejected, match="Stripe does not take this amount") as refusal:
        wire_amount("Stripe", amount_minor, currency, STRIPE)

    assert refusal.value.field == "amount_minor"


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        (-1, "USD"),
        (1.0, "USD"),
        ("1", "USD"),
        (None, "USD"),
        (True, "USD"),
        (501, "ISK"),
        (1, "usd"),
        (1, ""),
        (2**63, "USD"),
    ],
)
def test_what_is_no_amount_of_money_is_malformed(amount: object, currency: str) -> None:
    with pytest.raises(MalformedPayload):
        read_amount(amount, currency, STRIPE)


@pytest.mark.parametrize("currency", sorted(EXPONENTS))
def test_a_decimal_string_comes_back_as_it_was_written(currency: str) -> None:
    assert read_decimal(write_decimal("Gateway", 12_345, currency), currency) == (12_345, currency)


@pytest.mark.parametrize(
    ("amount_minor", "currency", "text"),
    [
        (1099, "USD", "10.99"),
        (5, "USD", "0.05"),
        (15_000, "AED", "150.00"),
        (500, "JPY", "500"),
        (1234, "KWD", "1.234"),
    ],
)
def test_a_decimal_string_has_all_decimals_of_its_currency(amount_minor: int, currency: str, text: str) -> None:
    assert write_decimal("Gateway", amount_minor, currency) == text


@pytest.mark.parametrize(("amount_minor", "currency"), [(1, "XXX"), (2**63, "USD"), (1.5, "USD"), (True, "USD")])
def test_what_cannot_be_written_is_refused(amount_minor: int, currency: str) -> None:
    with pytest.raises(GatewayRejected, match="PayTabs does not take this amount") as refusal:
        write_decimal("PayTabs", amount_minor, currency)

    assert refusal.value.field == "amount_minor"


@pytest.mark.parametrize(
    ("number", "currency", "amount_minor"),
    [
        (10, "USD", 1_000),
        (Decimal("10.99"), "USD", 1_099),
        (Decimal("1.0990E+1"), "USD", 1_099),
        (Decimal("1E+3"), "JPY", 1_000),
        (Decimal("10.990000"), "USD", 1_099),
        ("10.9", "USD", 1_090),
    ],
)
def test_a_number_is_read_digit_for_digit(number: object, currency: str, amount_minor: int) -> None:
    assert read_decimal(written_out(number), currency) == (amount_minor, currency)


@pytest.mark.parametrize(
    "number",
    [10.99, True, None, -1, "-1", "1e3", " 1", "٣", "", Decimal("10.999"), Decimal("1E+999999"), Decimal("1E-999999")],
)
def test_what_is_no_number_of_money_is_malformed(number: object) -> None:
    with pytest.raises(MalformedPayload) as refusal:
        read_decimal(written_out(number), "USD", field="cart_amount")

    assert refusal.value.field == "cart_amount"


@pytest.mark.parametrize("number", [10, Decimal("10.99"), 10.99])
def test_a_number_is_no_decimal_string_by_itself(number: object) -> None:
    with pytest.raises(MalformedPayload):
        read_decimal(number, "USD")
