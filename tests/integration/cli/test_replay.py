"""`paystream replay` with a real connector: old signatures, secrets that are gone, differences, and what is said."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner, Result

from agents.apply import ApplyAgent
from agents.records import Record
from agents.verify import VerifyAgent
from bootstrap.broker import KafkaBroker
from bootstrap.clock import system_clock
from bootstrap.producer import build_producer
from bootstrap.settings import Settings
from bootstrap.wiring import build_gateways, build_key_ring
from cli.main import app
from devstack.application import variables_of
from devstack.ports import free_port
from services.accounts import set_credentials
from services.audit.topic_reader import open_topics
from services.create_payment import create_payment
from storage.unit_of_work import Database
from tests.integration.services.books import open_account, rows
from tests.integration.services.replay.replaying import spoil
from topics.catalog import GATEWAY_EVENTS, RAW_WEBHOOKS
from topics.commands import CreatePayment
from topics.spec import TopicSpec
from topics.webhooks import RawWebhook

RUNNER = CliRunner()
RECEIVED_AT = datetime.now(UTC) - timedelta(days=20)
SECRET = "whsec_of_those_days"
CREDENTIALS = {"secret_key": "sk_test_replay", "publishable_key": "pk_test_replay", "webhook_secret": SECRET}
COUNT = 3


def callback(number: int) -> RawWebhook:
    """Stripe's webhook of a paid intent, signed when it was received."""
    intent = {"id": f"pi_{number}", "object": "payment_intent", "amount": 1_000, "amount_received": 1_000}
    intent |= {"currency": "usd", "status": "succeeded", "latest_charge": f"ch_{number}"}
    intent |= {"metadata": {"payment_id": f"p{number}"}}
    created = int(RECEIVED_AT.timestamp())
    event = {"id": f"evt_{number}", "object": "event", "created": created, "livemode": False}
    body = json.dumps(event | {"type": "payment_intent.succeeded", "data": {"object": intent}}).encode()
    signature = hmac.new(SECRET.encode(), f"{created}.".encode() + body, hashlib.sha256).hexdigest()
    return RawWebhook(
        id=f"wh_{number}",
        gateway="stripe",
        account="demo",
        path="/webhooks/stripe/demo",
        remote_address="192.0.2.7",
        received_at=RECEIVED_AT,
        http_headers=(("stripe-signature", f"t={created},v1={signature}"),),
        body=body,
    )


async def records(settings: Settings, spec: TopicSpec) -> list[Record]:
    kafka = settings.kafka
    async with open_topics(kafka.bootstrap_servers, kafka.topic_prefix, [spec]) as topics:
        return [
            Record(
                topic=kafka.topic(spec),
                partition=one.partition,
                offset=one.offset,
                key=one.key,
                value=one.value or b"",
                headers=one.headers,
            )
            async for chunk in topics.chunks(spec)
            for one in chunk
        ]


@pytest.fixture
async def shop(
    topics_created: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Settings]:
    """Three payments that were paid three weeks ago, by callbacks that went the whole way to the books."""
    settings = topics_created
    for name, value in variables_of(settings).items():
        monkeypatch.setenv(name, value)
    await open_account(database)
    await set_credentials(database, build_key_ring(settings.keys), "demo", "stripe", CREDENTIALS)
    async with database.transaction() as transaction:
        for number in range(COUNT):
            command = CreatePayment(
                command_id=f"c{number}",
                payment_id=f"p{number}",
                account="demo",
                requested_at=RECEIVED_AT,
                gateway="stripe",
                amount_minor=1_000,
                currency="USD",
                resource_type="order",
                resource_id="o1",
            )
            await create_payment(transaction, command, gateway="stripe", now=RECEIVED_AT)
    broker, producer = KafkaBroker(settings.kafka), build_producer(settings.kafka, client_id="replay-test")
    gateways = build_gateways(settings, database)
    await producer.start()
    for webhook in map(callback, range(COUNT)):
        headers = webhook.record_headers()
        await broker.send_and_wait(RAW_WEBHOOKS, partition=None, key=b"k", value=webhook.body, headers=headers)
    await VerifyAgent(gateways, producer, settings.kafka).process(await records(settings, RAW_WEBHOOKS))
    await ApplyAgent(database, system_clock).process(await records(settings, GATEWAY_EVENTS))
    yield settings
    await producer.stop()
    await gateways.close()
    await broker.close()


async def invoke(*arguments: str) -> Result:
    """Run the command in a thread: it has an event loop of its own."""
    return await asyncio.to_thread(RUNNER.invoke, app, ["replay", *arguments], env={"COLUMNS": "300"})


async def test_old_signatures_are_judged_at_their_time_and_secrets_may_be_gone(
    shop: Settings, database: Database
) -> None:
    assert await rows(database, "select distinct status from payments") == [("completed",)]
    proven = await invoke("--json")
    said = await invoke("--payment", "p1")
    await set_credentials(
        database, build_key_ring(shop.keys), "demo", "stripe", CREDENTIALS | {"webhook_secret": "whsec_of_today"}
    )
    stated = json.loads((await invoke("--json")).stdout)

    assert proven.exit_code == 0, proven.output
    report = json.loads(proven.stdout)
    assert (report["empty"], report["figures"]["proven"], report["figures"]["facts_replayed"]) == (True, COUNT, COUNT)
    assert (said.exit_code, "No difference" in said.stdout) == (0, True)
    assert (stated["empty"], stated["figures"]["proven"], stated["figures"]["stated"]) == (True, 0, COUNT)
    assert stated["figures"]["unproven"] == {"signature_invalid": COUNT}


@pytest.mark.usefixtures("shop")
async def test_differences_are_printed_with_what_to_do_next(database: Database) -> None:
    await spoil(database, "update payments set captured_minor = 1 where id = 'p1'")
    await spoil(database, "delete from inbox where gateway_event_id = 'evt_2'")
    result = await invoke()
    one = await invoke("--payment", "p2", "--account", "demo", "--json")
    untouched = await invoke("--payment", "p0", "--keep")

    assert result.exit_code == 1
    for words in ("captured_minor", "1000", "evt_2", "What to do next", "paystream replay --live", "2 differences"):
        assert words in result.stdout
    found = json.loads(one.stdout)
    assert (one.exit_code, [each["part"] for each in found["differences"]]) == (1, ["fact"])
    assert set(found["next_steps"]) == {"fact"}
    assert untouched.exit_code == 0
    schema = (await rows(database, "select nspname from pg_namespace where nspname like 'replay%'"))[0][0]
    assert f"in the schema {schema}" in untouched.stdout
    assert f"drop schema {schema} cascade" in (await invoke("--dry-run")).stderr


async def test_what_was_lost_comes_back_by_a_live_replay(shop: Settings, database: Database) -> None:
    await spoil(database, "delete from inbox where gateway_event_id = 'evt_2'")
    since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    plan = json.loads((await invoke("--dry-run", "--json", "--from", since)).stdout)
    nameless = await invoke("--live")
    done = await invoke("--live", "--by", "mia", "--from", since)
    verified = await records(shop, RAW_WEBHOOKS)

    assert (plan["callback_count"], plan["payments"], plan["callback_facts"]) == (COUNT, COUNT - 1, COUNT - 1)
    assert (nameless.exit_code, "--by" in nameless.stderr) == (2, True)
    assert (done.exit_code, done.stdout[:11]) == (0, "3 callbacks")
    assert len(verified) == COUNT * 2
    marks = [dict(one.headers).get("ps_replay_by") for one in verified]
    assert marks.count(b"mia") == COUNT


async def test_what_does_not_answer_is_said(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = variables_of(settings) | {"PAYSTREAM_KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    silent = await invoke()
    odd = await invoke("--from", "yesterday")
    empty = await invoke("--from", "2026-01-02", "--to", "2026-01-01")

    assert (silent.exit_code, "the broker does not answer" in silent.stderr) == (2, True)
    assert (odd.exit_code, "is no time" in odd.stderr) == (2, True)
    assert (empty.exit_code, empty.stderr.strip()) == (2, "the range ends before it begins")
