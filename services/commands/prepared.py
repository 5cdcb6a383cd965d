"""What a handler hands to the runner, and the contract of handlers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from services.gateway_calls import GatewayCall
from storage.commands import CommandRow
from storage.payments import PaymentRecord
from storage.unit_of_work import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Phase one's outcome: what to ask which gateway for, or nothing when the command is done by itself.

    `details` go to the result's client parameters. The call is `optional` when the command is done whatever comes of
    it: what it brings is only told. `started_at` is when a resumed command was first begun.
    """

    gateway: str
    call: GatewayCall | None
    payment: PaymentRecord | None = None
    amount_minor: int | None = None
    details: Mapping[str, str] = field(default_factory=dict)
    optional: bool = False
    started_at: datetime | None = None


class Handler(Protocol):
    """How one kind of command is carried out. All of it runs inside transactions of the runner."""

    async def prepare(self, transaction: Transaction, command: Any, now: datetime) -> Prepared:
        """Check the command and record its intent. Raises the error that refuses it; then nothing is kept."""
        ...

    async def resume(self, transaction: Transaction, command: Any, known: CommandRow) -> Prepared:
        """Rebuild the call of a command that was recorded and not finished: its checks were passed."""
        ...

    async def take_in(
        self, transaction: Transaction, prepared: Prepared, answer: object, now: datetime
    ) -> Mapping[str, str]:
        """Record what the gateway answered, and return what of it the caller's client needs."""
        ...
