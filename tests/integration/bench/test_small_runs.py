"""Benchmarks on small numbers: their figures are complete, and what they fill tables with is true to the books."""

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from bench.chart import write_charts
from bench.figures import FIGURES
from bench.ground import add_payments
from bench.growth import measure_growth
from bench.ingress import measure_ingress
from bench.multiplication import add_copies, keep_originals
from bench.steps import Steps
from bench.workload import ACCOUNT, BenchPayment
from devstack.stack import Stack
from services.accounts import create_account
from storage.accounts import Account
from storage.unit_of_work import Database

pytestmark = pytest.mark.integration


def quiet() -> Steps:
    return Steps(Console(file=io.StringIO()))


async def test_the_ingress_is_pressed_beside_its_baselines(stack: Stack, tmp_path: Path) -> None:
    figures = await measure_ingress(stack, quiet(), seconds=0.5, repeats=1)
    assert {figure.key for figure in FIGURES["ingress"]} <= figures.keys()
    assert 0 < figures["ratio_to_bare_asgi"] < 1
    assert figures["p50_ms_at_half_peak"] <= figures["p99_ms_at_half_peak"]
    assert [path.name for path in write_charts(figures, tmp_path)] == ["ingress-1.svg"]


async def test_a_callback_is_measured_at_each_size(stack: Stack) -> None:
    figures = await measure_growth(stack, quiet(), sizes=(200, 100), repeats=1, originals=50, sample=20)
    assert list(figures["cost_us_by_payments"]) == ["100", "200"]
    assert figures["largest_payments"] == 200
    assert figures["database_bytes"] > 1_000_000


async def test_copies_have_names_of_their_own_and_the_rules_hold_again_afterwards(database: Database) -> None:
    await create_account(database, Account(ACCOUNT, ACCOUNT, 290, 30))
    await add_payments(database, [BenchPayment(number) for number in range(3)], datetime.now(UTC))
    await keep_originals(database)
    told: list[int] = []
    await add_copies(database, range(1, 4), told.append)
    assert told[-1] == 4
    async with database.transaction() as transaction:
        counted = "select count(*), count(distinct id), count(distinct provider_reference) from payments"
        assert (await transaction.connection.execute(text(counted))).one() == (12, 12, 12)
        matched = "select count(*) from payment_references join payments on payments.id = payment_id"
        assert (await transaction.connection.execute(text(matched))).scalar_one() == 12
    with pytest.raises(IntegrityError):
        await _execute(database, "insert into payment_references values ('stripe', 'bench', 'pi_stray', 'nobody')")
    async with database.transaction() as transaction:
        audited = "select count(*) from audit_log where subject_type = 'payment'"
        before = (await transaction.connection.execute(text(audited))).scalar_one()
        changed = "update payments set description = 'changed' where id = 'bench-0000001.2'"
        await transaction.connection.execute(text(changed))
        assert (await transaction.connection.execute(text(audited))).scalar_one() == before + 1


async def _execute(database: Database, statement: str) -> None:
    async with database.transaction() as transaction:
        await transaction.connection.execute(text(statement))
