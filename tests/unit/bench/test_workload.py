"""The benchmark's callbacks are what Stripe would send: proven, unique, and worth the events that are expected."""

import uuid
from datetime import UTC, datetime

import pytest

from bench.workload import (
    ACCOUNT,
    CALLBACKS_PER_PAYMENT,
    CURRENCY,
    EVENTS_PER_PAYMENT,
    GATEWAY,
    BenchPayment,
    make_callback,
    make_workload,
    record_of,
)
from connectors.base import Callback, VerifiesWebhooks
from connectors.registry import build_connector
from domain.errors import VerificationFailed
from domain.events import milestones
from domain.facts import Fact, FactKind
from domain.payment import PaymentState, PaymentTerms, Status, fold, status_of
from services.accounts import parse_credentials
from topics.webhooks import RawWebhook

SECRET = "whsec_bench"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def facts_of(webhook: RawWebhook, secret: str = SECRET) -> list[Fact]:
    credentials = {"secret_key": "sk_test_x", "publishable_key": "pk_test_x", "webhook_secret": secret}
    connector = build_connector(GATEWAY, parse_credentials(GATEWAY, credentials))
    assert isinstance(connector, VerifiesWebhooks)
    callback = Callback(
        account=ACCOUNT, body=webhook.body, headers=webhook.http_headers, received_at=webhook.received_at
    )
    return list(connector.parse_callback(callback))


def test_every_callback_is_proven_and_its_facts_are_unique() -> None:
    workload = make_workload(400, SECRET, NOW)
    facts = [fact for webhook in workload.callbacks for fact in facts_of(webhook)]
    assert len(facts) == len(workload.callbacks) == 400 == len(workload.payments) * CALLBACKS_PER_PAYMENT
    assert len({fact.gateway_event_id for fact in facts}) == 400
    assert {fact.provider_reference for fact in facts} == {payment.intent for payment in workload.payments}


def test_another_secret_does_not_prove_a_callback() -> None:
    webhook = make_workload(2, SECRET, NOW).callbacks[0]
    with pytest.raises(VerificationFailed):
        facts_of(webhook, "whsec_of_a_thief")


def test_a_payments_callbacks_come_in_order_with_others_between() -> None:
    workload = make_workload(1_000, SECRET, NOW)
    told = [facts_of(webhook)[0] for webhook in workload.callbacks]
    first = [place for place, fact in enumerate(told) if fact.provider_reference == workload.payments[300].intent]
    assert [told[place].kind for place in first] == [FactKind.PROCESSING, FactKind.CAPTURED]
    assert first[1] - first[0] > 100


@pytest.mark.parametrize("number", range(6))
def test_both_callbacks_of_a_payment_complete_it_with_the_expected_events(number: int) -> None:
    payment = BenchPayment(number)
    terms = PaymentTerms(
        payment_id=payment.id,
        account=ACCOUNT,
        gateway=GATEWAY,
        amount_minor=payment.amount_minor,
        currency=CURRENCY,
        splits=payment.splits,
    )
    state = PaymentState()
    for status in ("processing", "succeeded"):
        for fact in facts_of(make_callback(payment, status, SECRET, NOW)):
            state = fold(state, terms, fact)
    assert status_of(state) is Status.COMPLETED
    assert state.totals.captured == payment.amount_minor == sum(split.weight for split in payment.splits)
    assert len(milestones(state, terms)) == EVENTS_PER_PAYMENT


def test_a_record_can_be_read_back_as_the_callback_it_is() -> None:
    webhook = make_workload(2, SECRET, NOW).callbacks[0]
    key, value, headers = record_of(webhook)
    assert RawWebhook.from_record(value, headers) == webhook
    assert len(key) == 64
    assert uuid.UUID(webhook.id).version == 4
