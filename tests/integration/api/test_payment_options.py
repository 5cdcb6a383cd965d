"""Payment options: an account's order, within what its gateways have."""

import asyncio
import json

import httpx
import pytest

from services.accounts import set_credentials
from services.api_keys import Scope
from storage.unit_of_work import Database
from tests.integration.api.conftest import Api
from tests.integration.services.books import rows

URL = "/v1/accounts/acme/payment-options"
CREDENTIALS = {
    "stripe": {"secret_key": "sk_test_1", "publishable_key": "pk_test_1", "webhook_secret": "whsec_1"},
    "razorpay": {"key_id": "rzp_test_1", "key_secret": "secret-1", "webhook_secret": "whsec_1"},
    "manual": {"check_instructions": "Send it to us."},
}


@pytest.fixture
async def shop(api: Api, acme: httpx.AsyncClient) -> httpx.AsyncClient:
    """The account `acme` with three gateways."""
    for gateway, credentials in CREDENTIALS.items():
        await set_credentials(api.context.database, api.context.ring, "acme", gateway, credentials)
    return acme


async def listed(client: httpx.AsyncClient) -> list[str]:
    """The gateways that are offered, in order."""
    return [option["gateway"] for option in (await client.get(URL)).json()["data"]]


async def test_an_option_narrows_what_the_gateway_has(shop: httpx.AsyncClient) -> None:
    body = {
        "enabled": False,
        "priority": 5,
        "payment_methods": ["wallet", "card", "wallet"],
        "countries": ["DE", "US"],
        "currencies": ["EUR"],
        "min_amount_minor": 100,
        "max_amount_minor": 100_000,
        "display_name": "Card",
        "settings": {"icon": "card.svg", "sizes": [1, 2.5, None, True]},
    }
    made = await shop.put(f"{URL}/stripe", json=body)
    read = await shop.get(f"{URL}/stripe")

    assert (made.status_code, read.status_code) == (201, 200)
    assert made.json() == read.json()
    assert made.headers["etag"] == read.headers["etag"]
    told = {name: value for name, value in read.json().items() if name != "updated_at"}
    assert told == {
        **body,
        "object": "payment_option",
        "account": "acme",
        "gateway": "stripe",
        "payment_methods": ["wallet", "card"],
    }


async def test_what_an_option_leaves_out_is_not_kept(shop: httpx.AsyncClient) -> None:
    await shop.put(f"{URL}/stripe", json={"countries": ["DE"], "priority": 1})
    again = await shop.put(f"{URL}/stripe", json={})

    assert again.status_code == 200
    assert (again.json()["countries"], again.json()["priority"], again.json()["enabled"]) == (None, 100, True)


async def test_options_are_listed_by_priority(shop: httpx.AsyncClient) -> None:
    for gateway, priority in (("stripe", 20), ("razorpay", 10), ("manual", 20)):
        await shop.put(f"{URL}/{gateway}", json={"priority": priority})

    assert await listed(shop) == ["razorpay", "manual", "stripe"]


async def test_the_whole_list_is_replaced_at_once(shop: httpx.AsyncClient) -> None:
    await shop.put(f"{URL}/stripe", json={"display_name": "Card"})
    wanted = [{"gateway": "razorpay", "priority": 2}, {"gateway": "manual", "priority": 1}]

    replaced = await shop.put(URL, json={"data": wanted})
    refused = await shop.put(URL, json={"data": [{"gateway": "stripe"}, {"gateway": "razorpay", "countries": ["DE"]}]})

    assert replaced.json() == (await shop.get(URL)).json()
    assert await listed(shop) == ["manual", "razorpay"]
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/data/1/countries")
    assert (await shop.put(URL, json={"data": []})).json()["data"] == []


async def test_lists_that_are_replaced_at_the_same_time_do_not_mix(shop: httpx.AsyncClient) -> None:
    lists = [[{"gateway": "stripe"}, {"gateway": "manual"}], [{"gateway": "razorpay"}, {"gateway": "stripe"}]] * 3

    answers = await asyncio.gather(*(shop.put(URL, json={"data": wanted}) for wanted in lists))

    assert {answer.status_code for answer in answers} == {200}
    assert await listed(shop) in (["manual", "stripe"], ["razorpay", "stripe"])


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"payment_methods": ["card", "upi"]}, "#/payment_methods"),
        ({"countries": ["DE", "ZZ"]}, "#/countries"),
        ({"currencies": ["XXX"]}, "#/currencies"),
        ({"payment_methods": []}, "#/payment_methods"),
        ({"countries": ["de"]}, "#/countries/0"),
        ({"min_amount_minor": 2, "max_amount_minor": 1}, "#/min_amount_minor"),
        ({"min_amount_minor": -1}, "#/min_amount_minor"),
        ({"max_amount_minor": 1.0}, "#/max_amount_minor"),
        ({"priority": 10_001}, "#/priority"),
        ({"priority": True}, "#/priority"),
        ({"display_name": ""}, "#/display_name"),
        ({"display_name": "pay 4242424242424242"}, "#/display_name"),
        ({"settings": {"a": {"b": {"c": {"d": {}}}}}}, "#/settings"),
        ({"settings": {"note": "x" * 5_000}}, "#/settings"),
        ({"settings": {"note": "a\x00b"}}, "#/settings"),
        ({"settings": {"card": 4242424242424242}}, "#/settings"),
        ({"settings": "text"}, "#/settings"),
        ({"surprise": 1}, "#/surprise"),
    ],
)
async def test_what_a_gateway_does_not_have_cannot_be_offered(
    shop: httpx.AsyncClient, change: dict[str, object], pointer: str
) -> None:
    answer = await shop.put(f"{URL}/stripe", json=change)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer), answer.text
    assert await listed(shop) == []


@pytest.mark.parametrize(
    "said",
    [
        b'{"a": NaN}',
        b'{"a": 1e999}',
        b'{"a": 1e300}',
        b'{"a": 1e-300}',
        rb'{"a": "\ud800"}',
        rb'{"\u0000": 1}',
        b"[" * 3_000 + b"]" * 3_000,
        b'{"a":' * 3_000 + b"1" + b"}" * 3_000,
        b'{"a": ' + b"9" * 5_000 + b"}",
    ],
)
async def test_settings_that_cannot_be_stored_are_refused(shop: httpx.AsyncClient, said: bytes) -> None:
    answer = await shop.put(
        f"{URL}/stripe", content=b'{"settings": ' + said + b"}", headers={"content-type": "application/json"}
    )

    assert answer.status_code in {400, 422}, answer.text
    assert await listed(shop) == []


@pytest.mark.parametrize("number", [0, -0.0, 2**53, -0.1, 1e-15])
async def test_settings_come_back_as_they_were(shop: httpx.AsyncClient, number: float) -> None:
    answer = await shop.put(f"{URL}/stripe", json={"settings": {"number": number}})

    assert answer.status_code == 201
    assert json.loads((await shop.get(f"{URL}/stripe")).content)["settings"] == {"number": number}


async def test_only_configured_gateways_are_offered(api: Api, acme: httpx.AsyncClient) -> None:
    alone = await acme.put(f"{URL}/stripe", json={})
    listed = await acme.put(URL, json={"data": [{"gateway": "stripe"}]})
    unknown = await acme.put(f"{URL}/nowhere", json={})

    assert {(answer.status_code, answer.json()["code"]) for answer in (alone, listed)} == {
        (409, "gateway_not_configured")
    }
    assert unknown.status_code == 404


async def test_a_gateway_is_offered_once(shop: httpx.AsyncClient) -> None:
    answer = await shop.put(URL, json={"data": [{"gateway": "stripe"}, {"gateway": "stripe"}]})

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/data")


async def test_an_option_can_be_taken_back(shop: httpx.AsyncClient) -> None:
    await shop.put(f"{URL}/stripe", json={})

    removed, again = await shop.delete(f"{URL}/stripe"), await shop.delete(f"{URL}/stripe")

    assert (removed.status_code, again.status_code) == (204, 404)
    assert (await shop.get(f"{URL}/stripe")).status_code == 404
    assert (await shop.get("/v1/accounts/acme/gateways/stripe")).status_code == 200


async def test_a_change_meets_only_the_version_it_has_seen(shop: httpx.AsyncClient) -> None:
    seen = (await shop.put(f"{URL}/stripe", json={})).headers["etag"]

    first = await shop.put(f"{URL}/stripe", json={"priority": 1}, headers={"If-Match": seen})
    late = await shop.put(f"{URL}/stripe", json={"priority": 2}, headers={"If-Match": seen})
    new = await shop.put(f"{URL}/manual", json={}, headers={"If-Match": seen})

    assert [answer.status_code for answer in (first, late, new)] == [200, 412, 412]


async def test_another_accounts_options_are_not_there(shop: httpx.AsyncClient, rival: httpx.AsyncClient) -> None:
    await shop.put(f"{URL}/stripe", json={})

    answers = [
        await rival.get(URL),
        await rival.get(f"{URL}/stripe"),
        await rival.put(URL, json={"data": []}),
        await rival.put(f"{URL}/stripe", json={"enabled": False}),
        await rival.delete(f"{URL}/stripe"),
    ]

    assert {(answer.status_code, answer.json()["detail"]) for answer in answers} == {
        (404, "there is no account 'acme'")
    }
    assert (await rival.get("/v1/accounts/rival/payment-options")).json()["data"] == []
    assert (await shop.get(f"{URL}/stripe")).json()["enabled"] is True


async def test_reading_needs_less_than_writing(api: Api, shop: httpx.AsyncClient) -> None:
    reader = api.client(await api.key("acme", scopes=[Scope.PAYMENTS_READ]))

    writes = [
        await reader.put(URL, json={"data": []}),
        await reader.put(f"{URL}/stripe", json={}),
        await reader.delete(f"{URL}/stripe"),
    ]

    assert (await reader.get(URL)).status_code == 200
    assert {(answer.status_code, answer.json()["code"]) for answer in writes} == {(403, "scope_missing")}


async def test_changes_are_in_the_audit_log(shop: httpx.AsyncClient, database: Database) -> None:
    await shop.put(f"{URL}/stripe", json={"priority": 1})
    changed = await shop.put(f"{URL}/stripe", json={"priority": 2})

    audited = await rows(
        database,
        "select action, account, subject_id, before ->> 'priority', after ->> 'priority', actor like 'key:%',"
        " request_id from audit_log where subject_type = 'payment_option' order by id desc limit 1",
    )

    request_id = changed.headers["x-request-id"]
    assert audited == [("update", "acme", "acme:stripe", "1", "2", True, request_id)]
