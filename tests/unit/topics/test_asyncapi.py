"""The exported contract is a valid AsyncAPI document, and what the processes write fits it."""

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from pydantic import BaseModel, ValidationError

from agents.dead_letters import DeadLetters
from agents.records import Record
from agents.verify import VerifyAgent
from bootstrap.settings import KafkaSettings
from domain.errors import MalformedPayload, NotFound
from services.gateways import ConnectorSource
from topics.asyncapi import export_asyncapi, render
from topics.catalog import (
    COMMAND_RESULTS,
    COMMANDS,
    DEAD_LETTERS,
    GATEWAY_EVENTS,
    PAYMENT_EVENTS,
    RAW_WEBHOOKS,
    REJECTED_WEBHOOKS,
    TOPICS,
    dead_letter,
)
from topics.commands import CommandResult, PaymentCommand
from topics.gateway_events import GatewayEvent
from topics.message import SEQUENCE_HEADER, CloudEvent
from topics.spec import Cleanup, TopicSpec
from topics.webhooks import RawPosition, RawWebhook

FIXTURES = Path(__file__).parents[2] / "fixtures" / "asyncapi"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PUBLIC = {spec.name: spec for spec in TOPICS if not spec.internal}
DOCUMENT = export_asyncapi()

WEBHOOK = RawWebhook(
    id="0198-1",
    gateway="stripe",
    account="demo",
    path="/webhooks/stripe/demo",
    remote_address="203.0.113.7",
    received_at=NOON,
    http_headers=(("stripe-signature", "t=1,v1=aa"),),
    body=b"{}",
)
RECORD = Record(
    topic=RAW_WEBHOOKS.name,
    partition=3,
    offset=42,
    key=b"digest",
    value=WEBHOOK.body,
    headers=tuple(WEBHOOK.record_headers()),
)


def message_of(spec: TopicSpec) -> dict[str, Any]:
    """The message of a topic, found the way a reader finds it: channel, then reference."""
    (reference,) = DOCUMENT["channels"][spec.name]["messages"].values()
    message: dict[str, Any] = resolve(reference["$ref"])
    return message


def resolve(reference: str) -> Any:  # noqa: ANN401 - JSON is any of its types.
    node: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def problems(schema: dict[str, Any], value: object) -> list[str]:
    """What is wrong with a value, by a schema of the document."""
    validator = Draft202012Validator(
        schema | {"components": DOCUMENT["components"]}, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    return [error.message for error in validator.iter_errors(value)]


def header_problems(spec: TopicSpec, headers: Iterable[tuple[str, bytes]]) -> list[str]:
    return problems(message_of(spec)["headers"], {name: value.decode() for name, value in headers})


def nodes_of(node: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - JSON is any of its types.
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes_of(child)


@pytest.fixture(scope="module")
def official_schema() -> Draft7Validator:
    return Draft7Validator(json.loads((FIXTURES / "3.0.0.json").read_text(encoding="utf-8")))


def test_the_document_is_valid_asyncapi(official_schema: Draft7Validator) -> None:
    assert [f"{error.json_path}: {error.message}" for error in official_schema.iter_errors(DOCUMENT)] == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document.pop("info"),
        lambda document: document["channels"][COMMANDS.name]["bindings"]["kafka"].update(partitions=0),
        lambda document: document["operations"][f"receive-{COMMANDS.name}"].update(action="publish"),
        lambda document: document["components"]["schemas"]["PaymentEvent"].update(discriminator={"propertyName": "x"}),
    ],
)
def test_the_official_schema_would_notice_a_mistake(
    official_schema: Draft7Validator, spoil: Callable[[dict[str, Any]], object]
) -> None:
    spoiled = json.loads(render(DOCUMENT))
    spoil(spoiled)
    assert list(official_schema.iter_errors(spoiled))


def test_every_reference_leads_somewhere_and_every_schema_is_referred_to() -> None:
    references = {node["$ref"] for node in nodes_of(DOCUMENT) if "$ref" in node}
    for reference in references:
        assert resolve(reference)
    for kind in ("messages", "schemas"):
        assert {f"#/components/{kind}/{name}" for name in DOCUMENT["components"][kind]} <= references


def test_exactly_the_public_topics_are_channels() -> None:
    assert DOCUMENT["channels"].keys() == PUBLIC.keys()


@pytest.mark.parametrize("name", PUBLIC)
def test_a_channel_says_how_the_topic_is_made(name: str) -> None:
    spec, channel = PUBLIC[name], DOCUMENT["channels"][name]
    binding = channel["bindings"]["kafka"]
    assert channel["address"] == name
    assert binding["partitions"] == spec.partitions
    assert binding["topicConfiguration"]["cleanup.policy"] == [spec.cleanup.value]
    if spec.cleanup is Cleanup.DELETE:
        assert binding["topicConfiguration"]["retention.ms"] == spec.retention_days * 86_400_000


@pytest.mark.parametrize("name", PUBLIC)
def test_a_topic_has_one_operation_and_one_message_with_headers_and_key(name: str) -> None:
    operations = [one for one in DOCUMENT["operations"].values() if one["channel"]["$ref"] == f"#/channels/{name}"]
    assert len(operations) == 1
    message = message_of(PUBLIC[name])
    assert message["headers"]
    assert message["bindings"]["kafka"]["key"]["description"] == PUBLIC[name].key
    assert (message["contentType"] == "application/json") == (PUBLIC[name].model is not None)


def test_paystream_receives_commands_and_sends_everything_else() -> None:
    received = {name for name, operation in DOCUMENT["operations"].items() if operation["action"] == "receive"}
    assert received == {f"receive-{COMMANDS.name}"}


def create_payment(**changes: object) -> dict[str, Any]:
    command = {
        "kind": "create_payment",
        "command_id": "cmd_1",
        "payment_id": "pay_1",
        "account": "demo",
        "requested_at": "2026-03-01T12:00:00Z",
        "gateway": "stripe",
        "amount_minor": 1000,
        "currency": "USD",
        "resource_type": "order",
        "resource_id": "order_1",
        "splits": [{"recipient_type": "partner", "recipient_id": "courier", "amount_minor": 100}],
    }
    return {"command": command | changes}


def refund(**changes: object) -> dict[str, Any]:
    base = {"command_id": "cmd_2", "payment_id": "pay_1", "account": "demo", "requested_at": "2026-03-01T12:00:00Z"}
    return {"command": base | {"kind": "refund"} | changes}


@pytest.mark.parametrize("command", [create_payment(), refund(), refund(amount_minor=5), refund(amount_minor=None)])
def test_a_command_that_the_model_takes_fits_the_contract(command: dict[str, Any]) -> None:
    assert problems(message_of(COMMANDS)["payload"], command) == []
    PaymentCommand.model_validate_json(json.dumps(command))


@pytest.mark.parametrize(
    "command",
    [
        create_payment(amount_minor=0),
        create_payment(amount_minor="1000"),
        create_payment(currency="usd"),
        create_payment(surprise=1),
        create_payment(kind="void"),
        create_payment(splits=[{"recipient_type": "bank", "recipient_id": "x", "amount_minor": 1}]),
        {"command": {name: value for name, value in create_payment()["command"].items() if name != "kind"}},
        {"command": {name: value for name, value in refund()["command"].items() if name != "payment_id"}},
    ],
)
def test_a_command_that_the_model_refuses_does_not_fit_the_contract(command: dict[str, Any]) -> None:
    assert problems(message_of(COMMANDS)["payload"], command)
    with pytest.raises(ValidationError):
        PaymentCommand.model_validate_json(json.dumps(command))


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        (
            GATEWAY_EVENTS,
            GatewayEvent.model_validate(
                {
                    "gateway": "stripe",
                    "account": "demo",
                    "gateway_event_id": "evt_1",
                    "kind": "captured",
                    "provider_reference": "pi_1",
                    "occurred_at": NOON,
                    "trust": "signed",
                    "amount_minor": 1000,
                    "currency": "USD",
                }
            ),
        ),
        (
            COMMAND_RESULTS,
            CommandResult(
                command_id="cmd_1",
                subject_id="pay_1",
                payment_id="pay_1",
                account="demo",
                kind="refund",
                outcome="succeeded",
                completed_at=NOON,
            ),
        ),
    ],
)
def test_what_the_models_write_fits_the_contract(spec: TopicSpec, value: BaseModel) -> None:
    assert problems(message_of(spec)["payload"], json.loads(value.model_dump_json())) == []


def test_the_headers_of_a_raw_callback_fit_the_contract() -> None:
    assert header_problems(RAW_WEBHOOKS, WEBHOOK.record_headers()) == []
    assert header_problems(RAW_WEBHOOKS, WEBHOOK.record_headers()[1:])


def test_the_headers_of_relayed_and_verified_records_fit_the_contract() -> None:
    event = CloudEvent(id="1", type="paystream.payment.completed", source="/accounts/demo", time=NOON, subject="p")
    assert header_problems(PAYMENT_EVENTS, event.headers([(SEQUENCE_HEADER, "7")])) == []
    assert header_problems(PAYMENT_EVENTS, event.headers())
    assert header_problems(GATEWAY_EVENTS, event.headers(RawPosition(partition=3, offset=42).headers())) == []


class FakeBatch:
    """Keeps the headers of its records."""

    def __init__(self) -> None:
        self.headers: list[list[tuple[str, bytes]]] = []

    def append(self, *, headers: list[tuple[str, bytes]], **_: object) -> SimpleNamespace:
        self.headers.append(headers)
        return SimpleNamespace(size=1)

    def close(self) -> None:
        """Take no more."""


class FakeProducer:
    """Keeps what it is asked to send."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, list[tuple[str, bytes]]]] = []

    async def partitions_for(self, topic: str) -> set[int]:
        return {0}

    def create_batch(self) -> FakeBatch:
        return FakeBatch()

    async def send_batch(self, batch: FakeBatch, topic: str, *, partition: int) -> asyncio.Future[object]:
        self.sent.extend((topic, headers) for headers in batch.headers)
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def send_and_wait(self, topic: str, *, headers: list[tuple[str, bytes]], **_: object) -> None:
        self.sent.append((topic, headers))


class NoGateways(ConnectorSource):
    """Knows no account."""

    async def connector(self, account: str, gateway: str) -> object:
        raise NotFound(f"no account {account} at {gateway}", code="unknown_account")


async def test_the_headers_of_a_rejected_callback_fit_the_contract() -> None:
    producer = FakeProducer()
    agent = VerifyAgent(NoGateways(), producer, KafkaSettings())
    await agent.process([RECORD])
    ((topic, headers),) = producer.sent
    assert topic == REJECTED_WEBHOOKS.name
    assert header_problems(REJECTED_WEBHOOKS, headers) == []
    assert ("ps_reason", b"unknown_account") in headers


async def test_the_headers_of_a_dead_letter_fit_the_contract() -> None:
    producer, topic = FakeProducer(), dead_letter(RAW_WEBHOOKS)
    assert topic in DEAD_LETTERS
    await DeadLetters(producer, KafkaSettings(), topic, lambda: NOON).send(RECORD, MalformedPayload("unreadable"))
    ((name, headers),) = producer.sent
    assert name == topic.name
    assert header_problems(topic, headers) == []
    assert header_problems(topic, RECORD.headers)


def test_internal_topics_are_left_out_whoever_declares_them() -> None:
    hidden = TopicSpec(name="x", description="", key="", model=None, written_by="agents/x", internal=True)
    assert export_asyncapi([hidden])["channels"] == {}
