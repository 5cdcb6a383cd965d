"""A payment at every gateway, from the command that creates it to its refund, through the real pipeline."""

import base64
import secrets
from collections.abc import AsyncIterator
from importlib import import_module
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from bootstrap.settings import DatabaseSettings, KafkaSettings, KeySettings, Settings
from connectors.base import Capability
from connectors.registry import get_registration, registrations
from devstack.application import running_processes, variables_of
from devstack.databases import create_database_async, drop_database_async
from devstack.databases import database_url as url_of
from devstack.stack import Stack
from services.audit.run import audit
from storage.sealing import KEY_BYTES
from storage.unit_of_work import Database
from tests.gateways.serving import serving
from tests.integration.gateways.journey import Journey
from tests.integration.gateways.pipeline import Pipeline, eventually, listening
from tests.integration.own_topics import own_topics
from tests.integration.services.books import rows

# All journeys share one running pipeline, so they belong into one test process.
pytestmark = pytest.mark.xdist_group("journeys")

NATIVE = [known.key for known in registrations() if known.has(Capability.VERIFIES_WEBHOOKS) and known.native]


@pytest.fixture(scope="module")
async def pipeline(
    stack: Stack, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Pipeline]:
    """Ingress, worker and settle on a database and topics of their own, for all journeys."""
    name = f"paystream_journeys_{secrets.token_hex(6)}"
    await create_database_async(stack.database_url, name, template=template_database)
    url = url_of(stack.database_url, name)
    key = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    kafka = KafkaSettings(
        bootstrap_servers=stack.bootstrap_servers, idempotence=stack.idempotence, topic_prefix=f"j{name[-6:]}."
    )
    keys = KeySettings(ring={"test": SecretStr(key)}, active="test")
    settings = Settings(kafka=kafka, database=DatabaseSettings(url=SecretStr(url)), keys=keys)
    variables = variables_of(settings) | {
        "PAYSTREAM_RECONCILE__INTERVAL_SECONDS": "0.5",
        "PAYSTREAM_SETTLEMENT__WINDOW_SECONDS": "3600",
    }
    database = Database(url)
    async with own_topics(kafka):
        with running_processes(tmp_path_factory.mktemp("journeys"), variables) as application:
            async with listening(application, database) as pipeline:
                yield pipeline
    await database.close()
    await drop_database_async(stack.database_url, name)


@pytest.mark.parametrize("gateway", NATIVE)
async def test_a_payment_is_created_paid_and_refunded(pipeline: Pipeline, gateway: str, tmp_path: Path) -> None:
    journey = import_module(f"tests.integration.gateways.journeys.{gateway}").JOURNEY
    assert isinstance(journey, Journey)
    account = f"shop-{gateway.replace('_', '-')}"
    callback_url = pipeline.callback_url(gateway, account)
    with serving(journey.server, tmp_path) as url:
        async with httpx.AsyncClient(base_url=url, timeout=30) as http:
            await pipeline.open_account(account, gateway, dict(journey.credentials(url, callback_url)))
            await journey.arrange(http, callback_url)
            await _walk(pipeline, journey, http, account, callback_url)


async def _walk(pipeline: Pipeline, journey: Journey, http: httpx.AsyncClient, account: str, callback_url: str) -> None:
    payment_id, own = f"pay-{journey.gateway}", {"payment_id": f"pay-{journey.gateway}", "account": account}
    await _create_and_pay(pipeline, journey, http, own, callback_url)
    if journey.captures:
        await pipeline.until_status(payment_id, "authorized")
        captured = await pipeline.run("capture", **own)
        assert captured["outcome"] == "succeeded", captured
        await _settle(journey, http)
    await pipeline.until_status(payment_id, "completed")
    completed = await pipeline.until_event(payment_id, "payment.completed")
    assert (completed["captured_minor"], completed["currency"]) == (journey.amount_minor, journey.currency)

    assert (journey.refund_minor is not None) == get_registration(journey.gateway).has(Capability.REFUNDS)
    if journey.refund_minor is not None:
        refunded = await pipeline.run("refund", **own, amount_minor=journey.refund_minor)
        assert refunded["outcome"] == "succeeded", refunded
        await _settle(journey, http)
        await pipeline.until_status(payment_id, "partially_refunded", "refunded")
        assert (await pipeline.until_event(payment_id, "refund.succeeded"))["amount_minor"] == journey.refund_minor

    stored = await pipeline.payment(payment_id)
    assert (stored["captured_minor"], stored["refunded_minor"]) == (journey.amount_minor, journey.refund_minor or 0)
    assert [event["type"] for event in pipeline.events[payment_id]].count("payment.completed") == 1


async def _create_and_pay(
    pipeline: Pipeline, journey: Journey, http: httpx.AsyncClient, own: dict[str, str], callback_url: str
) -> None:
    created = await pipeline.run(
        "create_payment",
        **own,
        gateway=journey.gateway,
        amount_minor=journey.amount_minor,
        currency=journey.currency,
        resource_type="order",
        resource_id="order-1",
        **{"description": "Two coffees", **journey.create},
    )
    assert created["outcome"] == "succeeded", (created["code"], created["message"])
    reference = (await pipeline.payment(own["payment_id"]))["provider_reference"]
    if journey.token is None:
        await journey.pay(http, reference, created["client_parameters"], callback_url)
        return
    authorized = await pipeline.run("authorize", **own, payment_method_token=journey.token)
    assert authorized["outcome"] == "succeeded", authorized
    await _settle(journey, http)


async def _settle(journey: Journey, http: httpx.AsyncClient) -> None:
    if journey.settles:
        (await http.post("/_control/settle")).raise_for_status()


async def test_a_payment_by_hand_is_submitted_by_one_and_approved_by_another(pipeline: Pipeline) -> None:
    account, instructions = "shop-manual", {"bank_transfer_instructions": "Bank of Examples, account 12-34"}
    await pipeline.open_account(account, "manual", instructions)
    own = {"payment_id": "pay-manual", "account": account}
    submitted = await pipeline.run(
        "submit_manual_payment",
        **own,
        amount_minor=5_000,
        currency="USD",
        resource_type="order",
        resource_id="order-1",
        method="bank_transfer",
        transaction_reference="transfer-1",
        actor="clerk",
    )
    assert (submitted["outcome"], submitted["status"]) == ("succeeded", "pending_approval"), submitted

    refused = await pipeline.run("approve", **own, actor="clerk")
    approved = await pipeline.run("approve", **own, actor="owner")

    assert (refused["outcome"], approved["outcome"]) == ("refused", "succeeded")
    completed = await pipeline.until_event(own["payment_id"], "payment.completed")
    assert (completed["captured_minor"], completed["currency"]) == (5_000, "USD")


async def test_the_books_of_all_journeys_hold(pipeline: Pipeline) -> None:
    async def is_drained() -> bool:
        counts = "select (select count(*) from outbox), (select count(*) from settlement_entries where not counted)"
        return await rows(pipeline.database, counts) == [(0, 0)]

    await eventually(is_drained, "everything being published and counted")
    kafka = pipeline.application.settings.kafka
    report = await audit(pipeline.database, bootstrap_servers=kafka.bootstrap_servers, topic_prefix=kafka.topic_prefix)
    assert report.holds, report.to_json()
