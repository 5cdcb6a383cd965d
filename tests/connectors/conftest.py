"""Every test of the behaviour suite runs once for each registered gateway; stand-ins answer for the gateways."""

import secrets
from collections.abc import AsyncIterator, Iterator
from importlib import import_module

import httpx
import pytest

from connectors.base import Capability
from connectors.paypal.client import PayPalConnector
from connectors.paypal.registration import PayPalCredentials
from connectors.phonepe.client import PhonePeConnector
from connectors.razorpay.client import RazorpayConnector
from connectors.registry import registrations
from connectors.stripe.client import StripeConnector
from connectors.tls import system_tls
from devstack.gateways.razorpay import KEY_ID, KEY_SECRET
from tests.connectors.case import GatewayCases
from tests.connectors.cases.paypal import SIGNER
from tests.connectors.keyed_stripe import Control
from tests.connectors.keyed_stripe import connect as at_keyed_stripe
from tests.connectors.local_razorpay import Payer
from tests.connectors.local_razorpay import connect as at_razorpay
from tests.gateways.paypal import LocalPayPal
from tests.gateways.paypal_payer import connected as at_paypal
from tests.gateways.paypal_payer import credentials_at, listening
from tests.gateways.phonepe_payer import Payer as PhonePePayer
from tests.gateways.phonepe_payer import connected_to as at_phonepe
from tests.gateways.phonepe_payer import payer_at
from tests.gateways.serving import serving

WITH_AN_API = [item.key for item in registrations() if item.has(Capability.VERIFIES_WEBHOOKS)]


@pytest.fixture(params=WITH_AN_API)
def cases(request: pytest.FixtureRequest) -> GatewayCases:
    """The table of cases of a gateway that has an API; a gateway without a table fails here."""
    module = import_module(f"tests.connectors.cases.{request.param}")
    table = module.CASES
    assert isinstance(table, GatewayCases)
    return table


@pytest.fixture(scope="session")
def local_stripe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of localstripe, which others have written."""
    with serving("devstack.gateways.local_stripe", tmp_path_factory.mktemp("stripe")) as url:
        yield url


@pytest.fixture(scope="session")
def keyed_stripe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the local Stripe that honours idempotency keys."""
    with serving("tests.gateways.stripe", tmp_path_factory.mktemp("keyed-stripe")) as url:
        yield url


@pytest.fixture(scope="session")
def local_razorpay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a local Razorpay."""
    with serving("devstack.gateways.razorpay", tmp_path_factory.mktemp("razorpay")) as url:
        yield url


@pytest.fixture
async def stripe(keyed_stripe: str) -> AsyncIterator[StripeConnector]:
    """A connector at the local Stripe that honours idempotency keys."""
    connector = at_keyed_stripe(keyed_stripe)
    yield connector
    await connector.aclose()


@pytest.fixture
async def control(keyed_stripe: str) -> AsyncIterator[Control]:
    """The other side of that local Stripe."""
    async with httpx.AsyncClient(base_url=keyed_stripe, verify=system_tls()) as http:
        yield Control(http)


@pytest.fixture
async def razorpay(local_razorpay: str) -> AsyncIterator[RazorpayConnector]:
    """A connector at the local Razorpay."""
    connector = at_razorpay(local_razorpay)
    yield connector
    await connector.aclose()


@pytest.fixture
async def payer(local_razorpay: str) -> AsyncIterator[Payer]:
    """The other side of the local Razorpay."""
    async with httpx.AsyncClient(base_url=local_razorpay, auth=(KEY_ID, KEY_SECRET), verify=system_tls()) as http:
        yield Payer(http)


@pytest.fixture
def local_paypal() -> LocalPayPal:
    """A new local PayPal."""
    return LocalPayPal(SIGNER)


@pytest.fixture
async def paypal_url(local_paypal: LocalPayPal) -> AsyncIterator[str]:
    """Its URL."""
    async with listening(local_paypal) as url:
        yield url


@pytest.fixture
def paypal_credentials(paypal_url: str) -> PayPalCredentials:
    """An account's credentials there."""
    return credentials_at(paypal_url, SIGNER.authority.pem())


@pytest.fixture
async def paypal(paypal_credentials: PayPalCredentials) -> AsyncIterator[PayPalConnector]:
    """A connector there."""
    async with at_paypal(paypal_credentials) as connector:
        yield connector


@pytest.fixture(scope="module")
def local_phonepe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a local PhonePe."""
    with serving("tests.gateways.phonepe", tmp_path_factory.mktemp("phonepe")) as url:
        yield url


@pytest.fixture
async def phonepe(local_phonepe: str) -> AsyncIterator[PhonePeConnector]:
    """A connector there."""
    async with at_phonepe(local_phonepe) as connector:
        yield connector


@pytest.fixture
async def phonepe_payer(local_phonepe: str) -> AsyncIterator[PhonePePayer]:
    """The other side of it."""
    async with payer_at(local_phonepe) as payer:
        yield payer


@pytest.fixture
def key() -> str:
    """The id of a command that no other test has."""
    return f"command-{secrets.token_hex(8)}"
