"""The names that things of ours have at PhonePe."""

import re
from collections.abc import Callable

import pytest

from connectors.phonepe.names import (
    charge_name,
    is_charge,
    is_name,
    mandate_name,
    order_name,
    refund_name,
    setup_name,
)

IDS = ["payment-1", "A" * 63, "A" * 64, "x" * 255, "mit.punkt", "a/b?c#d", "mandate-charge-7", "mandate-setup-7"]


@pytest.mark.parametrize("own_id", IDS)
@pytest.mark.parametrize("name_of", [order_name, charge_name, mandate_name, setup_name, refund_name])
def test_every_name_is_one_that_phonepe_takes(name_of: Callable[[str], str], own_id: str) -> None:
    name = name_of(own_id)

    assert re.fullmatch(r"[A-Za-z0-9_-]{1,63}", name)
    assert is_name(name)
    assert name == name_of(own_id)


@pytest.mark.parametrize("name_of", [order_name, charge_name, mandate_name, setup_name, refund_name])
def test_different_ids_have_different_names(name_of: Callable[[str], str]) -> None:
    assert len({name_of(own_id) for own_id in IDS}) == len(IDS)


def test_an_id_that_fits_is_the_name() -> None:
    assert order_name("payment_1-A") == "payment_1-A"
    assert refund_name("command-1") == "command-1"
    assert charge_name("payment-1") == "mandate-charge-payment-1"


def test_only_a_charge_looks_like_one() -> None:
    assert all(is_charge(charge_name(own_id)) for own_id in IDS)
    assert not any(is_charge(order_name(own_id)) for own_id in IDS)


@pytest.mark.parametrize("text", ["", "a b", "a/b", "../x", "a%2e", "ä", "x" * 64, "a\n"])
def test_what_cannot_be_in_a_path_is_no_name(text: str) -> None:
    assert not is_name(text)
