"""`paystream settlement`: rules are set, shown, and refused in words, against a real database."""

import asyncio
import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bootstrap.settings import Settings
from cli.main import app
from devstack.application import variables_of
from storage.unit_of_work import Database
from tests.integration.services.books import open_account, rows

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
async def account(database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> str:
    """An account, in the database that the command line is told of."""
    for name, value in variables_of(settings).items():
        monkeypatch.setenv(name, value)
    await open_account(database)
    return "demo"


async def invoke(*arguments: str) -> Result:
    """Run the command in a thread: it has an event loop of its own."""
    return await asyncio.to_thread(RUNNER.invoke, app, ["settlement", *arguments])


async def shown(what: str) -> Any:  # noqa: ANN401 - JSON
    result = await invoke(what, "show", "demo")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


async def done(*arguments: str) -> str:
    result = await invoke(*arguments, "--by", "ann")
    assert result.exit_code == 0, result.output
    return result.stdout


async def refused(*arguments: str) -> str:
    result = await invoke(*arguments, "--by", "ann")
    assert result.exit_code == 1, result.output
    return result.stderr


async def test_a_schedule_is_set_and_shown_with_the_window_of_now(database: Database) -> None:
    assert await shown("schedule") == {"schedules": [], "window": None}
    weekly = ("--cadence", "weekly", "--weekday", "friday", "--cut-off", "17:00", "--time-zone", "Europe/Berlin")
    said = await done("schedule", "set", "demo", *weekly, "--grace-seconds", "600")
    assert said == "demo settles weekly from 1900-01-01T00:00:00+00:00 on.\n"
    told = await shown("schedule")
    assert told["schedules"] == [
        {
            "effective_from": "1900-01-01T00:00:00+00:00",
            "grace_seconds": 600,
            "is_default": False,
            "cadence": "weekly",
            "size_seconds": None,
            "time_zone": "Europe/Berlin",
            "cut_off": "17:00:00",
            "weekday": "friday",
        }
    ]
    assert told["window"]["start"] < told["window"]["end"]
    assert await rows(database, "select actor from audit_log where subject_type = 'settlement_schedule'") == [("ann",)]


async def test_fees_are_set_shown_and_withdrawn() -> None:
    terms = ("--basis-points", "250", "--fixed-minor", "25", "--min-minor", "50", "--max-minor", "900")
    await done("fees", "set", "demo", *terms, "--on-refund", "returned", "--currency", "EUR", "--tier", "1000000:200")
    await done("fees", "withdraw", "demo", "--currency", "EUR")
    first, withdrawn = await shown("fees")
    assert first["terms"] == {
        "basis_points": 250,
        "fixed_minor": 25,
        "min_minor": 50,
        "max_minor": 900,
        "on_refund": "returned",
    }
    assert first["tiers"] == [{"from_volume_minor": 1_000_000, "basis_points": 200, "fixed_minor": 0}]
    assert (first["currency"], first["gateway"], first["is_withdrawn"]) == ("EUR", None, False)
    assert (withdrawn["currency"], withdrawn["is_withdrawn"]) == ("EUR", True)


async def test_a_reserve_and_thresholds_are_set_and_shown() -> None:
    await done("reserve", "set", "demo", "--basis-points", "1000", "--days", "90", "--recipient-type", "partner")
    assert await shown("reserve") == {
        "rules": [{"recipient_type": "partner", "recipient_id": "*", "rule": {"basis_points": 1000, "days": 90}}],
        "held": [],
    }
    await done("thresholds", "set", "demo", "USD", "--auto-approve-minor", "5", "--minimum-payout-minor", "2")
    await done("thresholds", "set", "demo", "USD", "--second-approval-minor", "9")
    assert await shown("thresholds") == [
        {"currency": "USD", "auto_approve_minor": None, "second_approval_minor": 9, "minimum_payout_minor": 0}
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("schedule", "set", "demo", "--cadence", "daily", "--time-zone", "Middle/Earth"), "Middle/Earth"),
        (("schedule", "set", "demo", "--cadence", "daily", "--cut-off", "noon"), "noon is not a time"),
        (("schedule", "set", "demo", "--cadence", "weekly"), "weekday"),
        (("schedule", "set", "nobody", "--cadence", "hourly"), "there is no account 'nobody'"),
        (("fees", "set", "demo", "--basis-points", "1", "--tier", "much:1"), "much:1 is not a tier"),
        (("fees", "set", "demo", "--basis-points", "1", "--min-minor", "2", "--max-minor", "1"), "largest fee"),
        (("fees", "set", "demo", "--basis-points", "1", "--from", "2020-01-01"), "what is to come"),
        (("reserve", "set", "demo", "--basis-points", "1", "--days", "4000"), "days"),
        (("thresholds", "set", "demo", "XXX"), "XXX"),
    ],
)
async def test_what_makes_no_sense_is_refused_in_words(arguments: tuple[str, ...], said: str) -> None:
    assert said in await refused(*arguments)
