"""The PesoPay connector against the local PesoPay: forms, datafeeds, captures, voids, refunds, and failures."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from connectors.pesopay.client import PesoPayConnector
from domain.errors import GatewayRejected, OutcomeUnknown
from domain.facts import FactKind, Trust
from tests.gateways.pesopay_payer import Shop, credentials_at, shop_at, steps_of
from tests.gateways.serving import serving


@pytest.fixture(scope="module")
def pesopay_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a local PesoPay."""
    with serving("tests.gateways.pesopay", tmp_path_factory.mktemp("pesopay")) as url:
        yield url


@pytest.fixture
async def shop(pesopay_url: str) -> AsyncIterator[Shop]:
    """A payment and both of its sides."""
    async with shop_at(pesopay_url) as shop:
        yield shop


async def test_a_form_is_posted_and_paid_and_told_of(shop: Shop, pesopay_url: str) -> None:
    created = await shop.connector.create_order(shop.order())

    assert created.provider_reference == f"{shop.payment_id}-N"
    assert created.client_parameters["form_action"] == f"{pesopay_url}/b2c2/eng/payment/payForm.jsp"
    assert (created.amount_minor, created.currency, created.facts) == (15000, "PHP", ())
    assert await shop.connector.create_order(shop.order()) == created

    await shop.post_form(created)
    assert await shop.facts(created.provider_reference) == ()
    await shop.pay(created.provider_reference)
    (fact,) = await shop.facts(created.provider_reference)
    (told,) = await shop.callback_facts()

    assert (fact.kind, fact.amount_minor, fact.currency) == (FactKind.CAPTURED, 15000, "PHP")
    assert (fact.payment_id, fact.trust) == (shop.payment_id, Trust.SIGNED)
    assert fact.references == told.references == (created.provider_reference, fact.movement_reference)
    assert steps_of((told,)) == steps_of((fact,))


async def test_the_form_tells_what_the_payment_page_wants(shop: Shop) -> None:
    created = await shop.connector.create_order(shop.order(500, "JPY", manual_capture=True))
    fields = json.loads(created.client_parameters["form_fields"])

    assert (fields["amount"], fields["currCode"], fields["payType"]) == ("500", "392", "H")
    assert fields["orderRef"] == created.provider_reference == f"{shop.payment_id}-H"
    assert {fields[name] for name in ("successUrl", "failUrl", "cancelUrl")} == {"https://shop.example/back"}
    await shop.post_form(created)


async def test_a_payment_needs_a_page_to_go_back_to(shop: Shop, pesopay_url: str) -> None:
    nowhere = replace(shop.order(), return_url=None)
    with pytest.raises(GatewayRejected) as refusal:
        await shop.connector.create_order(nowhere)
    by_account = PesoPayConnector(credentials_at(pesopay_url, return_url="https://shop.example/always"))

    created = await by_account.create_order(nowhere)

    assert refusal.value.field == "return_url"
    assert json.loads(created.client_parameters["form_fields"])["failUrl"] == "https://shop.example/always"


@pytest.mark.parametrize(("amount_minor", "currency"), [(1, "PHP"), (123_456_789, "HKD"), (500, "JPY")])
async def test_amounts_are_written_and_read_exactly(shop: Shop, amount_minor: int, currency: str) -> None:
    created = await shop.connector.create_order(shop.order(amount_minor, currency))
    await shop.post_form(created)
    await shop.pay(created.provider_reference)

    assert [(fact.amount_minor, fact.currency) for fact in await shop.callback_facts()] == [(amount_minor, currency)]


async def test_a_currency_without_a_number_is_refused(shop: Shop) -> None:
    with pytest.raises(GatewayRejected) as refusal:
        await shop.connector.create_order(shop.order(currency="KWD"))

    assert refusal.value.field == "currency"


async def test_several_attempts_are_told_one_by_one(shop: Shop) -> None:
    created = await shop.connector.create_order(shop.order())
    await shop.post_form(created)
    for outcome in ("failed", "paid", "failed"):
        await shop.pay(created.provider_reference, outcome)

    facts = await shop.facts(created.provider_reference)
    told = await shop.callback_facts()

    assert [fact.kind for fact in facts] == [FactKind.ATTEMPT_FAILED, FactKind.CAPTURED, FactKind.ATTEMPT_FAILED]
    assert steps_of(told) == steps_of(facts)
    assert len({fact.gateway_event_id for fact in told}) == 3
    assert facts[0].reason == told[0].reason == "rejected with the codes 51 and 1"


async def test_an_authorization_is_captured_as_a_whole(shop: Shop) -> None:
    reference, attempt = await shop.paid(manual_capture=True)
    (authorized,) = await shop.callback_facts()
    request = shop.movement(reference, 15000, authorization_reference=attempt)
    before = await shop.moved("capture")

    first = await shop.connector.capture(request)
    again = await shop.connector.capture(request)

    assert steps_of((authorized,)) == [("authorized", attempt, 15000)]
    assert steps_of(first.facts) == steps_of(again.facts) == [("captured", attempt, 15000)]
    assert steps_of(await shop.facts(reference)) == steps_of(first.facts)
    assert await shop.moved("capture") == before + 1


@pytest.mark.parametrize("names", [{}, {"authorization_reference": "4999999"}])
async def test_what_cannot_be_captured_is_refused_before_it_is_tried(shop: Shop, names: dict[str, str]) -> None:
    reference, _ = await shop.paid(manual_capture=True)
    before = await shop.moved("capture")

    with pytest.raises(GatewayRejected):
        await shop.connector.capture(shop.movement(reference, 14999, **names))

    assert await shop.moved("capture") == before


async def test_an_authorization_is_let_go_once(shop: Shop) -> None:
    reference, attempt = await shop.paid(manual_capture=True)
    request = shop.movement(reference, 0, authorization_reference=attempt)
    before = await shop.moved("void")

    first = await shop.connector.void(request)

    assert [fact.kind for fact in first.facts] == [FactKind.CANCELLED]
    assert steps_of((await shop.connector.void(request)).facts) == steps_of(first.facts)
    assert await shop.moved("void") == before + 1
    with pytest.raises(GatewayRejected, match="no payment at PesoPay"):
        await shop.connector.capture(shop.movement(reference, 15000, "command-3", authorization_reference=attempt))


async def test_a_sale_is_not_voided(shop: Shop) -> None:
    reference, attempt = await shop.paid()

    with pytest.raises(GatewayRejected):
        await shop.connector.void(shop.movement(reference, 0, authorization_reference=attempt))


@pytest.mark.parametrize("amount_minor", [15000, 5000])
async def test_a_refund_is_asked_for_and_carried_out_later(shop: Shop, amount_minor: int) -> None:
    reference, attempt = await shop.paid()
    request = shop.movement(reference, amount_minor, capture_reference=attempt)

    (asked_for,) = (await shop.connector.refund(request)).facts
    name = str(asked_for.movement_reference)
    waiting = await shop.facts(reference, name)
    await shop.control("settle")
    done = await shop.facts(reference, name)

    assert (asked_for.kind, asked_for.amount_minor, asked_for.currency) == (
        FactKind.REFUND_PENDING,
        amount_minor,
        "PHP",
    )
    assert steps_of(waiting) == [("captured", attempt, 15000)]
    assert steps_of(done) == [("captured", attempt, 15000), ("refunded", name, amount_minor)]
    # The datafeed about the payment is the only one there ever is.
    assert steps_of(await shop.callback_facts()) == [("captured", attempt, 15000)]


async def test_a_second_refund_waits_for_the_first(shop: Shop) -> None:
    reference, attempt = await shop.paid()
    (first,) = (await shop.connector.refund(shop.movement(reference, 5000, capture_reference=attempt))).facts

    with pytest.raises(GatewayRejected, match="refund under way"):
        await shop.connector.refund(shop.movement(reference, 5000, "command-3", capture_reference=attempt))
    await shop.control("settle")
    (second,) = (
        await shop.connector.refund(shop.movement(reference, 5000, "command-3", capture_reference=attempt))
    ).facts
    await shop.control("settle")
    unsure = await shop.facts(reference, str(second.movement_reference))

    assert first.movement_reference != second.movement_reference
    # Carried out or turned down, the payment looks the same: a person has to look.
    assert [(fact.kind, fact.reason) for fact in unsure[1:]] == [
        (FactKind.IGNORED, "status Partial Refunded does not say which refund was carried out")
    ]


async def test_a_refund_that_is_turned_down_is_never_told_as_carried_out(shop: Shop) -> None:
    reference, attempt = await shop.paid()
    (asked_for,) = (await shop.connector.refund(shop.movement(reference, 5000, capture_reference=attempt))).facts
    await shop.control("reject_refunds")

    facts = await shop.facts(reference, str(asked_for.movement_reference))

    assert [fact.kind for fact in facts] == [FactKind.CAPTURED]


async def test_a_refund_in_the_portal_is_noticed_and_moves_nothing(shop: Shop) -> None:
    reference, attempt = await shop.paid()
    await shop.control(f"status/{reference}", {"status": "Refunded"})

    facts = await shop.facts(reference)

    assert [(fact.kind, fact.reason) for fact in facts] == [
        (FactKind.CAPTURED, None),
        (FactKind.IGNORED, "status Refunded is about no refund that waits here"),
    ]
    with pytest.raises(GatewayRejected, match="is Refunded and cannot be refunded"):
        await shop.connector.refund(shop.movement(reference, 5000, capture_reference=attempt))


async def test_a_chargeback_is_told_when_the_payment_is_read(shop: Shop) -> None:
    reference, attempt = await shop.paid()
    await shop.control(f"status/{reference}", {"status": "ChargeBack"})

    assert steps_of(await shop.facts(reference)) == [
        ("captured", attempt, 15000),
        ("dispute_lost", f"{attempt}:chargeback", 15000),
    ]


@pytest.mark.parametrize("operation", ["capture", "void", "refund"])
async def test_silence_is_unknown_and_has_one_effect(shop: Shop, operation: str) -> None:
    reference, attempt = await shop.paid(manual_capture=operation != "refund")
    request = shop.movement(reference, 15000, authorization_reference=attempt, capture_reference=attempt)
    kind = {"capture": "capture", "void": "void", "refund": "refund_request"}[operation]
    before = await shop.moved(kind)
    await shop.control("faults/silent_after")

    with pytest.raises(OutcomeUnknown):
        await getattr(shop.connector, operation)(request)
    if operation == "refund":
        with pytest.raises(GatewayRejected, match="refund under way"):
            await shop.connector.refund(request)
    else:
        assert (await getattr(shop.connector, operation)(request)).facts

    assert await shop.moved(kind) == before + 1


@pytest.mark.parametrize("operation", ["capture", "void", "refund"])
async def test_a_request_that_comes_twice_has_one_effect(shop: Shop, operation: str) -> None:
    reference, attempt = await shop.paid(manual_capture=operation != "refund")
    request = shop.movement(reference, 15000, authorization_reference=attempt, capture_reference=attempt)
    kind = {"capture": "capture", "void": "void", "refund": "refund_request"}[operation]
    before = await shop.moved(kind)
    await shop.control("faults/delivered_twice")

    with pytest.raises(GatewayRejected):
        await getattr(shop.connector, operation)(request)

    assert await shop.moved(kind) == before + 1


async def test_an_error_before_anything_is_unknown_and_had_no_effect(shop: Shop) -> None:
    reference, attempt = await shop.paid()
    await shop.control("faults/error_before")

    with pytest.raises(OutcomeUnknown):
        await shop.connector.refund(shop.movement(reference, 5000, capture_reference=attempt))

    assert steps_of(await shop.facts(reference)) == [("captured", attempt, 15000)]


async def test_wrong_credentials_are_told_in_asiapays_words(shop: Shop, pesopay_url: str) -> None:
    stranger = PesoPayConnector(credentials_at(pesopay_url, api_password="wrong"))

    with pytest.raises(GatewayRejected, match="PesoPay refused the request: Authentication Failed"):
        await stranger.refund(shop.movement("payment-1-N", 5000))
    await stranger.aclose()


async def test_a_hash_by_another_secret_is_refused_by_the_payment_page(shop: Shop, pesopay_url: str) -> None:
    stranger = PesoPayConnector(credentials_at(pesopay_url, secure_hash_secret="another"))
    fields = json.loads((await stranger.create_order(shop.order())).client_parameters["form_fields"])

    answer = await shop.http.post(f"{pesopay_url}/b2c2/eng/payment/payForm.jsp", data=fields)

    assert (answer.status_code, answer.text) == (400, "Secure Hash Incorrect")
