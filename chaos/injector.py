"""Carries the schedule out: begins each fault at its time, ends it at its time, and notes what it took to recover."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from chaos.ground import Ground
from chaos.schedule import EXTRA_WORKER, Fault, FaultKind
from topics.payment_events import PaymentEvent

SUPERVISED_SECONDS = 0.5
REPEATED_REQUESTS = 3
"""How many writing calls a second are told to fail while a gateway is faulty."""


@dataclass(slots=True)
class Recoveries:
    """Seconds from a fault's end to the first domain event of a callback that was taken after it, by kind."""

    accepted_at: Mapping[str, float]
    seconds: dict[FaultKind, list[float]] = field(default_factory=lambda: defaultdict(list))
    _waiting: list[tuple[FaultKind, float]] = field(default_factory=list)

    def begin(self, kind: FaultKind) -> None:
        """A fault has just ended."""
        self._waiting.append((kind, time.monotonic()))

    def hear(self, event: PaymentEvent, came_at: float) -> None:
        """A domain event has come."""
        taken_at = self.accepted_at.get(event.payment_id, 0.0)
        recovered = [each for each in self._waiting if each[1] <= taken_at]
        for kind, ended_at in recovered:
            self.seconds[kind].append(came_at - ended_at)
        self._waiting = [each for each in self._waiting if each[1] > taken_at]


class Injector:
    """One run's faults."""

    def __init__(self, ground: Ground, recoveries: Recoveries, announce: Callable[[str], None]) -> None:
        self._ground = ground
        self._recoveries = recoveries
        self._announce = announce
        self._doing: Mapping[FaultKind, Callable[[Fault], Awaitable[None]]] = {
            FaultKind.KILL: self._kill,
            FaultKind.TERMINATE: self._terminate,
            FaultKind.PAUSE: self._pause,
            FaultKind.FILL_DISK: self._fill_disk,
            FaultKind.CUT: self._misbehave,
            FaultKind.SILENCE: self._misbehave,
            FaultKind.GATEWAY_TIMEOUT: self._misbehave,
            FaultKind.GATEWAY_REPEAT: self._have_gateway_fail,
            FaultKind.GATEWAY_ERROR: self._have_gateway_fail,
            FaultKind.JOIN_AND_LEAVE: self._join,
            FaultKind.JOIN_AND_DIE: self._join,
            FaultKind.SKEW_TIME: self._skew_time,
        }
        self.done: Counter[FaultKind] = Counter()
        self.kills = 0
        self.active: set[str] = set()
        """What is being done right now, for whoever watches."""

    async def run(self, schedule: Sequence[Fault]) -> None:
        """Carry out every fault at its time; returns when the last is over."""
        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for fault in schedule:
                await asyncio.sleep(max(0.0, started + fault.at_seconds - time.monotonic()))
                group.create_task(self._do(fault))

    async def supervise(self) -> None:
        """Start again what stops by itself, until cancelled."""
        while True:
            await asyncio.to_thread(self._ground.start_stopped)
            await asyncio.sleep(SUPERVISED_SECONDS)

    async def _do(self, fault: Fault) -> None:
        name = f"{fault.kind} {fault.target}"
        self._announce(f"{fault.kind.value:<16} {fault.target:<14} for {fault.duration_seconds:.1f} s")
        async with AsyncExitStack() as held:
            self._ground.held.add(fault.target)
            held.callback(self._ground.held.discard, fault.target)
            self.active.add(name)
            held.callback(self.active.discard, name)
            await self._doing[fault.kind](fault)
        self.done[fault.kind] += 1
        self._recoveries.begin(fault.kind)

    async def _kill(self, fault: Fault) -> None:
        await asyncio.to_thread(self._ground.process(fault.target).kill)
        self.kills += 1
        await self._start_after(fault)

    async def _terminate(self, fault: Fault) -> None:
        await asyncio.to_thread(self._ground.process(fault.target).stop)
        await self._start_after(fault)

    async def _pause(self, fault: Fault) -> None:
        await asyncio.to_thread(self._ground.pause, fault.target)
        await asyncio.sleep(fault.duration_seconds)
        await asyncio.to_thread(self._ground.resume, fault.target)

    async def _fill_disk(self, fault: Fault) -> None:
        process, disk = self._ground.process(fault.target), self._ground.disk
        if not process.is_running:
            return
        await asyncio.to_thread(disk.fill, process.pid)
        await asyncio.sleep(fault.duration_seconds)
        await asyncio.to_thread(disk.free, process.pid)
        # A broker that cannot write gives up by itself; one that has not is started anew, with room again.
        await asyncio.to_thread(process.kill)
        await self._start_after(fault, pause_seconds=0.0)

    async def _misbehave(self, fault: Fault) -> None:
        proxy = self._ground.proxies[fault.target]
        begin = {
            FaultKind.CUT: proxy.cut,
            FaultKind.SILENCE: proxy.silence,
            FaultKind.GATEWAY_TIMEOUT: proxy.swallow_answers,
        }[fault.kind]
        begin()
        await asyncio.sleep(fault.duration_seconds)
        proxy.heal()

    async def _have_gateway_fail(self, fault: Fault) -> None:
        how = "delivered_twice" if fault.kind is FaultKind.GATEWAY_REPEAT else "error_before"
        shop = self._ground.shops[fault.target]
        ends_at = time.monotonic() + fault.duration_seconds
        while time.monotonic() < ends_at:
            for _ in range(REPEATED_REQUESTS):
                await shop.plan_fault(how)
            await asyncio.sleep(1.0)

    async def _join(self, fault: Fault) -> None:
        await asyncio.to_thread(self._ground.start, EXTRA_WORKER)
        await asyncio.sleep(fault.duration_seconds)
        process = self._ground.process(EXTRA_WORKER)
        if fault.kind is FaultKind.JOIN_AND_DIE:
            await asyncio.to_thread(process.kill)
            self.kills += 1
        else:
            await asyncio.to_thread(process.stop)

    async def _skew_time(self, fault: Fault) -> None:
        self._ground.clock.is_skewed = True
        await asyncio.sleep(fault.duration_seconds)
        self._ground.clock.is_skewed = False

    async def _start_after(self, fault: Fault, pause_seconds: float | None = None) -> None:
        await asyncio.sleep(fault.duration_seconds if pause_seconds is None else pause_seconds)
        await asyncio.to_thread(self._ground.start, fault.target)
