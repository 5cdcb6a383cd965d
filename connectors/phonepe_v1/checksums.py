"""X-VERIFY: the checksum that requests and callbacks of PhonePe's legacy API carry.

It is the plain SHA-256 of what is signed with the salt key behind it, in hexadecimal digits, then `###` and the number
of the salt key.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import SecretStr

from connectors.callback_proofs import is_one_of

HEADER = "X-VERIFY"


@dataclass(frozen=True, slots=True)
class Salt:
    """A salt key and its number."""

    key: SecretStr
    index: int

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing secret in it: then anybody could sign."""
        return not self.key.get_secret_value().strip()


def checksum(signed: str, salt: Salt) -> str:
    """Return the checksum of a text: `payload + path` of a write, the path of a read, the response of a callback."""
    digest = hashlib.sha256((signed + salt.key.get_secret_value()).encode()).hexdigest()
    return f"{digest}###{salt.index}"


def is_signed(signed: str, told: str, salts: Sequence[Salt]) -> bool:
    """Say whether a checksum that was told is right for one of the salt keys, its number included."""
    return is_one_of(told, (checksum(signed, salt) for salt in salts))
