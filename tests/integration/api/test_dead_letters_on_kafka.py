"""Putting records back on a real broker: the agents take them as they take any other, and the books stay in order."""

from collections.abc import AsyncIterator, Sequence

import httpx
import pytest

from bootstrap.broker import KafkaBroker
from bootstrap.settings import Settings
from connectors.base import Callback
from domain.facts import Fact
from services.api_keys import Scope, create_key
from services.audit.run import audit
from services.parked_records import dead_letter_topic
from storage.unit_of_work import Database
from tests.integration.api.conftest import serving_api
from tests.integration.services.audited_pipeline import Pipeline, TalkativeGateway, busy_evening, fact
from tests.integration.services.books import rows
from topics.catalog import RAW_WEBHOOKS, REJECTED_WEBHOOKS


class CorrectedGateway(TalkativeGateway):
    """The gateway once its credentials are right: what was refused turns out to be genuine."""

    def parse_callback(self, callback: Callback) -> Sequence[Fact]:
        return [fact("p1", "processing", event_id="evt_after_all")]


@pytest.fixture
async def pipeline(topics_created: Settings, database: Database) -> AsyncIterator[Pipeline]:
    """A pipeline at rest: four callbacks are rejected, and a callback, a command and a fact are dead letters."""
    async with busy_evening(topics_created, database) as pipeline:
        yield pipeline


@pytest.fixture
async def operator(pipeline: Pipeline, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the account `demo` with an operator's key."""
    broker = KafkaBroker(pipeline.settings.kafka)
    async with serving_api(pipeline.settings, database) as api:
        object.__setattr__(api.context, "broker", broker)
        made = await create_key(
            database,
            name="op",
            accounts=["demo"],
            scopes=[Scope.ADMIN],
            actor="t",
            now=api.context.clock(),
            kind="operator",
        )
        yield api.client(made.secret.get_secret_value())
        await broker.close()


async def hold(pipeline: Pipeline) -> None:
    kafka = pipeline.settings.kafka
    report = await audit(pipeline.database, kafka.bootstrap_servers, kafka.topic_prefix)
    assert report.holds, report.to_json()


async def test_rejected_callbacks_are_believed_once_the_credentials_are_right(
    pipeline: Pipeline, operator: httpx.AsyncClient, database: Database
) -> None:
    first, second, *_ = (await operator.get("/v1/webhooks/rejected")).json()["data"]

    await replay(operator, first)
    await pipeline.settle_down()
    again, *_ = (await operator.get("/v1/webhooks/rejected?decided=false")).json()["data"]
    pipeline._gateway = CorrectedGateway()
    await replay(operator, second)
    await pipeline.settle_down()

    assert (again["attempt"], again["body_sha256"], again["reason"]) == (2, first["body_sha256"], first["reason"])
    assert await rows(database, "select disposition from inbox where gateway_event_id = 'evt_after_all'") == [
        ("applied",)
    ]
    raw = {(record.partition, record.offset): record for record in await pipeline.records(RAW_WEBHOOKS)}
    rejected = {record.position: record for record in await pipeline.records(REJECTED_WEBHOOKS)}
    for item in (first, second):
        shown = (await operator.get("/v1/webhooks/rejected?decided=true")).json()["data"]
        decision = next(one["decision"] for one in shown if one["offset"] == item["offset"])
        sent = raw[decision["sent_to"]["partition"], decision["sent_to"]["offset"]]
        kept = rejected[item["partition"], item["offset"]]
        original = raw[item["source"]["partition"], item["source"]["offset"]]
        assert (sent.key, sent.value) == (kept.key, kept.value) == (original.key, original.value)
        assert sent.partition == original.partition
        marks = [pair for pair in sent.headers if pair[0].startswith("ps_retry_")]
        assert [pair for pair in sent.headers if pair not in marks] == list(original.headers)
        assert len(marks) == 4
    await hold(pipeline)


async def replay(operator: httpx.AsyncClient, item: dict[str, object]) -> None:
    answer = await operator.post(f"/v1/webhooks/rejected/{item['partition']}/{item['offset']}/replay")
    assert answer.status_code == 200, answer.text


async def test_dead_letters_that_are_retried_in_vain_come_back(pipeline: Pipeline, operator: httpx.AsyncClient) -> None:
    path = "/v1/webhooks/dead-letters"
    dead = (await operator.get(f"{path}?unattributed=true")).json()["data"]
    assert {item["topic"] for item in dead} == {
        "payments.webhooks.raw.dlq.v1",
        "payments.commands.dlq.v1",
        "payments.gateway-events.dlq.v1",
    }
    for item in dead:
        place = f"{item['topic']}/{item['partition']}/{item['offset']}"
        assert (await operator.post(f"{path}/{place}/retry")).status_code == 200
    await pipeline.settle_down()

    returned = (await operator.get(f"{path}?unattributed=true&decided=false")).json()["data"]

    assert {(item["topic"], item["body_sha256"], item["attempt"]) for item in returned} == {
        (item["topic"], item["body_sha256"], 2) for item in dead
    }
    for item in returned:
        records = await pipeline.records(dead_letter_topic(item["topic"]))
        record = next(one for one in records if one.position == (item["partition"], item["offset"]))
        names = [name for name, _ in record.headers]
        assert len(names) == len(set(names))
    await hold(pipeline)
