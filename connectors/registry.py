"""Where gateways are looked up. The ones of this house are listed literally; others come from entry points."""

from importlib.metadata import entry_points

from connectors.base import CredentialsModel, Registration
from connectors.manual.registration import REGISTRATION as MANUAL
from connectors.razorpay.registration import REGISTRATION as RAZORPAY
from connectors.stripe.registration import REGISTRATION as STRIPE
from domain.errors import InvalidInput, NotFound

ENTRY_POINT_GROUP = "paystream.connectors"

_REGISTRATIONS: dict[str, Registration] = {
    "stripe": STRIPE,
    "razorpay": RAZORPAY,
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
