"""How payments are named at Klarna.

A payment begins as a payment session, which says how much it is, and a hosted page for it, which says what became of
it; neither tells the other's id. So a payment is named after both, and keeps that name. Once there is an order, its id
is a further name, and the only one for a payment that never had a page.
"""

from dataclasses import dataclass

SEPARATOR = "~"
"""A character that stands in no id of Klarna's and needs no escape in an address."""


@dataclass(frozen=True, slots=True)
class Sessions:
    """The ids of a hosted page and of the payment session that it is for."""

    page_id: str
    session_id: str

    @property
    def name(self) -> str:
        """The payment's name."""
        return f"{self.page_id}{SEPARATOR}{self.session_id}"


def sessions_in(provider_reference: str) -> Sessions | None:
    """Return the ids in a payment's name; None when the name is an order's id."""
    page_id, separator, session_id = provider_reference.partition(SEPARATOR)
    return Sessions(page_id, session_id) if separator else None
