"""PayPal's amounts: an object with a currency and a decimal string of major units."""

from collections.abc import Mapping

from connectors.amounts import read_decimal, wire_amount
from connectors.payloads import as_object
from connectors.paypal.errors import GATEWAY_NAME
from domain.money import to_decimal_string

WIRE_EXPONENTS: Mapping[str, int] = {"HUF": 0, "TWD": 0}
"""Where PayPal refuses decimals that ISO 4217 has; JPY has none there either."""


def read_money(amount: object) -> tuple[int, str]:
    """Return an amount in ISO minor units and its currency. Raises MalformedPayload, for one below zero too."""
    told = as_object(amount, "an amount")
    return read_decimal(told.get("value"), str(told.get("currency_code")))


def write_money(amount_minor: int, currency: str) -> dict[str, str]:
    """Return the amount that PayPal wants; raises GatewayRejected, before any call, where it has none."""
    wire = wire_amount(GATEWAY_NAME, amount_minor, currency, WIRE_EXPONENTS)
    return {"currency_code": currency, "value": to_decimal_string(wire, currency, WIRE_EXPONENTS)}
