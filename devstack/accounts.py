"""The account PostgreSQL runs under: our own, unless that is root, which PostgreSQL refuses."""

import os
import pwd
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from devstack import drop_privileges
from devstack.errors import StackFailed

# Accounts are looked for, never created: `nobody` exists on every system.
CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the operating system."""

    name: str
    user_id: int
    group_id: int

    def command(self, command: Sequence[str]) -> list[str]:
        """Return the command that runs the given one under this account; it keeps its process id."""
        script = str(Path(drop_privileges.__file__))
        return [sys.executable, "-I", "-S", script, str(self.user_id), str(self.group_id), *command]

    def own(self, path: Path) -> None:
        """Hand a file or folder to the account."""
        os.chown(path, self.user_id, self.group_id)


def unprivileged_account() -> Account | None:
    """Return the account to change to; None when this process is not root and can stay what it is."""
    if os.geteuid() != 0:
        return None
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise StackFailed(
        f"PostgreSQL refuses to run as root and this system has none of the accounts {', '.join(CANDIDATES)}. "
        "Run as another user, or give PAYSTREAM_DATABASE__URL."
    )
