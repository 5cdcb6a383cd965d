"""`paystream dead-letters`: what it shows and does, on a real broker and a real database."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from typer.testing import CliRunner, Result

from bootstrap.broker import KafkaBroker
from bootstrap.settings import Settings
from cli.main import app
from devstack.application import variables_of
from devstack.ports import free_port
from services.audit.topic_reader import TopicRecord
from storage.unit_of_work import Database
from tests.integration.services.books import NOW, open_account, rows
from topics.catalog import COMMANDS, RAW_WEBHOOKS, REJECTED_WEBHOOKS, dead_letter
from topics.spec import TopicSpec
from topics.webhooks import RawWebhook

RUNNER = CliRunner()
DEAD = dead_letter(COMMANDS)
WEBHOOK = RawWebhook(
    id="wh_1",
    gateway="stripe",
    account="demo",
    path="/webhooks/stripe/demo",
    remote_address="192.0.2.7",
    received_at=NOW,
    http_headers=(("stripe-signature", "s3cret"),),
    body=b"s3cret body",
)


@pytest.fixture
async def broker(
    database: Database, topics_created: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[KafkaBroker]:
    """A broker with a dead command of nobody's and one of `demo`, and a rejected callback of `demo`."""
    for name, setting in variables_of(topics_created).items():
        monkeypatch.setenv(name, setting)
    await open_account(database)
    broker = KafkaBroker(topics_created.kafka)
    why = [("ps_dlq_partition", b"4"), ("ps_dlq_offset", b"7"), ("ps_dlq_error", b"[bold]Odd[/bold]")]
    for value in (b"{}", b'{"command": {"account": "demo"}}'):
        await broker.send_and_wait(DEAD, partition=4, key=b"pay_1", value=value, headers=why)
    rejection = [("ps_reason", b"signature_invalid"), ("ps_raw_partition", b"1"), ("ps_raw_offset", b"0")]
    headers = [*WEBHOOK.record_headers(), *rejection]
    await broker.send_and_wait(REJECTED_WEBHOOKS, partition=1, key=b"ab", value=WEBHOOK.body, headers=headers)
    yield broker
    await broker.close()


async def invoke(*arguments: str) -> Result:
    """Run the command in a thread: it has an event loop of its own."""
    return await asyncio.to_thread(RUNNER.invoke, app, ["dead-letters", *arguments], env={"COLUMNS": "300"})


async def records(broker: KafkaBroker, spec: TopicSpec) -> list[TopicRecord]:
    async with broker.open([spec]) as reader:
        return [record async for chunk in reader.chunks(spec) for record in chunk]


@pytest.mark.usefixtures("broker")
async def test_dead_letters_and_rejected_callbacks_are_listed() -> None:
    everything = json.loads((await invoke("list", "--json")).stdout)
    own = json.loads((await invoke("list", "--json", "--account", "demo")).stdout)
    rejected = await invoke("list", "--rejected", "--json")
    table = await invoke("list")

    assert [(item["place"]["offset"], item["account"]) for item in everything] == [(1, "demo"), (0, None)]
    assert [item["place"]["offset"] for item in own] == [1]
    assert [item["reason"] for item in json.loads(rejected.stdout)] == ["signature_invalid"]
    assert "s3cret" not in rejected.stdout
    assert "[bold]Odd[/bold]" in table.stdout
    assert (await invoke("list", "--topic", dead_letter(RAW_WEBHOOKS).name)).stdout == "No dead letters.\n"


async def test_a_dead_letter_is_shown_retried_and_marked(broker: KafkaBroker, database: Database) -> None:
    place = (DEAD.name, "4", "0")
    shown = json.loads((await invoke("show", *place)).stdout)
    retried = await invoke("retry", *place, "--by", "mia")
    again = await invoke("retry", *place, "--by", "mia")

    assert (shown["account"], shown["decision"], shown["attempt"]) == (None, None, 1)
    assert retried.stdout == f"{DEAD.name}/4/0 is back at {COMMANDS.name}/4/0.\n"
    assert (again.exit_code, again.stderr) == (1, "the record was already retried by mia\n")
    (sent,) = await records(broker, COMMANDS)
    assert (sent.key, sent.value, dict(sent.headers)["ps_retry_by"]) == (b"pay_1", b"{}", b"mia")
    assert await rows(database, "select account, decision, decided_by from dead_letter_decisions") == [
        (None, "retried", "mia")
    ]
    undecided = json.loads((await invoke("list", "--undecided", "--json")).stdout)
    assert [item["place"]["offset"] for item in undecided] == [1]


async def test_a_rejected_callback_is_verified_again(broker: KafkaBroker) -> None:
    result = await invoke("retry", REJECTED_WEBHOOKS.name, "1", "0", "--by", "mia")

    assert result.exit_code == 0, result.stderr
    (sent,) = await records(broker, RAW_WEBHOOKS)
    assert RawWebhook.from_record(sent.value or b"", sent.headers) == WEBHOOK


@pytest.mark.usefixtures("broker")
async def test_a_dead_letter_is_given_up_with_a_reason() -> None:
    result = await invoke("discard", DEAD.name, "4", "1", "--by", "mia", "--reason", "a test")
    shown = json.loads((await invoke("show", DEAD.name, "4", "1")).stdout)

    assert result.stdout == f"{DEAD.name}/4/1 is discarded.\n"
    assert (shown["decision"]["kind"], shown["decision"]["reason"]) == ("discarded", "a test")


async def test_many_are_retried_by_what_they_have_in_common(broker: KafkaBroker, database: Database) -> None:
    dry = await invoke("retry-many", "--by", "mia", "--dry-run")
    own = await invoke("retry-many", "--by", "mia", "--account", "demo", "--topic", DEAD.name)
    none = await invoke("retry-many", "--by", "mia", "--error", "Odd")
    early = await invoke("retry-many", "--by", "mia", "--until", "2026-01-01T00:00:00Z")
    rest = await invoke("retry-many", "--by", "mia", "--error", "[bold]Odd[/bold]", "--since", "2026-01-01")
    rejected = await invoke("retry-many", "--by", "mia", "--topic", REJECTED_WEBHOOKS.name, "--gateway", "stripe")

    assert (dry.exit_code, dry.stdout) == (0, "2 matched\n")
    assert (own.stdout, none.stdout, early.stdout) == ("1 retried\n", *["No record was decided about.\n"] * 2)
    assert (rest.stdout, rejected.stdout) == ("1 retried\n", "1 retried\n")
    assert len(await records(broker, COMMANDS)) == 2
    assert len(await records(broker, RAW_WEBHOOKS)) == 1
    decided = await rows(database, "select decision, count(*) from dead_letter_decisions group by 1 order by 1")
    assert decided == [("replayed", 1), ("retried", 2)]


async def test_many_are_discarded_up_to_a_limit(broker: KafkaBroker, database: Database) -> None:
    first = await invoke("discard-many", "--by", "mia", "--reason", "a load test", "--limit", "1")
    rest = await invoke("discard-many", "--by", "mia", "--reason", "a load test")
    without = await invoke("discard-many", "--by", "mia", "--reason", " ")
    not_dead = await invoke("discard-many", "--by", "mia", "--reason", "x", "--topic", REJECTED_WEBHOOKS.name)

    assert (first.stdout, first.stderr) == ("1 discarded\n", "There may be more: the limit was reached.\n")
    assert rest.stdout == "1 discarded\n"
    assert (without.exit_code, "say why" in without.stderr) == (1, True)
    assert (not_dead.exit_code, "there are no dead letters on" in not_dead.stderr) == (1, True)
    assert await rows(database, "select distinct decision, reason from dead_letter_decisions") == [
        ("discarded", "a load test")
    ]
    assert await records(broker, COMMANDS) == []


@pytest.mark.usefixtures("broker")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", DEAD.name, "4", "2"), "there is no record at"),
        (("show", "odd", "4", "2"), "there are no dead letters on"),
        (("list", "--topic", COMMANDS.name), "there are no dead letters on"),
        (("discard", DEAD.name, "4", "0", "--by", "mia", "--reason", " "), "say why"),
        (("discard", REJECTED_WEBHOOKS.name, "1", "0", "--by", "mia", "--reason", "x"), "there are no dead letters on"),
    ],
)
async def test_what_cannot_be_is_said_in_words(arguments: tuple[str, ...], said: str) -> None:
    result = await invoke(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr


async def test_a_broker_that_does_not_answer_is_said(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = variables_of(settings) | {"PAYSTREAM_KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = await invoke("list")
    assert (result.exit_code, result.stderr) == (1, "the broker does not answer\n")
