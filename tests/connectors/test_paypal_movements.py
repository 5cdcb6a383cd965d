"""What moves on a PayPal order after it was completed: captures, voids, refunds and disputes."""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from connectors.base import GatewayAnswer, MovementRequest
from connectors.paypal.client import PayPalConnector
from connectors.paypal.registration import PayPalCredentials
from domain.errors import GatewayDeclined, GatewayRejected, GatewayUnavailable, OutcomeUnknown
from domain.facts import Fact, FactKind
from tests.connectors.case import ACCOUNT
from tests.connectors.cases.paypal import AUTHORIZATION, AUTHORIZED_ORDER, CASES, ORDER, SIGNER
from tests.connectors.fault_server import Fault, answers, fault_server
from tests.gateways.paypal import LocalPayPal
from tests.gateways.paypal_payer import IMPATIENT, connected, credentials_at, fail_next, order, status


@pytest.fixture
async def authorized(paypal: PayPalConnector, local_paypal: LocalPayPal) -> Fact:
    """The authorization of 10.00 USD on a new order."""
    reference = (await paypal.create_order(order(manual_capture=True, idempotency_key="create-2"))).provider_reference
    local_paypal.pay(reference, "paid")
    (fact,) = (await paypal.fetch_status(status(reference))).facts
    return fact


@pytest.fixture
async def captured(paypal: PayPalConnector, local_paypal: LocalPayPal) -> Fact:
    """The capture of 10.00 USD on a new order."""
    reference = (await paypal.create_order(order())).provider_reference
    local_paypal.pay(reference, "paid")
    (fact,) = (await paypal.fetch_status(status(reference))).facts
    return fact


def movement(
    fact: Fact,
    amount_minor: int,
    key: str = "command-1",
    *,
    authorization: str | None = None,
    capture: str | None = None,
    reason: str | None = None,
) -> MovementRequest:
    return MovementRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key=key,
        provider_reference=fact.provider_reference,
        amount_minor=amount_minor,
        currency="USD",
        authorization_reference=authorization,
        capture_reference=capture,
        reason=reason,
    )


def said(answer: GatewayAnswer) -> list[tuple[FactKind, int | None]]:
    return [(fact.kind, fact.amount_minor) for fact in answer.facts]


async def read(paypal: PayPalConnector, fact: Fact) -> GatewayAnswer:
    return await paypal.fetch_status(status(fact.provider_reference))


@pytest.mark.parametrize("names_it", [True, False])
async def test_an_authorization_is_captured_as_a_whole_and_closed(
    paypal: PayPalConnector, local_paypal: LocalPayPal, authorized: Fact, names_it: bool
) -> None:
    request = movement(authorized, 1000, authorization=authorized.movement_reference if names_it else None)

    answer = await paypal.capture(request)
    again = await paypal.capture(request) if names_it else answer

    (fact,) = answer.facts
    assert (fact.kind, fact.amount_minor, fact.payment_id) == (FactKind.CAPTURED, 1000, "payment-1")
    assert fact.related_references == (authorized.movement_reference, fact.movement_reference)
    assert answer.facts == again.facts
    assert local_paypal.state.payments[str(fact.movement_reference)]["final_capture"] is True
    assert local_paypal.movements == {"authorization": 1, "capture": 1}
    assert fact in (await read(paypal, authorized)).facts


async def test_an_authorization_is_captured_in_parts(
    paypal: PayPalConnector, local_paypal: LocalPayPal, authorized: Fact
) -> None:
    name = authorized.movement_reference
    parts = [await paypal.capture(movement(authorized, part, f"c-{part}", authorization=name)) for part in (300, 700)]

    assert [said(part) for part in parts] == [[(FactKind.CAPTURED, 300)], [(FactKind.CAPTURED, 700)]]
    final = [each["final_capture"] for each in local_paypal.state.payments.values() if each["kind"] == "capture"]
    assert final == [False, False]
    assert said(await read(paypal, authorized)) == [
        (FactKind.AUTHORIZED, 1000),
        (FactKind.CAPTURED, 300),
        (FactKind.CAPTURED, 700),
    ]
    with pytest.raises(GatewayRejected):
        await paypal.capture(movement(authorized, 1, "c-1", authorization=name))


async def test_a_capture_without_an_answer_is_unknown_and_captured_once_when_it_is_repeated(
    paypal_url: str,
    paypal_credentials: PayPalCredentials,
    paypal: PayPalConnector,
    local_paypal: LocalPayPal,
    authorized: Fact,
) -> None:
    request = movement(authorized, 1000, authorization=authorized.movement_reference)
    await fail_next(paypal_url, "silent_after")
    async with connected(paypal_credentials, IMPATIENT) as impatient:
        with pytest.raises(OutcomeUnknown):
            await impatient.capture(request)

    assert said(await paypal.capture(request)) == [(FactKind.CAPTURED, 1000)]
    await fail_next(paypal_url, "delivered_twice")
    assert said(await paypal.capture(request)) == [(FactKind.CAPTURED, 1000)]
    assert local_paypal.movements["capture"] == 1


async def test_a_capture_that_waits_is_under_way_until_it_is_settled(
    paypal: PayPalConnector, local_paypal: LocalPayPal, authorized: Fact
) -> None:
    local_paypal.state.held.add("capture")

    waiting = await paypal.capture(movement(authorized, 1000, authorization=authorized.movement_reference))
    local_paypal.settle()

    assert said(waiting) == [(FactKind.PROCESSING, None)]
    assert said(await read(paypal, authorized)) == [(FactKind.AUTHORIZED, 1000), (FactKind.CAPTURED, 1000)]


async def test_without_an_open_authorization_there_is_nothing_to_capture(
    paypal: PayPalConnector, local_paypal: LocalPayPal, captured: Fact, authorized: Fact
) -> None:
    with pytest.raises(GatewayRejected, match="has no authorization"):
        await paypal.capture(movement(captured, 1000))
    with pytest.raises(GatewayRejected, match="has no authorization"):
        await paypal.capture(movement(authorized, 1000, authorization="0VF52814937998046"))

    assert local_paypal.movements == {"authorization": 1, "capture": 1}


@pytest.mark.parametrize("status_told", ["DECLINED", "FAILED"])
async def test_a_capture_that_is_declined_declines_and_leaves_the_authorization(status_told: str) -> None:
    declined = {"id": "2GG279541U471931P", "status": status_told, "processor_response": {"response_code": "5120"}}
    async with at(answers(201, declined)) as paypal:
        with pytest.raises(GatewayDeclined, match=f"{status_told}: response code 5120"):
            await paypal.capture(of_suite(1200))


async def test_an_order_whose_authorization_has_no_amount_is_not_captured() -> None:
    unreadable = {"purchase_units": [{"payments": {"authorizations": [{"id": AUTHORIZATION, "status": "CREATED"}]}}]}
    async with at(answers(500, {}), on_get=answers(200, unreadable)) as paypal:
        with pytest.raises(GatewayRejected, match="cannot be read"):
            await paypal.capture(of_suite(1200))


@pytest.mark.parametrize("names_it", [True, False])
async def test_an_authorization_is_let_go(
    paypal: PayPalConnector, local_paypal: LocalPayPal, authorized: Fact, names_it: bool
) -> None:
    name = authorized.movement_reference if names_it else None

    answer = await paypal.void(movement(authorized, 0, authorization=name))

    assert said(answer) == [(FactKind.CANCELLED, None)]
    assert local_paypal.movements == {"authorization": 1, "void": 1}
    assert said(await read(paypal, authorized)) == [(FactKind.CANCELLED, None)]


async def test_a_void_that_is_answered_without_content_is_a_void() -> None:
    async with at(answers(204, b"")) as paypal:
        answer = await paypal.void(of_suite(0))

    (fact,) = answer.facts
    assert (fact.kind, fact.provider_reference, fact.movement_reference) == (FactKind.CANCELLED, ORDER, AUTHORIZATION)


async def test_an_order_that_nobody_has_approved_has_nothing_to_let_go(paypal: PayPalConnector) -> None:
    created = await paypal.create_order(order())

    with pytest.raises(GatewayRejected, match="has no authorization"):
        await paypal.void(movement(created.facts[0], 0))


async def test_a_capture_is_refunded_in_parts_and_each_part_once(
    paypal: PayPalConnector, local_paypal: LocalPayPal, captured: Fact
) -> None:
    name = captured.movement_reference
    first = movement(captured, 400, "refund-1", capture=name, reason="the size was wrong")

    answers_to_first = [await paypal.refund(first) for _ in range(2)]
    second = await paypal.refund(movement(captured, 600, "refund-2", capture=name))

    (fact,) = answers_to_first[0].facts
    assert (fact.kind, fact.amount_minor, fact.related_references) == (FactKind.REFUNDED, 400, (name,))
    assert answers_to_first[0].facts == answers_to_first[1].facts
    assert local_paypal.movements == {"capture": 1, "refund": 2}
    bodies = [body for (path, _), (body, _) in local_paypal.answered.items() if path.endswith("/refund")]
    assert bodies[0]["note_to_payer"] == "the size was wrong"
    assert {body["custom_id"] for body in bodies} == {"payment-1"}
    known = (await read(paypal, captured)).facts
    assert [(each.kind, each.amount_minor) for each in known] == [
        (FactKind.CAPTURED, 1000),
        (FactKind.REFUNDED, 400),
        (FactKind.REFUNDED, 600),
    ]
    assert [each.gateway_event_id for each in known] == [
        each.gateway_event_id for each in (captured, fact, *second.facts)
    ]
    with pytest.raises(GatewayRejected):
        await paypal.refund(movement(captured, 1, "refund-3", capture=name))


async def test_a_refund_without_an_answer_is_unknown_and_made_once_when_it_is_repeated(
    paypal_url: str,
    paypal_credentials: PayPalCredentials,
    paypal: PayPalConnector,
    local_paypal: LocalPayPal,
    captured: Fact,
) -> None:
    request = movement(captured, 400, capture=captured.movement_reference)
    await fail_next(paypal_url, "silent_after")
    async with connected(paypal_credentials, IMPATIENT) as impatient:
        with pytest.raises(OutcomeUnknown):
            await impatient.refund(request)

    assert said(await paypal.refund(request)) == [(FactKind.REFUNDED, 400)]
    assert local_paypal.movements["refund"] == 1


async def test_a_refund_that_waits_is_pending_until_it_is_settled(
    paypal: PayPalConnector, local_paypal: LocalPayPal, captured: Fact
) -> None:
    local_paypal.state.held.add("refund")

    waiting = await paypal.refund(movement(captured, 400, capture=captured.movement_reference))
    local_paypal.settle()

    assert said(waiting) == [(FactKind.REFUND_PENDING, 400)]
    assert said(await read(paypal, captured)) == [(FactKind.CAPTURED, 1000), (FactKind.REFUNDED, 400)]


async def test_of_several_captures_one_with_enough_left_is_refunded(
    paypal: PayPalConnector, local_paypal: LocalPayPal, authorized: Fact
) -> None:
    name = authorized.movement_reference
    parts = [await paypal.capture(movement(authorized, part, f"c-{part}", authorization=name)) for part in (300, 700)]
    small, large = (part.facts[0].movement_reference for part in parts)

    refunds = [await paypal.refund(movement(authorized, part, f"r-{part}")) for part in (200, 150, 550)]

    assert [answer.facts[0].related_references for answer in refunds] == [(small,), (large,), (large,)]
    assert local_paypal.movements["refund"] == 3
    with pytest.raises(GatewayRejected, match="left to refund") as refusal:
        await paypal.refund(movement(authorized, 101, "r-101"))
    assert refusal.value.field == "amount_minor"


async def test_an_order_whose_captures_cannot_be_read_is_not_refunded() -> None:
    unreadable = {"purchase_units": [{"payments": {"captures": [{"id": "2GG279541U471931P", "status": "COMPLETED"}]}}]}
    async with at(answers(500, {}), on_get=answers(200, unreadable)) as paypal:
        with pytest.raises(GatewayRejected, match="cannot be read"):
            await paypal.refund(of_suite(1200))


async def test_a_look_up_that_fails_before_a_refund_leaves_nothing_to_be_unsure_of() -> None:
    async with at(answers(200, {}), on_get=answers(503, {})) as paypal:
        with pytest.raises(GatewayUnavailable):
            await paypal.refund(of_suite(1200))


async def test_a_dispute_is_found_by_its_capture_and_followed_to_its_end(
    paypal: PayPalConnector, local_paypal: LocalPayPal, captured: Fact
) -> None:
    name = str(captured.movement_reference)
    local_paypal.vault.dispute(name, {})
    (_, opened) = (await read(paypal, captured)).facts
    local_paypal.vault.dispute(
        name,
        {
            "status": "RESOLVED",
            "dispute_outcome": {
                "outcome_code": "RESOLVED_BUYER_FAVOUR",
                "amount_refunded": {"currency_code": "USD", "value": "6.00"},
            },
        },
    )
    (_, lost) = (await read(paypal, captured)).facts

    assert (opened.kind, opened.amount_minor, opened.movement_reference) == (FactKind.DISPUTE_OPENED, 1000, "PP-D-1")
    assert (opened.provider_reference, opened.related_references) == (captured.provider_reference, (name,))
    assert (opened.payment_id, opened.reason) == ("payment-1", "MERCHANDISE_OR_SERVICE_NOT_RECEIVED")
    assert str(opened.evidence_due_at) == "2027-01-10 00:00:00+00:00"
    assert (lost.kind, lost.amount_minor, lost.movement_reference) == (FactKind.DISPUTE_LOST, 600, "PP-D-1")


async def test_a_payment_is_read_without_its_disputes_when_the_app_may_not_read_them(
    paypal: PayPalConnector, local_paypal: LocalPayPal, captured: Fact, caplog: pytest.LogCaptureFixture
) -> None:
    local_paypal.vault.dispute(str(captured.movement_reference), {})
    local_paypal.vault.may_read_disputes = False
    with caplog.at_level(logging.WARNING):
        answer = await read(paypal, captured)

    assert answer.facts == (captured,)
    assert "does not let this app read disputes" in caplog.text


def known_order(payments: dict[str, object]) -> dict[str, object]:
    """An order that has come to some payments."""
    amount = {"currency_code": "USD", "value": "12.00"}
    unit = {"custom_id": "payment-1", "amount": amount, "payments": payments}
    return {"id": ORDER, "intent": "CAPTURE", "status": "COMPLETED", "purchase_units": [unit]}


CAPTURED_ORDER = known_order(
    {
        "captures": [
            {"id": "2GG279541U471931P", "status": "COMPLETED", "amount": {"currency_code": "USD", "value": "12.00"}}
        ]
    }
)


async def test_statuses_that_are_not_mapped_give_no_facts() -> None:
    told = {"id": "2GG279541U471931P", "status": "TELEPORTED", "amount": {"currency_code": "USD", "value": "12.00"}}
    unmapped = known_order({kind: [told] for kind in ("authorizations", "captures", "refunds")})
    async with at(answers(500, {}), on_get=answers(200, unmapped)) as paypal:
        answer = await paypal.fetch_status(status(ORDER))

    assert (answer.facts, answer.amount_minor, answer.currency) == ((), 1200, "USD")


@pytest.mark.parametrize(
    ("dispute", "is_readable"),
    [
        ({"dispute_id": "PP-D-1", "status": "RESOLVED"}, True),
        (
            {"dispute_id": "PP-D-1", "status": "RESOLVED", "dispute_outcome": {"outcome_code": "RESOLVED_WITH_PAYOUT"}},
            True,
        ),
        ({"dispute_id": "PP-D-1", "status": "OPEN"}, False),
        ({"status": "OPEN", "dispute_amount": {"currency_code": "USD", "value": "1.00"}}, False),
    ],
)
async def test_a_dispute_that_cannot_be_read_is_no_answer_and_one_that_says_nothing_no_fact(
    dispute: dict[str, object], is_readable: bool
) -> None:
    known = {"/v2/checkout/orders": CAPTURED_ORDER, "/v1/customer/disputes?": {"items": [{"dispute_id": "PP-D-1"}]}}
    async with at(answers(500, {}), on_get=answers(200, dispute), before=known) as paypal:
        if is_readable:
            assert said(await paypal.fetch_status(status(ORDER))) == [(FactKind.CAPTURED, 1200)]
        else:
            with pytest.raises(OutcomeUnknown):
                await paypal.fetch_status(status(ORDER))


async def test_a_refusal_to_list_disputes_that_is_not_about_the_app_is_no_answer() -> None:
    known = {"/v2/checkout/orders": CAPTURED_ORDER}
    async with at(answers(500, {}), on_get=answers(400, {}), before=known) as paypal:
        with pytest.raises(GatewayRejected):
            await paypal.fetch_status(status(ORDER))


@asynccontextmanager
async def at(
    fault: Fault, *, on_get: Fault | None = None, before: Mapping[str, object] | None = None
) -> AsyncIterator[PayPalConnector]:
    """A connector at a stand-in that knows the suite's authorized order and answers writes as it is told."""
    preliminary = {**CASES.preliminary, **(before or {})}
    look_ups = on_get or answers(200, AUTHORIZED_ORDER)
    async with (
        fault_server(fault, on_get=look_ups, preliminary=preliminary) as server,
        connected(credentials_at(server.url, SIGNER.authority.pem())) as connector,
    ):
        yield connector


def of_suite(amount_minor: int) -> MovementRequest:
    """A movement on the suite's authorized order."""
    return MovementRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key="command-1",
        provider_reference=ORDER,
        amount_minor=amount_minor,
        currency="USD",
        authorization_reference=AUTHORIZATION,
    )
