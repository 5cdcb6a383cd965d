"""What our refunds are called, and when the status of a payment says that they were carried out.

AsiaPay has no names for refunds: a payment has a status, and no more. So a refund's name tells what will be needed to
read that status: the payment, the amount, and whether it was the payment's first refund. Between request and end, the
payment's status is that of the request, and no other refund is asked for.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

_NAME = re.compile(
    r"(?P<pay_ref>[\x21-\x39\x3b-\x7e]{1,200}):(?P<order>first|later):(?P<amount>[0-9]{1,19}):[0-9a-f]{12}"
)


@dataclass(frozen=True, slots=True)
class OpenRefund:
    """A refund that was asked for and is not known to have come to its end. The amount is in ISO minor units."""

    name: str
    pay_ref: str
    is_first: bool
    amount_minor: int


def name_refund(pay_ref: str, amount_minor: int, idempotency_key: str, *, is_first: bool) -> OpenRefund:
    """Return the refund that a command asks for, named."""
    digest = hashlib.sha256(idempotency_key.encode()).hexdigest()[:12]
    name = f"{pay_ref}:{'first' if is_first else 'later'}:{amount_minor}:{digest}"
    return OpenRefund(name, pay_ref, is_first, amount_minor)


def open_refunds(names: Sequence[str]) -> list[OpenRefund]:
    """Return what refunds' names tell; names of another shape were not given here."""
    matches = [match for match in map(_NAME.fullmatch, names) if match is not None]
    return [
        OpenRefund(match[0], match["pay_ref"], match["order"] == "first", int(match["amount"])) for match in matches
    ]


def carried_out(refunds: Sequence[OpenRefund], *, is_whole: bool) -> Sequence[OpenRefund]:
    """Return the refunds that were carried out when a payment is refunded as a whole, or in part.

    A payment that is refunded in part, and had been before, looks the same whether the later refund was carried out or
    turned down. Then nobody can say, and a person has to look.
    """
    if is_whole:
        return refunds
    return refunds if len(refunds) == 1 and refunds[0].is_first else ()
