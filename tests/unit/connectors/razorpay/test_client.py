import re

import pytest

from connectors.razorpay.api import receipt_of
from connectors.razorpay.client import refund_key


@pytest.mark.parametrize("payment_id", ["payment-1", "x" * 40])
def test_a_receipt_is_the_payments_id(payment_id: str) -> None:
    assert receipt_of(payment_id) == payment_id


def test_the_receipt_of_a_long_id_fits_and_is_its_own() -> None:
    receipts = {receipt_of("x" * 41), receipt_of("x" * 42), receipt_of("y" * 41)}

    assert len(receipts) == 3
    assert all(len(receipt) == 40 for receipt in receipts)


def test_a_key_that_razorpay_takes_is_kept() -> None:
    assert refund_key("550e8400-e29b-41d4-a716-446655440000") == "550e8400-e29b-41d4-a716-446655440000"


@pytest.mark.parametrize("key", ["short", "has spaces in it", "tenant:command:1", "x" * 255, "ünïcode-is-out"])
def test_any_other_key_becomes_one_that_it_takes(key: str) -> None:
    derived = refund_key(key)

    assert re.fullmatch(r"[A-Za-z0-9_-]{10,}", derived)
    assert derived == refund_key(key)
    assert derived != refund_key(key + "-")
