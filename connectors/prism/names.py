"""The names that payments and refunds bear at a processor behind Prism.

Prism keeps nothing, and most processors know a payment only once a payment method is put to it. So a payment is first
named after what it is going to be: everything that a later request must repeat can be read from its name.
"""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from connectors.payloads import optional_identifier
from domain.errors import GatewayRejected

_PLANNED = re.compile(r"planned:(automatic|manual):([A-Z]{3}):([0-9]{1,18}):([^:]+)(?::([^:]+))?")
_REFUND = re.compile(r"([0-9]{1,18})@(.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPayment:
    """A payment as it was asked for. `order_id` is the processor's order, for processors that have orders."""

    payment_id: str
    amount_minor: int
    currency: str
    manual_capture: bool
    order_id: str | None = None

    @property
    def name(self) -> str:
        """The payment's name. Raises GatewayRejected when the ids in it are too long for a name."""
        capture = "manual" if self.manual_capture else "automatic"
        parts = ["planned", capture, self.currency, str(self.amount_minor), quote(self.payment_id, safe="")]
        if self.order_id is not None:
            parts.append(quote(self.order_id, safe=""))
        name = optional_identifier(":".join(parts))
        if name is None:
            raise GatewayRejected("the payment's id is too long to name the payment after", field="payment_id")
        return name


def read_planned(name: str) -> PlannedPayment | None:
    """Return the payment that a name was made for; None for a name that a processor gave."""
    found = _PLANNED.fullmatch(name)
    if found is None:
        return None
    capture, currency, amount_minor, payment_id, order_id = found.groups()
    return PlannedPayment(
        payment_id=unquote(payment_id),
        amount_minor=int(amount_minor),
        currency=currency,
        manual_capture=capture == "manual",
        order_id=None if order_id is None else unquote(order_id),
    )


def refund_name(refund_id: str, amount_minor: int) -> str:
    """Name a refund after its amount too: processors' answers about a refund often leave it out."""
    return f"{amount_minor}@{refund_id}"


def read_refund_name(name: str) -> tuple[str, int | None]:
    """Return the processor's id of a refund, and its amount unless a callback alone has named it."""
    found = _REFUND.fullmatch(name)
    return (name, None) if found is None else (found.group(2), int(found.group(1)))
