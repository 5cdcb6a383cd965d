"""What a gateway must be able to do for each kind of command, and which commands ask no gateway at all."""

from collections.abc import Mapping

from connectors.base import Capability
from services.commands.handlers import HANDLERS
from services.commands.manual_handlers import LocalHandler

CAPABILITIES: Mapping[str, Capability | None] = {
    "create_payment": Capability.CREATES_ORDERS,
    "create_order": Capability.CREATES_ORDERS,
    "authorize": Capability.AUTHORIZES,
    "capture": Capability.CAPTURES,
    "void": Capability.VOIDS,
    "reverse": Capability.REVERSES,
    "refund": Capability.REFUNDS,
    "increment_authorization": Capability.INCREMENTS_AUTHORIZATION,
    "sync": Capability.FETCHES_STATUS,
    "verify_redirect": Capability.VERIFIES_REDIRECTS,
    "complete": Capability.FETCHES_STATUS,
    "cancel": Capability.VOIDS,
    "submit_manual_payment": None,
    "approve": Capability.APPROVED_BY_PEOPLE,
    "reject": Capability.APPROVED_BY_PEOPLE,
    "register_invoice": None,
    "setup_mandate": Capability.SETS_UP_MANDATES,
    "charge_mandate": Capability.CHARGES_MANDATES,
    "save_payment_method": Capability.STORES_PAYMENT_METHODS,
    "create_payment_link": Capability.CREATES_PAYMENT_LINKS,
    "cancel_payment_link": Capability.CREATES_PAYMENT_LINKS,
}


def asks_gateway(kind: str) -> bool:
    """True when carrying the command out may call a gateway, so that it may fail there or stay unknown."""
    return not isinstance(HANDLERS[kind], LocalHandler)
