"""The demo from beginning to end."""

import asyncio
import dataclasses
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
from rich.console import Console
from stripe import StripeError

from bootstrap.producer import build_producer
from bootstrap.wiring import build_database, build_key_ring
from devstack.application import Application, new_key_ring, running_application
from devstack.databases import create_database, database_url
from devstack.demo.driver import DemoFailed, Driver, Surroundings
from devstack.demo.figures import Figures, compare_with_plan, measure_latency, read_tables
from devstack.demo.payday import Payday, hold_payday
from devstack.demo.payout_rules import thresholds_for
from devstack.demo.plan import ACCOUNT, Plan, make_plan
from devstack.demo.progress import DemoProgress
from devstack.demo.razorpay_customer import RazorpayAccount, RazorpayCustomers
from devstack.demo.stripe_customer import StripeCustomers, register_webhook
from devstack.demo.stripe_report import read_records
from devstack.demo.treasury import Treasury
from devstack.demo.watch import Watcher
from devstack.local_gateways import GatewayBases, GatewaySecrets, local_gateways, open_account
from devstack.stack import running_stack
from services.audit.run import audit
from storage.unit_of_work import Database

WINDOW_SECONDS = 8
GRACE_SECONDS = 2
AUTO_APPROVE_UP_TO_MINOR = 250_000
SETTLE_PATIENCE_SECONDS = 60.0
FILES = "files"
"""Folder of the bank file and the statements, in the demo's own."""


@dataclass(frozen=True, slots=True)
class _Stage:
    """Where the demo shows itself, where it puts its files, and how it says what it does."""

    console: Console
    files: Path
    announce: Callable[[str], None]


def run_demo(directory: Path, *, payments: int, seed: int, console: Console) -> Figures:
    """Run the stack, the gateways and Paystream; live the plan; return the figures."""
    shutil.rmtree(directory, ignore_errors=True)
    started = time.monotonic()
    plan = make_plan(payments, seed)

    def announce(message: str) -> None:
        console.print(f"[dim]{time.monotonic() - started:5.1f} s[/]  {message}")

    with running_stack(directory, announce=announce) as stack:
        run_id, own = secrets.token_hex(3), GatewaySecrets()
        create_database(stack.database_url, f"demo_{run_id}")
        environment = {
            **new_key_ring(),
            "PAYSTREAM_KAFKA__TOPIC_PREFIX": f"demo-{run_id}.",
            "PAYSTREAM_DATABASE__URL": database_url(stack.database_url, f"demo_{run_id}"),
            "PAYSTREAM_SETTLEMENT__WINDOW_SECONDS": str(WINDOW_SECONDS),
            "PAYSTREAM_SETTLEMENT__GRACE_SECONDS": str(GRACE_SECONDS),
            "PAYSTREAM_SETTLEMENT__CLOSE_INTERVAL_SECONDS": "1",
            "PAYSTREAM_SETTLEMENT__AUTO_APPROVE_THRESHOLD_MINOR": str(AUTO_APPROVE_UP_TO_MINOR),
        }
        with (
            local_gateways(directory / "logs", own, announce=announce) as bases,
            running_application(stack, environment, announce=announce) as application,
        ):
            announce(f"Living {payments} payments, with {plan.forged} forged and {plan.stale} stale callbacks mixed in")
            stage = _Stage(console, directory / FILES, announce)
            figures = asyncio.run(_live(plan, application, own, bases, stage))
    seconds = time.monotonic() - started
    return dataclasses.replace(figures, broker=stack.broker, seconds=seconds)


async def _live(
    plan: Plan, application: Application, own: GatewaySecrets, bases: GatewayBases, stage: _Stage
) -> Figures:
    settings = application.settings
    ring = build_key_ring(settings.keys)
    database = build_database(settings, "demo")
    watcher = Watcher(settings.kafka)
    producer = build_producer(settings.kafka, client_id="demo-upstream")
    try:
        await open_account(database, ring, ACCOUNT, own, bases)
        treasury = Treasury(database, ring, stage.files, stage.announce)
        await treasury.set_thresholds(thresholds_for(plan))
        await producer.start()
        await watcher.start()
        # The gateways close a connection that is idle for five seconds; one that is used then would break.
        async with httpx.AsyncClient(timeout=10.0, limits=httpx.Limits(keepalive_expiry=2.0)) as http:
            hook = f"{application.ingress_url}/webhooks/stripe/{ACCOUNT}"
            await register_webhook(http, bases.stripe, own.stripe_key, hook, own.stripe_webhook)
            razorpay = RazorpayCustomers(
                http,
                RazorpayAccount(
                    base=bases.razorpay,
                    key_id=own.razorpay_key_id,
                    key_secret=own.razorpay_key_secret,
                    webhook_secret=own.razorpay_webhook,
                ),
            )
            around = Surroundings(
                kafka=settings.kafka, ingress_url=application.ingress_url, stripe_webhook_secret=own.stripe_webhook
            )
            stripe = StripeCustomers(bases.stripe, own.stripe_key)
            driver = Driver(plan, around, watcher, stripe, razorpay, producer, http)
            await _drive(driver, watcher, database, application, plan, stage.console)
        stage.announce("Every window has closed. Now people approve, pay out and reconcile")
        recorded = partial(read_records, stripe.client)
        payday = await hold_payday(database, treasury, recorded, stage.files, stage.announce)
        await _come_to_rest(driver, database)
        stage.announce("Recomputing every invariant from the tables and the topics")
        return await _figures(plan, application, database, driver, payday)
    finally:
        await watcher.stop()
        await producer.stop()
        await database.close()


async def _drive(
    driver: Driver, watcher: Watcher, database: Database, application: Application, plan: Plan, console: Console
) -> None:
    with DemoProgress(console, len(plan.payments)) as progress:
        showing = asyncio.create_task(progress.follow(driver, watcher, application))
        try:
            await _run_plan(driver)
            progress.settling()
            await _come_to_rest(driver, database)
        finally:
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)


async def _run_plan(driver: Driver) -> None:
    """Live the stories. What goes wrong is not hidden: the books are compared with the plan in any case."""
    try:
        await driver.run()
        await driver.wait_for_statuses()
    except* (DemoFailed, TimeoutError, httpx.HTTPError, StripeError) as errors:
        driver.tally.problems.extend(f"{type(error).__name__}: {error}" for error in errors.exceptions)


async def _come_to_rest(driver: Driver, database: Database) -> None:
    """Wait until the outbox is empty, every entry is counted and every window has closed."""
    try:
        async with asyncio.timeout(SETTLE_PATIENCE_SECONDS):
            while True:
                if await _is_at_rest(database):
                    return
                await asyncio.sleep(0.25)
    except TimeoutError:
        driver.tally.problems.append(f"settlement did not come to rest within {SETTLE_PATIENCE_SECONDS:g} s")


async def _is_at_rest(database: Database) -> bool:
    async with database.transaction() as transaction:
        waiting = await transaction.outbox.count()
        uncounted = await transaction.settlement.count_uncounted()
        return not waiting + uncounted + await transaction.settlement.count_open_windows()


async def _figures(plan: Plan, application: Application, database: Database, driver: Driver, payday: Payday) -> Figures:
    kafka = application.settings.kafka
    report = await audit(database, bootstrap_servers=kafka.bootstrap_servers, topic_prefix=kafka.topic_prefix)
    callbacks = next((check.figures for check in report.checks if check.name == "raw_accounted"), {})
    return Figures(
        **await read_tables(database),
        callbacks=callbacks,
        latency_milliseconds=await measure_latency(database, kafka),
        differences_from_plan=[*driver.tally.problems, *await compare_with_plan(database, plan)],
        payday=payday,
        audit=report,
        broker="",
        seconds=0.0,
        driver=dataclasses.asdict(driver.tally),
    )
