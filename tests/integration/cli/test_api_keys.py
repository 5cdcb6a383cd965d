"""`paystream api-keys`: the first key, what is shown of keys, and revoking them."""

import asyncio
import json

import pytest
from typer.testing import CliRunner, Result

from bootstrap.clock import system_clock
from bootstrap.settings import Settings
from cli.main import app
from devstack.application import variables_of
from domain.errors import Unauthenticated
from services.api_keys import authenticate
from storage.unit_of_work import Database
from tests.integration.services.books import open_account, rows

RUNNER = CliRunner()
CREATE = ("create", "first key", "--account", "demo", "--scope", "payments:read", "--scope", "admin", "--by", "mia")


@pytest.fixture
async def books(database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Database:
    """A database with two accounts, of which the command line is told."""
    for name, value in variables_of(settings).items():
        monkeypatch.setenv(name, value)
    for account in ("demo", "other"):
        await open_account(database, account)
    return database


async def invoke(*arguments: str) -> Result:
    """Run the command in a thread: it has an event loop of its own."""
    return await asyncio.to_thread(RUNNER.invoke, app, ["api-keys", *arguments])


async def test_the_first_key_is_printed_alone_and_works(books: Database) -> None:
    made = await invoke(*CREATE, "--expires-in-days", "30")

    assert made.exit_code == 0
    (secret,) = made.stdout.splitlines()
    assert secret not in made.stderr
    key = await authenticate(books, secret, system_clock())
    assert (key.name, key.accounts, key.created_by) == ("first key", ("demo",), "mia")
    assert (sorted(key.scopes), key.kind) == (["admin", "payments:read"], "merchant")
    assert key.expires_at is not None


async def test_keys_are_listed_without_what_they_are_used_with(books: Database) -> None:
    assert (await invoke("list")).stdout == "No keys.\n"
    secret = (await invoke(*CREATE)).stdout.strip()

    listed = await invoke("list", "--json")
    shown = await invoke("list", "--account", "demo")

    (key,) = json.loads(listed.stdout)
    assert secret.startswith(f"{key['prefix']}_")
    assert key["last_used_at"] is None
    assert (await invoke("list", "--account", "other")).stdout == "No keys.\n"
    for result in (listed, shown):
        assert result.exit_code == 0
        assert secret.split("_", 3)[3] not in result.output


async def test_a_revoked_key_gets_nobody_in(books: Database) -> None:
    secret = (await invoke(*CREATE)).stdout.strip()
    key_id = secret.split("_")[2]

    revoked = await invoke("revoke", key_id, "--by", "mia")

    assert revoked.exit_code == 0
    assert f"ps_live_{key_id} is revoked" in revoked.stdout
    with pytest.raises(Unauthenticated):
        await authenticate(books, secret, system_clock())
    assert await rows(books, "select actor from audit_log where subject_type = 'api_key' and action = 'update'") == [
        ("mia",)
    ]


async def test_an_operators_key_is_for_several_accounts(books: Database) -> None:
    both = ("--account", "demo", "--account", "other", "--scope", "admin")
    refused = await invoke("create", "both", *both)
    made = await invoke("create", "both", *both, "--operator")

    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "exactly one account" in refused.stderr
    assert (await authenticate(books, made.stdout.strip(), system_clock())).accounts == ("demo", "other")


@pytest.mark.usefixtures("books")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("create", "x", "--account", "nowhere", "--scope", "admin"), "there is no account"),
        (("create", " ", "--account", "demo", "--scope", "admin"), "name"),
        (("revoke", "nothing"), "there is no API key"),
    ],
)
async def test_what_cannot_be_is_said_in_words(arguments: tuple[str, ...], said: str) -> None:
    result = await invoke(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr
