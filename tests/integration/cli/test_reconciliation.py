"""`paystream reconciliation`: import, match, look and resolve by hand, against a real database."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bootstrap.settings import Settings
from cli.main import app
from devstack.application import variables_of
from storage.unit_of_work import Database
from tests.integration.services.banking import balances, capture
from tests.integration.services.books import open_account

RUNNER = CliRunner()
REPORT = (
    "balance_transaction_id,created_utc,currency,gross,fee,net,reporting_category,source_id\n"
    "txn_1,2026-01-02 03:04:05,usd,10.00,0.59,9.41,charge,ch_1\n"
    "txn_2,2026-01-02 03:04:05,usd,9.00,0.56,8.44,charge,ch_2\n"
)
BANK = "Date;Amount\n2026-01-20;1,00\n"
MAPPING = '{"delimiter": ";", "decimal_separator": ",", "occurred_at": "Date", "amount": "Amount", "currency": "USD"}'


@pytest.fixture
async def directory(database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Statements beside a shop with two captured payments, in the database that the command line is told of."""
    for name, value in variables_of(settings).items():
        monkeypatch.setenv(name, value)
    await open_account(database)
    for number in (1, 2):
        await capture(database, number)
    for name, content in (("report.csv", REPORT), ("bank.csv", BANK), ("mapping.json", MAPPING)):
        (tmp_path / name).write_text(content, encoding="utf-8")
    return tmp_path


async def invoke(*arguments: str) -> Result:
    """Run the command in a thread: it has an event loop of its own."""
    return await asyncio.to_thread(RUNNER.invoke, app, ["reconciliation", *arguments])


async def bring(directory: Path) -> list[Result]:
    gateway = ("--format", "stripe", "--gateway", "stripe", "--by", "mia")
    bank = ("--format", "csv", "--bank", "main", "--mapping", str(directory / "mapping.json"), "--by", "mia")
    return [
        await invoke("import", "demo", str(directory / "report.csv"), *gateway),
        await invoke("import", "demo", str(directory / "bank.csv"), *bank),
    ]


async def test_a_planted_break_is_found_and_resolved(directory: Path, database: Database) -> None:
    for imported in await bring(directory):
        assert (imported.exit_code, "imported" in imported.stdout) == (0, True)
    assert "nothing changed" in (await bring(directory))[0].stdout
    matched = json.loads((await invoke("match", "demo", "--json")).stdout)
    assert (matched["matched"], matched["breaks"]) == (1, {"amount": 1, "missing_here": 1})
    again = (await invoke("match", "demo")).stdout
    assert ("2 breaks are open: 0 new" in again, "paystream reconciliation breaks demo" in again) == (True, True)
    (found,) = json.loads((await invoke("breaks", "demo", "--kind", "amount", "--json")).stdout)
    table = (await invoke("breaks", "demo")).stdout
    assert "-1.00 USD" in table
    assert found["detail"] in table
    resolved = await invoke(
        "resolve", "demo", found["id"], "--by", "mia", "--reason", "their mistake", "--adjust", "losses:reconciliation"
    )
    assert (resolved.exit_code, "posted as" in resolved.stdout) == (0, True)
    assert (await balances(database))["losses:reconciliation"] == 100
    assert (await invoke("breaks", "demo", "--kind", "amount")).stdout == "No breaks.\n"
    assert "their mistake" in (await invoke("breaks", "demo", "--all")).stdout


async def test_rules_are_given_on_the_line(directory: Path) -> None:
    await bring(directory)
    lenient = await invoke("match", "demo", "--tolerance", "USD=100", "--fee", "stripe=290+30~1", "--json")
    assert json.loads(lenient.stdout)["breaks"] == {"missing_here": 1}
    for wrong in (("--tolerance", "USD"), ("--fee", "stripe"), ("--fee", "stripe=x")):
        refused = await invoke("match", "demo", *wrong)
        assert (refused.exit_code, "is no" in refused.stderr) == (1, True)


async def test_what_cannot_be_imported_is_said_in_words(directory: Path) -> None:
    report = directory / "report.csv"
    report.write_text(REPORT.replace("8.44", "8.45"), encoding="utf-8")
    (spoiled, _) = await bring(directory)
    assert (spoiled.exit_code, "line 3, column net: is not gross less fee" in spoiled.stderr) == (1, True)
    neither = await invoke("import", "demo", str(report), "--format", "stripe", "--by", "mia")
    assert (neither.exit_code, "--gateway or --bank" in neither.stderr) == (1, True)
