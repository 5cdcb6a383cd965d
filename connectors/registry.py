"""Where gateways are looked up. The ones of this house are listed literally; others come from entry points."""

import logging
import re
from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points

from connectors.adyen.registration import REGISTRATION as ADYEN
from connectors.base import CredentialsModel, Registration
from connectors.bitpay.registration import REGISTRATION as BITPAY
from connectors.coinbase.registration import REGISTRATION as COINBASE
from connectors.entry_points import ENTRY_POINT_GROUP, LeftOut, load_packages
from connectors.klarna.registration import REGISTRATION as KLARNA
from connectors.manual.registration import REGISTRATION as MANUAL
from connectors.paypal.registration import REGISTRATION as PAYPAL
from connectors.paytabs.registration import REGISTRATION as PAYTABS
from connectors.pesopay.registration import REGISTRATION as PESOPAY
from connectors.phonepe.registration import REGISTRATION as PHONEPE
from connectors.phonepe_v1.registration import REGISTRATION as PHONEPE_V1
from connectors.prism.registration import REGISTRATION as PRISM
from connectors.razorpay.registration import REGISTRATION as RAZORPAY
from connectors.square.registration import REGISTRATION as SQUARE
from connectors.stripe.registration import REGISTRATION as STRIPE
from connectors.swish.registration import REGISTRATION as SWISH
from domain.errors import InvalidInput, NotFound

HOUSE_PACKAGE = "paystream"
"""The distribution that the gateways below come with."""

# Where nobody has set logging up, what was left out is shown by whoever asked for it, once.
_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())

_KEY = re.compile(r"(?=.{1,30}$)[a-z][a-z0-9]*(_[a-z0-9]+)*")
_KEY_RULE = "it is lower-case letters, digits and single underscores, a letter first, at most 30 characters"

_REGISTRATIONS: dict[str, Registration] = {
    "stripe": STRIPE,
    "razorpay": RAZORPAY,
    "phonepe": PHONEPE,
    "phonepe_v1": PHONEPE_V1,
    "paytabs": PAYTABS,
    "square": SQUARE,
    "pesopay": PESOPAY,
    "klarna": KLARNA,
    "swish": SWISH,
    "paypal": PAYPAL,
    "coinbase": COINBASE,
    "bitpay": BITPAY,
    "adyen": ADYEN,
    "prism": PRISM,
    "manual": MANUAL,
}

_PACKAGES: dict[str, str] = {}
"""The keys of gateways from other packages, and the distributions that they come with."""


def register_connector(registration: Registration | Callable[[], Registration]) -> Registration:
    """Add a gateway. Raises InvalidInput when its key is taken or cannot stand in a URL.

    An installed package needs no call of this: its entry point is enough. It is for programs that add a gateway while
    they run, as a call with the registration, or as a decorator of a function that makes it:

        @register_connector
        def acmepay() -> Registration:
            return Registration(key="acmepay", …)
    """
    made = registration if isinstance(registration, Registration) else registration()
    known = _REGISTRATIONS.get(check_key(made.key))
    if known is not None and known is not made:
        raise InvalidInput(f"the gateway key {made.key!r} is taken by {known.display_name}", field="key")
    _REGISTRATIONS[made.key] = made
    return made


def check_key(key: str) -> str:
    """Return `key` when it can name a gateway in folders, URLs and on topics. Raises InvalidInput."""
    if not _KEY.fullmatch(key):
        raise InvalidInput(f"{key!r} cannot be a gateway's key: {_KEY_RULE}", field="key")
    return key


def load_entry_points(found: Iterable[EntryPoint] | None = None) -> tuple[LeftOut, ...]:
    """Register the gateways of installed packages; every process that looks gateways up does so at its start.

    A package that is broken, or wants the key of another gateway, is logged, returned and left out; the others are
    there. Doing it again changes nothing.
    """
    installed = entry_points(group=ENTRY_POINT_GROUP) if found is None else found
    loaded = load_packages(installed, _REGISTRATIONS, register_connector)
    _PACKAGES.update(loaded.packages)
    for left_out in loaded.left_out:
        _log.error("%s", left_out)
    return loaded.left_out


def package_of(gateway: str) -> str:
    """Name the distribution that a gateway comes with. Raises NotFound for one that there is not."""
    return _PACKAGES.get(get_registration(gateway).key, HOUSE_PACKAGE)


def get_registration(gateway: str) -> Registration:
    """Return a gateway's registration; raise NotFound with the names there are."""
    try:
        return _REGISTRATIONS[gateway]
    except KeyError as error:
        known = ", ".join(sorted(_REGISTRATIONS))
        raise NotFound(f"there is no gateway {gateway!r}; there are: {known}", field="gateway") from error


def registrations() -> tuple[Registration, ...]:
    """Every gateway, by key."""
    return tuple(_REGISTRATIONS[key] for key in sorted(_REGISTRATIONS))


def build_connector(gateway: str, credentials: CredentialsModel) -> object:
    """Build a connector; which Protocols it has is what its registration says."""
    return get_registration(gateway).factory(credentials)
