"""Payers who come back from the gateway: paid, unpaid, failed, and trying again."""

import asyncio

import httpx
import pytest

from domain.errors import OutcomeUnknown
from domain.facts import FactKind
from storage.unit_of_work import Database
from tests.integration.api.checkout.conftest import Clock
from tests.integration.api.checkout.payer import (
    ELSEWHERE,
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
from tests.integration.api.paying import get, post


async def test_coming_back_with_a_proof_shows_that_it_is_paid(
    acme: httpx.AsyncClient, browser: httpx.AsyncClient, gateway: PageGateway
) -> None:
    path = (await link(acme))["path"]
    await begin(browser, path)
    gateway.pay("pi_1")

    answer = await browser.get(return_path(path), params={"proof": "genuine", "empty": ""})

    assert (answer.status_code, answer.headers["location"]) == (303, return_path(path))
    assert gateway.brought_back == [{"proof": "genuine", "empty": ""}]
    page = await open_page(browser, return_path(path))
    assert "Thank you. Your payment went through." in page.text
    assert page.forms == []
    assert "Paid" in (await open_page(browser, path)).text


async def test_coming_back_with_a_form(
    acme: httpx.AsyncClient, browser: httpx.AsyncClient, gateway: PageGateway
) -> None:
    path = (await link(acme))["path"]
    await begin(browser, path)
    gateway.pay("pi_1")

    answer = await browser.post(f"{return_path(path)}?way=form", data={"proof": "genuine"})

    assert (answer.status_code, answer.headers["location"]) == (303, return_path(path))
    assert gateway.brought_back == [{"way": "form", "proof": "genuine"}]
    assert "Paid" in (await open_page(browser, return_path(path))).text


@pytest.mark.parametrize(
    "query", [{"proof": "false"}, {"a": "\x00"}, {"a": "4242424242424242"}, {f"p{n}": "1" for n in range(80)}, {}]
)
async def test_what_proves_nothing_leads_to_asking_the_gateway(
    acme: httpx.AsyncClient, browser: httpx.AsyncClient, gateway: PageGateway, clock: Clock, query: dict[str, str]
) -> None:
    path = (await link(acme))["path"]
    await begin(browser, path)
    await browser.get(return_path(path), params=query)
    page = await open_page(browser, return_path(path))
    assert "No payment yet" in page.text
    assert page.links == {return_path(path): "Check again"}

    gateway.pay("pi_1")
    clock.forward(seconds=10)

    assert "Paid" in (await open_page(browser, return_path(path))).text


async def test_a_gateway_is_not_asked_at_every_look(
    acme: httpx.AsyncClient, browser: httpx.AsyncClient, gateway: PageGateway, clock: Clock
) -> None:
    path = (await link(acme))["path"]
    await begin(browser, path)
    clock.forward(seconds=60)
    before = gateway.calls

    for number in range(20):
        await open_page(browser, return_path(path))
        await browser.get(return_path(path), params={"proof": f"false{number}"})

    # Once for its status and once for a proof, or twice each where a period ended meanwhile.
    assert gateway.calls - before <= 4


async def test_who_comes_back_unpaid_can_go_on(
    acme: httpx.AsyncClient, browser: httpx.AsyncClient, gateway: PageGateway, api: Api
) -> None:
    path = (await link(acme))["path"]
    await begin(browser, path)

    page = await open_page(browser, return_path(path))
    again = await click(browser, page)

    assert [form.label for form in page.forms] == ["Continue to Testgate"]
    assert again.headers["location"] == ELSEWHERE
    assert len(gateway.held) == 1
    # Another browser has not opened the page, and is not told its address.
    elsewhere = await open_page(api.client(), return_path(path))
    assert elsewhere.forms == []
    assert path.rpartition("/")[2] not in str(elsewhere.tags)


async def test_an_attempt_that_failed_can_be_repeated_at_the_gateway(
    acme: httpx.AsyncClient, browser: httpx.AsyncClient, gateway: PageGateway, database: Database
) -> None:
    path = (await link(acme))["path"]
    await begin(browser, path)
    await tell(database, "pi_1", FactKind.ATTEMPT_FAILED, "insufficient funds")

    page = await open_page(browser, return_path(path))

    assert "The payment did not go through" in page.text
    assert "insufficient" not in page.text
    assert [form.label for form in page.forms] == ["Try again"]
    assert (await click(browser, page)).headers["location"] == ELSEWHERE
    assert len(gateway.held) == 1


async def test_a_payment_that_failed_is_followed_by_another(
    acme: httpx.AsyncClient, browser: httpx.AsyncClient, gateway: PageGateway, database: Database, clock: Clock
) -> None:
    made = await link(acme, splits=[{"recipient_id": "atelier", "amount_minor": 400}], metadata={"table": "7"})
    await begin(browser, made["path"])
    await tell(database, "pi_1", FactKind.FAILED, "declined")
    page = await open_page(browser, return_path(made["path"]))
    clock.forward(seconds=10)

    answers = await asyncio.gather(*(click(browser, page) for _ in range(3)))

    assert {answer.headers["location"] for answer in answers} == {ELSEWHERE}
    assert len(gateway.held) == 2
    shown = await get(acme, f"/v1/payment-links/{made['id']}")
    assert (shown["status"], shown["payment_status"]) == ("active", "pending")
    first, second = [await get(acme, f"/v1/payments/{name}") for name in (made["id"], shown["payment_id"])]
    alike = ("amount_minor", "currency", "gateway", "resource_type", "resource_id", "description", "splits", "metadata")
    assert [second[name] for name in alike] == [first[name] for name in alike]
    assert second["id"] != first["id"]

    gateway.pay("pi_2")
    clock.forward(seconds=10)
    assert "Paid" in (await open_page(browser, return_path(made["path"]))).text
    assert (await get(acme, f"/v1/payment-links/{made['id']}"))["status"] == "completed"


async def test_a_payment_that_came_in_late_is_not_paid_twice(
    acme: httpx.AsyncClient, browser: httpx.AsyncClient, gateway: PageGateway, database: Database, clock: Clock
) -> None:
    path = (await link(acme))["path"]
    await begin(browser, path)
    await tell(database, "pi_1", FactKind.FAILED, "declined")
    page = await open_page(browser, path)
    gateway.pay("pi_1")
    clock.forward(seconds=10)

    answer = await click(browser, page)

    assert (answer.status_code, answer.headers["location"]) == (303, path)
    assert "Paid" in (await open_page(browser, path)).text
    assert len(gateway.held) == 1


async def test_nothing_follows_a_failure_that_the_gateway_does_not_confirm(
    acme: httpx.AsyncClient, browser: httpx.AsyncClient, gateway: PageGateway, database: Database, clock: Clock
) -> None:
    path = (await link(acme))["path"]
    await begin(browser, path)
    await tell(database, "pi_1", FactKind.FAILED, "declined")
    page = await open_page(browser, path)
    clock.forward(seconds=10)
    gateway.fails_before = [OutcomeUnknown("no answer")]

    answer = await click(browser, page)

    assert "has not answered yet" in Page(answer.text).text
    assert len(gateway.held) == 1


async def test_attempts_come_to_an_end(
    acme: httpx.AsyncClient, browser: httpx.AsyncClient, gateway: PageGateway, database: Database, clock: Clock
) -> None:
    path = (await link(acme))["path"]
    for number in range(1, 11):
        await begin(browser, path)
        await tell(database, f"pi_{number}", FactKind.FAILED, "declined")
        clock.forward(seconds=10)

    page = await open_page(browser, path)

    assert "Ask the merchant for another way to pay." in page.text
    assert page.forms == []


async def test_a_payment_given_back_is_said_to_be(
    acme: httpx.AsyncClient, browser: httpx.AsyncClient, gateway: PageGateway, clock: Clock
) -> None:
    made = await link(acme)
    await begin(browser, made["path"])
    gateway.pay("pi_1")
    clock.forward(seconds=10)
    assert "Paid" in (await open_page(browser, made["path"])).text
    await post(acme, f"/v1/payments/{made['id']}/refund")
    assert "This payment was given back" in (await open_page(browser, made["path"])).text


async def test_who_began_in_time_sees_how_it_ended_after_the_page_has_expired(
    acme: httpx.AsyncClient, browser: httpx.AsyncClient, clock: Clock, gateway: PageGateway
) -> None:
    path = (await link(acme))["path"]
    await begin(browser, path)
    clock.forward(days=7, seconds=1)
    open_still = await open_page(browser, return_path(path))
    assert "No payment yet" in open_still.text
    assert open_still.forms == []

    gateway.pay("pi_1")
    clock.forward(minutes=1)
    assert "Paid" in (await open_page(browser, return_path(path))).text
    clock.forward(days=7)
    await open_page(browser, return_path(path), 404)
