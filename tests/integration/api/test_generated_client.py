"""A payment's whole way through a client that is generated from the document alone: configure, pay, refund, look."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from api.app import openapi_document
from bootstrap.settings import Settings
from devstack.application import Application, answers, running_processes, variables_of
from devstack.ports import free_port
from devstack.processes import ManagedProcess
from services.api_keys import Scope, create_key
from storage.accounts import Account
from storage.unit_of_work import Database
from tests.gateways.serving import serving
from tests.integration.gateways.journeys.stripe import JOURNEY
from tests.integration.gateways.pipeline import eventually

# It runs the whole pipeline, as the journeys do; one test process is enough for both.
pytestmark = pytest.mark.xdist_group("journeys")

PACKAGE = "paystream_generated_client"
START_SECONDS = 60.0
ACCOUNT = "shop"


class Sdk:
    """The generated client, and its modules by what they are called in the document."""

    def __init__(self, url: str, key: str) -> None:
        client = import_module(f"{PACKAGE}.client").AuthenticatedClient
        self.models: Any = import_module(f"{PACKAGE}.models")
        self._client = client(base_url=url, token=key, raise_on_unexpected_status=True)

    async def close(self) -> None:
        """Close its connections."""
        await self._client.get_async_httpx_client().aclose()

    async def call(self, tag: str, operation: str, *path: str, body: object = None, **headers: str) -> Any:  # noqa: ANN401 - a model that exists only once it is generated
        """Call an operation; its answer must be a success, in the model that the document names."""
        module = import_module(f"{PACKAGE}.api.{tag}.{operation}")
        asked = headers if body is None else {"body": body, **headers}
        answer = await module.asyncio_detailed(*path, client=self._client, **asked)
        assert httpx.codes.is_success(answer.status_code), answer.content
        assert answer.parsed is not None, operation
        return answer.parsed


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The client's package, generated from the document and importable."""
    directory = tmp_path_factory.mktemp("generated")
    document, configuration = directory / "openapi.json", directory / "configuration.json"
    document.write_text(json.dumps(openapi_document()), encoding="utf-8")
    configuration.write_text('{"post_hooks": []}', encoding="utf-8")
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning", "--meta", "none"]
    options = ["--path", str(document), "--config", str(configuration), "--output-path", str(directory / PACKAGE)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(directory))
    try:
        yield
    finally:
        sys.path.remove(str(directory))
        for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
            del sys.modules[name]


@pytest.fixture
async def sdk(generated: None, application: tuple[Application, str], database: Database) -> AsyncIterator[Sdk]:
    """The client, with the first key of a new account."""
    sdk = Sdk(application[1], await key_of(database))
    yield sdk
    await sdk.close()


@pytest.fixture
async def application(topics_created: Settings, tmp_path: Path) -> AsyncIterator[tuple[Application, str]]:
    """Ingress, worker, settle and API as processes, and the API's address."""
    port = free_port()
    variables = variables_of(topics_created) | {"PAYSTREAM_API__PORT": str(port)}
    process = ManagedProcess("api")
    with running_processes(tmp_path / "logs", variables) as application:
        own = variables | {"PAYSTREAM_INGRESS__PUBLIC_URL": application.ingress_url}
        process.start([sys.executable, "-m", "cli.main", "api"], tmp_path / "logs" / "api.log", own)
        try:
            process.wait_until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), START_SECONDS)
            yield application, f"http://127.0.0.1:{port}"
        finally:
            process.stop()


async def key_of(database: Database) -> str:
    """The first key of a new account, as an operator makes it."""
    async with database.transaction() as transaction:
        await transaction.accounts.create(Account(ACCOUNT, "Shop", 290, 30))
    made = await create_key(
        database, name="shop", accounts=(ACCOUNT,), scopes=(Scope.ADMIN,), actor="operator", now=datetime.now(UTC)
    )
    return made.secret.get_secret_value()


async def test_a_payment_from_configuration_to_refund(
    sdk: Sdk, application: tuple[Application, str], tmp_path: Path
) -> None:
    with serving(JOURNEY.server, tmp_path) as stripe_url:
        async with httpx.AsyncClient(base_url=stripe_url, timeout=30) as stripe:
            callback_url = await configure_stripe(sdk, stripe_url)
            await until_the_ingress_knows(callback_url)
            await JOURNEY.arrange(stripe, callback_url)
            payment = await pay(sdk, stripe, callback_url)

            refund = await sdk.call(
                "payment_operations",
                "refund_payment",
                payment.id,
                body=sdk.models.RefundRequest(amount_minor=JOURNEY.refund_minor, reason="one was cold"),
                idempotency_key="refund-1",
            )
            await until_status(sdk, payment.id, "partially_refunded")

    shown = await sdk.call("payments", "read_payment", payment.id)
    assert refund is not None
    assert (shown.captured_minor, shown.refunded_minor) == (JOURNEY.amount_minor, JOURNEY.refund_minor)
    await assert_the_timeline_tells_it(sdk, payment.id)
    assert application[0].restart_stopped() == []


async def configure_stripe(sdk: Sdk, stripe_url: str) -> str:
    """Store the credentials; returns where Stripe is to post."""
    credentials = sdk.models.ConfigureGatewayRequest.from_dict(
        {"credentials": dict(JOURNEY.credentials(stripe_url, ""))}
    )
    configured = await sdk.call("gateways", "configure_account_gateway", ACCOUNT, "stripe", body=credentials)
    assert credentials.credentials["secret_key"] not in json.dumps(configured.to_dict())
    return cast("str", configured.callback_url)


async def until_the_ingress_knows(callback_url: str) -> None:
    async def is_known() -> bool:
        async with httpx.AsyncClient() as http:
            return (await http.post(callback_url)).status_code != httpx.codes.NOT_FOUND

    await eventually(is_known, "the ingress learning of the gateway")


async def pay(sdk: Sdk, stripe: httpx.AsyncClient, callback_url: str) -> Any:  # noqa: ANN401 - likewise
    """Create a payment, twice with the same key, and have the payer confirm it at Stripe."""
    wanted = sdk.models.CreatePaymentRequest.from_dict(
        {
            "amount": "10.99",
            "currency": JOURNEY.currency,
            "gateway": "stripe",
            "resource_type": "order",
            "resource_id": "order-1",
        }
    )
    payment = await sdk.call("payments", "create_payment", body=wanted, idempotency_key="order-1")
    again = await sdk.call("payments", "create_payment", body=wanted, idempotency_key="order-1")
    assert (again.id, payment.amount_minor, payment.status) == (payment.id, JOURNEY.amount_minor, "pending")
    await JOURNEY.pay(stripe, payment.provider_reference, payment.client_parameters.to_dict(), callback_url)
    await until_status(sdk, payment.id, "completed")
    return payment


async def until_status(sdk: Sdk, payment_id: str, status: str) -> None:
    async def has() -> bool:
        return bool((await sdk.call("payments", "read_payment", payment_id)).status == status)

    await eventually(has, f"the payment becoming {status}")


async def assert_the_timeline_tells_it(sdk: Sdk, payment_id: str) -> None:
    timeline = await sdk.call("payments", "read_payment_timeline", payment_id)
    told = {str(entry.kind) for entry in timeline.entries}
    assert {"command", "callback", "transition", "ledger", "refund", "event", "settlement_entry"} <= told
    titles = " ".join(entry.title for entry in timeline.entries)
    missing = [word for word in ("create_payment", "payment.completed", "refund.succeeded") if word not in titles]
    assert not missing, titles
    moments = [entry.at for entry in timeline.entries]
    assert moments == sorted(moments)
