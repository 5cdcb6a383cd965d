"""How long a call may be repeated depends on how long its gateway remembers the key."""

from dataclasses import replace
from datetime import timedelta

from connectors.base import Capability
from connectors.registry import get_registration
from services.reconcile.schedule import repeatable_for

STRIPE = get_registration("stripe")


def test_a_key_is_relied_on_for_a_part_of_its_life() -> None:
    assert repeatable_for(STRIPE) == timedelta(hours=20)
    assert repeatable_for(replace(STRIPE, keys_kept_for=timedelta(hours=3))) == timedelta(hours=2, minutes=30)


def test_without_keys_nothing_is_repeated() -> None:
    unkeyed = replace(STRIPE, capabilities=STRIPE.capabilities - {Capability.REPEATS_SAFELY})
    assert repeatable_for(unkeyed) == timedelta(0)
