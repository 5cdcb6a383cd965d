"""The worker of the release before runs on this version's schema and topics, alone and beside this version's worker."""

import asyncio
import io
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from bootstrap.settings import Settings
from bootstrap.wiring import build_key_ring
from devstack.application import Application, running_processes, variables_of
from devstack.processes import ManagedProcess
from services.accounts import set_credentials
from storage.unit_of_work import Database
from tests.integration.services.books import open_account, open_payment, rows
from tests.integration.test_pipeline import CREDENTIALS, assert_clean, drained, eventually, post, signed, succeeded

pytestmark = [pytest.mark.integration, pytest.mark.timeout(360)]

ROOT = Path(__file__).parents[2]
RELEASE_TAGS = "v[0-9]*"
PART = 20
"""Callbacks for each of: the old worker alone, both, the new one alone."""


def previous_release() -> str:
    """The tag of the newest release before this version; skips where there is none to be found."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("there is no git history here, so the release before this one cannot be had")
    asked = ["git", "-C", str(ROOT), "tag", "--merged", "HEAD", "--no-contains", "HEAD", "--sort=-version:refname"]
    listed = subprocess.run([*asked, "--list", RELEASE_TAGS], capture_output=True, text=True, check=False)
    tags = listed.stdout.split()
    if not tags:
        pytest.skip("no release before this one has a tag here: it is the first, or the clone is a shallow one")
    return tags[0]


@pytest.fixture
def old_tree(tmp_path: Path) -> Path:
    """The code of the release before this one, in a folder of its own."""
    archived = subprocess.run(
        ["git", "-C", str(ROOT), "archive", "--format=tar", previous_release()], capture_output=True, check=True
    )
    with tarfile.open(fileobj=io.BytesIO(archived.stdout)) as archive:
        archive.extractall(tmp_path / "old", filter="data")
    return tmp_path / "old"


def in_tree(tree: Path, then: str) -> list[str]:
    """A command that runs Python with the code of a tree instead of this one's."""
    return [sys.executable, "-c", f"import os, sys; os.chdir({str(tree)!r}); sys.path.insert(0, {str(tree)!r}); {then}"]


RUN_WORKER = "import runpy; sys.argv = ['paystream', 'worker']; runpy.run_module('cli.main', run_name='__main__')"


@contextmanager
def old_worker(tree: Path, settings: Settings, log: Path) -> Iterator[ManagedProcess]:
    """Run the old tree's worker."""
    found = subprocess.run(
        in_tree(tree, "import agents; print(agents.__file__)"), capture_output=True, text=True, check=True
    )
    assert found.stdout.startswith(str(tree))
    worker = ManagedProcess("the worker of the previous release")
    worker.start(in_tree(tree, RUN_WORKER), log, variables_of(settings))
    try:
        yield worker
    finally:
        worker.stop()


async def test_the_worker_of_the_release_before_runs_on_this_schema(
    old_tree: Path, topics_created: Settings, database: Database, tmp_path: Path
) -> None:
    await open_account(database)
    await set_credentials(database, build_key_ring(topics_created.keys), "demo", "stripe", CREDENTIALS)
    for number in range(3 * PART):
        await open_payment(database, f"p{number}", reference=f"pi_{number}")
    with running_processes(tmp_path, variables_of(topics_created)) as application:
        new = application.processes["worker"]
        await asyncio.to_thread(new.stop)
        with old_worker(old_tree, topics_created, tmp_path / "old-worker.log") as old:
            await pay(application, range(PART))
            await eventually(lambda: drained(database, PART), f"the old worker's work; its log: {old.log_tail()}")
            await asyncio.to_thread(new.restart)
            await pay(application, range(PART, 2 * PART))
            await eventually(lambda: drained(database, 2 * PART), "the work of both")
            assert old.is_running
        await pay(application, range(2 * PART, 3 * PART))
        await eventually(lambda: drained(database, 3 * PART), "the new worker's work")
    assert await rows(database, "select status, count(*) from payments group by 1") == [("completed", 3 * PART)]
    await assert_clean(database, topics_created)


async def pay(application: Application, numbers: range) -> None:
    async with httpx.AsyncClient() as http:
        for number in numbers:
            body = succeeded(number)
            assert await post(http, application, body, signed(body)) == 200
