"""A database, topics and settings of its own for every test, on the stack that all of them share."""

import base64
import secrets
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from bootstrap.settings import DatabaseSettings, KafkaSettings, KeySettings, Settings
from devstack.databases import create_database_async, drop_database_async
from devstack.databases import database_url as url_of
from devstack.stack import Stack
from storage.migrate import migrate
from storage.sealing import KEY_BYTES
from storage.unit_of_work import Database
from tests.integration.own_topics import own_topics


@pytest.fixture(scope="session")
async def template_database(stack: Stack) -> AsyncIterator[str]:
    """The name of a migrated, empty database; copying it is much faster than migrating another."""
    name = f"paystream_template_{secrets.token_hex(6)}"
    await create_database_async(stack.database_url, name)
    await migrate(url_of(stack.database_url, name))
    yield name
    await drop_database_async(stack.database_url, name)


@pytest.fixture
async def database_url(stack: Stack, template_database: str) -> AsyncIterator[str]:
    """The URL of a migrated, empty database that only this test has."""
    name = f"paystream_test_{secrets.token_hex(6)}"
    await create_database_async(stack.database_url, name, template=template_database)
    yield url_of(stack.database_url, name)
    await drop_database_async(stack.database_url, name)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool on the test's database."""
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
def settings(stack: Stack, database_url: str, topic_prefix: str) -> Settings:
    """Settings of a process of this test: the shared broker, topics of its own, its database, a new key ring."""
    key = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    return Settings(
        kafka=KafkaSettings(
            bootstrap_servers=stack.bootstrap_servers, idempotence=stack.idempotence, topic_prefix=topic_prefix
        ),
        database=DatabaseSettings(url=SecretStr(database_url)),
        keys=KeySettings(ring={"test": SecretStr(key)}, active="test"),
    )


@pytest.fixture
async def topics_created(settings: Settings) -> AsyncIterator[Settings]:
    """The same settings, once every topic they name is there."""
    async with own_topics(settings.kafka):
        yield settings
