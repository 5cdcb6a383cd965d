"""Delivers callbacks as gateways do: again until they are taken, some of them twice, and in no particular order."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx

from chaos.shops.base import Callback

DELIVERY_HEADER = "x-chaos-delivery"
"""Names each attempt, so that what was taken can be found on the raw topic."""
ANSWER_SECONDS = 5.0
CONNECTIONS = 64
PAUSE_SECONDS = (0.3, 2.0)
LONGEST_DELAY_SECONDS = 1.5
LONGEST_REPEAT_DELAY_SECONDS = 6.0
REPEATED_SHARE = 0.3
UNANSWERED = 0


@dataclass(slots=True)
class Ledger:
    """What was posted and how it was answered. Deliveries are named by their header."""

    callbacks: int = 0
    attempts: int = 0
    answers: Counter[int] = field(default_factory=Counter)
    """By HTTP status; 0 stands for no answer."""
    accepted: dict[str, str] = field(default_factory=dict)
    """Each delivery that was answered with 2xx, and the payment it is about."""
    forged: set[str] = field(default_factory=set)
    """Attempts with a signature that must not be believed, however they were answered."""
    accepted_at: dict[str, float] = field(default_factory=dict)
    """By payment, when its newest callback was taken, on the monotonic clock."""


class Postman:
    """Takes callbacks and brings each to the ingress at least once. `pace` stretches its delays; 0 means none."""

    def __init__(
        self, ingress_url: str, seed: int, *, pace: float = 1.0, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._ingress_url = ingress_url
        self._pace = pace
        self._chance = random.Random(seed)  # noqa: S311 - an order to repeat, not a secret
        self._http = httpx.AsyncClient(
            timeout=ANSWER_SECONDS, limits=httpx.Limits(max_connections=CONNECTIONS), transport=transport
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self.ledger = Ledger()

    async def finish(self) -> None:
        """Wait until everything has been taken."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    @property
    def waiting(self) -> int:
        """How many deliveries have not been taken yet."""
        return len(self._tasks)

    def take(self, callbacks: Sequence[Callback]) -> None:
        """Begin to deliver callbacks."""
        for callback in callbacks:
            self.ledger.callbacks += 1
            self._begin(callback, self._chance.uniform(0, LONGEST_DELAY_SECONDS))
            if self._chance.random() < REPEATED_SHARE:
                self._begin(callback, self._chance.uniform(0, LONGEST_REPEAT_DELAY_SECONDS))

    async def close(self) -> None:
        """Give up what is still on its way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()

    def _begin(self, callback: Callback, delay_seconds: float) -> None:
        task = asyncio.create_task(self._deliver(callback, delay_seconds))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, callback: Callback, delay_seconds: float) -> None:
        await asyncio.sleep(self._pace * delay_seconds)
        while True:
            if await self._is_taken(callback):
                return
            await asyncio.sleep(self._pace * self._chance.uniform(*PAUSE_SECONDS))

    async def _is_taken(self, callback: Callback) -> bool:
        self.ledger.attempts += 1
        name = f"{self.ledger.attempts}"
        if not callback.is_genuine:
            self.ledger.forged.add(name)
        headers = {"content-type": "application/json", DELIVERY_HEADER: name, **callback.sign(callback.body)}
        url = f"{self._ingress_url}/webhooks/{callback.gateway}/{callback.account}"
        try:
            response = await self._http.post(url, content=callback.body, headers=headers)
        except httpx.TransportError:
            self.ledger.answers[UNANSWERED] += 1
            return False
        self.ledger.answers[response.status_code] += 1
        if not response.is_success:
            return False
        self.ledger.accepted[name] = callback.payment_id
        if callback.is_genuine:
            self.ledger.accepted_at[callback.payment_id] = time.monotonic()
        return True
