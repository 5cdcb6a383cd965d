"""What the sides of the benchmark work on: payments, and two signed Stripe callbacks for each of them."""

import hashlib
import hmac
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from domain.payment import Split
from topics.message import RecordHeaders
from topics.webhooks import RawWebhook

ACCOUNT = "bench"
GATEWAY = "stripe"
CURRENCY = "USD"
CALLBACKS_PER_PAYMENT = 2
EVENTS_PER_PAYMENT = 3
"""payment.processing, capture.succeeded, payment.completed"""
PARTNER_EVERY = 3
DISTANCE = 100
"""How many other payments begin between a payment's first callback and its second."""


@dataclass(frozen=True, slots=True)
class BenchPayment:
    """One payment and the name its gateway has for it."""

    number: int

    @property
    def id(self) -> str:
        """Our id."""
        return f"bench-{self.number:07d}"

    @property
    def intent(self) -> str:
        """Stripe's id."""
        return f"pi_3Bench{self.number:07d}"

    @property
    def amount_minor(self) -> int:
        """From 10.00 to 509.99, different from payment to payment."""
        return 1_000 + self.number * 7_919 % 50_000

    @property
    def splits(self) -> tuple[Split, ...]:
        """A partner has 15 % of every third payment; the rest is the tenant's."""
        partner = self.amount_minor * 15 // 100 if self.number % PARTNER_EVERY == 0 else 0
        tenant = Split("tenant", ACCOUNT, self.amount_minor - partner)
        return (Split("partner", "atelier", partner), tenant) if partner else (tenant,)


@dataclass(frozen=True, slots=True)
class Workload:
    """Payments and their callbacks in the order of their arrival."""

    payments: tuple[BenchPayment, ...]
    callbacks: tuple[RawWebhook, ...]

    @property
    def event_count(self) -> int:
        """How many domain events must come of the callbacks."""
        return len(self.payments) * EVENTS_PER_PAYMENT


def make_workload(callbacks: int, secret: str, received_at: datetime | None = None) -> Workload:
    """Make payments with two callbacks each, at least `callbacks` in all, signed with the account's secret."""
    received_at = received_at or datetime.now(UTC)
    payments = tuple(BenchPayment(number) for number in range(-(-callbacks // CALLBACKS_PER_PAYMENT)))
    in_order: list[RawWebhook] = []
    for place in range(len(payments) + DISTANCE):
        if place < len(payments):
            in_order.append(make_callback(payments[place], "processing", secret, received_at))
        if place >= DISTANCE:
            in_order.append(make_callback(payments[place - DISTANCE], "succeeded", secret, received_at))
    return Workload(payments, tuple(in_order))


def make_callback(payment: BenchPayment, status: str, secret: str, received_at: datetime) -> RawWebhook:
    """Make the callback that Stripe posts when an intent gets this status, as the ingress would take it."""
    body = json.dumps(_event(payment, status, received_at)).encode()
    timestamp = int(received_at.timestamp())
    signature = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    headers = (
        ("host", "payments.example.com"),
        ("user-agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)"),
        ("accept", "*/*; q=0.5, application/xml"),
        ("content-type", "application/json; charset=utf-8"),
        ("stripe-signature", f"t={timestamp},v1={signature}"),
    )
    return RawWebhook(
        id=str(uuid.uuid4()),
        gateway=GATEWAY,
        account=ACCOUNT,
        path=f"/webhooks/{GATEWAY}/{ACCOUNT}",
        remote_address="203.0.113.7",
        received_at=received_at,
        http_headers=headers,
        body=body,
    )


def record_of(webhook: RawWebhook) -> tuple[bytes, bytes, RecordHeaders]:
    """Key, value and headers as the ingress writes them."""
    return hashlib.sha256(webhook.body).hexdigest().encode(), webhook.body, webhook.record_headers()


def _event(payment: BenchPayment, status: str, received_at: datetime) -> dict[str, object]:
    created = int((received_at - timedelta(seconds=30)).timestamp())
    is_paid = status == "succeeded"
    intent = {
        "id": payment.intent,
        "object": "payment_intent",
        "amount": payment.amount_minor,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": payment.amount_minor if is_paid else 0,
        "application": None,
        "automatic_payment_methods": {"allow_redirects": "always", "enabled": True},
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic",
        "client_secret": f"{payment.intent}_secret_bench",
        "confirmation_method": "automatic",
        "created": created,
        "currency": CURRENCY.lower(),
        "customer": None,
        "description": f"Order {payment.number}",
        "last_payment_error": None,
        "latest_charge": f"py_3Bench{payment.number:07d}",
        "livemode": False,
        "metadata": {"payment_id": payment.id, "order": str(payment.number)},
        "next_action": None,
        "payment_method": "pm_1Bench",
        "payment_method_types": ["card", "link"],
        "processing": None,
        "receipt_email": None,
        "setup_future_usage": None,
        "shipping": None,
        "status": status,
        "transfer_data": None,
    }
    return {
        "id": f"evt_{status}_{payment.number:07d}",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": created + (20 if is_paid else 10),
        "data": {"object": intent},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": f"req_{payment.number:07d}", "idempotency_key": f"{payment.id}-create"},
        "type": f"payment_intent.{status}",
    }
