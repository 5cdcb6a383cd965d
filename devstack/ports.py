"""TCP ports on the loopback interface."""

import secrets
import socket

from devstack.errors import StackFailed

LOOPBACK = "127.0.0.1"

# Linux and macOS take the local ports of outgoing connections from above this range, so a port from it cannot be
# taken by some client between the moment it is chosen and the moment a server listens on it.
FIRST_PORT = 20_000
LAST_PORT = 32_000
ATTEMPTS = 200

_handed_out: set[int] = set()


def is_free(port: int) -> bool:
    """Say whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Servers set this option too; without it, connections that are closing would make the port look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def accepts_connections(port: int) -> bool:
    """Say whether something listens on the port now."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0):
            return True
    except OSError:
        return False


def free_port() -> int:
    """Choose a free port that this process has not been given before."""
    for _ in range(ATTEMPTS):
        port = FIRST_PORT + secrets.randbelow(LAST_PORT - FIRST_PORT)
        if port not in _handed_out and is_free(port):
            _handed_out.add(port)
            return port
    raise StackFailed(f"No free TCP port between {FIRST_PORT} and {LAST_PORT} was found in {ATTEMPTS} attempts.")


def chosen_port(fixed: int | None, purpose: str) -> int:
    """Return the fixed port if one is asked for and free, else any free port."""
    if fixed is None:
        return free_port()
    if not is_free(fixed):
        raise StackFailed(f"Port {fixed}, asked for {purpose}, is in use. Stop what listens there or choose another.")
    return fixed
