"""Money is an integer of minor units and an ISO 4217 currency. There are no floats here.

Source of the exponents: ISO 4217 list one. Gateways that count differently on the wire pass their own
exponents as `overrides` (for example Stripe counts ISK and UGX in hundredths).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from domain.errors import InvalidMoney

MAX_AMOUNT_MINOR = 2**62
"""Bound of every stored amount: it fits PostgreSQL's bigint with room for sums of a batch."""

_TWO_DECIMALS = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP "
    "CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR "
    "JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN "
    "NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP "
    "SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
)
_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"

EXPONENTS: Mapping[str, int] = MappingProxyType(
    dict.fromkeys(_TWO_DECIMALS.split(), 2)
    | dict.fromkeys(_NO_DECIMALS.split(), 0)
    | dict.fromkeys(_THREE_DECIMALS.split(), 3)
)


_DECIMAL_STRING = re.compile(r"(-?)([0-9]{1,20})(?:\.([0-9]{1,20}))?")


@dataclass(frozen=True, slots=True)
class Money:
    """`amount_minor` minor units of `currency`; negative amounts are movements back."""

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        check_amount(self.amount_minor)
        check_currency(self.currency)


def check_currency(currency: str) -> str:
    """Return `currency` when it is an upper-case ISO 4217 code we know; raise InvalidMoney otherwise."""
    if currency not in EXPONENTS:
        raise InvalidMoney(f"{currency!r} is not a known ISO 4217 currency code", field="currency")
    return currency


def check_amount(amount_minor: object) -> int:
    """Return `amount_minor` when it is an integer in range; raise InvalidMoney otherwise."""
    if type(amount_minor) is not int:
        raise InvalidMoney(f"an amount is an integer of minor units, not {amount_minor!r}", field="amount_minor")
    if abs(amount_minor) > MAX_AMOUNT_MINOR:
        raise InvalidMoney(f"the amount {amount_minor} is out of range", field="amount_minor")
    return amount_minor


def to_minor(value: object, currency: str, overrides: Mapping[str, int] | None = None) -> int:
    """Parse a decimal string of major units: `to_minor("10.99", "USD") == 1099`.

    Only plain digits with at most one point and a leading minus are read. Raises InvalidMoney for anything else, floats
    included, and for anything that is not exactly representable; nothing is ever rounded.
    """
    exponent = _exponent(currency, overrides)
    match = _DECIMAL_STRING.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise InvalidMoney(f"{value!r} is not a decimal string such as '10.99'", field="amount")
    sign, whole, fraction = match.groups(default="")
    if fraction[exponent:].strip("0"):
        raise InvalidMoney(f"{value!r} has more decimals than {currency} has", field="amount")
    return check_amount(int(sign + whole + fraction[:exponent].ljust(exponent, "0")))


def to_decimal_string(amount_minor: int, currency: str, overrides: Mapping[str, int] | None = None) -> str:
    """Write minor units as a decimal string of major units: `to_decimal_string(1099, "USD") == "10.99"`."""
    exponent = _exponent(currency, overrides)
    return f"{Decimal(check_amount(amount_minor)).scaleb(-exponent):.{exponent}f}"


def from_wire(amount: object, currency: str, overrides: Mapping[str, int]) -> int:
    """Turn a gateway's integer, counted with its own exponent, into ISO minor units; exact or InvalidMoney."""
    wire = check_amount(amount)
    shift = _exponent(currency, overrides) - _exponent(currency, None)
    if shift <= 0:
        return check_amount(wire * _power_of_ten(-shift))
    minor, rest = divmod(wire, _power_of_ten(shift))
    if rest:
        raise InvalidMoney(f"{wire} does not divide into whole minor units of {currency}", field="amount")
    return minor


def to_wire(amount_minor: int, currency: str, overrides: Mapping[str, int]) -> int:
    """Turn ISO minor units into a gateway's integer, counted with its own exponent; the inverse of `from_wire`."""
    shift = _exponent(currency, overrides) - _exponent(currency, None)
    if shift >= 0:
        return check_amount(check_amount(amount_minor) * _power_of_ten(shift))
    wire, rest = divmod(check_amount(amount_minor), _power_of_ten(-shift))
    if rest:
        raise InvalidMoney(f"{amount_minor} {currency} cannot be expressed at this gateway", field="amount_minor")
    return wire


def allocate(amount_minor: int, weights: Sequence[int]) -> tuple[int, ...]:
    """Split an amount by integer weights to the last minor unit (largest remainder, ties to the first).

    The parts always sum to the amount. Weights are non-negative and not all zero.
    """
    total_weight = sum(weights)
    if total_weight <= 0 or min(weights) < 0:
        raise InvalidMoney("weights must be non-negative and not all zero", field="splits")
    if len(weights) == 1:
        return (amount_minor,)
    sign = -1 if amount_minor < 0 else 1
    magnitude = abs(amount_minor)
    parts = [magnitude * weight // total_weight for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda index: (-(magnitude * weights[index] % total_weight), index))
    for index in by_remainder[: magnitude - sum(parts)]:
        parts[index] += 1
    return tuple(sign * part for part in parts)


def _exponent(currency: str, overrides: Mapping[str, int] | None) -> int:
    check_currency(currency)
    if overrides is not None and currency in overrides:
        return overrides[currency]
    return EXPONENTS[currency]


def _power_of_ten(exponent: int) -> int:
    return int(10**exponent)
