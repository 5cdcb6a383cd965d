"""The way of one payment at one gateway, told as data: what to create, how it is paid, what comes back.

Each gateway has a module `tests/integration/gateways/journeys/{gateway}.py` with a `JOURNEY`. The journey is walked
through the real pipeline: command, connector, local gateway, callback, ingress, broker, database, domain events.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx


async def set_callback_url(http: httpx.AsyncClient, callback_url: str) -> None:
    """Tell a `LocalGateway` where to post callbacks, as the gateway's dashboard does."""
    (await http.post("/_control/callbacks", json={"url": callback_url})).raise_for_status()


async def pay_at_gateway(
    http: httpx.AsyncClient,
    reference: str,
    client_parameters: Mapping[str, str],
    callback_url: str,
) -> None:
    """Have the payer pay at a `LocalGateway`; every callback is posted twice, and taken both times."""
    (await http.post("/_control/faults/callback_twice")).raise_for_status()
    response = await http.post(f"/_control/pay/{reference}", json={"outcome": "paid"})
    response.raise_for_status()
    answered = response.json()["answered"]
    assert answered, "the gateway posted no callback"
    assert all(httpx.codes.is_success(status) for status in answered), answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Journey:
    """A payment's way.

    - `server`: the module of the local gateway, run with `python -m`.
    - `credentials`: the account's credentials, by the local gateway's URL and the public URL of its callbacks.
    - `create`: further fields of the `create_payment` command (`return_url`, `payment_method`, `manual_capture`, …).
    - `token`: the payment method token to authorize with, where the payer pays through our API; None where the payer
      pays at the gateway, which `pay` does.
    - `captures`: the payment is authorized first, and captured by a command.
    - `refund_minor`: what is refunded by a command afterwards; None where the gateway has no refunds.
    - `arrange`, `pay`: how the local gateway learns where to post, and how the payer pays there. The client's base URL
      is the local gateway's.
    - `settles`: the local gateway has `/_control/settle`.
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
    arrange: Callable[[httpx.AsyncClient, str], Awaitable[None]] = set_callback_url
    pay: Callable[[httpx.AsyncClient, str, Mapping[str, str], str], Awaitable[None]] = pay_at_gateway
    settles: bool = True
