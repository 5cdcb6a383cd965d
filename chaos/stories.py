"""What payers and merchants do during a run: payments of every course, begun at a steady pace."""

import asyncio
import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from chaos.postman import Postman
from chaos.shops.base import Order, Shop
from chaos.shops.square import GOOD_TOKEN
from chaos.upstream import Upstream
from domain.payment import Status
from topics.commands import (
    AuthorizePayment,
    CapturePayment,
    Command,
    CommandResult,
    CreatePayment,
    RefundPayment,
    SplitPart,
    VoidPayment,
)

AT_ONCE = 48
PER_SECOND = 5.0
NEWS_SECONDS = 0.7
FORGED_SHARE = 0.05
SENT_TWICE_SHARE = 0.2
PARTNER_SHARE = 0.3


class Story(StrEnum):
    """One course of a payment's life."""

    SALE = "sale"
    SECOND_ATTEMPT = "second_attempt"
    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"
    REFUNDS_AT_ONCE = "refunds_at_once"
    DASHBOARD_REFUND = "dashboard_refund"


@dataclass(slots=True)
class Lived:
    """One payment: its gateway's name for it, and every command's final result."""

    shop: Shop
    payment_id: str
    order: Order | None = None
    dashboard_refund_minor: int = 0
    results: dict[str, CommandResult] = field(default_factory=dict)


class Shoppers:
    """Begins stories until it is stopped, each in a task of its own."""

    def __init__(self, seed: int, shops: dict[str, list[Shop]], upstream: Upstream, postman: Postman) -> None:
        """Take the shops by account."""
        self._seed = seed
        self._shops = shops
        self._upstream = upstream
        self._postman = postman
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.lived: list[Lived] = []
        self.problems: list[str] = []

    @property
    def under_way(self) -> list[str]:
        """The payments whose stories have not come to their end."""
        return sorted(task.get_name() for task in self._tasks)

    def stop(self) -> None:
        """Begin no more stories; those under way come to their end."""
        self._stopping.set()

    async def run(self) -> None:
        """Begin stories at a steady pace until stopped, as long as not too many are under way."""
        while not self._stopping.is_set():
            async with self._slots:
                pass
            self._begin(len(self.lived))
            try:
                async with asyncio.timeout(1 / PER_SECOND):
                    await self._stopping.wait()
            except TimeoutError:
                continue

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, number: int) -> None:
        chance = random.Random(f"{self._seed}:{number}")  # noqa: S311 - a story to repeat, not a secret
        account = chance.choice(sorted(self._shops))
        lived = Lived(chance.choice(self._shops[account]), f"pay-{number:06d}")
        self.lived.append(lived)
        task = asyncio.create_task(self._live(lived, account, chance), name=f"{lived.payment_id} {lived.shop.gateway}")
        self._tasks.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.problems.append(f"{task.get_name()}: {error!r}")

    async def _live(self, lived: Lived, account: str, chance: random.Random) -> None:
        async with self._slots:
            await _Life(self._upstream, self._postman, lived, account, chance).live()


class _Life:
    """One story as it is lived."""

    def __init__(self, upstream: Upstream, postman: Postman, lived: Lived, account: str, chance: random.Random) -> None:
        self._upstream = upstream
        self._postman = postman
        self._lived = lived
        self._account = account
        self._chance = chance
        self._story = chance.choice(list(Story))
        self._amount_minor = chance.randrange(1_000, 60_000)

    async def live(self) -> None:
        """Create, pay, and whatever follows; callbacks are posted as things happen at the gateway."""
        lived, shop = self._lived, self._lived.shop
        created = await self._command(self._creation())
        if created.outcome != "succeeded" or created.provider_reference is None:
            return
        order = lived.order = Order(
            payment_id=lived.payment_id, account=self._account, reference=created.provider_reference
        )
        if self._chance.random() < FORGED_SHARE:
            self._postman.take([shop.forged(order)])
        if await self._is_paid(order):
            await self._tell(order)
            await self._follow_up(order)
        await self._tell(order)
        await asyncio.sleep(NEWS_SECONDS)
        # What comes to its end a little later, such as refunds at banks.
        await self._tell(order)

    async def _is_paid(self, order: Order) -> bool:
        shop = self._lived.shop
        if shop.pays_by_token:
            paid = await self._command(AuthorizePayment(**self._about("authorize"), payment_method_token=GOOD_TOKEN))
            return paid.outcome == "succeeded"
        if self._story is Story.SECOND_ATTEMPT:
            await shop.pay(order, succeeds=False)
            await self._tell(order)
        await shop.pay(order)
        return True

    async def _follow_up(self, order: Order) -> None:
        payment_id = self._lived.payment_id
        waits_for_command = self._story in {Story.CAPTURE, Story.VOID}
        await self._upstream.until(payment_id, Status.AUTHORIZED if waits_for_command else Status.COMPLETED)
        match self._story:
            case Story.CAPTURE:
                await self._command(CapturePayment(**self._about("capture")))
            case Story.VOID:
                await self._command(VoidPayment(**self._about("void")))
            case Story.REFUND:
                await self._refund("refund", self._chance.choice([None, self._amount_minor // 3]))
            case Story.REFUNDS_AT_ONCE:
                # Together more than was captured: at least one must be refused.
                most = self._amount_minor * 2 // 3
                await asyncio.gather(*(self._refund(f"refund-{each}", most) for each in range(3)))
            case Story.DASHBOARD_REFUND:
                await self._lived.shop.refund(order, self._amount_minor // 4)
                self._lived.dashboard_refund_minor = self._amount_minor // 4
            case _:
                pass

    async def _refund(self, what: str, amount_minor: int | None) -> None:
        await self._command(RefundPayment(**self._about(what), amount_minor=amount_minor))

    async def _tell(self, order: Order) -> None:
        self._postman.take(await self._lived.shop.news(order))

    async def _command(self, command: Command) -> CommandResult:
        times = 2 if self._chance.random() < SENT_TWICE_SHARE else 1
        result = await self._upstream.run(command, times=times)
        self._lived.results[command.command_id] = result
        if self._lived.order is not None:
            await self._tell(self._lived.order)
        return result

    def _creation(self) -> CreatePayment:
        part = self._amount_minor * 15 // 100
        has_partner = self._chance.random() < PARTNER_SHARE
        partner = SplitPart(recipient_type="partner", recipient_id="atelier", amount_minor=part)
        return CreatePayment(
            **self._about("create"),
            gateway=self._lived.shop.gateway,
            amount_minor=self._amount_minor,
            currency=self._lived.shop.currency,
            resource_type="order",
            resource_id=f"order-{self._lived.payment_id}",
            manual_capture=self._story in {Story.CAPTURE, Story.VOID},
            splits=(partner,) if has_partner else (),
        )

    def _about(self, what: str) -> dict[str, Any]:
        return {
            "command_id": f"{self._lived.payment_id}-{what}",
            "payment_id": self._lived.payment_id,
            "account": self._account,
            "requested_at": datetime.now(UTC),
        }


class EventClock:
    """The time that gateways write into their events; skewed while a fault says so."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - skews to repeat, not secrets
        self.is_skewed = False

    def __call__(self) -> float:
        """Unix seconds: now, or up to three days ago, or some seconds ahead."""
        if not self.is_skewed:
            return time.time()
        return time.time() + self._chance.choice([self._chance.uniform(-259_200, 0), self._chance.uniform(0, 5)])
