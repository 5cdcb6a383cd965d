"""A folder that can be full: a small file system of its own for the broker's logs, or else a limit on its files.

Where the system allows it, this process gets mounts of its own (nobody else on the machine sees them, and they are gone
with the last of our processes) and mounts a tmpfs of fixed size there. Full then means ENOSPC, from the kernel. As root
that takes a mount namespace, else a user namespace as well. Where neither is allowed, the limit is RLIMIT_FSIZE of the
running broker: then its writes fail with EFBIG.
"""

import ctypes
import os
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import psutil

CLONE_NEWNS = 0x0002_0000
CLONE_NEWUSER = 0x1000_0000
MS_REC = 0x4000
MS_PRIVATE = 0x4_0000
SIZE_BYTES = 384 * 1_048_576
FILLER = "filler"
UNLIMITED = (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY)


class Disk(Protocol):
    """What the broker's logs lie on."""

    @property
    def description(self) -> str:
        """What "full" means here."""
        ...

    def fill(self, process_id: int) -> None:
        """Let nothing more be written by the process."""
        ...

    def free(self, process_id: int) -> None:
        """Make room again."""
        ...


class SmallFileSystem:
    """A tmpfs on the folder, filled by one file."""

    description = f"ENOSPC: a tmpfs of {SIZE_BYTES // 1_048_576} MiB, filled to the last byte"

    def __init__(self, folder: Path) -> None:
        self._filler = folder / FILLER

    def fill(self, process_id: int) -> None:  # noqa: ARG002 - whoever writes there finds it full
        """Take all the room there is."""
        with self._filler.open("wb") as filler:
            while (room := _room(self._filler.parent)) > 0:
                try:
                    os.posix_fallocate(filler.fileno(), filler.seek(0, os.SEEK_END), room)
                except OSError:
                    # Somebody wrote in the meantime: take what is left, page by page at last.
                    with suppress(OSError):
                        filler.write(bytes(min(room, 4_096)))
                        filler.flush()
                    if _room(self._filler.parent) >= room:
                        return
                filler.seek(0, os.SEEK_END)

    def free(self, process_id: int) -> None:  # noqa: ARG002 - as above
        """Give the room back."""
        self._filler.unlink(missing_ok=True)


class FileSizeLimit:
    """A limit on the size of the running broker's files."""

    description = "EFBIG: the broker's files may not grow (RLIMIT_FSIZE), because mounts are not allowed here"

    def fill(self, process_id: int) -> None:
        """Let none of the process's files grow."""
        psutil.Process(process_id).rlimit(psutil.RLIMIT_FSIZE, (0, psutil.RLIM_INFINITY))

    def free(self, process_id: int) -> None:
        """Lift the limit, if the process has outlived it."""
        with suppress(psutil.NoSuchProcess):
            psutil.Process(process_id).rlimit(psutil.RLIMIT_FSIZE, UNLIMITED)


def limited_disk(folder: Path) -> Disk:
    """Put the folder, which exists and is empty, on a small file system if that can be done.

    Call it while the process has one thread: a user namespace cannot be entered otherwise.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        _enter_namespace(libc)
        _check(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
        options = f"size={SIZE_BYTES},mode=0700".encode()
        _check(libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, options))
    except (OSError, AttributeError):
        return FileSizeLimit()
    return SmallFileSystem(folder)


def _enter_namespace(libc: ctypes.CDLL) -> None:
    user_id, group_id = os.geteuid(), os.getegid()
    if user_id == 0:
        _check(libc.unshare(CLONE_NEWNS))
        return
    _check(libc.unshare(CLONE_NEWNS | CLONE_NEWUSER))
    # We stay who we are inside.
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user_id} {user_id} 1")
    Path("/proc/self/gid_map").write_text(f"{group_id} {group_id} 1")


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _room(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
