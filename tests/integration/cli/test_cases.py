"""`paystream cases`: what it shows and what it refuses, against a real database."""

import asyncio
import json
import uuid

import pytest
from typer.testing import CliRunner, Result

from bootstrap.settings import Settings
from cli.main import app
from devstack.application import variables_of
from services.reconcile.cases import Subject, open_case
from storage.unit_of_work import Database
from tests.integration.services.books import NOW, open_account, open_payment

RUNNER = CliRunner()


@pytest.fixture
async def case_id(database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> str:
    """An open case about a payment, in the database that the command line is told of."""
    for name, value in variables_of(settings).items():
        monkeypatch.setenv(name, value)
    await open_account(database)
    await open_payment(database)
    async with database.transaction() as transaction:
        subject = Subject(account="demo", payment_id="p1", gateway="stripe", reference="pi_1")
        await open_case(transaction, "payment_unreadable", subject, "the gateway does not answer", NOW)
        (case,) = await transaction.cases.find()
    return str(case.id)


async def invoke(*arguments: str) -> Result:
    """Run the command in a thread: it has an event loop of its own."""
    return await asyncio.to_thread(RUNNER.invoke, app, ["cases", *arguments])


async def test_open_cases_are_listed_until_somebody_resolves_them(case_id: str) -> None:
    (listed,) = json.loads((await invoke("list", "--json")).stdout)
    assert (listed["id"], listed["kind"], listed["resolved_by"]) == (case_id, "payment_unreadable", None)
    resolved = await invoke("resolve", case_id, "--by", "mia", "--resolution", "the gateway is back")
    assert (resolved.exit_code, resolved.stdout) == (0, f"Case {case_id} resolved by mia.\n")
    assert (await invoke("list")).stdout == "No cases.\n"
    (again,) = json.loads((await invoke("list", "--all", "--json")).stdout)
    assert (again["resolved_by"], again["resolution"]) == ("mia", "the gateway is back")


async def test_a_case_is_shown_with_what_it_is_about(case_id: str) -> None:
    shown = json.loads((await invoke("show", case_id)).stdout)
    assert shown["payment"] == {"status": "pending", "provider_reference": "pi_1"}
    assert shown["command"] is None


@pytest.mark.usefixtures("case_id")
async def test_what_is_not_there_and_what_does_not_fit_is_said_in_words() -> None:
    nobody = str(uuid.uuid4())
    for arguments in (["show", nobody], ["resolve", nobody, "--by", "mia", "--resolution", "x"]):
        result = await invoke(*arguments)
        assert result.exit_code == 1
        assert f"there is no case {nobody}" in result.stderr.lower()


async def test_an_outcome_that_fits_no_command_is_refused(case_id: str) -> None:
    result = await invoke("resolve", case_id, "--by", "mia", "--resolution", "x", "--outcome", "failed")
    assert result.exit_code == 1
    assert "open command" in result.stderr
    assert len(json.loads((await invoke("list", "--json")).stdout)) == 1
