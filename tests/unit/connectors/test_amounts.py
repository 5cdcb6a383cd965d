import pytest

from connectors.amounts import read_amount, wire_amount
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
