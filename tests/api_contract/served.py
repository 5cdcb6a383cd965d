"""The API in a thread of its own, for tests that generate requests and cannot wait on an event loop."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import httpx
import requests
import schemathesis
from anyio.from_thread import BlockingPortal, start_blocking_portal

from bootstrap.settings import Settings
from storage.accounts import Account
from storage.unit_of_work import Database
from tests.api_contract.seeds import seed
from tests.integration.api.conftest import ACCOUNTS, serving_api
from tests.integration.services.commands.shop import TESTGATE, registered_testgate
from tests.unit.services.fake_broker import FakeBroker

BASE_URL = "http://api.test"

FITTING = {
    re.compile("manual-payments|/approve$|/reject$"): "manual_payment_id",
    re.compile("/(capture|void|increment-authorization)$"): "authorized_payment_id",
    re.compile("/(authorize|verify-redirect|complete|cancel)$"): "open_payment_id",
    re.compile("/set-up$"): "recorded_payment_id",
}
"""Which payment an operation can be carried out on, where it is not the paid one."""

Case: TypeAlias = schemathesis.Case[Any]
"""A generated request, before it is sent."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """A running API, a key that may do everything, and ids of what there is by the names of path parameters."""

    portal: BlockingPortal
    client: httpx.AsyncClient
    key: str
    ids: dict[str, str]

    def send(self, case: Case, *, key: str | None) -> schemathesis.Response:
        """Send a generated request, with a key or without."""
        prepared = requests.Request(**case.as_transport_kwargs(base_url=BASE_URL)).prepare()
        prepared.headers.pop("Authorization", None)
        if key is not None:
            prepared.headers["Authorization"] = f"Bearer {key}"
        request = httpx.Request(
            str(prepared.method),
            str(prepared.url),
            headers=[(name.encode("latin-1"), _bytes_of(value)) for name, value in prepared.headers.items()],
            content=_bytes_of(cast("str | bytes", prepared.body or b"")),
        )
        return schemathesis.Response.from_any(self.portal.call(self.client.send, request))

    def about_what_there_is(self, case: Case) -> Case:
        """Have a request name what there is in its path too."""
        fitting = [{"payment_id": self.ids[name]} for pattern, name in FITTING.items() if pattern.search(case.path)]
        known = self.ids | (fitting[0] if fitting else {})
        case.path_parameters = {name: known.get(name, value) for name, value in case.path_parameters.items()}
        return self.for_the_account(case)

    def for_the_account(self, case: Case) -> Case:
        """Have a request be for the account and about what it has, and be no repetition; all else stays as it is."""
        case.headers["Paystream-Account"] = self.ids["account"]
        case.headers.pop("Idempotency-Key", None)
        if isinstance(case.body, dict):
            known = {**self.ids, "gateway": TESTGATE}
            case.body = {name: known.get(name, value) for name, value in case.body.items()}
        return case


def _bytes_of(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1")


@contextmanager
def served_in_a_thread(settings: Settings) -> Iterator[Served]:
    """Serve a database that is migrated and empty, with gateways and a broker that are fakes."""
    with (
        registered_testgate(),
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(_seeded(settings)) as (client, key, ids),
    ):
        yield Served(portal=portal, client=client, key=key, ids=ids)


@asynccontextmanager
async def _seeded(settings: Settings) -> AsyncIterator[tuple[httpx.AsyncClient, str, dict[str, str]]]:
    database = Database(settings.database_url)
    try:
        async with database.transaction() as transaction:
            for name in ACCOUNTS:
                await transaction.accounts.create(Account(name, name, 290, 30))
        broker = FakeBroker()
        async with serving_api(settings, database) as api:
            object.__setattr__(api.context, "broker", broker)
            for gateway in api.gateways.values():
                gateway.account = "acme"
            key = await api.key("acme")
            ids = await seed(api, broker, database, api.client(key))
            yield api.client(), key, ids
    finally:
        await database.close()
