"""Where gateways are looked up. The ones of this house are listed literally; others come from entry points."""

from importlib.metadata import entry_points

from connectors.adyen.registration import REGISTRATION as ADYEN
from connectors.base import CredentialsModel, Registration
from connectors.bitpay.registration import REGISTRATION as BITPAY
from connectors.coinbase.registration import REGISTRATION as COINBASE
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

ENTRY_POINT_GROUP = "paystream.connectors"

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


def register_connector(registration: Registration) -> Registration:
    """Add a gateway; usable on a value in a third-party package. Raises InvalidInput when the key is taken."""
    known = _REGISTRATIONS.get(registration.key)
    if known is not None and known is not registration:
        raise InvalidInput(f"the gateway key {registration.key!r} is registered twice", field="key")
    _REGISTRATIONS[registration.key] = registration
    return registration


def load_entry_points() -> None:
    """Register the gateways of installed packages; called once by every process at start."""
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        register_connector(entry_point.load())


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
