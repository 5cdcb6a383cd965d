"""Thresholds of the demo: whatever the plan, some batches need nobody, some need people, some are too small."""

import pytest

from devstack.demo.payout_rules import CARRIED_OVER, ONE_PERSON, TWO_PEOPLE, thresholds_for
from devstack.demo.plan import Plan, make_plan

PLANS = [make_plan(count, seed) for count in (20, 200, 1_000) for seed in range(1, 8)]


def partners(plan: Plan, currency: str) -> int:
    return sum(one.partner_minor for one in plan.payments if one.currency == currency and one.captured_minor)


def tenants(plan: Plan, currency: str) -> int:
    own = [one for one in plan.payments if one.currency == currency]
    return sum(one.captured_minor - one.refunded_minor - one.partner_minor for one in own)


@pytest.mark.parametrize("plan", PLANS)
def test_the_partner_stays_below_and_the_tenant_comes_above(plan: Plan) -> None:
    one, two, _ = thresholds_for(plan)
    assert (one.currency, two.currency) == (ONE_PERSON, TWO_PEOPLE)
    for rule in (one, two):
        assert rule.auto_approve_minor is not None
        assert partners(plan, rule.currency) <= rule.auto_approve_minor < tenants(plan, rule.currency)


@pytest.mark.parametrize("plan", PLANS)
def test_two_people_are_needed_above_and_a_minimum_stops_the_rest(plan: Plan) -> None:
    one, two, carried = thresholds_for(plan)
    assert one.second_approval_minor is None
    assert two.second_approval_minor == two.auto_approve_minor
    captured = sum(payment.captured_minor for payment in plan.payments if payment.currency == CARRIED_OVER)
    assert (carried.currency, carried.minimum_payout_minor > captured) == (CARRIED_OVER, True)
