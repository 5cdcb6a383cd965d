"""The demo from beginning to end."""

import asyncio
import dataclasses
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
from rich.console import Console

from bootstrap.producer import build_producer
from bootstrap.wiring import build_database, build_key_ring
from devstack.application import Application, answers, new_key_ring, running_application
from devstack.databases import create_database, database_url
from devstack.demo.driver import DemoFailed, Driver, Surroundings
from devstack.demo.figures import Figures, compare_with_plan, measure_latency, read_tables
from devstack.demo.plan import ACCOUNT, Plan, make_plan
from devstack.demo.progress import DemoProgress
from devstack.demo.razorpay_customer import RazorpayAccount, RazorpayCustomers
from devstack.demo.stripe_customer import StripeCustomers, register_webhook
from devstack.demo.watch import Watcher
from devstack.ports import free_port
from devstack.processes import ManagedProcess
from devstack.stack import Stack, running_stack
from services.accounts import create_account, set_credentials
from services.audit.run import audit
from storage.accounts import Account
from storage.unit_of_work import Database

WINDOW_SECONDS = 8
GRACE_SECONDS = 2
AUTO_APPROVE_UP_TO_MINOR = 250_000
SETTLE_PATIENCE_SECONDS = 60.0
STARTING_SECONDS = 30.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """New secrets for every run."""

    stripe_key: str = dataclasses.field(default_factory=lambda: f"sk_test_{secrets.token_hex(12)}")
    stripe_webhook: str = dataclasses.field(default_factory=lambda: f"whsec_{secrets.token_hex(16)}")
    razorpay_key_id: str = dataclasses.field(default_factory=lambda: f"rzp_test_{secrets.token_hex(7)}")
    razorpay_key_secret: str = dataclasses.field(default_factory=lambda: secrets.token_hex(12))
    razorpay_webhook: str = dataclasses.field(default_factory=lambda: secrets.token_hex(16))


def run_demo(directory: Path, *, payments: int, seed: int, console: Console) -> Figures:
    """Run the stack, the gateways and Paystream; live the plan; return the figures."""
    shutil.rmtree(directory, ignore_errors=True)
    started = time.monotonic()
    plan = make_plan(payments, seed)

    def announce(message: str) -> None:
        console.print(f"[dim]{time.monotonic() - started:5.1f} s[/]  {message}")

    with running_stack(directory, announce=announce) as stack:
        run_id, own = secrets.token_hex(3), Secrets()
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
            _local_gateways(stack, own, announce) as bases,
            running_application(stack, environment, announce=announce) as application,
        ):
            announce(f"Living {payments} payments, with {plan.forged} forged and {plan.stale} stale callbacks mixed in")
            figures = asyncio.run(_live(plan, application, own, bases, console))
    seconds = time.monotonic() - started
    return dataclasses.replace(figures, broker=stack.broker, seconds=seconds)


@contextmanager
def _local_gateways(stack: Stack, own: Secrets, announce: Callable[[str], None]) -> Iterator[tuple[str, str]]:
    """Run the local Stripe and Razorpay; yields their base addresses."""
    announce("Starting the local Stripe (localstripe) and the local Razorpay")
    keys = ["--key-id", own.razorpay_key_id, "--key-secret", own.razorpay_key_secret]
    wanted: tuple[tuple[str, list[str], str], ...] = (
        ("local_stripe", [], "/js.stripe.com/v3/"),
        ("razorpay", keys, "/_control/ready"),
    )
    running: list[tuple[ManagedProcess, str, str]] = []
    try:
        for name, arguments, probe in wanted:
            port = free_port()
            base = f"http://127.0.0.1:{port}"
            process = ManagedProcess(name)
            command = [sys.executable, "-m", f"devstack.gateways.{name}", "--port", str(port), *arguments]
            process.start(command, stack.directory / "logs" / f"{name}.log")
            running.append((process, base, f"{base}{probe}"))
        for process, _, url in running:
            process.wait_until(partial(answers, url), STARTING_SECONDS)
        yield running[0][1], running[1][1]
    finally:
        for process, _, _ in running:
            process.stop()


async def _live(
    plan: Plan, application: Application, own: Secrets, bases: tuple[str, str], console: Console
) -> Figures:
    stripe_base, razorpay_base = bases
    settings = application.settings
    database = build_database(settings, "demo")
    watcher = Watcher(settings.kafka)
    producer = build_producer(settings.kafka, client_id="demo-upstream")
    try:
        await _open_account(application, database, own, stripe_base, razorpay_base)
        await producer.start()
        await watcher.start()
        async with httpx.AsyncClient(timeout=10.0) as http:
            hook = f"{application.ingress_url}/webhooks/stripe/{ACCOUNT}"
            await register_webhook(http, stripe_base, own.stripe_key, hook, own.stripe_webhook)
            razorpay = RazorpayCustomers(
                http,
                RazorpayAccount(
                    base=razorpay_base,
                    key_id=own.razorpay_key_id,
                    key_secret=own.razorpay_key_secret,
                    webhook_secret=own.razorpay_webhook,
                ),
            )
            around = Surroundings(
                kafka=settings.kafka, ingress_url=application.ingress_url, stripe_webhook_secret=own.stripe_webhook
            )
            stripe = StripeCustomers(stripe_base, own.stripe_key)
            driver = Driver(plan, around, watcher, stripe, razorpay, producer, http)
            await _drive(driver, watcher, database, application, plan, console)
        return await _figures(plan, application, database, driver)
    finally:
        await watcher.stop()
        await producer.stop()
        await database.close()


async def _open_account(
    application: Application, database: Database, own: Secrets, stripe_base: str, razorpay_base: str
) -> None:
    ring = build_key_ring(application.settings.keys)
    await create_account(database, Account(ACCOUNT, "Demo shop", 290, 30))
    stripe = {
        "secret_key": own.stripe_key,
        "publishable_key": "pk_test_demo",
        "webhook_secret": own.stripe_webhook,
        "api_base": stripe_base,
    }
    razorpay = {
        "key_id": own.razorpay_key_id,
        "key_secret": own.razorpay_key_secret,
        "webhook_secret": own.razorpay_webhook,
        "api_base": razorpay_base,
    }
    await set_credentials(database, ring, ACCOUNT, "stripe", stripe)
    await set_credentials(database, ring, ACCOUNT, "razorpay", razorpay)


async def _drive(
    driver: Driver, watcher: Watcher, database: Database, application: Application, plan: Plan, console: Console
) -> None:
    with DemoProgress(console, len(plan.payments)) as progress:
        showing = asyncio.create_task(progress.follow(driver, watcher, application))
        try:
            await _run_plan(driver)
            progress.settling()
            await _wait_until_settled(database)
        finally:
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)


async def _run_plan(driver: Driver) -> None:
    """Live the stories. What goes wrong is not hidden: the books are compared with the plan in any case."""
    try:
        await driver.run()
        await driver.wait_for_statuses()
    except* (DemoFailed, TimeoutError) as errors:
        driver.tally.problems.extend(str(error) for error in errors.exceptions)


async def _wait_until_settled(database: Database) -> None:
    """Wait until the outbox is empty, every entry is counted and every window has closed."""
    async with asyncio.timeout(SETTLE_PATIENCE_SECONDS):
        while True:
            async with database.transaction() as transaction:
                waiting = await transaction.outbox.count()
                uncounted = await transaction.settlement.count_uncounted()
                open_windows = await transaction.settlement.count_open_windows()
            if not waiting + uncounted + open_windows:
                return
            await asyncio.sleep(0.25)


async def _figures(plan: Plan, application: Application, database: Database, driver: Driver) -> Figures:
    kafka = application.settings.kafka
    report = await audit(database, bootstrap_servers=kafka.bootstrap_servers, topic_prefix=kafka.topic_prefix)
    callbacks = next((check.figures for check in report.checks if check.name == "raw_accounted"), {})
    return Figures(
        **await read_tables(database),
        callbacks=callbacks,
        latency_milliseconds=await measure_latency(database, kafka),
        differences_from_plan=[*driver.tally.problems, *await compare_with_plan(database, plan)],
        audit=report,
        broker="",
        seconds=0.0,
        driver=dataclasses.asdict(driver.tally),
    )
