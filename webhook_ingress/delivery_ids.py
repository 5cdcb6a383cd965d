"""Ids of deliveries: random UUIDs, made many at a time."""

import os
from collections.abc import Iterator

UUID_BYTES = 16
MADE_AT_ONCE = 64
"""Asking the system for randomness costs more than everything else about an id."""


def delivery_ids() -> Iterator[str]:
    """Random UUIDs (version 4) without end."""
    while True:
        digits = os.urandom(MADE_AT_ONCE * UUID_BYTES).hex()
        for start in range(0, len(digits), 2 * UUID_BYTES):
            yield _uuid(digits[start : start + 2 * UUID_BYTES])


def _uuid(digits: str) -> str:
    """Write 32 random hexadecimal digits as a UUID; two of them give way to version and variant."""
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
