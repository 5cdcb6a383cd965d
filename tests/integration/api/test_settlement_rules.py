"""Rules of settlement over HTTP: operators set them, and every key of the account reads them."""

import httpx
import pytest

from api.schemas.settlement_rules import FEES_EXAMPLE, RESERVE_EXAMPLE, SCHEDULE_EXAMPLE, THRESHOLDS_EXAMPLE
from services.api_keys import Scope
from storage.unit_of_work import Database
from tests.integration.api.conftest import Api
from tests.integration.services.books import rows

RULES = "/v1/accounts/acme/settlement"


@pytest.fixture
async def operator(api: Api) -> httpx.AsyncClient:
    """A client with an operator's key of the account `acme`."""
    return api.client(await api.key("acme", kind="operator"))


@pytest.fixture
async def reader(api: Api) -> httpx.AsyncClient:
    """A client that may only read."""
    return api.client(await api.key("acme", scopes=[Scope.PAYMENTS_READ]))


async def test_a_schedule_is_set_and_read(operator: httpx.AsyncClient, reader: httpx.AsyncClient) -> None:
    before = (await reader.get(f"{RULES}/schedule")).json()
    set_ = await operator.put(f"{RULES}/schedule", json=SCHEDULE_EXAMPLE)
    after = (await reader.get(f"{RULES}/schedule")).json()

    assert before == {"schedules": [], "window": None}
    assert set_.status_code == 200, set_.text
    assert after["schedules"] == [set_.json()]
    assert {name: set_.json()[name] for name in SCHEDULE_EXAMPLE} == SCHEDULE_EXAMPLE
    assert after["window"]["start"] < after["window"]["end"]


async def test_fees_are_added_and_none_is_replaced(operator: httpx.AsyncClient, reader: httpx.AsyncClient) -> None:
    at = {"effective_from": "2999-01-01T00:00:00Z"}
    added = await operator.post(f"{RULES}/fees", json=FEES_EXAMPLE | at)
    again = await operator.post(f"{RULES}/fees", json=FEES_EXAMPLE | at | {"basis_points": 1})
    withdrawn = await operator.post(f"{RULES}/fees", json={"currency": "EUR", "is_withdrawn": True})

    assert (added.status_code, again.status_code, withdrawn.status_code) == (201, 409, 201), again.text
    listed = (await reader.get(f"{RULES}/fees")).json()["data"]
    assert listed == [withdrawn.json(), added.json()]
    assert {name: added.json()[name] for name in FEES_EXAMPLE} == FEES_EXAMPLE


async def test_a_reserve_and_thresholds_are_replaced(operator: httpx.AsyncClient, reader: httpx.AsyncClient) -> None:
    for days in (30, 90):
        reserve = await operator.put(f"{RULES}/reserve", json=RESERVE_EXAMPLE | {"days": days})
        assert reserve.status_code == 200, reserve.text
    for minimum in (1, 500):
        set_ = await operator.put(
            f"{RULES}/thresholds/EUR", json=THRESHOLDS_EXAMPLE | {"minimum_payout_minor": minimum}
        )
        assert set_.status_code == 200, set_.text

    assert (await reader.get(f"{RULES}/reserve")).json() == {
        "rules": [RESERVE_EXAMPLE | {"recipient_id": "*"}],
        "held": [],
    }
    assert (await reader.get(f"{RULES}/thresholds")).json()["data"] == [THRESHOLDS_EXAMPLE | {"currency": "EUR"}]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "schedule", {"cadence": "weekly"}),
        ("PUT", "schedule", {"cadence": "daily", "time_zone": "Mars/Olympus"}),
        ("PUT", "schedule", {"cadence": "daily", "cut_off": "25:00"}),
        ("POST", "fees", {"basis_points": 1, "effective_from": "2020-01-01T00:00:00Z"}),
        ("POST", "fees", {"min_minor": 5, "max_minor": 4}),
        ("POST", "fees", {"tiers": [{"from_volume_minor": 2, "basis_points": 1}] * 2}),
        ("PUT", "reserve", {"recipient_id": "atelier", "basis_points": 1, "days": 1}),
        ("PUT", "thresholds/EUR", {"auto_approve_minor": 5, "second_approval_minor": 4}),
        ("PUT", "thresholds/EUR", {"auto_approve_minor": 1.5}),
        ("PUT", "thresholds/XYZ", {}),
    ],
)
async def test_what_cannot_be_a_rule_is_refused(
    operator: httpx.AsyncClient, database: Database, method: str, path: str, body: dict[str, object]
) -> None:
    answer = await operator.request(method, f"{RULES}/{path}", json=body)
    assert answer.status_code in {400, 422}, answer.text
    assert await rows(database, "select count(*)::int from fee_schedules") == [(0,)]


async def test_a_merchant_does_not_set_its_own_rules(acme: httpx.AsyncClient) -> None:
    for method, path, body in (
        ("PUT", "schedule", SCHEDULE_EXAMPLE),
        ("POST", "fees", {"basis_points": 0}),
        ("PUT", "reserve", RESERVE_EXAMPLE),
        ("PUT", "thresholds/EUR", {"auto_approve_minor": 10**9}),
    ):
        answer = await acme.request(method, f"{RULES}/{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "operator_key_needed")


async def test_the_audit_log_says_who_set_a_rule(operator: httpx.AsyncClient, database: Database) -> None:
    answer = await operator.put(f"{RULES}/thresholds/EUR", json=THRESHOLDS_EXAMPLE)
    said = await rows(
        database, "select actor like 'key:%', request_id from audit_log where subject_type = 'payout_threshold'"
    )
    assert said == [(True, answer.headers["x-request-id"])]
