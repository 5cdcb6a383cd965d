"""Bank accounts: sealed, confirmed by a second person, audited without their numbers, rewrapped by rotation."""

from dataclasses import replace

import pytest

from domain.errors import InvalidMoney, InvariantViolated, NotFound, OperationNotAllowed
from services.bank_accounts import (
    confirm_recipient_account,
    list_bank_accounts,
    open_debtor_account,
    open_recipient_account,
    rotate_bank_keys,
    set_debtor_account,
    set_recipient_account,
)
from storage.sealing import KEY_BYTES, KeyRing
from storage.unit_of_work import Database
from tests.integration.services.banking import CREDITOR, DEBTOR, TENANT, new_ring, open_bank_accounts
from tests.integration.services.books import NOW, open_account, rows


async def test_an_account_is_used_once_a_second_person_confirmed_it(database: Database) -> None:
    ring = new_ring()
    await open_account(database)
    version = await set_recipient_account(database, ring, TENANT, CREDITOR, actor="ann", request_id="r", now=NOW)
    async with database.transaction() as transaction:
        with pytest.raises(OperationNotAllowed) as waits:
            await open_recipient_account(transaction, ring, TENANT)
    assert waits.value.code == "bank_account_unconfirmed"
    with pytest.raises(OperationNotAllowed) as refusal:
        await confirm_recipient_account(database, TENANT, version, actor="ann", request_id="r", now=NOW)
    assert refusal.value.code == "four_eyes"
    for _ in range(2):
        await confirm_recipient_account(database, TENANT, version, actor="bob", request_id="r", now=NOW)
    async with database.transaction() as transaction:
        assert await open_recipient_account(transaction, ring, TENANT) == CREDITOR


async def test_another_account_has_to_be_confirmed_anew(database: Database) -> None:
    ring = new_ring()
    await open_account(database)
    await open_bank_accounts(database, ring)
    other = replace(CREDITOR, number="999")
    assert await set_recipient_account(database, ring, TENANT, other, actor="eve", request_id="r", now=NOW) == 2
    with pytest.raises(OperationNotAllowed):
        await confirm_recipient_account(database, TENANT, 1, actor="bob", request_id="r", now=NOW)
    async with database.transaction() as transaction:
        with pytest.raises(OperationNotAllowed):
            await open_recipient_account(transaction, ring, TENANT)
    ((found,), (debtor,)) = await list_bank_accounts(database, "demo")
    assert (found.masked, found.version, found.set_by, found.confirmed_by) == ("USABA …99", 2, "eve", None)
    assert debtor.masked == "USABA …00"


async def test_no_number_is_in_the_clear_in_any_table(database: Database) -> None:
    await open_account(database)
    await open_bank_accounts(database, new_ring())
    for table in ("recipient_bank_accounts", "debtor_bank_accounts", "audit_log"):
        found = await rows(database, f"select (kept.*)::text from {table} kept")  # noqa: S608 - names of this file
        assert found
        assert not any("123456789" in str(row) or "555000" in str(row) for row in found)
    audited = await rows(
        database,
        "select actor, action, subject_id from audit_log where subject_type = 'recipient_bank_account' order by id",
    )
    assert audited == [("ann", "insert", "demo:tenant:demo:USD"), ("bob", "update", "demo:tenant:demo:USD")]


async def test_rotation_wraps_the_keys_and_leaves_what_is_sealed(database: Database) -> None:
    await open_account(database)
    await open_bank_accounts(database, new_ring())
    both = KeyRing({"first": b"k" * KEY_BYTES, "second": b"s" * KEY_BYTES}, "second")
    before = await rows(database, "select ciphertext from recipient_bank_accounts")
    assert await rotate_bank_keys(database, both, actor="cli", batch_size=1) == 2
    assert await rotate_bank_keys(database, both, actor="cli", batch_size=1) == 0
    assert await rows(database, "select ciphertext from recipient_bank_accounts") == before
    alone = KeyRing({"second": b"s" * KEY_BYTES}, "second")
    async with database.transaction() as transaction:
        assert await open_recipient_account(transaction, alone, TENANT) == CREDITOR
        assert await open_debtor_account(transaction, alone, "demo", "USD") == DEBTOR


async def test_a_seal_opens_for_its_own_recipient_alone(database: Database) -> None:
    ring = new_ring()
    await open_account(database)
    partner = replace(TENANT, recipient_type="partner", recipient_id="atelier")
    await open_bank_accounts(database, ring)
    await open_bank_accounts(database, ring, partner)
    await rows(
        database,
        "update recipient_bank_accounts mine set ciphertext = theirs.ciphertext, wrapped_key = theirs.wrapped_key"
        " from recipient_bank_accounts theirs where mine.recipient_type = 'tenant'"
        " and theirs.recipient_type = 'partner' returning 1",
    )
    async with database.transaction() as transaction:
        with pytest.raises(InvariantViolated):
            await open_recipient_account(transaction, ring, TENANT)


async def test_what_is_not_there_is_said(database: Database) -> None:
    ring = new_ring()
    with pytest.raises(NotFound):
        await set_recipient_account(database, ring, TENANT, CREDITOR, actor="ann", request_id="r", now=NOW)
    with pytest.raises(NotFound):
        await confirm_recipient_account(database, TENANT, 1, actor="bob", request_id="r", now=NOW)
    with pytest.raises(InvalidMoney):
        await set_debtor_account(database, ring, "demo", "XXX", DEBTOR, actor="ann", request_id="r", now=NOW)
    async with database.transaction() as transaction:
        for opening in (
            open_recipient_account(transaction, ring, TENANT),
            open_debtor_account(transaction, ring, "demo", "USD"),
        ):
            with pytest.raises(OperationNotAllowed):
                await opening
