"""Who has to approve which batches of the demo: chosen from the plan, so that every kind of batch comes up."""

from devstack.demo.plan import Plan
from storage.settlement_rules import PayoutThresholds

ONE_PERSON = "INR"
"""Batches of this currency above the threshold are approved by one person."""
TWO_PEOPLE = "USD"
"""Batches of this currency above the threshold are approved by two, of whom the demo has one."""
CARRIED_OVER = "JPY"
"""Nothing of this currency reaches the minimum that is paid."""
LEADING_DIGITS = 2


def thresholds_for(plan: Plan) -> tuple[PayoutThresholds, ...]:
    """Thresholds above whatever the partner can get and below what the tenant does, and a minimum above everything."""
    one, two = _most_for_partner(plan, ONE_PERSON), _most_for_partner(plan, TWO_PEOPLE)
    return (
        PayoutThresholds(currency=ONE_PERSON, auto_approve_minor=one),
        PayoutThresholds(currency=TWO_PEOPLE, auto_approve_minor=two, second_approval_minor=two),
        PayoutThresholds(currency=CARRIED_OVER, minimum_payout_minor=_round_up(_captured(plan, CARRIED_OVER) + 1)),
    )


def _most_for_partner(plan: Plan, currency: str) -> int:
    """What the partner gets of all captures, should nothing be refunded before it is paid out."""
    return _round_up(
        sum(one.partner_minor for one in plan.payments if one.currency == currency and one.captured_minor > 0)
    )


def _captured(plan: Plan, currency: str) -> int:
    return sum(one.captured_minor for one in plan.payments if one.currency == currency)


def _round_up(amount_minor: int) -> int:
    """The next amount that has two digits and zeros: a threshold is a round figure."""
    unit: int = 10 ** max(0, len(str(amount_minor)) - LEADING_DIGITS)
    return -(-amount_minor // unit) * unit
