"""`paystream payouts`: batches, bank accounts and bank files by hand, against a real database."""

import asyncio
import json
import stat
import uuid
from dataclasses import asdict
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from bootstrap.settings import Settings
from cli.main import app
from devstack.application import variables_of
from domain.settlement import BatchStatus
from storage.unit_of_work import Database
from tests.integration.services.banking import CREDITOR, DEBTOR, capture, make_batch
from tests.integration.services.books import open_account

RUNNER = CliRunner()


@pytest.fixture
async def batch_id(database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> str:
    """A batch that waits for approval, in the database that the command line is told of."""
    for name, value in variables_of(settings).items():
        monkeypatch.setenv(name, value)
    await open_account(database)
    await capture(database, 1)
    return str(await make_batch(database, 1, status=BatchStatus.DRAFT))


async def invoke(*arguments: str, text: str | None = None) -> Result:
    """Run the command in a thread: it has an event loop of its own."""
    return await asyncio.to_thread(RUNNER.invoke, app, ["payouts", *arguments], text)


def kept(directory: Path) -> dict[str, tuple[int, str]]:
    """The files of a directory: who may do what with them, and their texts."""
    return {
        path.name: (stat.S_IMODE(path.stat().st_mode), path.read_text(encoding="utf-8")) for path in directory.iterdir()
    }


async def test_a_batch_goes_its_way_by_hand(batch_id: str) -> None:
    waiting = (await invoke("list", "demo")).stdout
    assert ("tenant:demo" in waiting, "needs 1" in waiting) == (True, True)
    (listed,) = json.loads((await invoke("list", "demo", "--json")).stdout)
    assert (listed["id"], listed["status"]) == (batch_id, "draft")
    approved = await invoke("approve", "demo", batch_id, "--by", "mia")
    assert approved.stdout == f"Payout batch {batch_id} of 9.41 USD is approved.\n"
    executed = await invoke("execute", "demo", batch_id, "--by", "mia", "--bank-reference", "b-1")
    assert "is completed" in executed.stdout
    shown = json.loads((await invoke("show", "demo", batch_id)).stdout)
    assert (shown["bank_reference"], shown["approved_by"], shown["totals"]["net_minor"]) == ("b-1", "mia", 941)
    refused = await invoke("fail", "demo", batch_id, "--by", "mia", "--reason", "x")
    assert (refused.exit_code, "cannot become failed" in refused.stderr) == (1, True)
    assert batch_id in (await invoke("list", "demo")).stdout
    assert (await invoke("list", "other")).stdout == "No payout batches.\n"
    assert (await invoke("show", "demo", str(uuid.uuid4()))).exit_code == 1


async def test_what_is_still_to_be_done_is_said(batch_id: str, database: Database) -> None:
    async with database.transaction() as transaction:
        await transaction.connection.execute(text("update payout_batches set required_approvals = 2"))
    first = await invoke("approve", "demo", batch_id, "--by", "mia")
    assert "is draft. It needs another person's approval too." in first.stdout
    again = await invoke("approve", "demo", batch_id, "--by", "mia")
    assert (again.exit_code, "second person" in again.stderr) == (1, True)
    assert "is approved.\n" in (await invoke("approve", "demo", batch_id, "--by", "ann")).stdout
    sent = await invoke("execute", "demo", batch_id, "--by", "cfo")
    assert "is processing. Once it is on the bank's statement" in sent.stdout


@pytest.mark.parametrize("form", ["csv", "html", "json"])
async def test_a_statement_is_printed_or_written_for_the_user_alone(batch_id: str, tmp_path: Path, form: str) -> None:
    printed = await invoke("statement", "demo", batch_id, "--format", form)
    output = tmp_path / f"statement.{form}"
    written = await invoke("statement", "demo", batch_id, "--format", form, "--output", str(output))
    assert (printed.exit_code, written.exit_code) == (0, 0)
    assert kept(tmp_path) == {output.name: (0o600, printed.stdout.replace("\r\n", "\n"))}


async def test_bank_accounts_lead_to_a_bank_file_and_back(batch_id: str, tmp_path: Path) -> None:
    who = ("demo", "tenant", "demo", "USD")
    await invoke("approve", "demo", batch_id, "--by", "mia")
    details = json.dumps(asdict(CREDITOR))
    stored = await invoke("bank-account", "set", *who, "--by", "ann", text=details)
    assert "confirm demo tenant demo USD --version 1 --by NAME" in stored.stdout
    mistyped = await invoke("bank-account", "set", "demo", "tennant", "demo", "USD", "--by", "ann", text=details)
    assert (mistyped.exit_code, "tenant" in mistyped.stderr) == (2, True)
    debtor = await invoke("bank-account", "set-debtor", "demo", "USD", "--by", "ann", text=json.dumps(asdict(DEBTOR)))
    assert debtor.exit_code == 0
    directory = ("--directory", str(tmp_path))
    unconfirmed = await invoke("bank-file", "make", "demo", "--all", "--by", "cfo", *directory)
    assert (unconfirmed.exit_code, "second person" in unconfirmed.stderr) == (1, True)
    assert (await invoke("bank-account", "confirm", *who, "--by", "ann", "--version", "1")).exit_code == 1
    assert (await invoke("bank-account", "confirm", *who, "--by", "bob", "--version", "1")).exit_code == 0
    listed = (await invoke("bank-account", "list", "demo")).stdout
    assert "confirmed by bob" in listed
    assert "123456789" not in listed + stored.stdout

    made = await invoke("bank-file", "make", "demo", "--all", "--by", "cfo", *directory)
    ((name, (mode, content)),) = kept(tmp_path).items()
    assert (made.exit_code, name in made.stdout, mode) == (0, True, 0o600)
    file_id = made.stdout.split("bank file ")[1].split(",")[0]
    assert (await invoke("bank-file", "read", "demo", file_id, *directory)).exit_code == 1
    (tmp_path / name).unlink()
    assert (await invoke("bank-file", "read", "demo", file_id, *directory)).exit_code == 0
    assert kept(tmp_path) == {name: (0o600, content)}
    cancelled = await invoke("bank-file", "cancel", "demo", file_id, "--by", "cfo", "--reason", "never sent")
    assert cancelled.exit_code == 0
    assert "never sent" in (await invoke("bank-file", "list", "demo")).stdout
    again = await invoke("bank-file", "make", "demo", batch_id, "--by", "cfo", "--format", "nacha", *directory)
    assert (again.exit_code, len(kept(tmp_path))) == (0, 2)


async def test_what_cannot_be_read_is_never_repeated(batch_id: str, tmp_path: Path) -> None:
    who = ("demo", "tenant", "demo", "USD")
    for wrong in (
        '{"iban": "SECRET"',
        '["SECRET"]',
        '{"holder": "x", "iban": "SECRET"}',
        '{"holder": "x", "no": "SECRET"}',
    ):
        refused = await invoke("bank-account", "set", *who, "--by", "ann", text=wrong)
        assert refused.exit_code == 1
        assert "SECRET" not in refused.output
    nothing = await invoke("bank-file", "make", "demo", "--by", "cfo", "--directory", str(tmp_path))
    assert (nothing.exit_code, "--all" in nothing.stderr) == (1, True)
    assert batch_id
