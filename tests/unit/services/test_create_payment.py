"""Splits: partners' parts, and the rest for the tenant."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from domain.errors import InvalidInput
from domain.payment import Split
from services.create_payment import splits_of
from topics.commands import CreatePayment, SplitPart


def command(*splits: SplitPart) -> CreatePayment:
    return CreatePayment(
        command_id="c1",
        payment_id="p1",
        account="demo",
        requested_at=datetime(2026, 1, 2, tzinfo=UTC),
        gateway="stripe",
        amount_minor=1000,
        currency="USD",
        resource_type="order",
        resource_id="o1",
        splits=splits,
    )


def partner(recipient_id: str, amount_minor: int) -> SplitPart:
    return SplitPart(recipient_type="partner", recipient_id=recipient_id, amount_minor=amount_minor)


def test_without_splits_all_is_the_tenants() -> None:
    assert splits_of(command()) == (Split("tenant", "demo", 1000),)


def test_partners_first_and_the_rest_for_the_tenant() -> None:
    assert splits_of(command(partner("a", 300), partner("b", 100))) == (
        Split("partner", "a", 300),
        Split("partner", "b", 100),
        Split("tenant", "demo", 600),
    )


def shared(recipient_id: str, basis_points: int) -> SplitPart:
    return SplitPart(recipient_type="partner", recipient_id=recipient_id, share_basis_points=basis_points)


def test_shares_are_split_to_the_last_minor_unit() -> None:
    thirds = [shared(name, 3_333) for name in "abc"]
    assert splits_of(command(*thirds)) == (
        Split("partner", "a", 334),
        Split("partner", "b", 333),
        Split("partner", "c", 333),
    )


def test_shares_and_amounts_stand_side_by_side_and_the_rest_is_the_tenants() -> None:
    assert splits_of(command(shared("a", 1_000), partner("b", 1), shared("c", 1))) == (
        Split("partner", "a", 100),
        Split("partner", "b", 1),
        Split("tenant", "demo", 899),
    )


def test_shares_may_use_the_amount_up() -> None:
    assert splits_of(command(shared("a", 2_500), shared("b", 7_500))) == (
        Split("partner", "a", 250),
        Split("partner", "b", 750),
    )


@pytest.mark.parametrize("values", [{}, {"amount_minor": 1, "share_basis_points": 1}, {"share_basis_points": 10_001}])
def test_a_part_is_an_amount_or_a_share(values: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        SplitPart.model_validate({"recipient_type": "partner", "recipient_id": "a", **values})


def test_a_part_that_is_an_amount_is_written_as_ever() -> None:
    assert partner("a", 5).model_dump_json() == '{"recipient_type":"partner","recipient_id":"a","amount_minor":5}'


def test_splits_may_use_the_amount_up() -> None:
    assert splits_of(command(partner("a", 1000))) == (Split("partner", "a", 1000),)


@pytest.mark.parametrize(
    ("splits", "problem"),
    [
        ((partner("a", 1001),), "more than the amount"),
        ((partner("a", 1), partner("a", 2)), "named twice"),
        ((shared("a", 5_001), shared("b", 5_000)), "more than the whole"),
        ((shared("a", 5_000), partner("b", 501)), "more than the amount"),
        ((SplitPart(recipient_type="tenant", recipient_id="demo", amount_minor=5),), "what the splits leave over"),
    ],
)
def test_splits_that_do_not_fit_are_refused(splits: tuple[SplitPart, ...], problem: str) -> None:
    with pytest.raises(InvalidInput, match=problem) as caught:
        splits_of(command(*splits))
    assert caught.value.field == "splits"
