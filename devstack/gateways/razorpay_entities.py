"""What every entity of the stand-in for Razorpay has: an id, an amount, notes, and the refusals it can lead to."""

import secrets
import string
from collections.abc import Iterable
from typing import Any

Entity = dict[str, Any]

MAX_NOTES = 15
MAX_NOTE_LENGTH = 256

_ALPHABET = string.ascii_letters + string.digits


class Refusal(Exception):
    """A request that Razorpay would refuse, with the words and the HTTP status it would use."""

    def __init__(self, description: str, *, status_code: int = 400, field: str | None = None) -> None:
        super().__init__(description)
        self.description = description
        self.status_code = status_code
        self.field = field


def find(entities: dict[str, Entity], entity_id: str) -> Entity:
    """Return an entity by its id."""
    if entity_id not in entities:
        raise Refusal("The id provided does not exist")
    return entities[entity_id]


def amount_in(body: Entity) -> int:
    """Return the amount of a request: a positive integer."""
    amount = body.get("amount")
    if type(amount) is not int:
        raise Refusal("The amount must be an integer.", field="amount")
    if amount <= 0:
        raise Refusal("The amount must be at least 1.", field="amount")
    return amount


def notes_in(body: Entity) -> Entity:
    """Return the notes of a request."""
    notes = body.get("notes") or {}
    if not isinstance(notes, dict) or len(notes) > MAX_NOTES:
        raise Refusal("The notes may not be more than 15 key-value pairs.", field="notes")
    if any(len(str(value)) > MAX_NOTE_LENGTH for value in notes.values()):
        raise Refusal("A note may not be greater than 256 characters.", field="notes")
    return notes


def refuse_others(body: Iterable[str], known: frozenset[str]) -> None:
    """Refuse fields that Razorpay does not document for the request."""
    others = sorted(set(body) - known)
    if others:
        raise Refusal(f"{', '.join(others)} is/are not required and should not be sent")


def new_id(prefix: str) -> str:
    """Return an id of the shape that Razorpay gives."""
    return f"{prefix}_" + "".join(secrets.choice(_ALPHABET) for _ in range(14))
