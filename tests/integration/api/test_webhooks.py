"""Callbacks over HTTP: what was received, what was rejected, what is a dead letter; and what people decide about it."""

import json
from collections.abc import Sequence

import httpx
import pytest

from domain.facts import FactKind
from services.api_keys import Scope
from services.apply_events import ReceivedFact, apply_events
from storage.unit_of_work import Database
from tests.integration.api.conftest import Api
from tests.integration.services.books import NOW, fact, open_payment, rows
from tests.unit.services.fake_broker import FakeBroker
from topics.catalog import COMMANDS, GATEWAY_EVENTS, RAW_WEBHOOKS, REJECTED_WEBHOOKS, dead_letter
from topics.webhooks import RawWebhook

BODY = b'{"id": "evt_secret_body"}'
DEAD_COMMANDS, DEAD_RAW = dead_letter(COMMANDS), dead_letter(RAW_WEBHOOKS)
REJECTED, DEAD = "/v1/webhooks/rejected", "/v1/webhooks/dead-letters"
READS = (REJECTED, DEAD, f"{DEAD}/{DEAD_RAW.name}/0/0")
WRITES: tuple[tuple[str, dict[str, str] | None], ...] = (
    (f"{REJECTED}/0/0/replay", None),
    (f"{DEAD}/{DEAD_RAW.name}/0/0/retry", None),
    (f"{DEAD}/{DEAD_RAW.name}/0/0/discard", {"reason": "x"}),
    (f"{DEAD}/retry", {}),
    (f"{DEAD}/discard", {"reason": "x"}),
)


@pytest.fixture
def broker(api: Api) -> FakeBroker:
    """The broker that the API has."""
    broker = FakeBroker()
    object.__setattr__(api.context, "broker", broker)
    return broker


def raw_headers(account: str, gateway: str = "stripe") -> list[tuple[str, str]]:
    webhook = RawWebhook(
        id="wh_1",
        gateway=gateway,
        account=account,
        path=f"/webhooks/{gateway}/{account}?token=s3cret",
        remote_address="192.0.2.7",
        received_at=NOW,
        http_headers=(("content-type", "application/json"), ("stripe-signature", "t=1,v1=s3cret")),
        body=BODY,
    )
    return [(name, value.decode()) for name, value in webhook.record_headers()]


def reject(broker: FakeBroker, account: str = "acme", *, partition: int = 0, gateway: str = "stripe") -> int:
    why = [("ps_reason", "signature_invalid"), ("ps_message", "no signature fits")]
    why += [("ps_raw_partition", "5"), ("ps_raw_offset", "77")]
    headers = [*raw_headers(account, gateway), *why]
    return broker.put(REJECTED_WEBHOOKS, BODY, partition=partition, key=b"ab12", headers=headers).offset


def bury(broker: FakeBroker, account: str | None = "acme", *, partition: int = 2) -> int:
    """A dead command of an account; of None, one that does not say whose it is."""
    value = b"[" if account is None else json.dumps({"command": {"account": account, "token": "s3cret"}}).encode()
    why = [("ps_dlq_topic", "x.payments.commands.v1"), ("ps_dlq_partition", str(partition)), ("ps_dlq_offset", "9")]
    why += [("ps_dlq_error", "MalformedPayload"), ("ps_dlq_message", "no"), ("ps_dlq_at", NOW.isoformat())]
    headers = [("ce_id", "c1"), ("x-token", "s3cret"), *why]
    return broker.put(DEAD_COMMANDS, value, partition=partition, key=b"pay_1", headers=headers).offset


def offsets(answer: httpx.Response) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [item["offset"] for item in answer.json()["data"]]


async def test_received_callbacks_are_listed_with_what_became_of_them(
    api: Api, database: Database, acme: httpx.AsyncClient, rival: httpx.AsyncClient
) -> None:
    await open_payment(database, "p1", account="acme")
    captured = fact("evt_1", FactKind.CAPTURED, account="acme")
    waiting = fact("evt_2", FactKind.CAPTURED, account="acme", provider_reference="pi_2", movement_reference="ch_2")
    told = fact("evt_3", FactKind.AUTHORIZED, account="acme")
    received = [ReceivedFact(fact=one, raw_partition=1, raw_offset=n) for n, one in enumerate((captured, waiting))]
    await apply_events(database, [*received, ReceivedFact(fact=told)], NOW)

    found = (await acme.get("/v1/webhooks?order=asc")).json()["data"]

    assert [item["gateway_event_id"] for item in found] == ["evt_1", "evt_2"]
    assert [item["disposition"] for item in found] == ["applied", "orphaned"]
    assert (found[0]["payment_id"], found[0]["raw_partition"], found[0]["raw_offset"]) == ("p1", 1, 0)
    moment = found[0]["recorded_at"].replace("+", "%2B")
    queries = {
        "gateway=stripe": 2,
        "gateway=klarna": 0,
        "kind=captured": 2,
        "kind=refunded": 0,
        "disposition=orphaned": 1,
        "payment_id=p1": 1,
        "gateway_event_id=evt_2": 1,
        "provider_reference=pi_2": 1,
        f"recorded_from={moment}": 2,
        f"recorded_before={moment}": 0,
    }
    for query, count in queries.items():
        assert len((await acme.get(f"/v1/webhooks?{query}")).json()["data"]) == count, query
    first = (await acme.get("/v1/webhooks?limit=1")).json()
    second = (await acme.get(f"/v1/webhooks?limit=1&cursor={first['next_cursor']}")).json()
    assert [page["data"][0]["gateway_event_id"] for page in (first, second)] == ["evt_2", "evt_1"]
    assert not second["has_more"]
    assert (await rival.get("/v1/webhooks")).json()["data"] == []


async def test_rejected_callbacks_are_shown_without_what_proves_them(
    broker: FakeBroker, acme: httpx.AsyncClient
) -> None:
    offset = reject(broker)

    answer = await acme.get(REJECTED)

    (shown,) = answer.json()["data"]
    assert (shown["offset"], shown["account"], shown["gateway"], shown["attempt"]) == (offset, "acme", "stripe", 1)
    assert (shown["reason"], shown["message"]) == ("signature_invalid", "no signature fits")
    assert shown["source"] == {"topic": RAW_WEBHOOKS.name, "partition": 5, "offset": 77}
    assert (shown["body_size"], shown["decision"]) == (len(BODY), None)
    assert {item["name"]: item["value"] for item in shown["http_headers"]}["stripe-signature"] == "[redacted]"
    assert "s3cret" not in answer.text
    assert "evt_secret_body" not in answer.text


async def test_an_account_sees_its_own_records(
    broker: FakeBroker, acme: httpx.AsyncClient, rival: httpx.AsyncClient
) -> None:
    for account in ("acme", "rival", "acme", "ghost"):
        reject(broker, account)
        bury(broker, account)
    bury(broker, None)

    assert offsets(await acme.get(REJECTED)) == [2, 0]
    assert offsets(await rival.get(REJECTED)) == [1]
    assert offsets(await acme.get(DEAD)) == [2, 0]
    assert offsets(await rival.get(DEAD)) == [1]
    refused = await acme.get(f"{DEAD}?unattributed=true")
    assert (refused.status_code, refused.json()["code"]) == (403, "operators_only")


async def test_records_of_nobody_are_operators_business(
    api: Api, database: Database, broker: FakeBroker, acme: httpx.AsyncClient
) -> None:
    unreadable, of_a_ghost, own = bury(broker, None), bury(broker, "ghost"), bury(broker, "rival")
    key = await api.key("acme", "rival", kind="operator")
    operator = api.client(key, **{"Paystream-Account": "acme"})
    reader = api.client(
        await api.key("acme", "rival", kind="operator", scopes=[Scope.PAYMENTS_READ]), **{"Paystream-Account": "acme"}
    )
    url = f"{DEAD}/{DEAD_COMMANDS.name}/2"

    assert offsets(await operator.get(f"{DEAD}?unattributed=true")) == [of_a_ghost, unreadable]
    assert offsets(await operator.get(DEAD)) == []
    assert (await reader.get(f"{DEAD}?unattributed=true")).status_code == 403
    assert (await reader.get(f"{url}/{unreadable}")).status_code == 404
    assert (await operator.get(f"{url}/{own}")).status_code == 404
    assert (await operator.get(f"{url}/{of_a_ghost}")).json()["account"] is None
    assert (await acme.post(f"{url}/{unreadable}/retry")).status_code == 404
    assert (await operator.post(f"{url}/{of_a_ghost}/retry")).json()["decision"]["decision"] == "retried"
    assert (await operator.post(f"{url}/{unreadable}/discard", json={"reason": "noise"})).status_code == 200
    assert await rows(database, "select account, decision from dead_letter_decisions order by record_offset") == [
        (None, "discarded"),
        (None, "retried"),
    ]
    assert await rows(database.scoped({"acme", "rival"}), "select * from dead_letter_decisions") == []
    shown = (await operator.get(f"{DEAD}?unattributed=true")).json()["data"]
    assert [item["decision"]["decision"] for item in shown] == ["retried", "discarded"]


async def test_a_dead_letter_goes_back_byte_for_byte_and_once(
    api: Api, database: Database, broker: FakeBroker, acme: httpx.AsyncClient
) -> None:
    url = f"{DEAD}/{DEAD_COMMANDS.name}/2/{bury(broker)}"

    answer = await acme.post(f"{url}/retry")
    again = await acme.post(f"{url}/retry")
    discarded = await acme.post(f"{url}/discard", json={"reason": "too late"})

    (dead,) = broker.topics[DEAD_COMMANDS.name][2]
    (sent,) = broker.topics[COMMANDS.name][2]
    assert (sent.key, sent.value) == (dead.key, dead.value)
    headers = {name: value.decode() for name, value in sent.headers}
    assert headers.keys() == {"ce_id", "x-token", "ps_retry_of", "ps_retry_attempt", "ps_retry_by", "ps_retry_at"}
    assert (headers["ps_retry_of"], headers["ps_retry_attempt"]) == (f"{DEAD_COMMANDS.name}/2/0", "1")
    decision = answer.json()["decision"]
    assert (decision["decision"], decision["decided_by"]) == ("retried", headers["ps_retry_by"])
    assert decision["sent_to"] == {"topic": COMMANDS.name, "partition": 2, "offset": 0}
    assert {(refusal.status_code, refusal.json()["code"]) for refusal in (again, discarded)} == {
        (409, "already_decided")
    }
    assert (await acme.get(url)).json() == answer.json()
    audited = await rows(
        database, "select account, actor, subject_id from audit_log where subject_type = 'dead_letter_decision'"
    )
    assert set(audited) == {("acme", decision["decided_by"], f"{DEAD_COMMANDS.name}:2:0")}


async def test_what_was_discarded_may_still_be_retried(broker: FakeBroker, acme: httpx.AsyncClient) -> None:
    url = f"{DEAD}/{DEAD_COMMANDS.name}/2/{bury(broker)}"
    other = bury(broker)

    discarded = await acme.post(f"{url}/discard", json={"reason": "a test order"})
    twice = await acme.post(f"{url}/discard", json={"reason": "again"})
    undecided = await acme.get(f"{DEAD}?decided=false")
    decided = await acme.get(f"{DEAD}?decided=true")
    retried = await acme.post(f"{url}/retry")

    assert (discarded.json()["decision"]["reason"], twice.status_code) == ("a test order", 409)
    assert (offsets(undecided), offsets(decided)) == ([other], [0])
    assert (retried.json()["decision"]["decision"], retried.json()["decision"]["reason"]) == ("retried", None)
    assert len(broker.topics[COMMANDS.name][2]) == 1


async def test_a_rejected_callback_is_verified_again(broker: FakeBroker, acme: httpx.AsyncClient) -> None:
    offset = reject(broker, partition=5)

    answer = await acme.post(f"{REJECTED}/5/{offset}/replay")

    (sent,) = broker.topics[RAW_WEBHOOKS.name][5]
    assert (sent.key, sent.value) == (b"ab12", BODY)
    replayed = RawWebhook.from_record(sent.value or b"", sent.headers)
    assert (replayed.account, replayed.received_at) == ("acme", NOW)
    assert dict(replayed.http_headers)["stripe-signature"] == "t=1,v1=s3cret"
    assert "ps_raw_offset" not in dict(sent.headers)
    assert (answer.json()["object"], answer.json()["decision"]["decision"]) == ("rejected_webhook", "replayed")
    assert (await acme.post(f"{REJECTED}/5/{offset}/replay")).status_code == 409


async def test_nothing_is_decided_when_the_broker_takes_nothing(
    api: Api, database: Database, broker: FakeBroker
) -> None:
    bury(broker)
    url = f"{DEAD}/{DEAD_COMMANDS.name}/2/0/retry"
    client = api.client(await api.key(), **{"Idempotency-Key": "retry-1"})

    broker.takes_nothing = True
    answer = await client.post(url)
    assert (answer.status_code, answer.json()["code"]) == (503, "broker_unavailable")
    assert "retry-after" in answer.headers
    assert await rows(database, "select * from dead_letter_decisions") == []

    broker.takes_nothing = False
    assert (await client.post(url)).status_code == 200


async def test_without_a_broker_the_routes_say_so(api: Api, acme: httpx.AsyncClient) -> None:
    answers = [await acme.get(path) for path in READS] + [await acme.post(path, json=body) for path, body in WRITES]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(503, "broker_unavailable")}
    assert (await acme.get("/v1/webhooks")).status_code == 200


async def test_only_administrators_decide(api: Api, broker: FakeBroker) -> None:
    reject(broker)
    reader = api.client(await api.key(scopes=[Scope.PAYMENTS_READ]))
    writer = api.client(await api.key(scopes=[scope for scope in Scope if scope is not Scope.ADMIN]))
    nobody = api.client(await api.key(scopes=[Scope.CREDENTIALS_WRITE]))

    assert (await reader.get(REJECTED)).status_code == 200
    assert {(await writer.post(path, json=body)).status_code for path, body in WRITES} == {403}
    assert {(await nobody.get(path)).status_code for path in (*READS, "/v1/webhooks")} == {403}


async def test_what_is_not_there_and_what_is_anothers_look_the_same(
    broker: FakeBroker, acme: httpx.AsyncClient, rival: httpx.AsyncClient
) -> None:
    reject(broker, "rival")
    bury(broker, "rival")
    foreign = [
        await acme.get(f"{DEAD}/{DEAD_COMMANDS.name}/2/0"),
        await acme.post(f"{DEAD}/{DEAD_COMMANDS.name}/2/0/retry"),
        await acme.post(f"{DEAD}/{DEAD_COMMANDS.name}/2/0/discard", json={"reason": "x"}),
        await acme.post(f"{REJECTED}/0/0/replay"),
    ]
    nowhere = [
        await acme.get(f"{DEAD}/{DEAD_COMMANDS.name}/2/1"),
        await acme.post(f"{DEAD}/{DEAD_COMMANDS.name}/2/1/retry"),
        await acme.post(f"{DEAD}/{DEAD_COMMANDS.name}/2/1/discard", json={"reason": "x"}),
        await acme.post(f"{REJECTED}/0/1/replay"),
        await acme.get(f"{DEAD}/{DEAD_COMMANDS.name}/99/0"),
        await acme.get(f"{DEAD}/payments.nothing.dlq.v1/0/0"),
        await acme.post(f"{DEAD}/{REJECTED_WEBHOOKS.name}/0/0/retry"),
        await acme.post(f"{DEAD}/{GATEWAY_EVENTS.name}/0/0/retry"),
    ]
    assert {answer.status_code for answer in (*foreign, *nowhere)} == {404}
    for one, other in zip(foreign, nowhere, strict=False):
        assert one.json()["detail"].removesuffix("/0") == other.json()["detail"].removesuffix("/1")
    assert broker.topics[COMMANDS.name] == [[]] * 8
    assert (await rival.get(f"{DEAD}/{DEAD_COMMANDS.name}/2/0")).status_code == 200


@pytest.mark.parametrize("path", [REJECTED, DEAD])
async def test_lists_come_in_pages_newest_first(broker: FakeBroker, acme: httpx.AsyncClient, path: str) -> None:
    make = reject if path == REJECTED else bury
    expected = []
    for number in range(7):
        make(broker, "rival", partition=number % 3)
        expected.append((number % 3, make(broker, "acme", partition=number % 3)))
    seen: list[tuple[int, int]] = []
    cursor = ""
    while True:
        page = (await acme.get(f"{path}?limit=2{cursor}")).json()
        seen += [(item["partition"], item["offset"]) for item in page["data"]]
        if not page["has_more"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == expected[::-1]


async def test_lists_are_filtered(broker: FakeBroker, acme: httpx.AsyncClient) -> None:
    reject(broker, gateway="stripe")
    reject(broker, gateway="klarna")
    bury(broker)
    queries: Sequence[tuple[str, list[int]]] = (
        (f"{REJECTED}?gateway=klarna", [1]),
        (f"{REJECTED}?reason=signature_invalid", [1, 0]),
        (f"{REJECTED}?reason=unknown_account", []),
        (f"{DEAD}?topic={DEAD_COMMANDS.name}", [0]),
        (f"{DEAD}?topic={DEAD_RAW.name}", []),
        (f"{DEAD}?reason=MalformedPayload", [0]),
    )
    for query, expected in queries:
        assert offsets(await acme.get(query)) == expected, query


@pytest.mark.parametrize(
    "path",
    [
        "?cursor=W10",
        "?payment_id=%00",
        "/rejected?cursor=%C3%A9",
        "/rejected?limit=101",
        "/rejected?reason=%00",
        "/dead-letters?topic=A",
        "/dead-letters/a/0/99999999999999999999",
        "/dead-letters/a/-1/0",
    ],
)
async def test_what_makes_no_sense_is_a_problem(broker: FakeBroker, acme: httpx.AsyncClient, path: str) -> None:
    answer = await acme.get(f"/v1/webhooks{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
