"""What happens in the demo, decided beforehand, so that the books can be compared with the plan at the end."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from domain.payment import Status


class Story(StrEnum):
    """One course of a payment's life."""

    STRIPE_SALE = "stripe_sale"
    STRIPE_PARTIAL_REFUND = "stripe_partial_refund"
    STRIPE_FULL_REFUND = "stripe_full_refund"
    STRIPE_MANUAL_CAPTURE = "stripe_manual_capture"
    STRIPE_DECLINED = "stripe_declined"
    RAZORPAY_SALE = "razorpay_sale"
    RAZORPAY_REPEATED = "razorpay_repeated"
    RAZORPAY_OUT_OF_ORDER = "razorpay_out_of_order"
    RAZORPAY_SECOND_ATTEMPT = "razorpay_second_attempt"
    RAZORPAY_REFUND_COMMAND = "razorpay_refund_command"


STORIES = (
    *[Story.STRIPE_SALE] * 5,
    *[Story.STRIPE_PARTIAL_REFUND] * 2,
    Story.STRIPE_FULL_REFUND,
    Story.STRIPE_MANUAL_CAPTURE,
    Story.STRIPE_DECLINED,
    *[Story.RAZORPAY_SALE] * 3,
    *[Story.RAZORPAY_REPEATED] * 2,
    *[Story.RAZORPAY_OUT_OF_ORDER] * 2,
    Story.RAZORPAY_SECOND_ATTEMPT,
    *[Story.RAZORPAY_REFUND_COMMAND] * 2,
)
"""The mix, dealt out in turn, over and over."""

ACCOUNT = "demo"
PARTNER = "atelier"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPayment:
    """A payment of the demo and how it should end; amounts in minor units."""

    payment_id: str
    story: Story
    gateway: str
    amount_minor: int
    currency: str
    partner_minor: int
    captured_minor: int
    refunded_minor: int
    status: Status

    @property
    def manual_capture(self) -> bool:
        """Whether the payment is authorized first and captured by a command."""
        return self.story is Story.STRIPE_MANUAL_CAPTURE


@dataclass(frozen=True, slots=True)
class Plan:
    """All payments, and how many forgeries are thrown in."""

    payments: tuple[PlannedPayment, ...]
    forged: int
    stale: int
    by_id: dict[str, PlannedPayment] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_id", {payment.payment_id: payment for payment in self.payments})


def make_plan(count: int, seed: int) -> Plan:
    """Deal out the stories; the same count and seed make the same plan."""
    rng = random.Random(seed)  # noqa: S311 - a plan to repeat, not a secret
    payments = tuple(_payment(index, STORIES[index % len(STORIES)], rng) for index in range(count))
    return Plan(payments=payments, forged=max(4, count // 20), stale=max(2, count // 40))


def _payment(index: int, story: Story, rng: random.Random) -> PlannedPayment:
    gateway = story.value.split("_", 1)[0]
    currency = "INR" if gateway == "razorpay" else rng.choice(("USD", "USD", "JPY"))
    amount_minor = rng.randrange(1_000, 60_000)
    captured_minor, refunded_minor, status = _OUTCOMES[story](amount_minor)
    return PlannedPayment(
        payment_id=f"demo-{index:06d}",
        story=story,
        gateway=gateway,
        amount_minor=amount_minor,
        currency=currency,
        partner_minor=amount_minor * 15 // 100 if index % 3 == 0 else 0,
        captured_minor=captured_minor,
        refunded_minor=refunded_minor,
        status=status,
    )


def part_of(amount_minor: int) -> int:
    """The amount of the demo's partial refunds and captures."""
    return amount_minor * 2 // 5


def _paid(amount_minor: int) -> tuple[int, int, Status]:
    return amount_minor, 0, Status.COMPLETED


def _partly_returned(amount_minor: int) -> tuple[int, int, Status]:
    return amount_minor, part_of(amount_minor), Status.PARTIALLY_REFUNDED


def _returned(amount_minor: int) -> tuple[int, int, Status]:
    return amount_minor, amount_minor, Status.REFUNDED


def _partly_captured(amount_minor: int) -> tuple[int, int, Status]:
    return part_of(amount_minor), 0, Status.COMPLETED


def _unpaid(_: int) -> tuple[int, int, Status]:
    return 0, 0, Status.PENDING


_OUTCOMES: dict[Story, Callable[[int], tuple[int, int, Status]]] = {
    Story.STRIPE_SALE: _paid,
    Story.STRIPE_PARTIAL_REFUND: _partly_returned,
    Story.STRIPE_FULL_REFUND: _returned,
    Story.STRIPE_MANUAL_CAPTURE: _partly_captured,
    Story.STRIPE_DECLINED: _unpaid,
    Story.RAZORPAY_SALE: _paid,
    Story.RAZORPAY_REPEATED: _paid,
    Story.RAZORPAY_OUT_OF_ORDER: _partly_returned,
    Story.RAZORPAY_SECOND_ATTEMPT: _paid,
    Story.RAZORPAY_REFUND_COMMAND: _returned,
}
