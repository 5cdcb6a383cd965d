"""How a payment stands for its payer, and the names of a page's attempts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import InvalidInput
from domain.payment import PaymentState, PaymentTerms, Split, Status
from services.checkout_pages import (
    DEFAULT_LIFETIME,
    MAX_ATTEMPTS,
    Situation,
    attempt_ids,
    checked_expiry,
    situation_of,
)
from storage.payments import PaymentRecord

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PAYMENT = PaymentRecord(
    terms=PaymentTerms(
        payment_id="p1",
        account="acme",
        gateway="stripe",
        amount_minor=100,
        currency="USD",
        splits=(Split("tenant", "acme", 100),),
    ),
    state=PaymentState(),
    status=Status.PENDING,
    resource_type="order",
    resource_id="o1",
    created_at=NOW,
)


@pytest.mark.parametrize("status", list(Status))
def test_every_status_is_a_situation(status: Status) -> None:
    payment = replace(PAYMENT, status=status)
    last = situation_of(payment, may_try_again=False)

    assert situation_of(payment, may_try_again=True) is (Situation.FAILED_ONCE if status is Status.FAILED else last)
    assert last is not Situation.FAILED_ONCE


def test_an_attempt_that_failed_may_always_be_repeated_at_the_gateway() -> None:
    tried = replace(PAYMENT, state=PaymentState(failure=(NOW, "declined")))

    assert situation_of(tried, may_try_again=False) is Situation.FAILED_ONCE
    assert situation_of(replace(tried, status=Status.COMPLETED), may_try_again=True) is Situation.PAID


def test_attempts_are_named_after_the_first_payment() -> None:
    names = attempt_ids("pay_1")

    assert names[0] == "pay_1"
    assert names == attempt_ids("pay_1")
    assert len({*names, *attempt_ids("pay_2")}) == 2 * MAX_ATTEMPTS


def test_a_page_expires_within_a_year() -> None:
    assert checked_expiry(None, NOW) == NOW + DEFAULT_LIFETIME
    assert checked_expiry(NOW + timedelta(days=365), NOW) == NOW + timedelta(days=365)
    for wrong in (NOW, NOW - timedelta(seconds=1), NOW + timedelta(days=366)):
        with pytest.raises(InvalidInput):
            checked_expiry(wrong, NOW)
