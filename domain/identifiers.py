"""Ids of what is written for good: the same again after a replay, and in the order of time."""

import hashlib
import uuid
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_VERSION_8 = 0x8 << 76
_VARIANT = 0b10 << 62
_TIME_BITS, _MIDDLE_BITS, _LOW_BITS = 48, 12, 62


def time_ordered_id(moment: datetime, said: str) -> uuid.UUID:
    """Return the UUID of what `said` names and `moment` dates: RFC 9562's version 8, milliseconds before a digest.

    New rows then lie side by side in an index, however many are in it. Ids that are digests alone scatter: in a large
    table each of them reads, changes and logs a page of its own.
    """
    milliseconds = max(0, (moment - _EPOCH) // _MILLISECOND) % (1 << _TIME_BITS)
    digest = int.from_bytes(hashlib.sha256(said.encode()).digest()[:16])
    middle = digest >> (128 - _MIDDLE_BITS)
    low = digest % (1 << _LOW_BITS)
    return uuid.UUID(int=milliseconds << 80 | _VERSION_8 | middle << 64 | _VARIANT | low)
