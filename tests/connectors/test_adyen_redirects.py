"""What a browser brings back from Adyen is asked about, and believed as far as Adyen says so."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from connectors.base import RedirectRequest
from domain.errors import GatewayRejected, OutcomeUnknown, VerificationFailed
from domain.facts import FactKind
from tests.connectors.cases.adyen import CASES
from tests.connectors.fault_server import Fault, answers, hangs_up, is_silent
from tests.connectors.local_adyen import ACCOUNT, SHORT, Adyen, authorization, folded, local_adyen, order
from tests.connectors.operations import connected, failing
from tests.gateways.adyen_state import REDIRECTING

PSP = "8835341234567890"
SALE = "payment-1.sale"


@pytest.fixture
async def adyen() -> AsyncIterator[Adyen]:
    async with local_adyen() as made:
        yield made


def back(parameters: Mapping[str, str], reference: str = SALE) -> RedirectRequest:
    return RedirectRequest(payment_id="payment-1", account=ACCOUNT, provider_reference=reference, parameters=parameters)


async def redirected(adyen: Adyen, key: str, payment_id: str = "payment-1") -> str:
    """A payer who was sent away; returns what the browser brings back."""
    made = await adyen.connector.create_order(order(f"{key}-order", payment_id=payment_id))
    await adyen.connector.authorize(authorization(key, made.provider_reference, REDIRECTING))
    return list(adyen.local.state.redirects)[-1]


def session_parameters(adyen: Adyen) -> dict[str, str]:
    session = list(adyen.local.state.sessions.values())[-1]
    return {"sessionId": session.id, "sessionResult": session.result}


async def test_a_payment_is_completed_by_asking_about_the_redirect(adyen: Adyen, key: str) -> None:
    result = await redirected(adyen, key)

    (told,) = (await adyen.connector.verify_redirect(back({"redirectResult": result}))).facts
    (called_back,) = adyen.settle()

    assert (told.kind, told.movement_reference) == (FactKind.CAPTURED, called_back.movement_reference)
    assert folded([told, called_back]).totals.captured == 1200


async def test_a_page_that_is_loaded_again_asks_the_same(adyen: Adyen, key: str) -> None:
    result = await redirected(adyen, key)

    first = await adyen.connector.verify_redirect(back({"redirectResult": result}))
    again = await adyen.connector.verify_redirect(back({"redirectResult": result}))

    assert [fact.gateway_event_id for fact in first.facts] == [fact.gateway_event_id for fact in again.facts]
    assert adyen.local.movements["authorization"] == 1


async def test_a_redirect_of_another_payment_is_refused(adyen: Adyen, key: str) -> None:
    result = await redirected(adyen, key, "payment-2")

    with pytest.raises(VerificationFailed) as refusal:
        await adyen.connector.verify_redirect(back({"redirectResult": result}))

    assert refusal.value.code == "reference_mismatch"


async def test_a_session_that_was_paid_says_with_what(adyen: Adyen, key: str) -> None:
    await adyen.connector.create_order(order(key))
    (called_back,) = adyen.pay(SALE)

    (told,) = (await adyen.connector.verify_redirect(back(session_parameters(adyen)))).facts

    assert (told.kind, told.movement_reference, told.amount_minor) == (
        called_back.kind,
        called_back.movement_reference,
        called_back.amount_minor,
    )


async def test_a_session_that_was_not_paid_tells_of_no_money(adyen: Adyen, key: str) -> None:
    await adyen.connector.create_order(order(key))
    active = await adyen.connector.verify_redirect(back(session_parameters(adyen)))
    adyen.pay(SALE, "cancelled")

    cancelled = await adyen.connector.verify_redirect(back(session_parameters(adyen)))

    assert active.facts == ()
    assert [(fact.kind, fact.reason) for fact in cancelled.facts] == [
        (FactKind.ATTEMPT_FAILED, "the session is canceled")
    ]


async def test_a_session_of_another_payment_is_refused(adyen: Adyen, key: str) -> None:
    await adyen.connector.create_order(order(key, payment_id="payment-2"))

    with pytest.raises(VerificationFailed) as refusal:
        await adyen.connector.verify_redirect(back(session_parameters(adyen)))

    assert refusal.value.code == "reference_mismatch"


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({}, "signature_missing"),
        ({"redirectResult": ""}, "signature_missing"),
        ({"sessionId": "CS1"}, "signature_missing"),
        ({"sessionResult": "x"}, "signature_missing"),
        ({"redirectResult": "made up"}, "signature_invalid"),
        ({"sessionId": "CS0000000000000000", "sessionResult": "made up"}, "signature_invalid"),
        ({"sessionId": "../payments/details", "sessionResult": "x"}, "signature_invalid"),
    ],
)
async def test_what_a_browser_made_up_proves_nothing(adyen: Adyen, parameters: dict[str, str], code: str) -> None:
    with pytest.raises(VerificationFailed) as refusal:
        await adyen.connector.verify_redirect(back(parameters))

    assert refusal.value.code == code


@pytest.mark.parametrize("result", ["a b&c=d", "é+/=?#", "%41"])
async def test_a_result_of_any_form_reaches_adyen_as_it_came(adyen: Adyen, key: str, result: str) -> None:
    await adyen.connector.create_order(order(key))
    (session,) = adyen.local.state.sessions.values()
    session.result = result

    answer = await adyen.connector.verify_redirect(back(session_parameters(adyen)))

    assert answer.provider_reference == SALE


SESSIONS: list[tuple[str, list[FactKind]]] = [
    ("completed", [FactKind.PROCESSING]),
    ("paymentPending", [FactKind.PROCESSING]),
    ("refused", [FactKind.FAILED]),
    ("expired", [FactKind.CANCELLED]),
    ("active", []),
    ("teleported", []),
]


@pytest.mark.parametrize(("status", "kinds"), SESSIONS)
async def test_what_a_sessions_result_means(status: str, kinds: list[FactKind]) -> None:
    body = {"id": "CS1", "status": status, "reference": SALE}
    async with failing(CASES, answers(200, body)) as server, connected(CASES, server.url, SHORT) as connector:
        answer = await connector.verify_redirect(back({"sessionId": "CS1", "sessionResult": "x"}))

    assert [fact.kind for fact in answer.facts] == kinds


@pytest.mark.parametrize("code", ["Refused", "Error", "Cancelled"])
async def test_a_refused_redirect_is_an_attempt_that_failed(code: str) -> None:
    body = {"resultCode": code, "merchantReference": SALE, "pspReference": PSP, "refusalReason": "Not enough balance"}
    async with failing(CASES, answers(200, body)) as server, connected(CASES, server.url, SHORT) as connector:
        (fact,) = (await connector.verify_redirect(back({"redirectResult": "x"}))).facts

    assert (fact.kind, fact.reason, fact.related_references) == (
        FactKind.ATTEMPT_FAILED,
        "Not enough balance",
        (PSP,),
    )


UNKNOWN: list[tuple[Fault, type[Exception]]] = [
    (is_silent, OutcomeUnknown),
    (hangs_up, OutcomeUnknown),
    (answers(500, {}), OutcomeUnknown),
    (answers(200, {}), OutcomeUnknown),
    (answers(200, {"resultCode": "Authorised", "pspReference": PSP}), OutcomeUnknown),
    (answers(401, {}), GatewayRejected),
]


@pytest.mark.parametrize("parameters", [{"redirectResult": "x"}, {"sessionId": "CS1", "sessionResult": "x"}])
@pytest.mark.parametrize(("fault", "expected"), UNKNOWN)
async def test_a_question_without_an_answer_is_no_false_proof(
    fault: Fault, expected: type[Exception], parameters: dict[str, Any]
) -> None:
    async with failing(CASES, fault) as server, connected(CASES, server.url, SHORT) as connector:
        with pytest.raises(expected):
            await connector.verify_redirect(back(parameters))

    assert len(server.requests) == 1
