"""The stack of a run: servers, proxies before them, local gateways, and every process of ours, all under our thumb."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil
from sqlalchemy.engine import make_url

from bootstrap.settings import Settings
from bootstrap.wiring import build_key_ring
from chaos.disk import Disk
from chaos.proxy import Proxy
from chaos.schedule import APPLICATION, EXTRA_WORKER
from chaos.shops.base import Shop
from chaos.shops.razorpay import RazorpayShop
from chaos.shops.square import SquareShop
from chaos.shops.stripe import StripeShop
from chaos.stories import EventClock
from devstack import kafka_jars
from devstack.application import answers, new_key_ring, prepare, read_settings
from devstack.errors import StackFailed
from devstack.java import find_java
from devstack.kafka import KafkaServer
from devstack.ports import LOOPBACK, accepts_connections, free_port
from devstack.postgres import PostgresServer
from devstack.processes import ManagedProcess
from devstack.server import Server
from services.accounts import create_account, set_credentials
from storage.accounts import Account
from storage.unit_of_work import Database

CHECKOUT = Path(__file__).parents[1]
READY_SECONDS = 90.0
GATEWAY_SECONDS = 30.0
WINDOW_SECONDS = 8
ACCOUNTS: Mapping[str, tuple[str, ...]] = {
    "north": ("stripe", "razorpay", "square"),
    "south": ("stripe", "razorpay"),
    "west": ("square",),
}
"""Accounts, and the gateways that each has credentials for."""

_SHOPS: Mapping[str, type[Shop]] = {shop.gateway: shop for shop in (StripeShop, RazorpayShop, SquareShop)}
_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "ingress": ("ingress",),
    "worker-1": ("worker", "--without-relay"),
    "worker-2": ("worker", "--without-relay"),
    EXTRA_WORKER: ("worker", "--without-relay"),
    "relay-1": ("relay",),
    "relay-2": ("relay",),
    "settle": ("settle",),
}


@dataclass(kw_only=True)
class Ground:
    """Everything that runs. `held` are the targets that a fault has in hand, which nobody else may start again."""

    directory: Path
    settings: Settings
    database: Database
    ingress_url: str
    disk: Disk
    servers: Mapping[str, Server]
    processes: dict[str, ManagedProcess]
    proxies: Mapping[str, Proxy]
    shops: Mapping[str, Shop]
    clock: EventClock
    variables: Mapping[str, str] = field(repr=False)
    held: set[str] = field(default_factory=set)
    restarted: list[str] = field(default_factory=list)
    """What stopped by itself and was started again, as a supervisor does."""

    def process(self, target: str) -> ManagedProcess:
        """The process behind a target's name."""
        return self.servers[target].process if target in self.servers else self.processes[target]

    def start(self, target: str) -> None:
        """Start a target that does not run. A server is not waited for."""
        if self.process(target).is_running:
            return
        if target in self.servers:
            self.servers[target].start()
        else:
            self.processes[target].start(
                [sys.executable, "-m", "cli.main", *_ARGUMENTS[target]], self.log_path(target), self.variables
            )

    def log_path(self, target: str) -> Path:
        """Where a process writes what it says."""
        return self.directory / "logs" / f"{target}.log"

    def pause(self, target: str) -> None:
        """Stop a process and its children in their tracks."""
        for each in self._family(target):
            with suppress(psutil.NoSuchProcess):
                each.suspend()

    def resume(self, target: str) -> None:
        """Let them go on."""
        for each in self._family(target):
            with suppress(psutil.NoSuchProcess):
                each.resume()

    def start_stopped(self) -> None:
        """Start what has stopped by itself, except what a fault has in hand."""
        for target in (*self.servers, *APPLICATION):
            if target not in self.held and not self.process(target).is_running:
                self.restarted.append(f"{target} (code {self.process(target).exit_code})")
                self.start(target)

    def shops_of(self, account: str) -> list[Shop]:
        """The shops where an account takes payments."""
        return [self.shops[gateway] for gateway in ACCOUNTS[account]]

    def _family(self, target: str) -> list[psutil.Process]:
        if not self.process(target).is_running:
            return []
        try:
            parent = psutil.Process(self.process(target).pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


@asynccontextmanager
async def running_ground(
    directory: Path, disk: Disk, seed: int, announce: Callable[[str], None]
) -> AsyncIterator[Ground]:
    """Start everything, and stop everything in the end. Raises StackFailed with the end of a log when a part fails."""
    _require_checkout()
    async with AsyncExitStack() as running:
        servers, ports = await _start_servers(running, directory, announce)
        proxies = {name: Proxy(name, port, ports[name]) for name, port in _server_ports(servers).items()}
        clock = EventClock(seed)
        shops = await _start_shops(running, directory, clock, announce)
        for gateway, shop in shops.items():
            proxies[f"{gateway}-link"] = Proxy(f"{gateway}-link", int(shop.base.rpartition(":")[2]), free_port())
        for proxy in proxies.values():
            await proxy.start()
            running.push_async_callback(proxy.close)
        ingress_port = free_port()
        variables = _variables(servers, proxies, ingress_port)
        settings = read_settings(variables)
        announce("Creating tables, topics and accounts")
        await prepare(settings)
        database = Database(settings.database_url, pool_size=3, application_name="paystream-chaos")
        running.push_async_callback(database.close)
        ground = Ground(
            directory=directory,
            settings=settings,
            database=database,
            ingress_url=f"http://{LOOPBACK}:{ingress_port}",
            disk=disk,
            servers=servers,
            processes={name: ManagedProcess(name) for name in (*APPLICATION, EXTRA_WORKER)},
            proxies=proxies,
            shops=shops,
            clock=clock,
            variables=variables,
        )
        await _open_accounts(ground)
        running.push_async_callback(_stop_all, ground)
        announce(f"Starting {', '.join(APPLICATION)}")
        for name in APPLICATION:
            ground.start(name)
        await _wait_for(ground.processes["ingress"], partial(answers, f"{ground.ingress_url}/readyz"), READY_SECONDS)
        yield ground


async def _start_servers(
    running: AsyncExitStack, directory: Path, announce: Callable[[str], None]
) -> tuple[dict[str, Server], dict[str, int]]:
    java = find_java()
    if java is None or not kafka_jars.can_resolve():
        raise StackFailed("Faults need Apache Kafka, whose data outlive a kill: install Java 17 or newer, and Maven.")
    ports = {"kafka-link": free_port(), "postgres-link": free_port()}
    kafka = KafkaServer(
        directory / "kafka",
        free_port(),
        free_port(),
        directory / "logs" / "kafka.log",
        java,
        kafka_jars.class_path(announce),
        advertised_port=ports["kafka-link"],
    )
    # A full disk may end the JVM with SIGBUS; its report belongs to our logs.
    os.environ["JAVA_TOOL_OPTIONS"] = f"-XX:ErrorFile={directory / 'logs' / 'java-error-%p.log'}"
    postgres = PostgresServer(directory / "postgres", free_port(), directory / "logs" / "postgres.log")
    servers: dict[str, Server] = {"kafka": kafka, "postgres": postgres}
    for server in servers.values():
        running.push_async_callback(asyncio.to_thread, server.stop)
        await asyncio.to_thread(server.start)
    # The broker is reached by its own port until it names the proxy's.
    for name, server in servers.items():
        await _wait_for(server.process, partial(_listens, server), server.start_timeout_seconds)
        announce(f"{name}: {server.description}")
    await asyncio.to_thread(postgres.wait_until_healthy)
    return servers, ports


def _listens(server: Server) -> bool:
    return accepts_connections(server.port)


async def _wait_for(process: ManagedProcess, is_ready: Callable[[], bool], timeout_seconds: float) -> None:
    await asyncio.to_thread(process.wait_until, is_ready, timeout_seconds)


def _server_ports(servers: Mapping[str, Server]) -> dict[str, int]:
    return {f"{name}-link": server.port for name, server in servers.items()}


async def _start_shops(
    running: AsyncExitStack, directory: Path, clock: EventClock, announce: Callable[[str], None]
) -> dict[str, Shop]:
    announce(f"Starting the local gateways: {', '.join(_SHOPS)}")
    shops: dict[str, Shop] = {}
    for gateway, make in _SHOPS.items():
        port, process = free_port(), ManagedProcess(gateway)
        command = [sys.executable, "-m", make.module, "--port", str(port)]
        process.start(command, directory / "logs" / f"{gateway}.log", {"PYTHONPATH": str(CHECKOUT)})
        running.push_async_callback(asyncio.to_thread, process.stop)
        await _wait_for(process, partial(accepts_connections, port), GATEWAY_SECONDS)
        shops[gateway] = make(f"http://{LOOPBACK}:{port}", clock)
        running.push_async_callback(shops[gateway].close)
    return shops


def _require_checkout() -> None:
    missing = [shop.module for shop in _SHOPS.values() if not _source(shop.module).exists()]
    if missing:
        raise StackFailed(
            f"The local gateways {', '.join(missing)} belong to the tests: run this from a checkout of Paystream."
        )


def _source(module: str) -> Path:
    return CHECKOUT.joinpath(*module.split(".")).with_suffix(".py")


def _variables(servers: Mapping[str, Server], proxies: Mapping[str, Proxy], ingress_port: int) -> dict[str, str]:
    postgres = servers["postgres"]
    if not isinstance(postgres, PostgresServer):
        raise TypeError("the database is not the embedded one")
    through_proxy = make_url(postgres.database_url).set(port=proxies["postgres-link"].port)
    return {
        **new_key_ring(),
        "PAYSTREAM_KAFKA__BOOTSTRAP_SERVERS": f"{LOOPBACK}:{proxies['kafka-link'].port}",
        "PAYSTREAM_KAFKA__IDEMPOTENCE": "true",
        "PAYSTREAM_DATABASE__URL": through_proxy.render_as_string(hide_password=False),
        "PAYSTREAM_INGRESS__PORT": str(ingress_port),
        "PAYSTREAM_INGRESS__PUBLIC_URL": f"http://{LOOPBACK}:{ingress_port}",
        "PAYSTREAM_RECONCILE__INTERVAL_SECONDS": "0.5",
        "PAYSTREAM_RECONCILE__QUIET_AFTER_SECONDS": "20",
        "PAYSTREAM_RECONCILE__QUIET_INTERVAL_SECONDS": "5",
        "PAYSTREAM_SETTLEMENT__WINDOW_SECONDS": str(WINDOW_SECONDS),
        "PAYSTREAM_SETTLEMENT__GRACE_SECONDS": "2",
        "PAYSTREAM_SETTLEMENT__CLOSE_INTERVAL_SECONDS": "1",
    }


async def _open_accounts(ground: Ground) -> None:
    ring = build_key_ring(ground.settings.keys)
    for account, gateways in ACCOUNTS.items():
        await create_account(ground.database, Account(account, account, 290, 30))
        for gateway in gateways:
            api_base = f"http://{LOOPBACK}:{ground.proxies[f'{gateway}-link'].port}"
            callback_url = f"{ground.ingress_url}/webhooks/{gateway}/{account}"
            values = ground.shops[gateway].credentials(api_base, callback_url)
            await set_credentials(ground.database, ring, account, gateway, values)


async def _stop_all(ground: Ground) -> None:
    processes: Sequence[ManagedProcess] = list(ground.processes.values())
    for target in (*ground.processes, *ground.servers):
        ground.resume(target)
    await asyncio.gather(*(asyncio.to_thread(process.stop) for process in processes))


def clear(directory: Path) -> None:
    """Make an empty directory with a folder for the broker's logs in it."""
    shutil.rmtree(directory, ignore_errors=True)
    (directory / "kafka" / "data").mkdir(parents=True)
    (directory / "logs").mkdir()
