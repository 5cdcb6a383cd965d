"""Envelope encryption of credentials: AES-256-GCM with a data key per record, wrapped by a key of the ring.

Rotating the ring re-wraps the data keys; the ciphertext stays. The account and gateway are authenticated with the
record, so that a ciphertext moved to another row does not open.
"""

import base64
import binascii
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.errors import InvalidInput, InvariantViolated

KEY_BYTES = 32
NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Sealed:
    """A record that only the ring can open."""

    key_id: str
    wrapped_key: bytes
    ciphertext: bytes = field(repr=False)


class KeyRing:
    """Keys by id, and the one that new records are wrapped with. Its repr shows ids only."""

    def __init__(self, keys: Mapping[str, bytes], active: str) -> None:
        """Raises InvalidInput unless every key has 32 bytes and the active one is among them."""
        if active not in keys:
            raise InvalidInput(f"the active key {active!r} is not on the key ring", field="keys.active")
        if wrong := [key_id for key_id, key in keys.items() if len(key) != KEY_BYTES]:
            raise InvalidInput(f"keys must have {KEY_BYTES} bytes: {', '.join(wrong)} has not", field="keys.ring")
        self._keys = dict(keys)
        self.active = active

    @classmethod
    def from_base64(cls, ring: Mapping[str, str], active: str) -> "KeyRing":
        """Build a ring from base64 texts."""
        try:
            keys = {key_id: base64.b64decode(text, validate=True) for key_id, text in ring.items()}
        except binascii.Error as error:
            raise InvalidInput("a key of the ring is not base64", field="keys.ring") from error
        return cls(keys, active)

    def __repr__(self) -> str:
        return f"KeyRing(ids={sorted(self._keys)}, active={self.active!r})"

    def seal(self, plaintext: bytes, context: str) -> Sealed:
        """Encrypt with a new data key; `context` must be given again to open."""
        data_key = AESGCM.generate_key(bit_length=KEY_BYTES * 8)
        return Sealed(
            key_id=self.active,
            wrapped_key=_encrypt(self._keys[self.active], data_key, context),
            ciphertext=_encrypt(data_key, plaintext, context),
        )

    def open(self, sealed: Sealed, context: str) -> bytes:
        """Decrypt; raises InvariantViolated when the key is gone or the record was tampered with."""
        return _decrypt(self._unwrap(sealed, context), sealed.ciphertext, context)

    def rewrap(self, sealed: Sealed, context: str) -> Sealed:
        """Wrap the data key with the active key; the ciphertext does not change."""
        data_key = self._unwrap(sealed, context)
        return Sealed(self.active, _encrypt(self._keys[self.active], data_key, context), sealed.ciphertext)

    def fingerprint(self, content: bytes, context: str) -> bytes:
        """A digest that only holders of the ring can make, of content that could be guessed from a plain digest."""
        return _fingerprint(self._keys[self.active], content, context)

    def has_fingerprint(self, content: bytes, context: str, fingerprint: bytes) -> bool:
        """Whether a fingerprint is the content's, also when it was made with a key that is not the active one now."""
        made = (_fingerprint(key, content, context) for key in self._keys.values())
        return any(hmac.compare_digest(each, fingerprint) for each in made)

    def _unwrap(self, sealed: Sealed, context: str) -> bytes:
        key = self._keys.get(sealed.key_id)
        if key is None:
            raise InvariantViolated(f"key {sealed.key_id!r} is not on the ring: put it back, then rotate")
        return _decrypt(key, sealed.wrapped_key, context)


def _fingerprint(key: bytes, content: bytes, context: str) -> bytes:
    return hmac.digest(hmac.digest(key, b"fingerprint:" + context.encode(), "sha256"), content, "sha256")


def _encrypt(key: bytes, plaintext: bytes, context: str) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, context.encode())


def _decrypt(key: bytes, sealed: bytes, context: str) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context.encode())
    except InvalidTag as error:
        raise InvariantViolated(f"the sealed record of {context} does not open: wrong key or tampered row") from error
