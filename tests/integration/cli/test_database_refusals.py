"""What commands say of a database that cannot be worked with: one line, and what to do."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.engine import make_url
from typer.testing import CliRunner, Result

from cli.main import app
from devstack.databases import create_database_async, database_url, drop_database_async
from devstack.stack import Stack

VARIABLE = "PAYSTREAM_DATABASE__URL"


@pytest.fixture
async def empty_url(stack: Stack) -> AsyncIterator[str]:
    """The URL of a database without tables."""
    name = f"paystream_test_{secrets.token_hex(6)}"
    await create_database_async(stack.database_url, name)
    yield database_url(stack.database_url, name)
    await drop_database_async(stack.database_url, name)


async def ask() -> Result:
    return await asyncio.to_thread(CliRunner().invoke, app, ["payouts", "list", "demo"])


async def test_a_database_without_tables_is_to_be_migrated(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, empty_url)
    refused = await ask()
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert "paystream migrate" in refused.stderr


async def test_a_wrong_password_is_said_without_saying_it(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = make_url(empty_url).set(password="not-this-one").render_as_string(hide_password=False)
    monkeypatch.setenv(VARIABLE, wrong)
    refused = await ask()
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert "password authentication failed" in refused.stderr
    assert "not-this-one" not in refused.output


async def test_nobody_there_says_where_to_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "postgresql+asyncpg://paystream:x@127.0.0.1:1/paystream")
    refused = await ask()
    assert (refused.exit_code, VARIABLE in refused.stderr) == (1, True)
