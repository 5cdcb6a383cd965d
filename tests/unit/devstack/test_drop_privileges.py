import os
import subprocess
import sys
from pathlib import Path

import pytest

from devstack import drop_privileges
from devstack.accounts import Account, unprivileged_account
from devstack.drop_privileges import CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, capability_to_keep

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")


@pytest.mark.parametrize(
    ("status", "capability"),
    [
        ("Name:\tx\nCapPrm:\t000001ffffffffff\n", CAP_DAC_READ_SEARCH),
        ("CapPrm:\t00000000a80425fb\n", CAP_DAC_OVERRIDE),
        ("CapPrm:\t0000000000000000\n", None),
        ("Name:\tx\n", None),
    ],
)
def test_the_narrowest_capability_that_is_there_is_kept(status: str, capability: int | None) -> None:
    assert capability_to_keep(status) == capability


def test_the_command_names_the_account_by_number_and_keeps_the_arguments() -> None:
    command = Account("someone", 1001, 1002).command(["/bin/postgres", "-D", "/data"])

    assert command[0] == sys.executable
    assert command[-6:] == [str(Path(drop_privileges.__file__)), "1001", "1002", "/bin/postgres", "-D", "/data"]


@needs_root
def test_root_becomes_an_unprivileged_account() -> None:
    account = unprivileged_account()
    assert account is not None

    answer = subprocess.run(account.command(["/usr/bin/id", "-u"]), capture_output=True, text=True, check=True)

    assert answer.stdout.strip() == str(account.user_id) != "0"


@needs_root
@pytest.mark.skipif(sys.platform != "linux", reason="capabilities are Linux's")
def test_the_account_can_enter_a_folder_that_is_only_roots_but_not_write_there(tmp_path: Path) -> None:
    account = unprivileged_account()
    assert account is not None
    locked = tmp_path / "locked"
    locked.mkdir()
    (locked / "file").write_text("content")
    locked.chmod(0o700)

    read = subprocess.run(account.command(["/bin/cat", str(locked / "file")]), capture_output=True, check=False)
    written = subprocess.run(account.command(["/usr/bin/touch", str(locked / "new")]), capture_output=True, check=False)

    assert read.stdout == b"content"
    assert written.returncode != 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root has to change its account")
def test_everybody_else_stays_who_they_are() -> None:
    assert unprivileged_account() is None
