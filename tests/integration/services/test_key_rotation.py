"""The key ring is rotated while everything runs: nothing is lost, nothing older comes back, and the old key can go."""

import asyncio
from datetime import UTC, datetime

import pytest

from domain.errors import InvariantViolated
from services.accounts import load_credentials, rotate_keys, seal_credentials, set_credentials
from services.accounts import parse_credentials as parsed
from services.bank_accounts import open_debtor_account, open_recipient_account
from services.bank_files.export import export_bank_file, read_bank_file
from services.bank_files.formats import BankFileFormat
from storage.api_answers import answer_context
from storage.sealing import KeyRing
from storage.unit_of_work import Database
from tests.integration.services.banking import (
    AFTER,
    CREDITOR,
    DEBTOR,
    TENANT,
    capture,
    make_batch,
    open_bank_accounts,
)
from tests.integration.services.books import open_account, rows
from tests.integration.services.waiting import until_somebody_waits

KEYS = {name: name.encode() * 8 for name in ("key1", "key2", "key3")}
OLD = KeyRing({"key1": KEYS["key1"]}, "key1")
BOTH = KeyRing({"key1": KEYS["key1"], "key2": KEYS["key2"]}, "key2")
NEW = KeyRing({"key2": KEYS["key2"]}, "key2")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def secrets(word: str) -> dict[str, str]:
    """Stripe's credentials, with a word of the test's."""
    return {"secret_key": f"sk_{word}", "publishable_key": "pk_1", "webhook_secret": "whsec_1"}


async def secret_key(database: Database, ring: KeyRing, account: str = "demo") -> str:
    """The secret key that is stored."""
    credentials = await load_credentials(database, ring, account, "stripe")
    return str(credentials.model_dump()["secret_key"].get_secret_value())


async def accounts(database: Database, count: int, ring: KeyRing = OLD) -> list[str]:
    """Accounts with credentials."""
    names = [f"shop-{number}" for number in range(count)]
    for name in names:
        await open_account(database, name)
        await set_credentials(database, ring, name, "stripe", secrets(name))
    return names


async def answered(database: Database, key: str) -> None:
    """An answer of the HTTP API that may be asked for again, sealed with the old key."""
    async with database.transaction() as transaction:
        await transaction.api_answers.begin("shop-0", key, b"digest", LONG_AGO, LONG_AGO)
        sealed = OLD.seal(f"answer {key}".encode(), answer_context("shop-0", key))
        await transaction.api_answers.finish("shop-0", key, sealed)


async def test_everything_is_wrapped_anew_and_stays_what_it_is(database: Database) -> None:
    names = await accounts(database, 5)
    before = await rows(database, "select account, ciphertext, version, updated_at from gateway_credentials order by 1")
    for key in ("a", "b", "c"):
        await answered(database, key)
    async with database.transaction() as transaction:
        await transaction.api_answers.begin("shop-0", "under-way", b"digest", LONG_AGO, LONG_AGO)

    assert await rotate_keys(database, BOTH, batch_size=2) == len(names) + 3
    assert await rotate_keys(database, BOTH, batch_size=2) == 0

    assert [await secret_key(database, NEW, name) for name in names] == [f"sk_{name}" for name in names]
    after = await rows(database, "select account, ciphertext, version, updated_at from gateway_credentials order by 1")
    assert after == before
    async with database.transaction() as transaction:
        known = await transaction.api_answers.get("shop-0", "b")
    assert known is not None
    assert known.sealed is not None
    assert NEW.open(known.sealed, answer_context("shop-0", "b")) == b"answer b"
    assert await rows(database, "select key_id from api_answers where idempotency_key = 'under-way'") == [(None,)]


async def test_credentials_that_are_being_set_are_waited_for(database: Database) -> None:
    await accounts(database, 3)
    newer = seal_credentials(BOTH, "shop-1", "stripe", parsed("stripe", secrets("newer")))
    async with database.transaction() as transaction:
        await transaction.accounts.put_credentials("shop-1", "stripe", newer)
        rotating = asyncio.create_task(rotate_keys(database, BOTH))
        await until_somebody_waits(database)

    assert await rotating == 2
    assert await secret_key(database, NEW, "shop-1") == "sk_newer"


async def test_no_change_is_lost_whoever_else_writes(database_url: str) -> None:
    database = Database(database_url, pool_size=20)
    await open_account(database)
    await set_credentials(database, OLD, "demo", "stripe", secrets("0"))
    writers = (KeyRing({"key1": KEYS["key1"], "key2": KEYS["key2"]}, "key1"), BOTH)

    async def write(number: int) -> tuple[int, str]:
        word = str(number)
        return await set_credentials(database, writers[number % 2], "demo", "stripe", secrets(word)), f"sk_{word}"

    written = [write(number) for number in range(1, 31)]
    done = await asyncio.gather(*written, *(rotate_keys(database, BOTH) for _ in range(5)))
    await rotate_keys(database, BOTH)

    versions: dict[int, str] = dict(item for item in done if isinstance(item, tuple))
    assert sorted(versions) == list(range(2, 32))
    assert await rows(database, "select version, key_id from gateway_credentials") == [(31, "key2")]
    assert await secret_key(database, NEW) == versions[31]
    await database.close()


async def test_what_was_done_stays_done_when_a_key_is_missing(database: Database) -> None:
    names = await accounts(database, 4)
    foreign = KeyRing({"key3": KEYS["key3"]}, "key3")
    await set_credentials(database, foreign, names[3], "stripe", secrets("foreign"))

    with pytest.raises(InvariantViolated, match="key3"):
        await rotate_keys(database, BOTH, batch_size=2)

    done = await rows(database, "select account from gateway_credentials where key_id = 'key2' order by 1")
    assert done == [(name,) for name in names[:2]]
    everything = KeyRing(KEYS, "key2")
    assert await rotate_keys(database, everything, batch_size=2) == 2
    assert await secret_key(database, NEW, names[3]) == "sk_foreign"


async def test_one_rotation_is_for_bank_accounts_and_bank_files_too(database: Database) -> None:
    await accounts(database, 1)
    await open_account(database)
    await open_bank_accounts(database, OLD)
    await capture(database, 1)
    batch_id = await make_batch(database, 1)
    made = await export_bank_file(
        database,
        OLD,
        "demo",
        [batch_id],
        BankFileFormat.CSV,
        execution_date=AFTER.date(),
        actor="cfo",
        request_id="r",
        now=AFTER,
    )

    assert await rotate_keys(database, BOTH, batch_size=1) == 4
    assert await rotate_keys(database, BOTH, batch_size=1) == 0
    assert (await read_bank_file(database, NEW, "demo", made.row.id)).content == made.content
    async with database.transaction() as transaction:
        assert await open_recipient_account(transaction, NEW, TENANT) == CREDITOR
        assert await open_debtor_account(transaction, NEW, "demo", "USD") == DEBTOR
