"""Whoever writes to the outbox wakes the relay, which would otherwise find out by itself half a second later."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from storage.outbox import CHANNEL, OutboxMessage
from storage.unit_of_work import Database

MESSAGE = OutboxMessage(topic="payments.events.v1", key="pay_1", type="paystream.test", payload="{}", headers=())
PATIENCE_SECONDS = 10.0


class Interrupted(Exception):
    """Raised on purpose."""


async def write_and_roll_back(database: Database) -> None:
    async with database.transaction() as transaction:
        await transaction.outbox.add([MESSAGE])
        raise Interrupted


async def test_what_commits_wakes_the_relay_and_nothing_else_does(database: Database) -> None:
    woken: asyncio.Queue[str] = asyncio.Queue()
    async with database.engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.add_listener(CHANNEL, lambda *_: woken.put_nowait("outbox"))
        await driver.add_listener("the_end", lambda *_: woken.put_nowait("the end"))
        with pytest.raises(Interrupted):
            await write_and_roll_back(database)
        async with database.transaction() as transaction:
            await transaction.outbox.add([])
            await transaction.connection.execute(text("notify the_end"))
        assert await asyncio.wait_for(woken.get(), PATIENCE_SECONDS) == "the end"
        async with database.transaction() as transaction:
            await transaction.outbox.add([MESSAGE, MESSAGE])
        assert await asyncio.wait_for(woken.get(), PATIENCE_SECONDS) == "outbox"
        await connection.invalidate()
