"""Plays everybody around Paystream: upstream services, customers, gateways, thieves."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx
from aiokafka import AIOKafkaProducer

from bootstrap.settings import KafkaSettings
from devstack.demo.plan import ACCOUNT, PARTNER, Plan, PlannedPayment, Story, part_of
from devstack.demo.razorpay_customer import RazorpayCustomers
from devstack.demo.stripe_customer import DECLINED_CARD, StripeCustomers, forged_event, signature_header
from devstack.demo.topic_reader import read_raw_callbacks
from devstack.demo.watch import Watcher
from domain.payment import Status
from topics.catalog import COMMANDS
from topics.commands import (
    CapturePayment,
    Command,
    CommandResult,
    CreatePayment,
    PaymentCommand,
    RefundPayment,
    SplitPart,
    SyncPayment,
)

AT_ONCE = 24
REPOSTED = 20
PATIENCE_SECONDS = 45.0


class DemoFailed(Exception):
    """The demo did not go as planned; the message says what did not."""


@dataclass(slots=True)
class Tally:
    """What the driver did, to be compared with what Paystream recorded."""

    commands: int = 0
    posted: int = 0
    repeated: int = 0
    forged: int = 0
    stale: int = 0
    finished: int = 0
    answers: dict[int, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where things are and the secrets of the demo's account."""

    kafka: KafkaSettings
    ingress_url: str
    stripe_webhook_secret: str


class Driver:
    """Carries a plan out."""

    def __init__(
        self,
        plan: Plan,
        around: Surroundings,
        watcher: Watcher,
        stripe: StripeCustomers,
        razorpay: RazorpayCustomers,
        producer: AIOKafkaProducer,
        http: httpx.AsyncClient,
    ) -> None:
        self._plan = plan
        self._around = around
        self._watcher = watcher
        self._stripe = stripe
        self._razorpay = razorpay
        self._producer = producer
        self._http = http
        self._slots = asyncio.Semaphore(AT_ONCE)
        self.tally = Tally()

    async def run(self) -> None:
        """Live every payment's story, repeat and forge callbacks, and wait until everything has arrived."""
        async with asyncio.TaskGroup() as group:
            for payment in self._plan.payments:
                group.create_task(self._live(payment))
            group.create_task(self._forge())
        await self._repost_from_stripe()

    async def wait_for_statuses(self) -> None:
        """Wait until every payment has the status the plan gives it."""
        await self._watcher.wait_for(self._all_as_planned, "not every payment came to its planned end")

    def unfinished(self) -> list[PlannedPayment]:
        """Payments that are not yet as planned."""
        return [payment for payment in self._plan.payments if not self._as_planned(payment)]

    async def _live(self, payment: PlannedPayment) -> None:
        async with self._slots:
            result = await self._command(_create(payment))
            if result.outcome != "succeeded" or result.provider_reference is None:
                raise DemoFailed(f"{payment.payment_id} was not created: {result.code} {result.message}")
            if payment.gateway == "stripe":
                await self._live_at_stripe(payment, result.provider_reference)
            else:
                await self._live_at_razorpay(payment, result.provider_reference)
            self.tally.finished += 1

    async def _live_at_stripe(self, payment: PlannedPayment, intent: str) -> None:
        if payment.story is Story.STRIPE_DECLINED:
            if await self._stripe.pay(intent, DECLINED_CARD):
                raise DemoFailed(f"{payment.payment_id} was paid with a card that is declined")
            return
        await self._stripe.pay(intent)
        if payment.manual_capture:
            await self._succeed(SyncPayment(**_follow_up(payment, "sync")))
            captured = part_of(payment.amount_minor)
            await self._succeed(CapturePayment(**_follow_up(payment, "capture"), amount_minor=captured))
        if payment.refunded_minor:
            await self._status(payment, Status.COMPLETED)
            await self._refund(payment)

    async def _live_at_razorpay(self, payment: PlannedPayment, order: str) -> None:
        times = 3 if payment.story is Story.RAZORPAY_REPEATED else 1
        self.tally.repeated += 2 if times == 3 else 0  # noqa: PLR2004
        if payment.story is Story.RAZORPAY_SECOND_ATTEMPT:
            await self._post_razorpay(*await self._razorpay.fail(payment, order))
        authorized, captured = await self._razorpay.pay(payment, order)
        if payment.story is Story.RAZORPAY_OUT_OF_ORDER:
            refunded = await self._razorpay.refund_in_dashboard(payment, order)
            for callback in (refunded, captured, authorized):
                await self._post_razorpay(*callback)
            return
        for callback in (authorized, captured):
            for _ in range(times if callback is captured else 1):
                await self._post_razorpay(*callback)
        if payment.story is Story.RAZORPAY_REFUND_COMMAND:
            await self._status(payment, Status.COMPLETED)
            await self._refund(payment)

    async def _refund(self, payment: PlannedPayment) -> None:
        amount = None if payment.status is Status.REFUNDED else payment.refunded_minor
        command = RefundPayment(**_follow_up(payment, "refund"), amount_minor=amount, reason="requested_by_customer")
        await self._succeed(command)

    async def _succeed(self, command: Command) -> None:
        result = await self._command(command)
        if result.outcome != "succeeded":
            raise DemoFailed(f"{command.command_id} came to {result.outcome}: {result.code} {result.message}")

    async def _command(self, command: Command) -> CommandResult:
        await self._producer.send_and_wait(
            self._around.kafka.topic(COMMANDS),
            key=command.subject_id.encode(),
            value=PaymentCommand(command=command).model_dump_json().encode(),
        )
        self.tally.commands += 1
        return await self._watcher.result(command.command_id)

    async def _status(self, payment: PlannedPayment, status: Status) -> None:
        def reached() -> bool:
            event = self._watcher.payments.get(payment.payment_id)
            return event is not None and event.status is status

        await self._watcher.wait_for(reached, f"{payment.payment_id} did not become {status}")

    async def _post_razorpay(self, headers: dict[str, str], body: bytes) -> None:
        await self._post("razorpay", headers, body)

    async def _post(self, gateway: str, headers: dict[str, str], body: bytes) -> None:
        """Post as a gateway does: again, after a pause, until the answer is 2xx."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            status = await self._post_once(gateway, headers, body)
            if 200 <= status < 300:  # noqa: PLR2004
                self.tally.posted += 1
                return
            if time.monotonic() > deadline:
                raise DemoFailed(f"the ingress kept answering {status} to a callback of {gateway}")
            await asyncio.sleep(0.5)

    async def _post_once(self, gateway: str, headers: dict[str, str], body: bytes) -> int:
        try:
            response = await self._http.post(
                f"{self._around.ingress_url}/webhooks/{gateway}/{ACCOUNT}",
                content=body,
                headers={"content-type": "application/json", **headers},
            )
        except httpx.TransportError:
            return 0
        self.tally.answers[response.status_code] = self.tally.answers.get(response.status_code, 0) + 1
        return response.status_code

    async def _forge(self) -> None:
        for number in range(self._plan.forged):
            if number % 2:
                await self._post_razorpay(*self._razorpay.forged(number))
            else:
                body = forged_event(number)
                header = signature_header("whsec_guessed_by_a_thief", body, int(time.time()))
                await self._post("stripe", {"stripe-signature": header}, body)
            self.tally.forged += 1
        for number in range(self._plan.stale):
            body = forged_event(1_000 + number)
            header = signature_header(self._around.stripe_webhook_secret, body, int(time.time()) - 3_600)
            await self._post("stripe", {"stripe-signature": header}, body)
            self.tally.stale += 1

    async def _repost_from_stripe(self) -> None:
        """Deliver some of Stripe's own webhooks a second time, byte for byte, as Stripe does when in doubt."""
        raw = await read_raw_callbacks(self._around.kafka, "stripe", limit=REPOSTED, accept=_is_genuine)
        for webhook in raw:
            headers = {name: value for name, value in webhook.http_headers if name == "stripe-signature"}
            await self._post("stripe", headers, webhook.body)
            self.tally.repeated += 1

    def _all_as_planned(self) -> bool:
        return all(map(self._as_planned, self._plan.payments))

    def _as_planned(self, payment: PlannedPayment) -> bool:
        event = self._watcher.payments.get(payment.payment_id)
        return (
            event is not None
            and event.status is payment.status
            and event.captured_minor == payment.captured_minor
            and event.refunded_minor == payment.refunded_minor
        )


def _is_genuine(body: bytes) -> bool:
    return b"_forged_" not in body


def _create(payment: PlannedPayment) -> CreatePayment:
    splits: tuple[SplitPart, ...] = ()
    if payment.partner_minor:
        splits = (SplitPart(recipient_type="partner", recipient_id=PARTNER, amount_minor=payment.partner_minor),)
    return CreatePayment(
        **_follow_up(payment, "create"),
        gateway=payment.gateway,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        resource_type="order",
        resource_id=f"order-{payment.payment_id}",
        user_id="customer-1",
        manual_capture=payment.manual_capture,
        splits=splits,
    )


def _follow_up(payment: PlannedPayment, what: str) -> dict[str, object]:
    return {
        "command_id": f"{payment.payment_id}-{what}",
        "payment_id": payment.payment_id,
        "account": ACCOUNT,
        "requested_at": datetime.now(UTC),
    }
