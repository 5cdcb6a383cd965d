"""Events of a whole payment, as the local Square signs them; and what is particular about reading them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.base import Callback
from connectors.outcomes import Timeouts
from connectors.square.client import SquareConnector
from connectors.square.registration import SquareCredentials
from connectors.square.status import Source, facts_of_payment, facts_of_refund, read_time
from domain.errors import MalformedPayload
from domain.facts import Fact, FactKind
from domain.payment import PaymentState, PaymentTerms, Split, Status, fold, status_of
from tests.connectors.case import ACCOUNT, SIGNED_AT
from tests.connectors.cases.square import CASES, DISPUTE
from tests.gateways.local_gateway import Outgoing
from tests.gateways.square import LocalSquare
from tests.gateways.square_shop import CALLBACK_URL, Told, credentials_at, told
from tests.gateways.square_state import DECLINED, GOOD, Refusal

USD = "USD"


def money(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": USD}


def order_at(square: LocalSquare) -> str:
    line = {"uid": "payment", "quantity": "1", "base_price_money": money(1200)}
    order = square.state.create_order({"location_id": "L1", "line_items": [line]})
    return str(order["id"])


def payment_at(square: LocalSquare, order_id: str, token: str, *, autocomplete: bool) -> str:
    content = {"source_id": token, "amount_money": money(1200), "autocomplete": autocomplete, "order_id": order_id}
    return str(square.state.create_payment({**content, "reference_id": "payment-1"}, None)["id"])


def facts_of(events: list[Outgoing]) -> list[Fact]:
    credentials = SquareCredentials.model_validate(credentials_at("http://127.0.0.1:1", CALLBACK_URL))
    connector = SquareConnector(credentials, Timeouts())
    callbacks = (
        Callback(account=ACCOUNT, body=each.body, headers=tuple(each.headers.items()), received_at=SIGNED_AT)
        for each in events
    )
    return [fact for callback in callbacks for fact in connector.parse_callback(callback)]


def folded(facts: list[Fact]) -> PaymentState:
    terms = PaymentTerms(
        payment_id="payment-1",
        account=ACCOUNT,
        gateway="square",
        amount_minor=1200,
        currency=USD,
        splits=(Split("tenant", ACCOUNT, 1200),),
    )
    state = PaymentState()
    for fact in facts:
        state = fold(state, terms, fact)
    return state


def a_captured_part_that_is_partly_refunded() -> tuple[LocalSquare, str, list[Fact]]:
    square = LocalSquare()
    square.callback_url = CALLBACK_URL
    order_id = order_at(square)
    payment_id = payment_at(square, order_id, GOOD, autocomplete=False)
    line = {"uid": "payment", "quantity": "1", "base_price_money": money(700)}
    square.state.update_payment(payment_id, {"amount_money": money(700)})
    version = square.state.orders[order_id]["version"]
    square.state.update_order(order_id, {"version": version, "line_items": [line]})
    square.state.complete_payment(payment_id, None)
    square.state.create_refund({"payment_id": payment_id, "amount_money": money(300)})
    return square, payment_id, facts_of(list(square.settle()))


def test_events_tell_the_whole_story() -> None:
    _, _, facts = a_captured_part_that_is_partly_refunded()

    state = folded(facts)
    assert status_of(state) is Status.PARTIALLY_REFUNDED
    assert (state.totals.authorized, state.totals.captured, state.totals.refunded) == (1200, 700, 300)
    assert folded(facts[::-1] + facts).steps == state.steps


def test_events_and_answers_tell_the_same() -> None:
    square, payment_id, facts = a_captured_part_that_is_partly_refunded()
    payment = square.state.payments[payment_id]
    source = Source(ACCOUNT)

    answers = facts_of_payment(payment, source)
    for name in payment["refund_ids"]:
        answers += facts_of_refund(square.state.refunds[name], source, payment["order_id"])

    by_events: list[Told] = told(tuple(facts))
    assert told(tuple(answers)) == [
        (FactKind.CAPTURED, payment_id, 700),
        (FactKind.REFUNDED, payment["refund_ids"][0], 300),
    ]
    assert set(told(tuple(answers))) <= set(by_events)
    assert {fact.references for fact in answers} == {(payment["order_id"], payment_id)}


def test_after_an_attempt_that_failed_the_order_can_still_be_paid() -> None:
    square = LocalSquare()
    square.callback_url = CALLBACK_URL
    order_id = order_at(square)
    with pytest.raises(Refusal):
        payment_at(square, order_id, DECLINED, autocomplete=True)

    declined = facts_of(list(square.settle()))
    paid = facts_of(list(square.pay(order_id, "paid")))

    assert status_of(folded([fact for fact in declined if fact.kind is FactKind.ATTEMPT_FAILED])) is Status.PENDING
    assert declined[-1].reason == "GENERIC_DECLINE: Authorization error: 'GENERIC_DECLINE'"
    assert status_of(folded(declined + paid)) is Status.COMPLETED


def sample(name: str, **changes: object) -> bytes:
    return json.dumps({**json.loads(CASES.sample(name)), **changes}).encode()


def fact_in(body: bytes) -> Fact:
    (fact,) = CASES.facts_of(CASES.delivery(body))
    return fact


def test_a_dispute_says_until_when_it_may_be_answered() -> None:
    fact = fact_in(CASES.sample("dispute.created"))

    assert (fact.movement_reference, fact.evidence_due_at) == (DISPUTE, datetime(2026, 1, 15, tzinfo=UTC))


def test_an_event_without_a_time_happened_when_it_came() -> None:
    assert fact_in(sample("payment.updated.completed", created_at=None)).occurred_at == SIGNED_AT


@pytest.mark.parametrize(
    "name", ["payment.updated.completed", "refund.created", "dispute.created", "order.updated.open"]
)
@pytest.mark.parametrize("change", [{"data": None}, {"data": {}}, {"data": {"object": {}}}, {"data": []}, {"type": 1}])
def test_an_event_without_its_object_is_malformed(name: str, change: dict[str, object]) -> None:
    with pytest.raises(MalformedPayload):
        CASES.facts_of(CASES.delivery(sample(name, **change)))


@pytest.mark.parametrize("name", ["payment.updated.completed", "refund.created", "dispute.created"])
def test_an_object_without_a_name_is_malformed(name: str) -> None:
    event = json.loads(CASES.sample(name))
    (item,) = event["data"]["object"].values()
    item.pop("id")
    item.pop("dispute_id", None)

    with pytest.raises(MalformedPayload):
        CASES.facts_of(CASES.delivery(json.dumps(event).encode()))


def test_the_order_of_a_return_names_no_payment() -> None:
    event = json.loads(CASES.sample("refund.updated.completed"))
    refund = event["data"]["object"]["refund"]

    assert fact_in(json.dumps(event).encode()).references == (refund["payment_id"],)
    assert refund["order_id"] != refund["payment_id"]


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-02T03:00:00Z",
        "2026-01-02T03:00:00.000Z",
        "2026-01-02T03:00:00.000000000Z",
        "2026-01-02T04:00:00+01:00",
        "2026-01-01T22:00:00-05:00",
        "2026-01-02T03:00:00",
    ],
)
def test_times_are_read_as_square_writes_them(text: str) -> None:
    assert read_time(text) == SIGNED_AT


@pytest.mark.parametrize(
    "value", [None, 1767322800, "", "yesterday", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00"]
)
def test_what_is_no_time_is_malformed(value: object) -> None:
    with pytest.raises(MalformedPayload):
        read_time(value)
