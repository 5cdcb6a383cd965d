"""What holds for every resource: keys, scopes, problems, idempotency, pages, limits, headers."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from api.middleware import SECURITY_HEADERS
from bootstrap.rate_limits import RateLimiter
from services.api_keys import Scope, revoke_key
from storage.unit_of_work import Database
from tests.integration.api.conftest import Api, payment
from tests.integration.services.books import rows


async def test_without_a_valid_key_nothing_is_said(api: Api) -> None:
    good = await api.key()
    expired = await api.key(expires_at=api.context.clock() + timedelta(milliseconds=1))
    revoked = await api.key()
    await revoke_key(api.context.database, revoked.split("_")[2], actor="test", now=api.context.clock())
    await asyncio.sleep(0.01)

    bad = [
        None,
        "",
        "ps_live_x",
        good[:-1] + ("a" if good[-1] != "a" else "b"),
        expired,
        revoked,
        good.upper(),
        "é" * 9,
    ]
    answers = [await api.client().get("/v1/payments", headers=_bearer(key)) for key in bad]

    assert {answer.status_code for answer in answers} == {401}
    assert {answer.json()["code"] for answer in answers} == {"unauthenticated"}
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}
    assert (await api.client(good).get("/v1/payments")).status_code == 200


def _bearer(key: str | None) -> dict[bytes, bytes]:
    return {} if key is None else {b"authorization": f"Bearer {key}".encode()}


async def test_a_key_is_stored_as_a_digest_and_its_use_is_noted(api: Api, database: Database) -> None:
    key = await api.key()
    await api.client(key).get("/v1/payments")

    stored = await rows(
        database, "select row_to_json(api_keys)::text, last_used_at from api_keys join api_key_uses using (id)"
    )
    audited = await rows(
        database, "select account, before::text, after::text from audit_log where subject_type = 'api_key'"
    )

    secret = key.split("_", 3)[3]
    assert len(stored) == 1
    assert secret not in str(stored) + str(audited)
    assert [account for account, _, _ in audited] == ["acme"]


async def test_a_scope_that_is_missing_is_named(api: Api) -> None:
    reader = api.client(await api.key(scopes=[Scope.PAYMENTS_READ]))

    answer = await reader.post("/v1/payments", json=payment())

    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    assert "payments:write" in answer.json()["detail"]
    assert api.gateway.calls == 0


async def test_an_operators_key_names_the_account_it_means(api: Api) -> None:
    key = await api.key("acme", "rival", kind="operator")

    unnamed = await api.client(key).get("/v1/payments")
    named = await api.client(key, **{"Paystream-Account": "rival"}).post("/v1/payments", json=payment())
    foreign = await api.client(key, **{"Paystream-Account": "third"}).get("/v1/payments")

    assert (unnamed.status_code, foreign.status_code) == (422, 404)
    assert (named.status_code, named.json()["account"]) == (201, "rival")


async def test_problems_name_the_fields_and_never_repeat_what_was_sent(acme: httpx.AsyncClient) -> None:
    card = "4242424242424242"
    answer = await acme.post("/v1/payments", json=payment(description=f"card {card}", amount_minor="12", surprise=1))

    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    problem = answer.json()
    assert {error["pointer"] for error in problem["errors"]} == {"#/description", "#/amount_minor", "#/surprise"}
    assert problem["type"] == "urn:paystream:problem:invalid_request"
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert card not in answer.text


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed_json"),
        (b"", 422, "invalid_request"),
        (b"[]", 422, "invalid_request"),
        (b"[" * 50_000, 400, "malformed_json"),
        (b'{"amount_minor": NaN}', 422, "invalid_request"),
        (b"\xff\xfe", 400, "malformed_json"),
        (b" " * 300_000, 413, "body_too_large"),
    ],
)
async def test_bad_bodies_are_problems(acme: httpx.AsyncClient, body: bytes, status: int, code: str) -> None:
    answer = await acme.post("/v1/payments", content=body, headers={"content-type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("money", "minor"),
    [
        ({"amount": "10.99", "currency": "USD"}, 1099),
        ({"amount": "500", "currency": "JPY"}, 500),
        ({"amount": "1.234", "currency": "KWD"}, 1234),
        ({"amount": "10.999", "currency": "USD"}, None),
        ({"amount": "10.5", "currency": "JPY"}, None),
        ({"amount": "0.00", "currency": "USD"}, None),
        ({"amount": "10.99", "amount_minor": 1099, "currency": "USD"}, None),
        ({"currency": "USD"}, None),
        ({"amount_minor": 10.0, "currency": "USD"}, None),
        ({"amount_minor": 0, "currency": "USD"}, None),
        ({"amount_minor": 100, "currency": "usd"}, None),
        ({"amount_minor": 2**63, "currency": "USD"}, None),
    ],
)
async def test_amounts_are_exact_or_refused(
    acme: httpx.AsyncClient, money: dict[str, object], minor: int | None
) -> None:
    body = {name: value for name, value in payment().items() if name not in {"amount_minor", "currency"}}
    answer = await acme.post("/v1/payments", json=body | money)

    assert answer.status_code == (422 if minor is None else 201), answer.text
    if minor is not None:
        assert answer.json()["amount_minor"] == minor


async def test_the_same_idempotency_key_gets_the_same_bytes_and_has_one_effect(api: Api) -> None:
    client = api.client(await api.key(), **{"Idempotency-Key": "order-1"})

    first, again = [await client.post("/v1/payments", json=payment()) for _ in range(2)]
    other = await client.post("/v1/payments", json=payment(amount_minor=1))

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert len(api.gateway.effects) == 1


async def test_an_idempotency_key_is_the_accounts_own(api: Api) -> None:
    for account in ("acme", "rival"):
        client = api.client(await api.key(account), **{"Idempotency-Key": "order-1"})
        answer = await client.post("/v1/payments", json=payment())
        assert (answer.status_code, answer.json()["account"]) == (201, account)


async def test_requests_at_the_same_time_with_one_key_have_one_effect(api: Api) -> None:
    client = api.client(await api.key(), **{"Idempotency-Key": "order-1"})

    answers = await asyncio.gather(*(client.post("/v1/payments", json=payment()) for _ in range(6)))

    statuses = sorted(answer.status_code for answer in answers)
    assert set(statuses) <= {201, 409}
    assert statuses[0] == 201
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    assert len(api.gateway.effects) == 1


async def test_a_request_that_was_wrong_may_be_mended_under_the_same_key(api: Api) -> None:
    client = api.client(await api.key(), **{"Idempotency-Key": "order-1"})

    wrong = await client.post("/v1/payments", json=payment(surprise=1))
    right = await client.post("/v1/payments", json=payment())

    assert (wrong.status_code, right.status_code) == (422, 201)


async def test_a_refusal_is_an_answer_like_any_other(api: Api) -> None:
    client = api.client(await api.key(), **{"Idempotency-Key": "order-1"})

    first, again = [await client.post("/v1/payments", json=payment(currency="XAF")) for _ in range(2)]

    assert (first.status_code, first.json()["code"]) == (422, "capability_missing")
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "with space"])
async def test_an_idempotency_key_that_cannot_be_one_is_refused(api: Api, key: str) -> None:
    client = api.client(await api.key())

    answer = await client.post("/v1/payments", json=payment(), headers={"Idempotency-Key": key})

    assert answer.status_code == 422
    assert api.gateway.calls == 0


async def test_stored_answers_are_sealed(api: Api, database: Database) -> None:
    client = api.client(await api.key(), **{"Idempotency-Key": "order-1"})
    payment_id = (await client.post("/v1/payments", json=payment())).json()["id"]

    ((ciphertext,),) = await rows(database, "select ciphertext from api_answers")

    assert payment_id.encode() not in bytes(ciphertext)  # type: ignore[call-overload]  # a column of bytes


async def test_pages_hold_everything_once_whatever_is_added_meanwhile(acme: httpx.AsyncClient) -> None:
    made = [(await acme.post("/v1/payments", json=payment())).json()["id"] for _ in range(5)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await acme.get("/v1/payments", params={"limit": 2, **cursor})).json()
        seen += [item["id"] for item in page["data"]]
        assert page["has_more"] == (page["next_cursor"] is not None)
        if not page["has_more"]:
            break
        cursor = {"cursor": page["next_cursor"]}
        await acme.post("/v1/payments", json=payment())
    assert seen == made[::-1]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "cursor=x", "cursor=W10", "order=up", "status=odd"]
)
async def test_a_query_that_makes_no_sense_is_a_problem(acme: httpx.AsyncClient, query: str) -> None:
    answer = await acme.get(f"/v1/payments?{query}")

    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


async def test_too_many_requests_are_told_to_wait(api: Api) -> None:
    limiter = RateLimiter(rate_per_second=0.1, burst=2, monotonic=lambda: 0.0)
    object.__setattr__(api.context, "limiter", limiter)
    client = api.client(await api.key())

    answers = [await client.get("/v1/payments") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
    assert int(answers[2].headers["retry-after"]) >= 1


async def test_every_answer_has_an_id_and_strict_headers(api: Api) -> None:
    answers = [
        await api.client(await api.key()).get("/v1/payments"),
        await api.client().get("/v1/payments"),
        await api.client().get("/nowhere"),
        await api.client().post("/v1/payments", content=b" " * 300_000),
    ]

    assert [answer.status_code for answer in answers] == [200, 401, 404, 413]
    for answer in answers:
        assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
        assert answer.headers["x-request-id"].startswith("req_")
    own = await api.client(**{"X-Request-Id": "my-own-id-1"}).get("/nowhere")
    assert own.headers["x-request-id"] == own.json()["request_id"] == "my-own-id-1"


async def test_a_bug_is_told_without_its_inside(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("the inside")

    monkeypatch.setattr("api.routes.payments.get_payment", fail)
    answer = await api.client(await api.key()).get("/v1/payments/pay_1")

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "inside" not in answer.text
    assert "ZeroDivision" not in answer.text


async def test_an_update_meets_only_the_version_it_has_seen(acme: httpx.AsyncClient) -> None:
    made = await acme.post("/v1/payments", json=payment())
    url, version = made.headers["location"], made.headers["etag"]

    first = await acme.patch(url, json={"description": "one"}, headers={"If-Match": version})
    late = await acme.patch(url, json={"description": "two"}, headers={"If-Match": version})
    blind = await acme.patch(url, json={"metadata": {"a": "b"}})

    assert [answer.status_code for answer in (first, late, blind)] == [200, 412, 200]
    assert (blind.json()["description"], blind.json()["metadata"]) == ("one", {"a": "b"})
