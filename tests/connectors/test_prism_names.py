"""The names that payments and refunds bear behind Prism can be read back."""

import pytest

from connectors.prism.names import PlannedPayment, read_planned, read_refund_name, refund_name
from domain.errors import GatewayRejected


@pytest.mark.parametrize("payment_id", ["payment-1", "a:b", "a%3Ab", "automatic:USD:1:x", "~!@#$^&*()"])
@pytest.mark.parametrize("order_id", [None, "order_1", "a:b/c", "%"])
@pytest.mark.parametrize("manual", [True, False])
def test_a_planned_payment_can_be_read_from_its_name(payment_id: str, order_id: str | None, *, manual: bool) -> None:
    planned = PlannedPayment(
        payment_id=payment_id, amount_minor=1200, currency="USD", manual_capture=manual, order_id=order_id
    )

    assert read_planned(planned.name) == planned


@pytest.mark.parametrize(
    "name", ["pi_1", "", "planned", "planned:manual:USD:x:payment-1", "planned:later:USD:1:payment-1"]
)
def test_a_processors_own_name_is_no_plan(name: str) -> None:
    assert read_planned(name) is None


def test_a_name_that_is_too_long_is_refused() -> None:
    planned = PlannedPayment(payment_id="p" * 200, amount_minor=1, currency="USD", manual_capture=False)
    with pytest.raises(GatewayRejected) as refusal:
        _ = planned.name

    assert refusal.value.field == "payment_id"


@pytest.mark.parametrize("refund_id", ["re_1", "500@re_1", "a@b"])
def test_a_refund_can_be_read_from_its_name(refund_id: str) -> None:
    assert read_refund_name(refund_name(refund_id, 500)) == (refund_id, 500)


def test_a_refund_that_only_a_callback_has_named_has_no_amount() -> None:
    assert read_refund_name("re_1") == ("re_1", None)
