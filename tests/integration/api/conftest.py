"""The API on a real database, with gateways that are fakes: two accounts, and keys that may do everything or little."""

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

import httpx
import pytest

from api.app import create_app
from api.context import ApiContext
from bootstrap.clock import system_clock
from bootstrap.rate_limits import RateLimiter
from bootstrap.settings import Settings
from bootstrap.wiring import build_key_ring
from services.api_keys import Scope, create_key
from storage.accounts import Account
from storage.api_keys import KeyKind
from storage.unit_of_work import Database
from tests.integration.services.commands.fake_gateway import FakeGateway, FakeGateways
from tests.integration.services.commands.shop import GATEWAYS, TESTGATE, registered_testgate

ACCOUNTS = ("acme", "rival")


@dataclass(kw_only=True)
class Api:
    """The application, the gateways behind it, and clients of it."""

    context: ApiContext
    transport: httpx.ASGITransport
    gateways: dict[str, FakeGateway]
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    @property
    def gateway(self) -> FakeGateway:
        """The gateway that can do everything."""
        return self.gateways[TESTGATE]

    async def key(
        self,
        *accounts: str,
        scopes: Sequence[Scope] = (Scope.ADMIN,),
        kind: KeyKind = "merchant",
        expires_at: datetime | None = None,
    ) -> str:
        """Make a key."""
        made = await create_key(
            self.context.database,
            name="test",
            accounts=accounts or ACCOUNTS[:1],
            scopes=scopes,
            actor="test",
            now=self.context.clock(),
            kind=kind,
            expires_at=expires_at,
        )
        return made.secret.get_secret_value()

    def client(self, key: str | None = None, **headers: str) -> httpx.AsyncClient:
        """A client with a key."""
        said = headers if key is None else {"Authorization": f"Bearer {key}", **headers}
        client = httpx.AsyncClient(transport=self.transport, base_url="http://api.test", headers=said)
        self.clients.append(client)
        return client


@asynccontextmanager
async def serving_api(settings: Settings, database: Database) -> AsyncIterator[Api]:
    """The API of a database, in this process."""
    gateways = {name: FakeGateway(name) for name in GATEWAYS}
    context = ApiContext(
        settings=settings,
        database=database,
        ring=build_key_ring(settings.keys),
        gateways=FakeGateways(gateways),
        limiter=RateLimiter(rate_per_second=1_000, burst=10_000, monotonic=time.monotonic),
        clock=system_clock,
    )
    transport = httpx.ASGITransport(create_app(context), raise_app_exceptions=False)
    api = Api(context=context, transport=transport, gateways=gateways)
    yield api
    for client in api.clients:
        await client.aclose()


@pytest.fixture
def testgate() -> Iterator[None]:
    """A registered gateway that can do everything."""
    with registered_testgate():
        yield


@pytest.fixture
async def api(settings: Settings, database: Database, testgate: None) -> AsyncIterator[Api]:
    """The API, with the accounts `acme` and `rival`."""
    async with database.transaction() as transaction:
        for name in ACCOUNTS:
            await transaction.accounts.create(Account(name, name, 290, 30))
    async with serving_api(settings, database) as api:
        yield api


@pytest.fixture
async def acme(api: Api) -> httpx.AsyncClient:
    """A client of the account `acme` that may do everything."""
    return api.client(await api.key("acme"))


@pytest.fixture
async def rival(api: Api) -> httpx.AsyncClient:
    """A client of the account `rival` that may do everything."""
    return api.client(await api.key("rival"))


def payment(**changes: object) -> dict[str, object]:
    """The body that makes a payment of 10.99 USD."""
    body: dict[str, object] = {
        "amount_minor": 1099,
        "currency": "USD",
        "gateway": TESTGATE,
        "resource_type": "order",
        "resource_id": "order-1",
    }
    return body | changes
