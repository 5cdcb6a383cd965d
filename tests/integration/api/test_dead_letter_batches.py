"""Many dead letters over HTTP: selected, bounded, each counted, each once, and none of another account."""

import httpx
import pytest

from services.api_keys import Scope
from storage.unit_of_work import Database
from tests.integration.api.conftest import Api
from tests.integration.services.books import rows
from tests.unit.services.fake_broker import BEGAN, FakeBroker
from topics.catalog import COMMANDS, SETTLEMENT_ENTRIES, dead_letter

DEAD = "/v1/webhooks/dead-letters"
DEAD_COMMANDS, DEAD_ENTRIES = dead_letter(COMMANDS), dead_letter(SETTLEMENT_ENTRIES)


@pytest.fixture
def broker(api: Api) -> FakeBroker:
    """The broker that the API has."""
    broker = FakeBroker()
    object.__setattr__(api.context, "broker", broker)
    return broker


def bury(broker: FakeBroker, account: str = "acme", *, error: str = "MalformedPayload", count: int = 1) -> None:
    """Dead commands of an account, each a second younger than the one before it."""
    for _ in range(count):
        value = f'{{"command": {{"account": "{account}"}}}}'.encode()
        broker.put(DEAD_COMMANDS, value, headers=[("ps_dlq_error", error)])


async def ask(client: httpx.AsyncClient, what: str = "retry", **body: object) -> dict[str, object]:
    answer = await client.post(f"{DEAD}/{what}", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def decisions(database: Database) -> list[tuple[object, ...]]:
    return await rows(
        database, "select record_offset, decision, reason from dead_letter_decisions order by record_offset"
    )


async def test_what_is_selected_goes_back_once(database: Database, broker: FakeBroker, acme: httpx.AsyncClient) -> None:
    bury(broker, error="MalformedPayload", count=2)
    bury(broker, error="InvariantViolated")
    bury(broker, "rival")
    selection = {"topic": DEAD_COMMANDS.name, "reason": "MalformedPayload"}

    dry = await ask(acme, selection=selection, dry_run=True)
    nothing_yet = await decisions(database)
    done = await ask(acme, selection=selection)
    again = await ask(acme, selection=selection)

    assert (dry["counts"], nothing_yet) == ({"matched": 2}, [])
    assert done["counts"] == {"retried": 2}
    assert done["outcomes"] == [
        {"topic": DEAD_COMMANDS.name, "partition": 0, "offset": offset, "outcome": "retried", "message": ""}
        for offset in (1, 0)
    ]
    assert (again["counts"], again["has_more"]) == ({}, False)
    assert await decisions(database) == [(0, "retried", None), (1, "retried", None)]
    assert len(broker.topics[COMMANDS.name][0]) == 2


async def test_a_range_of_time_selects(broker: FakeBroker, acme: httpx.AsyncClient) -> None:
    bury(broker, count=4)
    selection = {
        "parked_from": BEGAN.replace(second=2).isoformat(),
        "parked_before": BEGAN.replace(second=4).isoformat(),
    }
    done = await ask(acme, selection=selection, dry_run=True)
    assert [one["offset"] for one in done["outcomes"]] == [2, 1]  # type: ignore[attr-defined]  # a list of objects


async def test_a_batch_is_bounded_and_says_where_to_go_on(broker: FakeBroker, acme: httpx.AsyncClient) -> None:
    bury(broker, count=5)
    counts, cursor = [], None
    while True:
        page = await ask(acme, limit=2, cursor=cursor)
        counts.append(page["counts"])
        cursor = page["next_cursor"]
        if not page["has_more"]:
            break
    assert [one for one in counts if one] == [{"retried": 2}, {"retried": 2}, {"retried": 1}]
    too_many = await acme.post(f"{DEAD}/retry", json={"limit": 51})
    assert (too_many.status_code, too_many.json()["code"]) == (422, "invalid_request")


async def test_many_are_discarded_for_one_reason(
    database: Database, broker: FakeBroker, acme: httpx.AsyncClient
) -> None:
    bury(broker, count=2)
    done = await ask(acme, "discard", reason="a load test")
    assert done["counts"] == {"discarded": 2}
    assert await decisions(database) == [(0, "discarded", "a load test"), (1, "discarded", "a load test")]
    assert (await ask(acme, "retry"))["counts"] == {}
    assert broker.topics[COMMANDS.name][0] == []


async def test_a_broker_that_takes_nothing_ends_the_batch_and_the_same_again_goes_on(
    database: Database, broker: FakeBroker, acme: httpx.AsyncClient
) -> None:
    bury(broker, count=3)
    broker.takes_nothing = True
    stopped = await ask(acme)
    undecided = await decisions(database)
    broker.takes_nothing = False
    done = await ask(acme, cursor=stopped["next_cursor"])

    assert (stopped["counts"], stopped["has_more"]) == ({"failed": 1}, True)
    assert "does not take" in str(stopped["stopped"])
    assert undecided == []
    assert done["counts"] == {"retried": 3}


async def test_another_accounts_are_not_reached_and_those_of_nobody_are_for_operators(
    api: Api, broker: FakeBroker, acme: httpx.AsyncClient
) -> None:
    bury(broker, "rival")
    bury(broker, "ghost")
    assert (await ask(acme))["counts"] == {}
    refused = await acme.post(f"{DEAD}/discard", json={"selection": {"unattributed": True}, "reason": "x"})
    assert (refused.status_code, refused.json()["code"]) == (403, "operators_only")
    operator = api.client(await api.key("acme", kind="operator", scopes=[Scope.ADMIN]))
    done = await ask(operator, "discard", selection={"unattributed": True}, reason="nobody's")
    assert [one["offset"] for one in done["outcomes"]] == [1]  # type: ignore[attr-defined]  # a list of objects


async def test_only_administrators_decide_about_many(api: Api, broker: FakeBroker) -> None:
    writer = api.client(await api.key(scopes=[scope for scope in Scope if scope is not Scope.ADMIN]))
    answers = [
        await writer.post(f"{DEAD}/{what}", json=body) for what, body in (("retry", {}), ("discard", {"reason": "x"}))
    ]
    assert {answer.status_code for answer in answers} == {403}
