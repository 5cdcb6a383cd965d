"""What every shop has: a local gateway, payers, the callbacks of what happened there, and the truth about it."""

import asyncio
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

Item = dict[str, Any]

HTTP_SECONDS = 10.0
AGAIN_SECONDS = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """What a gateway posts about one thing that happened.

    `sign` makes the headers at the moment of posting: a gateway signs every attempt anew. `is_genuine` is false for
    what a thief would post, which must be taken and then refused.
    """

    gateway: str
    account: str
    payment_id: str
    body: bytes = field(repr=False)
    sign: Callable[[bytes], Mapping[str, str]] = field(repr=False)
    is_genuine: bool = True


@dataclass(frozen=True, slots=True)
class Truth:
    """What a gateway has on its books for one payment, in minor units."""

    captured_minor: int
    refunded_minor: int
    captures: int
    refunds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A payment as its gateway knows it."""

    payment_id: str
    account: str
    reference: str


class Shop(ABC):
    """One gateway. The payers reach it directly; only Paystream goes through the proxy."""

    gateway: str
    currency: str
    module: str
    """The local gateway's module, run with `python -m`."""
    pays_by_token = False
    """Whether the payer's client makes a token that a command then authorizes; else the payer pays at the gateway."""

    def __init__(self, base: str, event_time: Callable[[], float]) -> None:
        self.base = base
        self._event_time = event_time
        # A kept connection may be closed by the gateway just as a payer uses it again, which is no fault of ours.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._http = httpx.AsyncClient(base_url=base, timeout=HTTP_SECONDS, limits=limits)
        self._told: set[tuple[str, ...]] = set()

    async def close(self) -> None:
        """Leave."""
        await self._http.aclose()

    @abstractmethod
    def credentials(self, api_base: str, callback_url: str) -> Mapping[str, str]:
        """An account's credentials here, for Paystream, which finds the gateway at `api_base`."""

    @abstractmethod
    async def pay(self, order: Order, *, succeeds: bool = True) -> None:
        """The payer pays at the gateway, or is declined."""

    @abstractmethod
    async def refund(self, order: Order, amount_minor: int) -> None:
        """The merchant refunds in the gateway's dashboard, behind Paystream's back."""

    @abstractmethod
    async def news(self, order: Order) -> list[Callback]:
        """The callbacks of everything that has happened to a payment since they were last asked for."""

    @abstractmethod
    async def truth(self, order: Order) -> Truth:
        """What the gateway has on its books."""

    def forged(self, order: Order) -> Callback:
        """A callback with a signature that a thief made up."""
        body = b'{"id":"evt_forged_%s","event_id":"forged","type":"x","event":"x"}' % secrets.token_hex(6).encode()
        return Callback(
            gateway=self.gateway,
            account=order.account,
            payment_id=order.payment_id,
            body=body,
            sign=self._sign_forged,
            is_genuine=False,
        )

    @abstractmethod
    def _sign_forged(self, body: bytes) -> Mapping[str, str]:
        """Headers with a signature that nobody with the secret made."""

    async def plan_fault(self, fault: str) -> None:
        """Have the next writing call fail, where the local gateway can be told to."""
        (await self._http.post(f"/_control/faults/{fault}")).raise_for_status()

    def _is_news(self, *what: str) -> bool:
        if what in self._told:
            return False
        self._told.add(what)
        return True

    async def _call(self, method: str, path: str, **arguments: Any) -> Item:  # noqa: ANN401 - httpx's own arguments
        response = await self._ask(method, path, **arguments)
        response.raise_for_status()
        answer: Item = response.json()
        return answer

    async def _ask(self, method: str, path: str, **arguments: Any) -> httpx.Response:  # noqa: ANN401 - as above
        """Ask until the gateway answers: the failures planned for Paystream may hit the payer as well."""
        while True:
            response = await self._http.request(method, path, **arguments)
            if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                return response
            await asyncio.sleep(AGAIN_SECONDS)
