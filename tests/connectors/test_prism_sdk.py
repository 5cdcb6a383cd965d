"""Prism's SDK itself, where it loads: that its messages and failures are what the connector takes them for."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from importlib import import_module

import pytest

from connectors.base import (
    GatewayAnswer,
)
from connectors.outcomes import Timeouts
from connectors.prism.client import PrismConnector
from connectors.prism.errors import PrismFailure
from connectors.prism.registration import PrismCredentials
from connectors.prism.sdk import Flow, load_sdk
from connectors.registry import build_connector
from devstack.ports import free_port
from domain.errors import GatewayError, GatewayRejected, GatewayUnavailable, InvalidInput, OutcomeUnknown
from domain.facts import FactKind
from tests.connectors.case import FIXTURES
from tests.connectors.cases.prism import CASES
from tests.connectors.fake_prism import wheel
from tests.connectors.fault_server import (
    Fault,
    answers,
    answers_in_turn,
    breaks_off,
    drips,
    fault_server,
    hangs_up,
    is_silent,
)
from tests.connectors.local_prism import authorization, charge, credentials, mandate, movement, order, said, status

TIMEOUTS = Timeouts(connect_seconds=2.0, read_seconds=0.5, total_seconds=1.0)
STRIPES_ERROR = {"error": {"type": "invalid_request_error", "code": "x", "message": "the processor's own words"}}


def why_it_does_not_load() -> str | None:
    try:
        load_sdk(PrismCredentials.model_validate(CASES.credentials), TIMEOUTS)
    except GatewayUnavailable as error:
        return error.message
    return None


REASON = why_it_does_not_load()
pytestmark = pytest.mark.skipif(REASON is not None, reason=str(REASON))


def connector_at(url: str, timeouts: Timeouts = TIMEOUTS) -> PrismConnector:
    chosen = credentials(api_base=url)
    return PrismConnector(chosen, load_sdk(chosen, timeouts))


def test_the_messages_are_the_ones_that_requests_are_checked_against() -> None:
    payments, methods, events = (
        import_module(f"payments.generated.{name}_pb2").DESCRIPTOR for name in ("payment", "payment_methods", "events")
    )
    described = {**payments.message_types_by_name, **methods.message_types_by_name, **events.message_types_by_name}
    enumerations = {**payments.enum_types_by_name, **methods.enum_types_by_name}

    for name, fields in wheel()["messages"].items():
        assert set(fields) <= {field.json_name for field in described[name].fields}, name
    for name in ("PaymentStatus", "RefundStatus", "AuthorizationStatus", "WebhookEventType"):
        assert set(wheel()["enumerations"][name]) == {value.name for value in enumerations[name].values}, name


async def test_the_registration_builds_a_connector() -> None:
    built = build_connector("prism", credentials())

    assert isinstance(built, PrismConnector)
    await built.aclose()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"connector": "no_such_processor"}, "connector"),
        ({"connector_config": "sk_test_secret"}, "connector_config"),
        ({"connector_config": '["sk_test_secret"]'}, "connector_config"),
        ({"connector_config": '{"apiKey":"sk_test_secret"}'}, "connector_config"),
        ({"connector_config": '{"sk_test_secret":{"value":"x"}}'}, "connector_config"),
        ({"connector_config": '{"apiKey":{"value":1.5}}'}, "connector_config"),
    ],
)
def test_settings_that_prism_does_not_take_are_refused_and_not_told(changes: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        build_connector("prism", credentials(**changes))

    assert refusal.value.field == field
    assert "sk_test_secret" not in repr(refusal.value) + str(refusal.value.__cause__)


async def authorize(built: PrismConnector, *, manual: bool = False) -> GatewayAnswer:
    name = (await built.create_order(order(manual=manual))).provider_reference
    return await built.authorize(authorization(name, "https://shop.example/back"))


def intent(status: str, received: int = 0) -> dict[str, object]:
    """A payment intent as Stripe answers with it."""
    return {
        "id": "pi_1",
        "object": "payment_intent",
        "amount": 1200,
        "amount_received": received,
        "amount_capturable": 0 if received else 1200,
        "currency": "usd",
        "status": status,
        "client_secret": "pi_1_secret",
        "created": 1767322800,
        "metadata": {"order_id": "payment-1"},
        "livemode": False,
        "capture_method": "manual",
        "payment_method": "pm_card_visa",
        "payment_method_types": ["card"],
    }


REFUND = {"id": "re_1", "object": "refund", "amount": 300, "currency": "usd", "payment_intent": "pi_1", "metadata": {}}


async def test_a_payment_goes_its_whole_way() -> None:
    pending, done = {**REFUND, "status": "pending"}, {**REFUND, "status": "succeeded"}
    captured_intent = intent("succeeded", 700)
    writes = answers_in_turn(intent("requires_capture"), captured_intent, pending)
    async with fault_server(writes, on_get=answers_in_turn(captured_intent, done)) as server:
        built = connector_at(server.url)
        begun = await authorize(built, manual=True)
        (authorized,) = begun.facts
        transaction = authorized.movement_reference
        captured = await built.capture(movement(700, begun.provider_reference, transaction))
        refunded = await built.refund(movement(300, begun.provider_reference, transaction))
        read = await built.fetch_status(
            status(
                str(refunded.facts[0].movement_reference),
                reference=begun.provider_reference,
                transaction=transaction,
            )
        )
        await built.aclose()

    assert said(begun) == [(FactKind.AUTHORIZED, "pi_1", 1200)]
    assert said(captured) == [(FactKind.AUTHORIZED, "pi_1", 1200), (FactKind.CAPTURED, "pi_1", 700)]
    assert said(refunded) == [(FactKind.REFUND_PENDING, "300@re_1", 300)]
    assert said(read) == [*said(captured), (FactKind.REFUNDED, "300@re_1", 300)]
    assert [request.path for request in server.writes] == [
        "/v1/payment_intents",
        "/v1/payment_intents/pi_1/capture",
        "/v1/refunds",
    ]


@pytest.mark.parametrize(
    ("operation", "answer", "expected"),
    [
        ("void", intent("canceled"), (FactKind.CANCELLED, "pi_1", None)),
        ("increment_authorization", intent("requires_capture"), (FactKind.AUTHORIZED, "pi_1", 1200)),
    ],
)
async def test_an_authorization_is_let_go_or_raised(
    operation: str, answer: object, expected: tuple[FactKind, str, int | None]
) -> None:
    async with fault_server(answers(200, answer)) as server:
        built = connector_at(server.url)
        told = await getattr(built, operation)(movement(transaction="pi_1"))
        await built.aclose()

    assert said(told) == [expected]


async def test_a_challenge_sends_the_browser_on() -> None:
    action = {"type": "redirect_to_url", "redirect_to_url": {"url": "https://acs.example/3ds", "return_url": "x"}}
    async with fault_server(answers(200, {**intent("requires_action"), "next_action": action})) as server:
        built = connector_at(server.url)
        answer = await authorize(built)
        await built.aclose()

    assert said(answer) == [(FactKind.REQUIRES_ACTION, "pi_1", None)]
    assert answer.client_parameters == {"redirect_url": "https://acs.example/3ds"}


async def test_a_mandate_is_kept_and_charged() -> None:
    setup = {
        "id": "seti_1",
        "object": "setup_intent",
        "status": "succeeded",
        "client_secret": "seti_1_secret",
        "payment_method": "pm_kept",
        "customer": "cus_1",
        "usage": "off_session",
        "metadata": {},
        "livemode": False,
    }
    async with fault_server(answers_in_turn(setup, intent("succeeded", 1200))) as server:
        built = connector_at(server.url)
        kept = await built.setup_mandate(mandate())
        charged = await built.charge_mandate(charge(kept))
        await built.aclose()

    assert (kept.provider_reference, kept.status) == ("seti_1", "active")
    assert (kept.customer_reference, kept.payment_method_reference) == ("cus_1", "pm_kept")
    assert said(charged) == [(FactKind.AUTHORIZED, "pi_1", 1200), (FactKind.CAPTURED, "pi_1", 1200)]


async def test_a_processor_with_access_tokens_is_asked_for_one_first() -> None:
    settings = {"clientId": {"value": "id"}, "clientSecret": {"value": "secret"}}
    token = {"access_token": "tok_1", "token_type": "Bearer", "expires_in": 3600}
    async with fault_server(answers(400, {"message": "no"}), preliminary={"/v1/oauth2/token": token}) as server:
        chosen = credentials(connector="paypal", connector_config=json.dumps(settings), api_base=server.url)
        built = PrismConnector(chosen, load_sdk(chosen, TIMEOUTS))
        with pytest.raises(GatewayRejected, match="HTTP 400"):
            await built.create_order(order("paypal_redirect"))
        await built.aclose()

    assert [request.path for request in server.writes] == ["/v2/checkout/orders"]


async def test_what_the_processor_does_not_have_is_refused() -> None:
    async with fault_server(answers(200, {})) as server:
        built = connector_at(server.url)
        with pytest.raises(GatewayRejected, match="FLOW_NOT_SUPPORTED"):
            await built.reverse(movement(transaction="pi_1"))
        await built.aclose()

    assert server.requests == []


FAULTS: dict[str, tuple[Fault, type[GatewayError]]] = {
    "400": (answers(400, STRIPES_ERROR), GatewayRejected),
    "401": (answers(401, STRIPES_ERROR), GatewayRejected),
    "404 without JSON": (answers(404, b"<html>"), GatewayRejected),
    "409": (answers(409, STRIPES_ERROR), OutcomeUnknown),
    "429": (answers(429, STRIPES_ERROR), GatewayUnavailable),
    "302": (answers(302, b""), OutcomeUnknown),
    "500": (answers(500, STRIPES_ERROR), OutcomeUnknown),
    "502 without JSON": (answers(502, b"<html>"), OutcomeUnknown),
    "200 without JSON": (answers(200, b"<html>"), OutcomeUnknown),
    "200 with an empty object": (answers(200, {}), OutcomeUnknown),
    "204": (answers(204, b""), OutcomeUnknown),
    "silence": (is_silent, OutcomeUnknown),
    "an answer that never ends": (drips, OutcomeUnknown),
    "a connection closed without an answer": (hangs_up, OutcomeUnknown),
    "a connection broken off in the answer": (breaks_off, OutcomeUnknown),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_failure_of_the_sdk_is_classified_and_not_repeated(fault: str) -> None:
    behaviour, expected = FAULTS[fault]
    async with fault_server(behaviour) as server, asyncio.timeout(10):
        connector = connector_at(server.url)
        with pytest.raises(GatewayError) as failure:
            await authorize(connector)
        await connector.aclose()

    assert type(failure.value) is expected, failure.value.message
    assert len(server.requests) == 1
    assert "sk_test_4242suite" not in failure.value.message


async def test_the_processors_words_are_passed_on() -> None:
    async with fault_server(answers(400, STRIPES_ERROR)) as server:
        connector = connector_at(server.url)
        with pytest.raises(GatewayRejected, match="Prism answered HTTP 400: the processor's own words"):
            await authorize(connector)
        await connector.aclose()


async def test_a_refused_connection_had_no_effect() -> None:
    connector = connector_at(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(GatewayUnavailable):
        await authorize(connector)
    await connector.aclose()


async def test_a_request_that_the_sdk_cannot_make_was_not_sent() -> None:
    async with fault_server(answers(200, {})) as server:
        sdk = load_sdk(credentials(api_base=server.url), TIMEOUTS)
        requests: dict[str, Callable[[], Awaitable[object]]] = {
            "MISSING_REQUIRED_FIELD": lambda: sdk.call(Flow.GET, {"connectorTransactionId": "pi_1"}),
            "REQUEST_INVALID": lambda: sdk.call(Flow.GET, {"no_such_field": 1}),
        }
        for code, call in requests.items():
            with pytest.raises(PrismFailure) as failure:
                await call()
            assert failure.value.code == code
        await sdk.aclose()

    assert server.requests == []


@pytest.mark.parametrize(
    ("sample", "kind"),
    [
        ("payment_intent.succeeded", FactKind.CAPTURED),
        ("payment_intent.amount_capturable_updated", FactKind.AUTHORIZED),
        ("payment_intent.payment_failed", FactKind.FAILED),
        ("payment_intent.canceled", FactKind.CANCELLED),
        ("payment_intent.requires_action", FactKind.REQUIRES_ACTION),
        ("charge.refund.updated", FactKind.REFUND_FAILED),
        ("refund.created", FactKind.REFUND_PENDING),
        ("charge.dispute.created", FactKind.DISPUTE_OPENED),
        ("charge.dispute.closed", FactKind.DISPUTE_LOST),
        ("charge.succeeded", FactKind.IGNORED),
        ("customer.created", FactKind.IGNORED),
    ],
)
async def test_stripes_own_callbacks_are_read(sample: str, kind: FactKind) -> None:
    body = (FIXTURES / "stripe" / f"{sample}.json").read_bytes()
    connector = connector_at("http://127.0.0.1:9")

    (fact,) = connector.parse_callback(CASES.callback(CASES.delivery(body)))
    await connector.aclose()

    assert fact.kind is kind
    assert kind is FactKind.IGNORED or fact.provider_reference == "pi_3SampleIntent"
    assert json.loads(body)
