"""Payments at Klarna until they are authorized: on its page, in its widget, and read back."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from connectors.base import AuthorizationRequest, RedirectRequest
from connectors.klarna.registration import REGISTRATION
from domain.errors import GatewayRejected, GatewayUnavailable, OutcomeUnknown, VerificationFailed
from domain.facts import Fact, FactKind, Trust
from tests.connectors.fault_server import answers, fault_server
from tests.gateways.klarna_payer import ACCOUNT, IMPATIENT, Shop, movement, order_request, shop_at, status
from tests.gateways.serving import serving

RETURN_URL = "https://shop.example/back?cart=7"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a local Klarna."""
    with serving("tests.gateways.klarna", tmp_path_factory.mktemp("klarna")) as url:
        yield url


@pytest.fixture
async def shop(url: str) -> AsyncIterator[Shop]:
    """A shop at the local Klarna."""
    async with shop_at(url) as shop:
        yield shop


def authorization(reference: str, token: str, *, manual_capture: bool = True) -> AuthorizationRequest:
    return AuthorizationRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        idempotency_key="command-2",
        provider_reference=reference,
        payment_method_token=token,
        amount_minor=12_000,
        currency="SEK",
        manual_capture=manual_capture,
    )


def said(facts: tuple[Fact, ...]) -> list[tuple[FactKind, int | None]]:
    return [(fact.kind, fact.amount_minor) for fact in facts]


async def test_a_payment_is_made_with_a_page_and_a_widget(shop: Shop, key: str) -> None:
    answer = await shop.klarna.create_order(order_request(key, return_url=RETURN_URL))
    session = await shop.session(answer.provider_reference)

    assert (answer.amount_minor, answer.currency, answer.facts) == (12_000, "SEK", ())
    assert answer.client_parameters["redirect_url"].startswith("https://pay.playground.klarna.example/")
    assert answer.client_parameters["client_token"] == session["client_token"]
    assert session["merchant_reference1"] == f"payment-{key}"
    assert [line["name"] for line in session["order_lines"]] == ["Two coffees"]
    assert session["merchant_urls"]["confirmation"] == RETURN_URL


@pytest.mark.parametrize(
    ("amount_minor", "tax_rate", "tax_minor"), [(12_000, 2500, 2400), (1, 2500, 0), (999, 1200, 107), (12_000, 0, 0)]
)
async def test_the_tax_within_the_amount_is_told(
    url: str, key: str, amount_minor: int, tax_rate: int, tax_minor: int
) -> None:
    async with shop_at(url, changes={"tax_rate": tax_rate}) as shop:
        answer = await shop.klarna.create_order(order_request(key, amount_minor=amount_minor))
        session = await shop.session(answer.provider_reference)

    assert (session["order_amount"], session["order_tax_amount"]) == (amount_minor, tax_minor)


async def test_a_payment_is_read_back_from_the_moment_it_is_made(shop: Shop, key: str) -> None:
    reference = (await shop.klarna.create_order(order_request(key))).provider_reference
    answer = await shop.klarna.fetch_status(status(reference))

    assert (answer.provider_reference, answer.facts, answer.amount_minor) == (reference, (), None)


async def test_a_payment_on_the_page_is_authorized_and_names_its_order(shop: Shop, key: str) -> None:
    reference = (await shop.klarna.create_order(order_request(key))).provider_reference
    await shop.pay(reference)
    answer = await shop.klarna.fetch_status(status(reference))
    (fact,) = answer.facts

    assert (answer.amount_minor, answer.currency) == (12_000, "SEK")
    assert (fact.kind, fact.amount_minor, fact.currency) == (FactKind.AUTHORIZED, 12_000, "SEK")
    assert fact.references == (reference, fact.movement_reference)
    assert (fact.payment_id, fact.trust) == (f"payment-{key}", Trust.SIGNED)
    assert await shop.moved("acknowledgement") == 0


async def test_a_payment_to_be_captured_at_once_is_captured_by_the_page(shop: Shop, key: str) -> None:
    reference = (await shop.klarna.create_order(order_request(key, manual_capture=False))).provider_reference
    await shop.pay(reference)

    assert said(await shop.facts_of(status(reference))) == [(FactKind.AUTHORIZED, 12_000), (FactKind.CAPTURED, 12_000)]


@pytest.mark.parametrize(("outcome", "kind"), [("failed", FactKind.ATTEMPT_FAILED), ("cancelled", FactKind.CANCELLED)])
async def test_a_payment_that_is_not_made_is_read_back_as_such(
    shop: Shop, key: str, outcome: str, kind: FactKind
) -> None:
    reference = (await shop.klarna.create_order(order_request(key))).provider_reference
    await shop.pay(reference, outcome)

    assert said(await shop.facts_of(status(reference))) == [(kind, None)]


async def test_a_page_that_failed_can_still_be_paid(shop: Shop, key: str) -> None:
    reference = (await shop.klarna.create_order(order_request(key))).provider_reference
    await shop.pay(reference, "failed")
    await shop.pay(reference)

    assert said(await shop.facts_of(status(reference))) == [(FactKind.AUTHORIZED, 12_000)]


async def test_an_order_that_klarna_still_looks_at_is_not_authorized_yet(shop: Shop, key: str) -> None:
    reference = (await shop.klarna.create_order(order_request(key))).provider_reference
    await shop.pay(reference, "pending")
    before = await shop.facts_of(status(reference))
    told = [shop.klarna.parse_callback(callback)[0] for callback in await shop.settle()]

    assert said(before) == [(FactKind.PROCESSING, None)]
    assert before[0].movement_reference == before[0].related_references[0]
    assert [(fact.kind, fact.provider_reference) for fact in told] == [
        (FactKind.AUTHORIZED, before[0].related_references[0])
    ]
    assert said(await shop.facts_of(status(reference))) == [(FactKind.AUTHORIZED, 12_000)]


async def test_a_known_order_is_read_when_klarna_has_forgotten_its_page(shop: Shop, key: str) -> None:
    reference = (await shop.klarna.create_order(order_request(key))).provider_reference
    await shop.pay(reference)
    facts = await shop.facts_of(status(reference))
    await shop.forget_pages()

    with pytest.raises(GatewayRejected):
        await shop.facts_of(status(reference))
    assert await shop.facts_of(status(reference, facts[0].movement_reference)) == facts


async def test_an_order_without_a_page_is_acknowledged_while_it_waits_for_its_capture(shop: Shop, key: str) -> None:
    reference = (await shop.klarna.create_order(order_request(key))).provider_reference
    await shop.pay(reference)
    order_id = str((await shop.facts_of(status(reference)))[0].movement_reference)
    for _ in range(2):
        answer = await shop.klarna.fetch_status(status(order_id))
        assert (answer.provider_reference, said(answer.facts)) == (order_id, [(FactKind.AUTHORIZED, 12_000)])
    acknowledged = await shop.moved("acknowledgement")
    await shop.klarna.capture(movement(order_id, key))
    await shop.klarna.fetch_status(status(order_id))

    assert acknowledged == await shop.moved("acknowledgement") == 1


async def test_an_order_is_read_although_it_cannot_be_acknowledged(shop: Shop, key: str) -> None:
    reference = (await shop.klarna.create_order(order_request(key))).provider_reference
    await shop.pay(reference)
    order_id = str((await shop.facts_of(status(reference)))[0].movement_reference)
    await shop.fail_next("error_before")

    assert said(await shop.facts_of(status(order_id))) == [(FactKind.AUTHORIZED, 12_000)]


async def test_callbacks_of_a_payment_name_it_by_its_page_and_its_order(shop: Shop, key: str) -> None:
    reference = (await shop.klarna.create_order(order_request(key))).provider_reference
    of_page, push = await shop.pay(reference)
    order_id = (await shop.facts_of(status(reference)))[0].movement_reference
    (first,), (second,) = shop.klarna.parse_callback(of_page), shop.klarna.parse_callback(push)

    assert (first.kind, first.references) == (FactKind.PROCESSING, (reference, order_id))
    assert (second.kind, second.references, push.body) == (FactKind.AUTHORIZED, (order_id,), b"")
    assert {first.payment_id, second.payment_id} == {f"payment-{key}"}
    assert {first.trust, second.trust} == {Trust.HINT}


async def test_what_the_payer_authorized_in_the_widget_becomes_an_order(shop: Shop, key: str) -> None:
    reference = (await shop.klarna.create_order(order_request(key))).provider_reference
    answer = await shop.klarna.authorize(authorization(reference, await shop.authorize(reference)))
    (fact,) = answer.facts

    assert (answer.provider_reference, said(answer.facts)) == (reference, [(FactKind.AUTHORIZED, 12_000)])
    assert fact.references == (reference, fact.movement_reference)
    assert fact.payment_id == f"payment-{key}"
    assert answer.client_parameters["redirect_url"].startswith("https://credit.klarna.example/")
    assert await shop.facts_of(status(reference, fact.movement_reference)) == answer.facts


async def test_an_authorization_to_be_captured_at_once_is_captured(shop: Shop, key: str) -> None:
    reference = (await shop.klarna.create_order(order_request(key, manual_capture=False))).provider_reference
    token = await shop.authorize(reference)
    answer = await shop.klarna.authorize(authorization(reference, token, manual_capture=False))

    assert said(answer.facts) == [(FactKind.AUTHORIZED, 12_000), (FactKind.CAPTURED, 12_000)]


async def test_an_order_without_an_answer_is_not_placed_again(url: str, key: str) -> None:
    async with shop_at(url, timeouts=IMPATIENT) as shop:
        reference = (await shop.klarna.create_order(order_request(key))).provider_reference
        token = await shop.authorize(reference)
        before = await shop.moved("authorization")
        await shop.fail_next("silent_after")
        with pytest.raises(OutcomeUnknown):
            await shop.klarna.authorize(authorization(reference, token))
        with pytest.raises(OutcomeUnknown, match="has an order"):
            await shop.klarna.authorize(authorization(reference, token))

        assert await shop.moved("authorization") == before + 1


async def test_a_token_that_klarna_does_not_know_is_refused(shop: Shop, key: str) -> None:
    reference = (await shop.klarna.create_order(order_request(key))).provider_reference

    with pytest.raises(GatewayRejected, match="Invalid authorization token"):
        await shop.klarna.authorize(authorization(reference, "no-such-token"))
    with pytest.raises(GatewayRejected, match="is an order already"):
        await shop.klarna.authorize(authorization("order-1", "token"))


@pytest.mark.parametrize(
    ("fraud_status", "kind"),
    [("ACCEPTED", FactKind.AUTHORIZED), ("PENDING", FactKind.PROCESSING), ("REJECTED", FactKind.FAILED)],
)
async def test_an_order_that_cannot_be_read_back_at_once_is_still_known(fraud_status: str, kind: FactKind) -> None:
    session = {"status": "incomplete", "order_amount": 12_000, "purchase_currency": "SEK"}
    placed = answers(200, {"order_id": "order-1", "fraud_status": fraud_status})
    sessions = {"/payments/v1/sessions/": session}
    server = fault_server(placed, on_get=answers(500, {}), preliminary=sessions)
    async with server as klarna, shop_at(klarna.url) as shop:
        answer = await shop.klarna.authorize(authorization("page-1~session-1", "token"))

    assert [(fact.kind, fact.references) for fact in answer.facts] == [(kind, ("page-1~session-1", "order-1"))]


async def test_a_session_without_an_answer_has_no_effect(url: str, key: str) -> None:
    async with shop_at(url, timeouts=IMPATIENT) as shop:
        await shop.fail_next("silent_after")
        with pytest.raises(GatewayUnavailable):
            await shop.klarna.create_order(order_request(key))


async def test_a_payment_method_may_be_chosen_and_an_unknown_one_is_refused(shop: Shop, key: str) -> None:
    for method in REGISTRATION.payment_methods:
        answer = await shop.klarna.create_order(order_request(key, payment_method=method))
        assert answer.client_parameters["redirect_url"]
    with pytest.raises(GatewayRejected) as refusal:
        await shop.klarna.create_order(order_request(key, payment_method="cheque"))

    assert refusal.value.field == "payment_method"


async def test_data_that_klarna_has_no_room_for_is_left_out(shop: Shop, key: str) -> None:
    metadata = {f"key-{number}": "x" * 500 for number in range(20)}
    reference = (await shop.klarna.create_order(order_request(key, metadata=metadata))).provider_reference
    await shop.pay(reference)

    assert {fact.payment_id for fact in await shop.facts_of(status(reference))} == {f"payment-{key}"}


async def test_wrong_credentials_are_refused(url: str, key: str) -> None:
    async with shop_at(url, changes={"password": "another"}) as shop:
        with pytest.raises(GatewayRejected) as refusal:
            await shop.klarna.create_order(order_request(key))

    assert refusal.value.code == "credentials_refused"


async def test_a_browser_proves_nothing_and_must_not_come_from_another_page(shop: Shop, key: str) -> None:
    reference = (await shop.klarna.create_order(order_request(key, return_url=RETURN_URL))).provider_reference
    await shop.pay(reference)
    page_id = reference.partition("~")[0]
    request = RedirectRequest(
        payment_id="payment-1",
        account=ACCOUNT,
        provider_reference=reference,
        parameters={"session_id": page_id, "cart": "7"},
    )

    assert said((await shop.klarna.verify_redirect(request)).facts) == [(FactKind.AUTHORIZED, 12_000)]
    with pytest.raises(VerificationFailed) as refusal:
        await shop.klarna.verify_redirect(replace(request, parameters={"session_id": "another"}))
    assert refusal.value.code == "reference_mismatch"


@pytest.mark.parametrize(
    ("return_url", "told"),
    [
        ("https://shop.example/back", "https://shop.example/back?session_id={{session_id}}"),
        ("https://shop.example/back?cart=7#top", "https://shop.example/back?cart=7&session_id={{session_id}}#top"),
    ],
)
async def test_the_page_sends_the_payer_back_with_its_name(shop: Shop, key: str, return_url: str, told: str) -> None:
    reference = (await shop.klarna.create_order(order_request(key, return_url=return_url))).provider_reference
    urls = await shop.urls_of_page(reference)

    assert {urls[way] for way in ("success", "cancel", "back", "failure", "error")} == {told}
    assert f"/_control/inbox?payment=payment-{key}&session=" in urls["status_update"]
