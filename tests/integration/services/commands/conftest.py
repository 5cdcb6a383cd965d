"""A shop with an account, at a gateway that can do everything."""

from collections.abc import Iterator

import pytest

from storage.unit_of_work import Database
from tests.integration.services.books import open_account
from tests.integration.services.commands.shop import Shop, registered_testgate


@pytest.fixture(autouse=True)
def _testgate() -> Iterator[None]:
    with registered_testgate():
        yield


@pytest.fixture
async def shop(database: Database) -> Shop:
    """A shop with an account."""
    await open_account(database)
    return Shop(database)
