"""Refunds as things of their own: asked for, listed, read."""

import base64
import json
from datetime import timedelta

import httpx
import pytest

from domain.errors import GatewayDeclined, OutcomeUnknown
from services.api_keys import Scope
from tests.integration.api.conftest import Api
from tests.integration.api.paying import get, id_of, paid, post
from tests.integration.services.books import NOW


@pytest.fixture(autouse=True)
def _gateway_of_acme(api: Api) -> None:
    api.gateway.account = "acme"


async def test_a_refund_is_made_and_read_back(acme: httpx.AsyncClient) -> None:
    path = await paid(acme)

    answer = await acme.post("/v1/refunds", json={"payment_id": id_of(path), "amount": "4.00", "reason": "cold"})

    made = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"/v1/refunds/{made['id']}")
    expected = {
        "object": "refund",
        "account": "acme",
        "payment_id": id_of(path),
        "gateway": "testgate",
        "reference": "pi_1_re1",
        "status": "succeeded",
        "amount_minor": 400,
        "amount": "4.00",
        "currency": "USD",
    }
    assert {name: made[name] for name in expected} == expected
    assert await get(acme, answer.headers["location"]) == made
    assert (await get(acme, path))["refunded_minor"] == 400


async def test_each_request_answers_with_its_own_refund(acme: httpx.AsyncClient) -> None:
    first, second = await paid(acme), await paid(acme)

    made = [
        (await post(acme, "/v1/refunds", 201, payment_id=id_of(path), amount_minor=amount))["reference"]
        for path, amount in ((first, 100), (first, 100), (second, 100), (first, 7), (second, 7))
    ]
    rest = await post(acme, "/v1/refunds", 201, payment_id=id_of(first))

    assert made == ["pi_1_re1", "pi_1_re2", "pi_2_re1", "pi_1_re3", "pi_2_re2"]
    assert (rest["reference"], rest["amount_minor"]) == ("pi_1_re4", 1099 - 207)


async def test_the_same_key_refunds_once(api: Api) -> None:
    acme = api.client(await api.key())
    path, key = await paid(acme), {"Idempotency-Key": "refund-1"}

    answers = [await acme.post("/v1/refunds", json={"payment_id": id_of(path)}, headers=key) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].content == answers[1].content
    assert answers[0].headers["location"] == answers[1].headers["location"]
    assert [what for what, _ in api.gateway.effects.values()].count("refund") == 1


async def test_a_refund_without_an_answer_is_told_as_unknown(api: Api, acme: httpx.AsyncClient) -> None:
    path = await paid(acme)
    api.gateway.fails_after.append(OutcomeUnknown("no answer"))

    answer = await acme.post("/v1/refunds", json={"payment_id": id_of(path), "amount_minor": 400})

    assert (answer.status_code, answer.headers["location"]) == (202, f"{path}/refunds")
    assert answer.json() == {
        "object": "refund_request",
        "payment_id": id_of(path),
        "gateway": "testgate",
        "status": "unknown",
        "amount_minor": 400,
        "currency": "USD",
    }
    assert (await get(acme, "/v1/refunds"))["data"] == []


async def test_a_refund_that_is_refused_is_a_problem(api: Api, acme: httpx.AsyncClient) -> None:
    path = await paid(acme)
    api.gateway.fails_before.append(GatewayDeclined("no funds"))

    declined = await acme.post("/v1/refunds", json={"payment_id": id_of(path)})
    too_much = await acme.post("/v1/refunds", json={"payment_id": id_of(path), "amount": "11.00"})

    assert (declined.status_code, declined.json()["code"]) == (402, "gateway_declined")
    assert (too_much.status_code, too_much.json()["code"]) == (422, "amount_exceeded")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"payment_id": "pay 1"},
        {"payment_id": "pay_1", "amount": "1.00", "amount_minor": 100},
        {"payment_id": "pay_1", "amount_minor": 0},
        {"payment_id": "pay_1", "reason": "card 4242424242424242"},
        {"payment_id": "pay_1", "surprise": 1},
    ],
)
async def test_a_body_that_makes_no_sense_is_a_problem(acme: httpx.AsyncClient, body: dict[str, object]) -> None:
    answer = await acme.post("/v1/refunds", json=body)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_refunds_are_listed_by_what_is_asked(api: Api, acme: httpx.AsyncClient) -> None:
    first, second = await paid(acme), await paid(acme)
    for path in (first, second, first):
        await post(acme, "/v1/refunds", 201, payment_id=id_of(path), amount_minor=100)
    last = (NOW + timedelta(seconds=3)).isoformat()

    async def found(**query: str) -> list[str]:
        return [refund["reference"] for refund in (await get(acme, "/v1/refunds", **query))["data"]]

    assert await found() == ["pi_1_re2", "pi_2_re1", "pi_1_re1"]
    assert await found(order="asc") == ["pi_1_re1", "pi_2_re1", "pi_1_re2"]
    assert await found(payment_id=id_of(second)) == ["pi_2_re1"]
    assert await found(status="failed") == []
    assert await found(status="succeeded", gateway="testgate") == await found()
    assert await found(gateway="stripe") == []
    assert await found(created_from=last) == ["pi_1_re2"]
    assert await found(created_before=last) == ["pi_2_re1", "pi_1_re1"]
    of_payment = await get(acme, f"{first}/refunds")
    assert [refund["reference"] for refund in of_payment["data"]] == ["pi_1_re2", "pi_1_re1"]


async def test_pages_hold_every_refund_once_also_those_of_one_moment(acme: httpx.AsyncClient) -> None:
    for _ in range(4):
        await post(acme, "/v1/refunds", 201, payment_id=id_of(await paid(acme)), amount_minor=1)
    seen: list[str] = []
    query: dict[str, str | int] = {"limit": 1}
    while True:
        page = await get(acme, "/v1/refunds", **query)
        seen += [refund["reference"] for refund in page["data"]]
        if not page["has_more"]:
            break
        query["cursor"] = page["next_cursor"]

    assert seen == ["pi_4_re1", "pi_3_re1", "pi_2_re1", "pi_1_re1"]


def _cursor(*parts: str) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "query",
    [
        "status=odd",
        "created_from=yesterday",
        "created_from=0001-01-01T00:00:00%2B23:59",
        "created_before=9999-12-31T23:59:59-12:00",
        "payment_id=%00",
        "gateway=Stripe",
        f"cursor={_cursor('2020-01-01T00:00:00+00:00', chr(0xD800))}",
        f"cursor={_cursor('0001-01-01T00:00:00+23:00', 'a')}",
    ],
)
async def test_a_query_that_makes_no_sense_is_a_problem(acme: httpx.AsyncClient, query: str) -> None:
    answer = await acme.get(f"/v1/refunds?{query}")

    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), answer.text


async def test_refunds_of_another_account_are_not_there(
    api: Api, acme: httpx.AsyncClient, rival: httpx.AsyncClient
) -> None:
    path = await paid(acme)
    made = await post(acme, "/v1/refunds", 201, payment_id=id_of(path), amount_minor=100)
    effects = dict(api.gateway.effects)

    read = await rival.get(f"/v1/refunds/{made['id']}")
    listed = await rival.get(f"{path}/refunds")
    refunded = await rival.post("/v1/refunds", json={"payment_id": id_of(path)})

    assert {answer.status_code for answer in (read, listed, refunded)} == {404}
    assert read.json()["detail"] == f"there is no refund {made['id']!r}"
    assert (await get(rival, "/v1/refunds"))["data"] == []
    assert (await get(rival, "/v1/refunds", payment_id=id_of(path)))["data"] == []
    assert api.gateway.effects == effects


async def test_an_id_means_one_refund_and_is_written_in_one_way(acme: httpx.AsyncClient) -> None:
    made = await post(acme, "/v1/refunds", 201, payment_id=id_of(await paid(acme)), amount_minor=100)
    refund_id = made["id"]
    others = [
        refund_id + "=",
        refund_id + "A",
        refund_id[:-1],
        refund_id.removeprefix("re_"),
        refund_id.replace("re_", "dp_"),
        refund_id[:-1] + chr(ord(refund_id[-1]) + 1),
        "re_",
        "re_AAAA",
        "re_____",
        "nothing",
    ]

    answers = [await acme.get(f"/v1/refunds/{other}") for other in others]

    assert [answer.status_code for answer in answers] == [404] * len(others)


async def test_refunding_needs_its_own_scope(api: Api, acme: httpx.AsyncClient) -> None:
    path = await paid(acme)
    body = {"payment_id": id_of(path), "amount_minor": 100}
    reader = api.client(await api.key(scopes=[Scope.PAYMENTS_READ, Scope.PAYMENTS_WRITE]))
    refunder = api.client(await api.key(scopes=[Scope.PAYMENTS_READ, Scope.REFUNDS_WRITE]))
    payer = api.client(await api.key(scopes=[Scope.REFUNDS_WRITE]))

    assert (await reader.post("/v1/refunds", json=body)).json()["code"] == "scope_missing"
    assert (await refunder.post("/v1/refunds", json=body)).status_code == 201
    assert len((await get(reader, "/v1/refunds"))["data"]) == 1
    assert (await payer.get("/v1/refunds")).status_code == 403
