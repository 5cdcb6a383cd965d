"""One seeded API for all tests of the contract: they look for what no request may do, whatever came before."""

import base64
import secrets
from collections.abc import AsyncIterator, Iterator

import pytest
from pydantic import SecretStr

from bootstrap.settings import DatabaseSettings, KeySettings, Settings
from devstack.databases import create_database_async, database_url, drop_database_async
from devstack.stack import Stack
from storage.migrate import migrate
from storage.sealing import KEY_BYTES
from tests.api_contract.served import Served, served_in_a_thread


@pytest.fixture(scope="module")
async def contract_database_url(stack: Stack) -> AsyncIterator[str]:
    """The URL of a migrated, empty database."""
    name = f"paystream_contract_{secrets.token_hex(6)}"
    await create_database_async(stack.database_url, name)
    await migrate(database_url(stack.database_url, name))
    yield database_url(stack.database_url, name)
    await drop_database_async(stack.database_url, name)


@pytest.fixture(scope="module")
def served(contract_database_url: str) -> Iterator[Served]:
    """The API, seeded."""
    key = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    settings = Settings(
        database=DatabaseSettings(url=SecretStr(contract_database_url)),
        keys=KeySettings(ring={"test": SecretStr(key)}, active="test"),
    )
    with served_in_a_thread(settings) as served:
        yield served
