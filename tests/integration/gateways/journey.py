"""The way of one payment at one gateway, told as data: what to create, how it is paid, what comes back.

Each gateway has a module `tests/integration/gateways/journeys/{gateway}.py` with a `JOURNEY`. The journey is walked
through the real pipeline: command, connector, local gateway, callback, ingress, broker, database, domain events.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """A payment's way.

    - `server`: the module of the local gateway, a `LocalGateway` run with `python -m`.
    - `credentials`: the account's credentials, by the local gateway's URL and the public URL of its callbacks.
    - `create`: further fields of the `create_payment` command (`return_url`, `payment_method`, `manual_capture`, …).
    - `token`: the payment method token to authorize with, where the payer pays through our API; None where the payer
      pays at the gateway, which `/_control/pay/{provider_reference}` stands for.
    - `captures`: the payment is authorized first, and captured by a command.
    - `refund_minor`: what is refunded by a command afterwards; None where the gateway has no refunds.
    """

    gateway: str
    server: str
    credentials: Callable[[str, str], Mapping[str, Any]]
    amount_minor: int
    currency: str
    create: Mapping[str, Any] = field(default_factory=dict)
    token: str | None = None
    captures: bool = False
    refund_minor: int | None = None
