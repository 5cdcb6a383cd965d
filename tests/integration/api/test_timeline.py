"""What happened to a payment: events, the timeline, and `expand`."""

import httpx
import pytest

from api.schemas.payment_history import REDACTED, redact
from storage.unit_of_work import Database
from tests.integration.api.conftest import Api
from tests.integration.api.paying import disputed, get, id_of, made, paid, post


@pytest.fixture(autouse=True)
def _gateway_of_acme(api: Api) -> None:
    api.gateway.account = "acme"


async def test_events_are_told_in_their_order(acme: httpx.AsyncClient) -> None:
    path = await paid(acme, metadata={"table": "7"})

    newest = (await get(acme, f"{path}/events"))["data"]
    oldest = (await get(acme, f"{path}/events", order="asc"))["data"]

    assert [event["type"] for event in oldest] == [
        "payment.created",
        "payment.authorized",
        "capture.succeeded",
        "payment.completed",
    ]
    assert newest == oldest[::-1]
    assert [event["sequence"] for event in oldest] == [1, 2, 3, 4]
    capture = oldest[2]
    assert (capture["object"], capture["payment_id"], capture["data"]["id"]) == ("event", id_of(path), capture["id"])
    assert (capture["data"]["captured_minor"], capture["data"]["metadata"]) == (1099, {"table": "7"})


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_pages_hold_every_event_once(acme: httpx.AsyncClient, order: str) -> None:
    path = await paid(acme)
    seen: list[int] = []
    query: dict[str, str | int] = {"limit": 1, "order": order}
    while True:
        page = await get(acme, f"{path}/events", **query)
        seen += [event["sequence"] for event in page["data"]]
        if not page["has_more"]:
            break
        query["cursor"] = page["next_cursor"]

    assert seen == ([1, 2, 3, 4] if order == "asc" else [4, 3, 2, 1])


async def test_the_cursor_of_another_list_is_refused(acme: httpx.AsyncClient) -> None:
    path = await paid(acme)
    await made(acme)
    cursor = (await get(acme, "/v1/payments", limit=1))["next_cursor"]

    answer = await acme.get(f"{path}/events", params={"cursor": cursor})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


async def test_the_timeline_tells_everything_in_order(acme: httpx.AsyncClient, database: Database) -> None:
    path = await paid(acme)
    await post(acme, f"{path}/refund", amount_minor=100)
    await disputed(database, path, "dp_1")

    shown = await get(acme, f"{path}/timeline")

    assert (shown["object"], shown["payment_id"]) == ("timeline", id_of(path))
    kinds = [entry["kind"] for entry in shown["entries"]]
    assert {"command", "command_result", "fact", "transition", "ledger", "event", "refund", "dispute"} <= set(kinds)
    commands = [entry["details"]["command"] for entry in shown["entries"] if entry["kind"] == "command"]
    assert commands == ["create_payment", "authorize", "refund"]


async def test_the_timeline_holds_no_secret(acme: httpx.AsyncClient) -> None:
    path = await made(acme, return_url="https://shop.example/back?session=abc123", description="see /x?pin=1234")
    secret = "pi_1_secret"
    await post(acme, f"{path}/authorize", payment_method_token="pm_very_private")
    linked = await post(acme, f"{path}/refund", reason="see https://desk.example/t/9?key=abc123")

    answer = await acme.get(f"{path}/timeline")

    assert linked["status"] == "refunded"
    assert answer.status_code == 200
    for private in (secret, "pm_very_private", "abc123", "pin=1234"):
        assert private not in answer.text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("posted to /webhooks/stripe/acme?token=abc", f"posted to /webhooks/stripe/acme?{REDACTED}"),
        ("https://pay.example/l/1?sig=abc#part, then", f"https://pay.example/l/1?{REDACTED} then"),
        ("swish://paymentrequest?token=abc", f"swish://paymentrequest?{REDACTED}"),
        ("https://pay.example/l/1", "https://pay.example/l/1"),
        ("is that so? yes", "is that so? yes"),
        ({"client_secret": "abc", "url": "/a?b=c"}, {"client_secret": REDACTED, "url": f"/a?{REDACTED}"}),
        ([{"accessToken": "abc"}, 3, None, True], [{"accessToken": REDACTED}, 3, None, True]),
        ({"password": None, "amount_minor": 5}, {"password": None, "amount_minor": 5}),
    ],
)
def test_secrets_and_query_strings_are_taken_out(value: object, shown: object) -> None:
    assert redact(value) == shown


async def test_what_belongs_to_a_payment_is_read_with_it(acme: httpx.AsyncClient, database: Database) -> None:
    path = await paid(acme)
    await post(acme, f"{path}/refund", amount_minor=100)
    await disputed(database, path, "dp_1")

    plain = await get(acme, path)
    some = await get(acme, path, expand="refunds")
    every = await get(acme, path, expand="refunds,disputes,events,timeline")

    assert plain["expanded"] is None
    assert {name: value is not None for name, value in some["expanded"].items()} == {
        "refunds": True,
        "disputes": False,
        "events": False,
        "timeline": False,
    }
    for name in ("refunds", "disputes", "events"):
        assert every["expanded"][name] == await get(acme, f"{path}/{name}")
        assert every["expanded"][name]["data"] != []
    assert every["expanded"]["timeline"] == await get(acme, f"{path}/timeline")


@pytest.mark.parametrize("expand", ["everything", "refunds,", "", "refunds,secrets", "refunds disputes", "Refunds"])
async def test_nothing_else_can_be_expanded(acme: httpx.AsyncClient, expand: str) -> None:
    path = await made(acme)

    answer = await acme.get(path, params={"expand": expand})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("part", ["/events", "/timeline", "?expand=timeline"])
async def test_the_history_of_another_accounts_payment_is_not_there(
    acme: httpx.AsyncClient, rival: httpx.AsyncClient, part: str
) -> None:
    path = await paid(acme)

    foreign, unknown = await rival.get(f"{path}{part}"), await rival.get(f"/v1/payments/pay_0{part}")

    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert foreign.json()["detail"] == unknown.json()["detail"].replace("pay_0", id_of(path))


@pytest.mark.parametrize("part", ["", "/events", "/timeline", "/refunds", "/disputes"])
async def test_odd_ids_are_problems(acme: httpx.AsyncClient, part: str) -> None:
    answers = [await acme.get(f"/v1/payments/{odd}{part}") for odd in ("%00", "%ff", "a%20b", "é", "x" * 700)]

    assert {answer.status_code for answer in answers} == {422}
