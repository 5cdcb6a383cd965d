"""A change of credentials is used at once: the database tells of it, and nobody waits for what is kept to grow old."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest
from sqlalchemy import text

from agents.runtime import Runtime
from bootstrap.account_directory import DatabaseAccountDirectory
from bootstrap.credential_changes import CredentialChanges
from bootstrap.settings import Settings
from connectors import registry
from connectors.base import CredentialsModel, Registration
from domain.errors import NotFound
from services.accounts import set_credentials
from services.gateways import KEEP_FOR, Gateways
from storage.sealing import KeyRing
from storage.unit_of_work import Database
from tests.integration.services.books import NOW, open_account, rows
from tests.integration.services.waiting import eventually, until_somebody_listens, until_somebody_waits

GATEWAY = "plaingate"
PATIENCE_SECONDS = 4.0
"""Less than the time after which everything is read again by itself."""
RING = KeyRing({"test": b"k" * 32}, "test")


class PlainCredentials(CredentialsModel):
    """One word."""

    word: str


@dataclass
class PlainConnector:
    """A connector that can be looked into."""

    credentials: CredentialsModel
    is_closed: bool = False

    async def aclose(self) -> None:
        self.is_closed = True


@pytest.fixture(autouse=True)
def plaingate() -> Iterator[None]:
    """A gateway whose connectors can be looked into."""
    registration = Registration(
        key=GATEWAY,
        display_name="Plaingate",
        description="It does nothing.",
        capabilities=frozenset(),
        currencies=frozenset(),
        countries=frozenset(),
        payment_methods=(),
        credentials=PlainCredentials,
        factory=PlainConnector,
    )
    registry.register_connector(registration)
    yield
    del registry._REGISTRATIONS[GATEWAY]


async def say(database: Database, word: str, ring: KeyRing = RING) -> None:
    """Set the account's credentials."""
    await set_credentials(database, ring, "demo", GATEWAY, {"word": word})


async def heard(gateways: Gateways) -> str:
    """The word that the account's connector was built with."""
    connector = await gateways.connector("demo", GATEWAY)
    assert isinstance(connector, PlainConnector)
    assert isinstance(connector.credentials, PlainCredentials)
    return connector.credentials.word


async def until_heard(gateways: Gateways, word: str) -> None:
    """Wait until connectors are built with a word."""

    async def is_heard() -> bool:
        return await heard(gateways) == word

    await eventually(is_heard, f"hearing {word}", PATIENCE_SECONDS)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds in this process."""

    async def holds() -> bool:
        return condition()

    await eventually(holds, "the change", PATIENCE_SECONDS)


@asynccontextmanager
async def following(database: Database, gateways: Gateways) -> AsyncIterator[list[str]]:
    """Have connectors follow the changes; yields what came: `missed`, and the names of changed credentials."""
    came: list[str] = []

    def missed() -> None:
        came.append("missed")
        gateways.forget_all()

    def changed(account: str, gateway: str) -> None:
        came.append(f"{account} at {gateway}")
        gateways.forget(account, gateway)

    task = asyncio.create_task(CredentialChanges(database, changed=changed, missed=missed).run())
    await until(lambda: bool(came))
    yield came
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.fixture
async def writer(database_url: str, database: Database) -> AsyncIterator[Database]:
    """Another process's pool; the account has said `first`."""
    await open_account(database)
    writer = Database(database_url, application_name="writer")
    await say(writer, "first")
    yield writer
    await writer.close()


async def test_what_is_kept_is_used_while_nobody_tells_of_a_change(database: Database, writer: Database) -> None:
    now = NOW
    gateways = Gateways(database, RING, lambda: now)

    assert await heard(gateways) == "first"
    await say(writer, "second")
    assert await heard(gateways) == "first"
    now += KEEP_FOR
    assert await heard(gateways) == "second"


async def test_a_change_is_used_as_soon_as_it_is_told(database: Database, writer: Database) -> None:
    gateways = Gateways(database, RING, lambda: NOW)
    async with following(database, gateways) as came:
        assert await heard(gateways) == "first"
        await say(writer, "second")
        await until_heard(gateways, "second")

        async with writer.transaction() as transaction:
            await transaction.accounts.remove_credentials("demo", GATEWAY)
        await until(lambda: came.count(f"demo at {GATEWAY}") == 2)
        with pytest.raises(NotFound):
            await heard(gateways)


async def test_what_changed_while_nobody_listened_is_used_afterwards(database: Database, writer: Database) -> None:
    gateways = Gateways(database, RING, lambda: NOW)
    async with following(database, gateways) as came:
        assert await heard(gateways) == "first"
        cut = "select pg_terminate_backend(pid) from pg_stat_activity where query ilike 'listen%'"
        ended = await rows(writer, f"{cut} and datname = current_database()")
        await say(writer, "second")

        assert ended == [(True,)]
        await until(lambda: came.count("missed") == 2)
        assert await heard(gateways) == "second"
        await say(writer, "third")
        await until_heard(gateways, "third")


async def test_a_change_during_the_reading_is_not_lost(database: Database, writer: Database) -> None:
    gateways = Gateways(database, RING, lambda: NOW)
    async with writer.transaction() as transaction:
        await transaction.connection.execute(text("lock table gateway_credentials in access exclusive mode"))
        reading = asyncio.create_task(heard(gateways))
        await until_somebody_waits(writer)
        gateways.forget("demo", GATEWAY)

    assert await reading == "first"
    await say(writer, "second")
    assert await heard(gateways) == "second"


async def test_a_replaced_connector_is_left_to_its_calls_and_then_closed(database: Database, writer: Database) -> None:
    now = NOW
    gateways = Gateways(database, RING, lambda: now)
    first = await gateways.connector("demo", GATEWAY)
    assert isinstance(first, PlainConnector)

    await say(writer, "second")
    gateways.forget("demo", GATEWAY)
    assert await heard(gateways) == "second"
    was_closed_at_once = first.is_closed
    now += KEEP_FOR * 60
    await heard(gateways)

    assert (was_closed_at_once, first.is_closed) == (False, True)


async def test_the_same_credentials_keep_their_connector(database: Database, writer: Database) -> None:
    gateways = Gateways(database, RING, lambda: NOW)
    first = await gateways.connector("demo", GATEWAY)

    await say(writer, "first")
    gateways.forget_all()

    assert await gateways.connector("demo", GATEWAY) is first


async def test_the_worker_follows(settings: Settings, writer: Database) -> None:
    runtime = Runtime(settings, "worker")
    ring = KeyRing.from_base64({name: key.get_secret_value() for name, key in settings.keys.ring.items()}, "test")
    await say(writer, "first", ring)
    following = asyncio.create_task(runtime.follow_credentials())
    await until_somebody_listens(writer)

    assert await heard(runtime.gateways) == "first"
    await say(writer, "second", ring)
    await until_heard(runtime.gateways, "second")

    following.cancel()
    with suppress(asyncio.CancelledError):
        await following
    await runtime.close()


async def test_the_ingress_knows_a_new_account_at_once(database_url: str, writer: Database) -> None:
    directory = DatabaseAccountDirectory(Database(database_url), refresh_seconds=3_600)
    await directory.start()

    assert directory.ready()
    assert directory.knows(GATEWAY, "demo")
    assert not directory.knows(GATEWAY, "other")
    await open_account(writer, "other")
    await set_credentials(writer, RING, "other", GATEWAY, {"word": "first"})
    await until(lambda: directory.knows(GATEWAY, "other"))
    async with writer.transaction() as transaction:
        await transaction.accounts.remove_credentials("other", GATEWAY)
    await until(lambda: not directory.knows(GATEWAY, "other"))

    await directory.stop()
