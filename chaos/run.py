"""One run from beginning to end: start, faults under load, healing, rest, verdict."""

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from chaos.clerk import Clerk
from chaos.disk import Disk, SmallFileSystem, limited_disk
from chaos.findings import Findings
from chaos.ground import ACCOUNTS, Ground, clear, running_ground
from chaos.injector import Injector, Recoveries
from chaos.postman import Postman
from chaos.report import ChaosReport
from chaos.rest import NotAtRest, Rest
from chaos.schedule import make_schedule
from chaos.stories import Shoppers
from chaos.upstream import Upstream
from chaos.verdict import compare, judge_audit
from services.audit.report import AuditReport
from services.audit.run import audit

SHOWN_SECONDS = 10.0
AUDIT_PATIENCE_SECONDS = 45.0
AUDIT_PAUSE_SECONDS = 3.0
HEALTH_SECONDS = 90.0
WARM_PAYMENTS = 5
WARM_SECONDS = 90.0
KEPT_BROKER_DATA = "kafka-data-kept"

Announce = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What works together in a run."""

    ground: Ground
    upstream: Upstream
    postman: Postman
    shoppers: Shoppers
    recoveries: Recoveries
    injector: Injector
    clerk: Clerk
    timeline: list[tuple[float, int, int]] = field(default_factory=list)


def run_chaos(directory: Path, *, minutes: float, seed: int, rest_seconds: float, announce: Announce) -> ChaosReport:
    """Run once. Data and logs stay in the directory when something is wrong; else the logs alone.

    Raises StackFailed when the stack does not come up, or does not come to rest.
    """
    directory = directory.resolve()
    clear(directory)
    started = time.monotonic()
    disk = limited_disk(directory / "kafka" / "data")
    announce(f"A full disk is {disk.description}")
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            report = runner.run(_run(directory, disk, minutes, seed, rest_seconds, announce))
    except BaseException:
        _keep(directory, disk)
        raise
    report.seconds = round(time.monotonic() - started, 1)
    if report.holds:
        for data in ("kafka", "postgres"):
            shutil.rmtree(directory / data, ignore_errors=True)
    else:
        _keep(directory, disk)
    return report


def _keep(directory: Path, disk: Disk) -> None:
    """Copy the broker's logs off the small file system, which is gone with this process."""
    if isinstance(disk, SmallFileSystem):
        disk.free(0)
        shutil.copytree(directory / "kafka" / "data", directory / KEPT_BROKER_DATA, dirs_exist_ok=True)


async def _run(
    directory: Path, disk: Disk, minutes: float, seed: int, rest_seconds: float, announce: Announce
) -> ChaosReport:
    schedule = make_schedule(seed, minutes)
    async with _parts(directory, disk, seed, announce) as parts:
        driving = asyncio.create_task(parts.shoppers.run())
        supervising = asyncio.create_task(parts.injector.supervise())
        showing = asyncio.create_task(_show(parts, announce))
        try:
            announce("Payments begin; faults as soon as the first have come through")
            await _until_warm(parts)
            announce(f"{len(schedule)} faults in {minutes:g} minutes, seed {seed}")
            await parts.injector.run(schedule)
            parts.shoppers.stop()
            await driving
            showing.cancel()
            announce("Every fault is over: healing, and waiting until nothing is under way")
            await _heal(parts.ground)
            rest = Rest(parts.ground, parts.injector, parts.shoppers, parts.postman, parts.upstream, parts.clerk)
            await rest.wait(rest_seconds, _seldom(announce))
            announce("At rest: auditing and comparing")
            report = await _audit(parts.ground)
            findings = Findings()
            judge_audit(report, findings)
            for problem in parts.shoppers.problems:
                findings.add("driver", problem)
            await compare(parts.ground, parts.postman.ledger, list(parts.upstream.sent), parts.shoppers.lived, findings)
        finally:
            for task in (driving, supervising, showing):
                task.cancel()
            await asyncio.gather(driving, supervising, showing, return_exceptions=True)
        return _report(parts, report, findings, minutes, seed)


@asynccontextmanager
async def _parts(directory: Path, disk: Disk, seed: int, announce: Announce) -> AsyncIterator[_Parts]:
    async with AsyncExitStack() as running:
        ground = await running.enter_async_context(running_ground(directory, disk, seed, announce))
        upstream, postman = Upstream(ground.settings.kafka), Postman(ground.ingress_url, seed)
        running.push_async_callback(postman.close)
        running.push_async_callback(upstream.close)
        await upstream.start()
        shops = {account: ground.shops_of(account) for account in ACCOUNTS}
        shoppers = Shoppers(seed, shops, upstream, postman)
        running.push_async_callback(shoppers.close)
        recoveries = Recoveries(postman.ledger.accepted_at)
        upstream.listeners.append(recoveries.hear)
        yield _Parts(
            ground=ground,
            upstream=upstream,
            postman=postman,
            shoppers=shoppers,
            recoveries=recoveries,
            injector=Injector(ground, recoveries, announce),
            clerk=Clerk(ground.database, lambda: shoppers.lived),
        )


async def _until_warm(parts: _Parts) -> None:
    """Wait until every part has done its work once, so that the first faults do not only delay the start."""
    deadline = time.monotonic() + WARM_SECONDS
    while parts.upstream.completed < WARM_PAYMENTS:
        if time.monotonic() > deadline:
            raise NotAtRest(f"no {WARM_PAYMENTS} payments came through in {WARM_SECONDS:.0f} s, without any fault yet")
        await asyncio.sleep(0.2)


async def _heal(ground: Ground) -> None:
    """Let everything pass, and wait until the servers answer; what has stopped is started again meanwhile."""
    for proxy in ground.proxies.values():
        proxy.heal()
    deadline = time.monotonic() + HEALTH_SECONDS
    for name, server in ground.servers.items():
        while not (server.process.is_running and await asyncio.to_thread(server.is_healthy)):
            if time.monotonic() > deadline:
                raise NotAtRest(f"{name} does not answer {HEALTH_SECONDS:.0f} s after the last fault: see its log")
            await asyncio.sleep(1.0)


async def _audit(ground: Ground) -> AuditReport:
    """Audit; again for a while, because the live view is rebuilt only once a difference has stood still."""
    kafka, deadline = ground.settings.kafka, time.monotonic() + AUDIT_PATIENCE_SECONDS
    while True:
        report = await audit(
            ground.database, bootstrap_servers=kafka.bootstrap_servers, topic_prefix=kafka.topic_prefix
        )
        if report.holds or time.monotonic() > deadline:
            return report
        await asyncio.sleep(AUDIT_PAUSE_SECONDS)


async def _show(parts: _Parts, announce: Announce) -> None:
    """Tell how far the run is, again and again."""
    ledger, injector, started = parts.postman.ledger, parts.injector, time.monotonic()
    while True:
        parts.timeline.append((round(time.monotonic() - started), len(ledger.accepted), parts.upstream.completed))
        await asyncio.sleep(SHOWN_SECONDS)
        announce(
            f"{len(parts.shoppers.lived):,} payments ({len(parts.shoppers.under_way):,} under way),"
            f" {len(parts.upstream.sent):,} commands ({parts.upstream.open_commands:,} open),"
            f" {len(ledger.accepted):,} callbacks taken ({parts.postman.waiting:,} on their way),"
            f" {injector.done.total():,} faults over; now: {', '.join(sorted(injector.active)) or 'nothing'}"
        )


def _seldom(announce: Announce) -> Announce:
    """Pass messages on, but not all the time."""
    told_at = float("-inf")

    def show(message: str) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= SHOWN_SECONDS:
            told_at = time.monotonic()
            announce(f"left: {message}")

    return show


def _report(parts: _Parts, audited: AuditReport, findings: Findings, minutes: float, seed: int) -> ChaosReport:
    ledger, lived = parts.postman.ledger, parts.shoppers.lived
    fates: dict[str, int] = {}
    with suppress(StopIteration):
        fates = dict(next(check.figures for check in audited.checks if check.name == "raw_accounted"))
    return ChaosReport(
        seed=seed,
        minutes=minutes,
        seconds=0.0,
        disk=parts.ground.disk.description,
        faults={kind.value: times for kind, times in parts.injector.done.items()},
        cases=parts.clerk.decided,
        kills=parts.injector.kills,
        restarted=parts.ground.restarted,
        payments=len(lived),
        payments_by_gateway=Counter(one.shop.gateway for one in lived),
        commands=len(parts.upstream.sent),
        unknown_answers=parts.upstream.unknown_answers,
        outcomes=Counter(result.outcome for one in lived for result in one.results.values()),
        callbacks=ledger.callbacks,
        attempts=ledger.attempts,
        answers={str(status): count for status, count in sorted(ledger.answers.items())},
        accepted=len(ledger.accepted),
        forged=len(ledger.forged & ledger.accepted.keys()),
        fates=fates,
        findings=findings,
        audit_holds=audited.holds,
        timeline=parts.timeline,
        recovery_seconds={kind.value: seconds for kind, seconds in parts.recoveries.seconds.items()},
    )
