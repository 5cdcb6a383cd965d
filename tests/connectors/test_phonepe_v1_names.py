"""The names that payments and refunds have at PhonePe's legacy API."""

import re
import uuid

import pytest

from connectors.phonepe_v1.names import (
    can_be_in_a_path,
    is_refund,
    payment_id_of,
    payment_name,
    refund_name,
    refund_stem,
    stem_of,
)

UUID = "0b6c6a52-0d0f-4a64-9d5e-8d2c8f0f8a11"
LOOKS_MADE_HERE = ["U" + "a" * 32, "P" + "A" * 32, "R" + "-" * 32]
IDS = ["payment-1", "A" * 34, "A" * 35, "x" * 255, "mit.punkt", UUID, UUID.upper(), *LOOKS_MADE_HERE]


@pytest.mark.parametrize("payment_id", IDS)
def test_every_name_is_one_that_phonepe_takes(payment_id: str) -> None:
    name = payment_name(payment_id)

    for made in (name, refund_stem(name), refund_name(name, "command:1")):
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,34}", made)
        assert can_be_in_a_path(made)


@pytest.mark.parametrize("payment_id", IDS)
def test_a_name_tells_the_payment_id_or_nothing(payment_id: str) -> None:
    assert payment_id_of(payment_name(payment_id)) in {payment_id, None}


@pytest.mark.parametrize("payment_id", ["payment-1", "A" * 34, UUID, str(uuid.UUID(int=0))])
def test_an_id_that_fits_and_a_uuid_are_told_by_the_name(payment_id: str) -> None:
    assert payment_id_of(payment_name(payment_id)) == payment_id


@pytest.mark.parametrize(
    "payment_id",
    [
        UUID.replace("-", ""),
        f"{{{UUID}}}",
        f"urn:uuid:{UUID}",
        UUID[:-1] + "A",
        "0b6c6a520d0f-4a64-9d5e-8d2c-8f0f8a11",
        f"-{UUID}",
    ],
)
def test_only_the_usual_way_to_write_a_uuid_is_one(payment_id: str) -> None:
    assert payment_id_of(payment_name(payment_id)) in {payment_id, None}


def test_different_payments_have_different_names() -> None:
    assert len({payment_name(payment_id) for payment_id in IDS}) == len(IDS)


@pytest.mark.parametrize("payment_id", IDS)
def test_a_refund_is_told_from_a_payment_and_leads_to_it(payment_id: str) -> None:
    name = payment_name(payment_id)
    refunds = {refund_name(name, key) for key in ("command-1", "command-2", "x" * 255)}

    assert len(refunds) == 3
    assert not is_refund(name)
    assert all(is_refund(refund) for refund in refunds)
    assert {stem_of(refund) for refund in refunds} == {refund_stem(name)}
    assert {payment_id_of(refund) for refund in refunds} == {None}


@pytest.mark.parametrize("text", ["", "a b", "a/b", "../x", "a%2e", "ä", "x" * 65, "a\n"])
def test_what_cannot_be_in_a_path_is_not_asked_for(text: str) -> None:
    assert not can_be_in_a_path(text)
