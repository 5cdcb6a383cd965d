"""The hosted page as a payer first sees it, and what its button does."""

import asyncio
import hashlib
import json
from base64 import b64encode

import httpx
import pytest

from domain.errors import GatewayDeclined, GatewayUnavailable, OutcomeUnknown
from domain.facts import FactKind
from storage.unit_of_work import Database
from tests.integration.api.checkout.payer import (
    ELSEWHERE,
    HOSTILE,
    Page,
    PageGateway,
    begin,
    click,
    link,
    open_page,
    return_path,
    tell,
)
from tests.integration.api.conftest import Api
from tests.integration.api.paying import get
from tests.integration.services.commands.shop import TESTGATE


async def test_a_payer_sees_what_is_asked_and_by_whom(acme: httpx.AsyncClient, browser: httpx.AsyncClient) -> None:
    path = (await link(acme, return_url="https://shop.example/orders/1"))["path"]

    answer = await browser.get(path)
    page = Page(answer.text)

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    for words in ("acme", "USD 10.99", "Two coffees", "Pay with Testgate"):
        assert words in page.text
    assert [form.label for form in page.forms] == ["Continue to Testgate"]
    assert page.links == {"https://shop.example/orders/1": "Back to acme"}


async def test_the_gateways_page_is_where_the_button_leads(
    acme: httpx.AsyncClient, browser: httpx.AsyncClient, gateway: PageGateway
) -> None:
    made = await link(acme)

    answer = await begin(browser, made["path"])

    assert (answer.status_code, answer.headers["location"]) == (303, ELSEWHERE)
    assert gateway.return_urls == [f"http://127.0.0.1:8081{return_path(made['path'])}"]
    assert (await get(acme, f"/v1/payments/{made['id']}"))["provider_reference"] == "pi_1"


async def test_clicking_many_times_sets_the_payment_up_once(
    acme: httpx.AsyncClient, browser: httpx.AsyncClient, gateway: PageGateway
) -> None:
    page = await open_page(browser, (await link(acme))["path"])

    at_once = await asyncio.gather(*(click(browser, page) for _ in range(4)))
    later = await click(browser, page)

    assert {answer.headers["location"] for answer in (*at_once, later)} == {ELSEWHERE}
    assert len(gateway.effects) == 1
    assert len(gateway.held) == 1


async def test_a_form_for_the_gateway_is_posted_by_the_browser_itself(
    api: Api, acme: httpx.AsyncClient, browser: httpx.AsyncClient
) -> None:
    fields = {"amount": "10.99", "submit": HOSTILE}
    parameters = {"form_action": "https://user@forms.gateway.example:8443/pay?a=1", "form_fields": json.dumps(fields)}
    api.gateways[TESTGATE] = PageGateway.handing_out(TESTGATE, parameters)

    answer = await begin(browser, (await link(acme))["path"])

    page = Page(answer.text)
    (form,) = page.forms
    assert (answer.status_code, form.action, form.fields) == (200, parameters["form_action"], fields)
    assert form.label == "Continue to Testgate"
    (script,) = page.scripts
    allowed = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = answer.headers["content-security-policy"].split("; ")
    assert f"script-src 'sha256-{allowed}'" in policy
    assert "form-action https://forms.gateway.example:8443 https:" in policy


@pytest.mark.parametrize("parameters", [{"client_secret": "pi_1_secret"}, {"action": "{}"}, {}])
async def test_a_gateway_without_a_page_is_explained(
    api: Api, acme: httpx.AsyncClient, browser: httpx.AsyncClient, parameters: dict[str, str]
) -> None:
    api.gateways[TESTGATE] = PageGateway.handing_out(TESTGATE, parameters)

    answer = await begin(browser, (await link(acme))["path"])

    assert answer.status_code == 200
    assert "in the merchant's own website or app" in Page(answer.text).text
    assert "pi_1_secret" not in answer.text


async def test_a_gateway_with_a_page_and_a_client_leads_to_its_page(
    api: Api, acme: httpx.AsyncClient, browser: httpx.AsyncClient
) -> None:
    parameters = {"client_secret": "pi_1_secret", "redirect_url": ELSEWHERE}
    api.gateways[TESTGATE] = PageGateway.handing_out(TESTGATE, parameters)

    assert (await begin(browser, (await link(acme))["path"])).headers["location"] == ELSEWHERE


async def test_instructions_are_shown_as_text(api: Api, acme: httpx.AsyncClient, browser: httpx.AsyncClient) -> None:
    api.gateways[TESTGATE] = PageGateway.handing_out(TESTGATE, {"instructions": f"Send it\nto {HOSTILE}"})

    page = Page((await begin(browser, (await link(acme))["path"])).text)

    assert f"to {HOSTILE}" in page.text
    assert page.scripts == []


async def test_who_pays_by_hand_reads_how_at_once(acme: httpx.AsyncClient, browser: httpx.AsyncClient) -> None:
    made = await link(acme, gateway="manual", payment_method="check")

    page = await open_page(browser, made["path"])

    assert "Pay 1099 USD by check and say order-1" in page.text
    assert page.forms == []


@pytest.mark.parametrize("error", [GatewayDeclined("not today"), GatewayUnavailable("no connection")])
async def test_a_gateway_that_says_no_can_be_asked_again(
    acme: httpx.AsyncClient, browser: httpx.AsyncClient, gateway: PageGateway, error: Exception
) -> None:
    path = (await link(acme))["path"]
    gateway.fails_before = [error]

    refused = await begin(browser, path)
    page = Page(refused.text)

    assert refused.status_code == 502
    assert "Nothing was charged." in page.text
    assert str(error) not in refused.text
    assert (await click(browser, page)).headers["location"] == ELSEWHERE
    assert len(gateway.held) == 1


async def test_a_gateway_that_does_not_answer_is_not_asked_for_another(
    acme: httpx.AsyncClient, browser: httpx.AsyncClient, gateway: PageGateway
) -> None:
    path = (await link(acme))["path"]
    gateway.fails_after = [OutcomeUnknown("no answer")]

    for _ in range(2):
        page = Page((await begin(browser, path)).text)
        assert "has not answered yet" in page.text
        assert page.links == {path: "Check again"}
    assert len(gateway.held) == 1


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        ([FactKind.PROCESSING], "Your payment is being processed"),
        ([FactKind.CANCELLED], "This payment was cancelled"),
    ],
)
async def test_nothing_can_be_begun_when_there_is_nothing_to_do(
    acme: httpx.AsyncClient,
    browser: httpx.AsyncClient,
    gateway: PageGateway,
    database: Database,
    kinds: list[FactKind],
    words: str,
) -> None:
    path = (await link(acme))["path"]
    page = await open_page(browser, path)
    await click(browser, page)
    for kind in kinds:
        await tell(database, "pi_1", kind)
    calls = len(gateway.effects)

    shown = await open_page(browser, path)

    assert words in shown.text
    assert shown.forms == []
    assert (await click(browser, page)).headers["location"] == path
    assert len(gateway.effects) == calls
