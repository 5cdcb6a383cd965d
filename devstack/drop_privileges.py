"""Becomes another account and then another program: `drop_privileges.py UID GID COMMAND…`, run as root.

PostgreSQL refuses to run as root, and a checkout below root's home cannot be entered by anyone else. Instead of opening
root's folders to everybody, the program keeps one capability on Linux: to enter and read folders that are not its own.
Where the system does not grant that, the program simply starts without it.

The script runs without the site-packages: nothing but the standard library may be imported here.
"""

import ctypes
import os
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2


def capability_to_keep(status: str) -> int | None:
    """Choose the narrowest capability that lets folders be entered, from the text of /proc/self/status."""
    for line in status.splitlines():
        if line.startswith("CapPrm:"):
            permitted = int(line.split()[1], 16)
            for capability in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE):
                if permitted >> capability & 1:
                    return capability
    return None


def become(user_id: int, group_id: int) -> None:
    """Change to the account for good, keeping the one capability where the system grants it."""
    capability = _permitted_capability()
    libc = ctypes.CDLL(None, use_errno=True)
    if capability is not None:
        libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(group_id)
    os.setuid(user_id)
    if capability is not None:
        mask = 1 << capability
        header = struct.pack("=Ii", CAPABILITY_VERSION_3, 0)
        # Effective, permitted and inheritable, for the lower and the upper 32 capabilities.
        data = struct.pack("=6I", mask, mask, mask, 0, 0, 0)
        if libc.capset(header, data) == 0:
            libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0)


def _permitted_capability() -> int | None:
    status = Path("/proc/self/status")
    return capability_to_keep(status.read_text()) if status.exists() else None


def main(arguments: Sequence[str]) -> None:
    """Become the account and turn into the command."""
    user_id, group_id, *command = arguments
    become(int(user_id), int(group_id))
    os.execv(command[0], command)  # noqa: S606 - a command of our own, without a shell


if __name__ == "__main__":
    main(sys.argv[1:])
