"""`paystream analytics export`: what it says, against a real broker."""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bootstrap.settings import Settings
from cli.main import app
from devstack.application import variables_of
from devstack.ports import free_port
from tests.integration.services.settlement_topics import entry, publish

RUNNER = CliRunner()


@pytest.fixture
async def told(topics_created: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Topics with two entries, on the broker that the command line is told of."""
    for name, value in variables_of(topics_created).items():
        monkeypatch.setenv(name, value)
    await publish(topics_created, [entry(1), entry(2)])
    return topics_created


async def invoke(*arguments: str) -> Result:
    """Run the command in a thread: it has an event loop of its own."""
    return await asyncio.to_thread(RUNNER.invoke, app, ["analytics", "export", *arguments])


@pytest.mark.usefixtures("told")
async def test_an_export_says_what_it_wrote(tmp_path: Path) -> None:
    first = await invoke(str(tmp_path), "--format", "jsonl")
    assert first.exit_code == 0
    assert first.stdout.splitlines()[0] == "settlement.entries.v1: 2 records"
    assert len(first.stdout.splitlines()) == 4
    again = await invoke(str(tmp_path), "--format", "jsonl", "--topic", "settlement.entries.v1")
    assert again.stdout == "settlement.entries.v1: 0 records\n"


@pytest.mark.usefixtures("told")
async def test_what_cannot_be_exported_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = await invoke(str(tmp_path), "--topic", "payments.nothing.v1")
    assert (unknown.exit_code, "there is no topic payments.nothing.v1" in unknown.stderr) == (1, True)
    monkeypatch.setenv("PAYSTREAM_KAFKA__BOOTSTRAP_SERVERS", f"127.0.0.1:{free_port()}")
    nobody = await invoke(str(tmp_path), "--format", "jsonl")
    assert (nobody.exit_code, "does not answer" in nobody.stderr) == (1, True)
