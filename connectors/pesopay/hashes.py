"""AsiaPay's secure hashes: plain hashes over fields joined by bars, with the secret at their end."""

import hashlib
from collections.abc import Sequence

from connectors.callback_proofs import is_one_of
from connectors.pesopay.registration import HashFunction

BAR = "|"
MOST_HASHES = 10


def secure_hash(values: Sequence[str], secret: str, function: HashFunction) -> str:
    """Return the hash of the values, as lower-case hex digits."""
    return hashlib.new(function, BAR.join([*values, secret]).encode()).hexdigest()


def is_hashed(values: Sequence[str], told: str, secrets: Sequence[str], function: HashFunction) -> bool:
    """Say whether one of the comma-separated hashes was made with one of the secrets; compared in constant time.

    A bar within a value would let the values change places behind the same hash, so none is accepted.
    """
    if any(BAR in value for value in values):
        return False
    made = [secure_hash(values, secret, function) for secret in secrets]
    matches = [is_one_of(each.strip(), made) for each in told.split(",")[:MOST_HASHES]]
    return any(matches)
