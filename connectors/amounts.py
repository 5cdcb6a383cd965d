"""Amounts on a gateway's wire and in the house: exact both ways, or refused."""

from collections.abc import Mapping

from domain.errors import GatewayRejected, InvalidMoney, MalformedPayload
from domain.money import EXPONENTS, from_wire, to_wire

THREE_DECIMALS = 3
STEP_OF_THREE_DECIMALS = 10


def read_amount(amount: object, currency: str, exponents: Mapping[str, int]) -> tuple[int, str]:
    """Return a gateway's integer in ISO minor units, with its currency; `exponents` are the gateway's own.

    Raises MalformedPayload for anything that is not an amount of money, and for one below zero.
    """
    try:
        amount_minor = from_wire(amount, currency, exponents)
    except InvalidMoney as error:
        raise MalformedPayload(f"the amount cannot be read: {error.message}", field="amount") from error
    if amount_minor < 0:
        raise MalformedPayload("the amount is below zero", field="amount")
    return amount_minor, currency


def wire_amount(gateway: str, amount_minor: int, currency: str, exponents: Mapping[str, int]) -> int:
    """Return the integer that a gateway wants for an amount.

    Card networks settle currencies of three decimals in steps of ten. Raises GatewayRejected, before any call, for an
    amount that the gateway cannot express.
    """
    try:
        wire = to_wire(amount_minor, currency, exponents)
    except InvalidMoney as error:
        raise GatewayRejected(f"{gateway} does not take this amount: {error.message}", field="amount_minor") from error
    if EXPONENTS[currency] == THREE_DECIMALS and wire % STEP_OF_THREE_DECIMALS:
        text = f"{gateway} does not take this amount: {currency} is charged in steps of ten minor units"
        raise GatewayRejected(text, field="amount_minor")
    return wire
