"""Commands on their topic, a real worker, a local Stripe that honours idempotency keys, and results on theirs."""

import asyncio
import json
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from bootstrap.settings import Settings
from bootstrap.wiring import build_key_ring
from devstack.application import variables_of
from devstack.processes import ManagedProcess
from services.accounts import set_credentials
from storage.unit_of_work import Database
from tests.gateways.serving import serving
from tests.gateways.stripe import SECRET_KEY
from tests.integration.services.books import AMOUNT, balances, open_account, rows
from tests.integration.services.commands.shop import command_values
from topics.catalog import COMMAND_RESULTS, COMMANDS, dead_letter

PATIENCE_SECONDS = 90.0
CARD = "4242424242424242"
INSTRUCTIONS = "Bank of Examples, account 12-34"


class Upstream:
    """Sends commands and reads their results."""

    def __init__(self, settings: Settings, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer) -> None:
        self._kafka = settings.kafka
        self._producer = producer
        self._consumer = consumer
        self.results: dict[str, list[dict[str, Any]]] = defaultdict(list)

    async def send(self, kind: str, command_id: str, **values: object) -> None:
        """Put a command on its topic."""
        content = {**command_values(kind, "stripe"), "requested_at": datetime.now(UTC), "command_id": command_id}
        content |= values
        await self.send_bytes(json.dumps({"command": content}, default=str).encode(), str(content.get("payment_id")))

    async def send_bytes(self, value: bytes, key: str) -> None:
        """Put anything on the topic."""
        await self._producer.send_and_wait(self._kafka.topic(COMMANDS), value=value, key=key.encode())

    async def final(self, command_id: str) -> dict[str, Any]:
        """Wait for a command's final result."""
        return (await self.finals(command_id))[0]

    async def finals(self, *command_ids: str) -> list[dict[str, Any]]:
        """Wait until all of the commands have final results; returns the first of each."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while missing := [each for each in command_ids if not self._finals_of(each)]:
            assert time.monotonic() < deadline, f"no final result of {missing} within {PATIENCE_SECONDS:g} s"
            await self._read()
        return [self._finals_of(each)[0] for each in command_ids]

    async def ask(self, kind: str, command_id: str, **values: object) -> dict[str, Any]:
        """Send a command and wait for its final result."""
        await self.send(kind, command_id, **values)
        return await self.final(command_id)

    async def assert_one_result_each(self) -> None:
        """Check that no command of this test has more than one final result, also not a while later."""
        await self._read(timeout_milliseconds=1_500)
        finals = {command_id: len(self._finals_of(command_id)) for command_id in self.results}
        assert set(finals.values()) == {1}, finals

    def _finals_of(self, command_id: str) -> list[dict[str, Any]]:
        return [result for result in self.results[command_id] if result["outcome"] != "unknown"]

    async def _read(self, timeout_milliseconds: int = 200) -> None:
        for records in (await self._consumer.getmany(timeout_ms=timeout_milliseconds)).values():
            for record in records:
                result = json.loads(record.value)
                assert record.key.decode() == result["command_id"]
                self.results[result["command_id"]].append(result)


@pytest.fixture
def stripe(tmp_path: Path) -> Iterator[str]:
    """The URL of a local Stripe."""
    with serving("tests.gateways.stripe", tmp_path) as url:
        yield url


@pytest.fixture
async def worker(
    topics_created: Settings, database: Database, stripe: str, tmp_path: Path
) -> AsyncIterator[ManagedProcess]:
    """A worker, and an account `demo` at Stripe that is also paid by hand."""
    await open_account(database)
    ring = build_key_ring(topics_created.keys)
    at_stripe = {
        "secret_key": SECRET_KEY,
        "publishable_key": "pk_test_local",
        "webhook_secret": "whsec_local",
        "api_base": stripe,
    }
    await set_credentials(database, ring, "demo", "stripe", at_stripe)
    await set_credentials(database, ring, "demo", "manual", {"bank_transfer_instructions": INSTRUCTIONS})
    process = ManagedProcess("worker")
    process.start([sys.executable, "-m", "cli.main", "worker"], tmp_path / "worker.log", variables_of(topics_created))
    yield process
    await asyncio.to_thread(process.stop)


@pytest.fixture
async def upstream(worker: ManagedProcess, topics_created: Settings) -> AsyncIterator[Upstream]:
    """An upstream service of the worker."""
    kafka = topics_created.kafka
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, acks="all")
    consumer = AIOKafkaConsumer(
        kafka.topic(COMMAND_RESULTS), bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest"
    )
    await producer.start()
    await consumer.start()
    yield Upstream(topics_created, producer, consumer)
    await consumer.stop()
    await producer.stop()


async def movements(stripe: str) -> dict[str, int]:
    """What moved at the local Stripe, by kind."""
    async with httpx.AsyncClient(base_url=stripe) as http:
        counts: dict[str, int] = (await http.get("/_control/movements")).json()
        return counts


async def until_moved(stripe: str, kind: str, before: dict[str, int]) -> None:
    """Wait for one more movement of a kind at the local Stripe."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (await movements(stripe)).get(kind, 0) == before.get(kind, 0):
        assert time.monotonic() < deadline, f"no {kind} within {PATIENCE_SECONDS:g} s"
        await asyncio.sleep(0.1)


async def test_every_operation_is_carried_out(upstream: Upstream, database: Database, stripe: str) -> None:
    async def done(kind: str, status: str | None = None, **values: object) -> dict[str, Any]:
        command_id = f"{kind}-{len(upstream.results)}"
        result = await upstream.ask(kind, command_id, **values)
        assert (result["outcome"], result["status"]) == ("succeeded", status), result
        return result

    created = await done("create_payment", "pending", manual_capture=True)
    assert {"client_secret", "publishable_key"} <= created["client_parameters"].keys()
    await done("authorize", "authorized", payment_method_token="pm_card_visa")
    await done("increment_authorization", "authorized")
    await done("sync", "authorized")
    await done("verify_redirect", "authorized", parameters={"payment_intent": created["provider_reference"]})
    captured = await done("capture", "completed", amount_minor=600)
    assert (captured["amount_minor"], captured["currency"]) == (600, "USD")
    await done("complete", "completed", provider_reference=created["provider_reference"])
    await done("refund", "partially_refunded", amount_minor=200)
    await done("refund", "refunded")

    await done("create_payment", "pending", payment_id="p2", manual_capture=True)
    await done("authorize", "authorized", payment_id="p2", payment_method_token="pm_card_visa")
    await done("void", "cancelled", payment_id="p2")
    await done("create_payment", "pending", payment_id="p3", set_up_at_gateway=False)
    await done("create_order", "pending", payment_id="p3")
    await done("cancel", "cancelled", payment_id="p3")

    mandate = await done("setup_mandate", payment_method_token="pm_card_visa")
    assert mandate["client_parameters"]["mandate_id"] == "m1"
    kept = await done("save_payment_method", token="pm_card_visa")
    assert kept["subject_id"] == "pm1"
    link = await done("create_payment_link", "pending", payment_id="p5", reusable=True)
    assert link["client_parameters"]["url"].startswith("https://")
    await done("cancel_payment_link", "pending", payment_id="p5")

    await done("register_invoice")
    submitted = await done("submit_manual_payment", "pending_approval", payment_id="p6")
    assert submitted["client_parameters"]["instructions"].startswith(INSTRUCTIONS)
    await done("submit_manual_payment", "pending_approval", payment_id="p7")
    await done("approve", "completed", payment_id="p6")
    await done("reject", "failed", payment_id="p7")

    await upstream.assert_one_result_each()
    moved = await movements(stripe)
    assert (moved["charge"], moved["capture"], moved["refund"], moved["void"]) == (2, 1, 2, 1)
    assert (await balances(database))["gateway:manual:receivable"] == AMOUNT


REFUSALS: tuple[tuple[str, dict[str, object], str], ...] = (
    ("create_payment", {"account": "nobody"}, "not_found"),
    ("create_payment", {"metadata": {"pan": CARD}}, "card_number_refused"),
    ("create_payment", {"amount_minor": "ten"}, "invalid_input"),
    ("create_order", {}, "operation_not_allowed"),
    ("authorize", {"payment_id": "p-not"}, "not_found"),
    ("capture", {}, "operation_not_allowed"),
    ("void", {}, "operation_not_allowed"),
    ("reverse", {}, "operation_not_allowed"),
    ("refund", {}, "operation_not_allowed"),
    ("increment_authorization", {}, "operation_not_allowed"),
    ("sync", {"payment_id": "p-not"}, "not_found"),
    ("verify_redirect", {"payment_id": "p-not"}, "not_found"),
    ("complete", {"provider_reference": "pi_other"}, "command_conflict"),
    ("cancel", {"payment_id": "p-not"}, "not_found"),
    ("submit_manual_payment", {"payment_id": "p8"}, "not_found"),
    ("approve", {}, "capability_missing"),
    ("reject", {}, "capability_missing"),
    ("register_invoice", {"account": "nobody"}, "not_found"),
    ("setup_mandate", {"account": "nobody"}, "not_found"),
    ("charge_mandate", {"payment_id": "p8"}, "not_found"),
    ("save_payment_method", {"token": CARD}, "card_number_refused"),
    ("create_payment_link", {"payment_id": "p8", "currency": "ABC"}, "capability_missing"),
    ("cancel_payment_link", {}, "not_found"),
    ("unheard_of", {"payment_id": "p1"}, "invalid_input"),
)


async def test_every_operation_is_refused_with_a_reason_and_what_names_nobody_is_a_dead_letter(
    upstream: Upstream, topics_created: Settings, database: Database, tmp_path: Path
) -> None:
    assert (await upstream.ask("create_payment", "given"))["outcome"] == "succeeded"
    await upstream.send_bytes(b"not a command", "p1")
    for number, (kind, values, _) in enumerate(REFUSALS):
        await upstream.send(kind, f"c{number}", **values)
    found = await upstream.finals(*(f"c{number}" for number in range(len(REFUSALS))))
    expected = [("refused", code) for *_, code in REFUSALS]
    assert [(result["outcome"], result["code"]) for result in found] == expected
    assert all(result["message"] for result in found)
    await upstream.assert_one_result_each()
    assert await rows(database, "select id, status from payments") == [("p1", "pending")]

    kafka = topics_created.kafka
    topic = kafka.topic(dead_letter(COMMANDS))
    buried = AIOKafkaConsumer(topic, bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest")
    await buried.start()
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert (await buried.getone()).value == b"not a command"
        assert await buried.getmany(timeout_ms=500) == {}
    finally:
        await buried.stop()
    assert CARD not in (tmp_path / "worker.log").read_text()


async def test_kill_9_between_the_call_and_its_record_moves_the_money_once(
    upstream: Upstream, worker: ManagedProcess, database: Database, stripe: str
) -> None:
    for payment_id in ("p1", "p2"):
        waits = payment_id == "p1"
        await upstream.ask("create_payment", f"create-{payment_id}", payment_id=payment_id, manual_capture=waits)
        values = {"payment_id": payment_id, "payment_method_token": "pm_card_visa"}
        await upstream.ask("authorize", f"authorize-{payment_id}", **values)
    for kind, payment_id, amount_minor in (("capture", "p1", 700), ("refund", "p2", 300)):
        async with httpx.AsyncClient(base_url=stripe) as http:
            (await http.post("/_control/faults/silent_after")).raise_for_status()
        before = await movements(stripe)
        await upstream.send(kind, kind, payment_id=payment_id, amount_minor=amount_minor)
        await until_moved(stripe, kind, before)
        await asyncio.to_thread(worker.kill)
        states = await rows(database, "select kind, state from commands where state <> 'finished'")
        assert states == [(kind, "started")]
        posts = (await movements(stripe))["posts"]
        await asyncio.to_thread(worker.restart)
        result = await upstream.final(kind)
        assert (result["outcome"], result["amount_minor"]) == ("succeeded", amount_minor)
        after = await movements(stripe)
        assert after["posts"] > posts
        assert {name: after.get(name, 0) - before.get(name, 0) for name in ("charge", "capture", "refund")} == {
            "charge": 0,
            "capture": int(kind == "capture"),
            "refund": int(kind == "refund"),
        }
    await upstream.assert_one_result_each()
    assert await rows(database, "select id, captured_minor, refunded_minor from payments order by id") == [
        ("p1", 700, 0),
        ("p2", AMOUNT, 300),
    ]
