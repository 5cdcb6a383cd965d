"""The broker's jars, resolved once by Maven into a cache outside the repository.

The cache folder gets its name only when it is whole, and one run at a time fills it: neither an interrupted run nor two
runs at once leave half a cache.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack.errors import StackFailed
from devstack.processes import run_to_end

KAFKA_VERSION = "4.1.0"
POM = Path(__file__).with_name("pom.xml")
RESOLVE_TIMEOUT_SECONDS = 900.0


def cache_root() -> Path:
    """Return the folder for what can be downloaded again."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "paystream"


def cache_folder() -> Path:
    """Return the folder of this Kafka version, which may not exist yet."""
    return cache_root() / f"kafka-{KAFKA_VERSION}"


def is_resolved(folder: Path) -> bool:
    """Say whether the folder was filled from the present pom."""
    pom = folder / "pom.xml"
    return pom.exists() and pom.read_bytes() == POM.read_bytes()


def can_resolve() -> bool:
    """Say whether the jars are there already or Maven is, to get them."""
    return is_resolved(cache_folder()) or shutil.which("mvn") is not None


def class_path(announce: Callable[[str], None]) -> str:
    """Return the broker's class path, having Maven resolve it if it is not in the cache yet."""
    folder = cache_folder()
    if not is_resolved(folder):
        _fill(folder, announce)
    return f"{folder / 'lib'}{os.sep}*"


def _fill(folder: Path, announce: Callable[[str], None]) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise StackFailed(
            "Apache Kafka is not in the cache yet, and Maven (mvn), which would get it, is not installed."
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StackFailed(
            f"{folder.parent}, the cache for Apache Kafka, cannot be created: {error.strerror}. "
            "Set XDG_CACHE_HOME to a folder that can be written."
        ) from error
    with _one_at_a_time(folder.with_name(f"{folder.name}.lock"), announce):
        if is_resolved(folder):
            return
        # Under the lock, every unfinished folder is an interrupted run's.
        for leftover in folder.parent.glob(f"{folder.name}.unfinished-*"):
            shutil.rmtree(leftover)
        announce(f"Getting Apache Kafka {KAFKA_VERSION} with Maven into {folder} (about 45 MB, once) …")
        unfinished = Path(tempfile.mkdtemp(prefix=f"{folder.name}.unfinished-", dir=folder.parent))
        try:
            _resolve(maven, unfinished, folder.with_name(f"{folder.name}.log"))
            shutil.rmtree(folder, ignore_errors=True)
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _resolve(maven: str, unfinished: Path, log_path: Path) -> None:
    """Copy the jars into `lib` of the folder. The pom goes along: it says later what the folder was made from."""
    shutil.copyfile(POM, unfinished / "pom.xml")
    command = [maven, "--batch-mode", "--quiet", "--strict-checksums", "-Dstyle.color=never"]
    command += ["--file", str(unfinished / "pom.xml")]
    command += ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={unfinished / 'lib'}"]
    try:
        run_to_end("Maven", command, log_path, RESOLVE_TIMEOUT_SECONDS)
    except StackFailed as error:
        raise StackFailed(
            f"{error.message}\nApache Kafka could not be downloaded. Run the same command again when Maven reaches its "
            "repository, or set PAYSTREAM_BROKER=tansu for the broker that needs no download."
        ) from error
    if not any((unfinished / "lib").glob("kafka_*.jar")):
        raise StackFailed("Maven ended well but left no Kafka. Please report this with the output of `mvn -version`.")


@contextmanager
def _one_at_a_time(lock_path: Path, announce: Callable[[str], None]) -> Iterator[None]:
    with lock_path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            announce(f"Waiting for another run that is getting Apache Kafka {KAFKA_VERSION} …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
