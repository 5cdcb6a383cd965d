"""Amounts on a gateway's wire and in the house: exact both ways, or refused.

Some gateways count in minor units, by exponents of their own (`read_amount`, `wire_amount`); others write major units
with a decimal point (`read_decimal`, `write_decimal`).
"""

from collections.abc import Mapping
from decimal import Decimal

from domain.errors import GatewayRejected, InvalidMoney, MalformedPayload
from domain.money import EXPONENTS, from_wire, to_decimal_string, to_minor, to_wire

THREE_DECIMALS = 3
STEP_OF_THREE_DECIMALS = 10

LONGEST_NUMBER = 30
"""Powers of ten. What is longer is no amount of money: written out, 1e999999 would be a million digits long."""


def read_amount(amount: object, currency: str, exponents: Mapping[str, int]) -> tuple[int, str]:
    """Return a gateway's integer in ISO minor units, with its currency; `exponents` are the gateway's own.

    Raises MalformedPayload for anything that is not an amount of money, and for one below zero.
    """
    try:
        amount_minor = from_wire(amount, currency, exponents)
    except InvalidMoney as error:
        raise _unreadable(error, "amount") from error
    return _not_below_zero(amount_minor, "amount"), currency


def read_decimal(amount: object, currency: str, *, field: str = "amount") -> tuple[int, str]:
    """Return a decimal string of major units in ISO minor units, with its currency. `field` is where it stands.

    Raises MalformedPayload for anything that is not exactly an amount of money, and for one below zero.
    """
    try:
        amount_minor = to_minor(amount, currency)
    except InvalidMoney as error:
        raise _unreadable(error, field) from error
    return _not_below_zero(amount_minor, field), currency


def written_out(amount: object) -> object:
    """Return a JSON number as a decimal string, digit for digit, and anything else as it is: for `read_decimal`."""
    if type(amount) is int:
        return str(amount)
    if isinstance(amount, Decimal) and abs(amount.adjusted()) <= LONGEST_NUMBER:
        return f"{amount:f}"
    return amount


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


def write_decimal(gateway: str, amount_minor: int, currency: str) -> str:
    """Return an amount as a decimal string of major units, with all decimals of its currency: 150.00, 1.234.

    Raises GatewayRejected, before any call, for an amount that cannot be written.
    """
    try:
        return to_decimal_string(amount_minor, currency)
    except InvalidMoney as error:
        raise GatewayRejected(f"{gateway} does not take this amount: {error.message}", field="amount_minor") from error


def _unreadable(error: InvalidMoney, field: str) -> MalformedPayload:
    return MalformedPayload(f"the amount cannot be read: {error.message}", field=field)


def _not_below_zero(amount_minor: int, field: str) -> int:
    if amount_minor < 0:
        raise MalformedPayload("the amount is below zero", field=field)
    return amount_minor
