"""Payment links as merchants see them; what payers see is in test_checkout_page."""

import re
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text

from connectors.base import PaymentLinkAnswer, PaymentLinkRequest
from domain.errors import GatewayRejected, OutcomeUnknown
from services.api_keys import Scope
from storage.unit_of_work import Database
from tests.integration.api.conftest import Api, payment
from tests.integration.api.paying import Json, get, post
from tests.integration.services.books import rows
from tests.integration.services.commands.fake_gateway import FakeGateway
from tests.integration.services.commands.shop import TESTGATE

LINKS = "/v1/payment-links"
OURS = payment(hosted_by="paystream", description="Two coffees")
THEIRS = payment(hosted_by="gateway", description="Two coffees")


@pytest.fixture(autouse=True)
def _gateway_of_acme(api: Api) -> None:
    api.gateway.account = "acme"


async def pay(api: Api, client: httpx.AsyncClient, link_id: str) -> None:
    """Have the payment of a link paid."""
    await post(client, f"/v1/payments/{link_id}/set-up")
    await post(client, f"/v1/payments/{link_id}/authorize", payment_method_token="pm_card")


async def test_a_link_of_the_gateways_has_its_address(acme: httpx.AsyncClient) -> None:
    answer = await acme.post(LINKS, json=THEIRS)

    shown = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"{LINKS}/{shown['id']}")
    assert {name: shown[name] for name in ("hosted_by", "status", "url", "amount", "description", "reusable")} == {
        "hosted_by": "gateway",
        "status": "active",
        "url": "https://pay.example/plink_1",
        "amount": "10.99",
        "description": "Two coffees",
        "reusable": False,
    }
    assert await get(acme, f"{LINKS}/{shown['id']}") == shown


async def test_a_link_of_ours_tells_its_address_once(api: Api, acme: httpx.AsyncClient, database: Database) -> None:
    shown = await post(acme, LINKS, 201, **OURS)

    assert re.fullmatch(r"http://127\.0\.0\.1:8081/pay/[A-Za-z0-9_-]{43}", shown["url"])
    assert (shown["status"], shown["payment_status"], shown["payment_id"]) == ("active", "pending", shown["id"])
    assert (await get(acme, f"{LINKS}/{shown['id']}"))["url"] is None
    assert [item["url"] for item in (await get(acme, LINKS))["data"]] == [None]
    assert api.gateway.calls == 0
    ((kept,),) = await rows(database, "select row_to_json(checkout_pages)::text from checkout_pages")
    assert shown["url"].rpartition("/")[2] not in str(kept)


async def test_the_same_request_again_gets_the_same_address(api: Api, database: Database) -> None:
    client = api.client(await api.key(), **{"Idempotency-Key": "link-1"})

    first, again = [await client.post(LINKS, json=OURS) for _ in range(2)]

    assert first.content == again.content
    assert await rows(database, "select count(*)::int from checkout_pages") == [(1,)]


async def test_a_request_that_died_half_way_leads_to_one_payment_and_one_page(api: Api, database: Database) -> None:
    client = api.client(await api.key(), **{"Idempotency-Key": "link-1"})
    first = await client.post(LINKS, json=OURS)
    async with database.transaction() as transaction:
        await transaction.connection.execute(text("delete from api_answers"))

    again = await client.post(LINKS, json=OURS)

    assert again.json()["id"] == first.json()["id"]
    assert again.json()["url"] != first.json()["url"]
    assert await rows(database, "select count(*)::int from checkout_pages") == [(1,)]
    assert await rows(database, "select count(*)::int from payments") == [(1,)]


async def test_links_of_both_kinds_are_listed(acme: httpx.AsyncClient) -> None:
    made = [(await post(acme, LINKS, 201, **body))["id"] for body in (OURS, THEIRS, OURS)]

    async def ids(**query: str | int) -> list[str]:
        return [item["id"] for item in (await get(acme, LINKS, **query))["data"]]

    assert await ids() == made[::-1]
    assert await ids(hosted_by="gateway") == [made[1]]
    assert await ids(hosted_by="paystream", order="asc") == [made[0], made[2]]
    assert await ids(gateway="stripe") == []
    first = await get(acme, LINKS, limit=2)
    assert await ids(limit=2, cursor=first["next_cursor"]) == [made[0]]


async def test_a_link_is_active_until_it_is_paid_or_has_expired(api: Api, acme: httpx.AsyncClient) -> None:
    soon = (api.context.clock() + timedelta(minutes=1)).isoformat()
    ours = (await post(acme, LINKS, 201, **OURS | {"expires_at": soon}))["id"]
    theirs = (await post(acme, LINKS, 201, **THEIRS | {"expires_at": soon}))["id"]
    paid = (await post(acme, LINKS, 201, **OURS))["id"]
    await pay(api, acme, paid)
    later = api.context.clock() + timedelta(minutes=2)
    object.__setattr__(api.context, "clock", lambda: later)

    statuses = [(await get(acme, f"{LINKS}/{link_id}"))["status"] for link_id in (ours, theirs, paid)]

    assert statuses == ["expired", "expired", "completed"]


@pytest.mark.parametrize("ending", ["cancel", "delete"])
@pytest.mark.parametrize("body", [OURS, THEIRS])
async def test_a_cancelled_link_cannot_be_paid(
    api: Api, acme: httpx.AsyncClient, ending: str, body: dict[str, object]
) -> None:
    made = await post(acme, LINKS, 201, **body)
    link = f"{LINKS}/{made['id']}"

    for _ in range(2):
        answer = await (acme.delete(link) if ending == "delete" else acme.post(f"{link}/cancel"))
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled"), answer.text

    if body is OURS:
        assert (await get(acme, f"/v1/payments/{made['id']}"))["status"] == "cancelled"
        assert (await api.client().get(made["url"].partition("8081")[2])).status_code == 404
    else:
        assert api.gateway.links == {"plink_1": "cancelled"}


async def test_cancelling_what_somebody_has_begun_closes_the_page_alone(api: Api, acme: httpx.AsyncClient) -> None:
    made = await post(acme, LINKS, 201, **OURS)
    await post(acme, f"/v1/payments/{made['id']}/set-up")

    shown = await post(acme, f"{LINKS}/{made['id']}/cancel")

    assert (shown["status"], shown["payment_status"]) == ("expired", "pending")
    assert (await api.client().get(made["url"].partition("8081")[2])).status_code == 404


@pytest.mark.parametrize(
    ("body", "changes", "pointer"),
    [
        (OURS, {"expires_at": "2020-01-01T00:00:00Z"}, "#/expires_at"),
        (OURS, {"expires_at": "2999-01-01T00:00:00Z"}, "#/expires_at"),
        (THEIRS, {"expires_at": "2020-01-01T00:00:00Z"}, "#/expires_at"),
        (OURS, {"expires_at": "2026-01-01T00:00:00"}, "#/expires_at"),
        (OURS, {"expires_at": "0001-01-01T00:00:00+23:00"}, "#/expires_at"),
        (OURS, {"reusable": True}, "#/"),
        (THEIRS, {"return_url": "https://shop.example"}, "#/"),
        (THEIRS, {"payment_method": "card"}, "#/"),
        (THEIRS, {"manual_capture": True}, "#/"),
        (OURS, {"payment_method": "card"}, "#/payment_method"),
        (OURS, {"return_url": "javascript:alert(1)"}, "#/return_url"),
        (OURS, {"description": "4242 4242 4242 4242"}, "#/description"),
        (OURS, {"hosted_by": "nobody"}, "#/hosted_by"),
    ],
)
async def test_what_is_no_link_is_refused(
    acme: httpx.AsyncClient, body: Json, changes: Json, pointer: str, database: Database
) -> None:
    answer = await acme.post(LINKS, json=body | changes)

    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert await rows(database, "select id from payments") == []


class OneTimeGateway(FakeGateway):
    """Makes links, but none that can be paid twice."""

    async def create_payment_link(self, request: PaymentLinkRequest) -> PaymentLinkAnswer:
        if request.reusable:
            raise GatewayRejected("Testgate has no reusable links", field="reusable")
        return await super().create_payment_link(request)


async def test_only_gateways_that_can_make_links_be_paid_many_times(api: Api, acme: httpx.AsyncClient) -> None:
    reusable = await post(acme, LINKS, 201, **THEIRS | {"reusable": True})
    await pay(api, acme, (await post(acme, LINKS, 201, **OURS))["id"])
    api.gateways[TESTGATE] = OneTimeGateway(TESTGATE, "acme")
    refused = await acme.post(LINKS, json=THEIRS | {"reusable": True})

    assert reusable["reusable"]
    assert (refused.status_code, refused.json()["code"]) == (422, "capability_missing")
    assert refused.json()["errors"][0]["pointer"] == "#/reusable"


async def test_gateways_without_links_and_without_pages_say_so(acme: httpx.AsyncClient) -> None:
    no_link = await acme.post(LINKS, json=THEIRS | {"gateway": "paypal"})
    by_hand = await acme.post(LINKS, json=THEIRS | {"gateway": "manual"})
    unknown = await acme.post(LINKS, json=OURS | {"gateway": "nobody"})
    no_currency = await acme.post(LINKS, json=OURS | {"currency": "XAF"})

    assert [answer.status_code for answer in (no_link, by_hand, unknown, no_currency)] == [422, 422, 404, 422]


async def test_a_link_to_pay_by_hand_waits_for_approval(acme: httpx.AsyncClient) -> None:
    shown = await post(acme, LINKS, 201, **OURS | {"gateway": "manual", "payment_method": "check"})

    assert (shown["gateway"], shown["status"], shown["payment_status"]) == ("manual", "active", "pending_approval")
    assert (await get(acme, f"/v1/manual-payments/{shown['id']}"))["method"] == "check"
    assert (await post(acme, f"{LINKS}/{shown['id']}/cancel"))["status"] == "cancelled"


async def test_a_gateway_that_does_not_answer_is_told_apart(api: Api, acme: httpx.AsyncClient) -> None:
    api.gateway.fails_after = [OutcomeUnknown("no answer")]
    answer = await acme.post(LINKS, json=THEIRS)
    assert (answer.status_code, answer.json()["status"], answer.json()["url"]) == (202, "started", None)

    made = (await post(acme, LINKS, 201, **THEIRS))["id"]
    api.gateway.fails_after = [OutcomeUnknown("no answer")]
    cancelling = await acme.post(f"{LINKS}/{made}/cancel")
    assert (cancelling.status_code, cancelling.json()["status"]) == (202, "active")


async def test_another_accounts_links_are_not_there(acme: httpx.AsyncClient, rival: httpx.AsyncClient) -> None:
    for body in (OURS, THEIRS):
        link = f"{LINKS}/{(await post(acme, LINKS, 201, **body))['id']}"
        foreign = [await rival.get(link), await rival.delete(link), await rival.post(f"{link}/cancel")]
        assert [answer.status_code for answer in foreign] == [404] * 3
        assert (await get(acme, link))["status"] == "active"
    assert (await get(rival, LINKS))["data"] == []


async def test_a_reader_may_look_and_nothing_else(api: Api, acme: httpx.AsyncClient) -> None:
    link = f"{LINKS}/{(await post(acme, LINKS, 201, **OURS))['id']}"
    reader = api.client(await api.key(scopes=[Scope.PAYMENTS_READ]))

    answers = [await reader.post(LINKS, json=OURS), await reader.delete(link), await reader.post(f"{link}/cancel")]

    assert [answer.status_code for answer in answers] == [403] * 3
    assert (await reader.get(link)).status_code == 200
