"""Credentials are sealed so that only the ring, and only for the same record, can open them."""

import base64
import hashlib
from dataclasses import replace

import pytest

from domain.errors import InvalidInput, InvariantViolated
from storage.sealing import KeyRing

OLD, NEW = b"o" * 32, b"n" * 32
CONTEXT = "credentials:demo:stripe"


def test_what_is_sealed_opens_again() -> None:
    ring = KeyRing({"old": OLD}, "old")
    assert ring.open(ring.seal(b"sk_test_secret", CONTEXT), CONTEXT) == b"sk_test_secret"


def test_the_same_secret_never_seals_to_the_same_bytes() -> None:
    ring = KeyRing({"old": OLD}, "old")
    assert ring.seal(b"same", CONTEXT).ciphertext != ring.seal(b"same", CONTEXT).ciphertext


def test_a_record_moved_to_another_account_does_not_open() -> None:
    ring = KeyRing({"old": OLD}, "old")
    sealed = ring.seal(b"secret", CONTEXT)
    with pytest.raises(InvariantViolated, match="does not open"):
        ring.open(sealed, "credentials:thief:stripe")


@pytest.mark.parametrize("position", [0, 13, -1])
def test_a_changed_byte_is_noticed(position: int) -> None:
    ring = KeyRing({"old": OLD}, "old")
    sealed = ring.seal(b"secret", CONTEXT)
    changed = bytearray(sealed.ciphertext)
    changed[position] ^= 1
    with pytest.raises(InvariantViolated, match="does not open"):
        ring.open(replace(sealed, ciphertext=bytes(changed)), CONTEXT)


def test_rotation_rewraps_the_data_key_and_leaves_the_ciphertext() -> None:
    sealed = KeyRing({"old": OLD}, "old").seal(b"secret", CONTEXT)
    rotated = KeyRing({"old": OLD, "new": NEW}, "new").rewrap(sealed, CONTEXT)
    assert rotated.key_id == "new"
    assert rotated.ciphertext == sealed.ciphertext
    assert KeyRing({"new": NEW}, "new").open(rotated, CONTEXT) == b"secret"


def test_a_missing_key_is_named() -> None:
    sealed = KeyRing({"old": OLD}, "old").seal(b"secret", CONTEXT)
    with pytest.raises(InvariantViolated, match="'old' is not on the ring"):
        KeyRing({"new": NEW}, "new").open(sealed, CONTEXT)


def test_a_ring_refuses_short_keys_and_a_missing_active_key() -> None:
    with pytest.raises(InvalidInput, match="32 bytes"):
        KeyRing({"short": b"x"}, "short")
    with pytest.raises(InvalidInput, match="not on the key ring"):
        KeyRing({"old": OLD}, "gone")
    with pytest.raises(InvalidInput, match="not base64"):
        KeyRing.from_base64({"old": "***"}, "old")


def test_neither_keys_nor_ciphertext_are_shown() -> None:
    ring = KeyRing.from_base64({"old": base64.b64encode(OLD).decode()}, "old")
    assert repr(ring) == "KeyRing(ids=['old'], active='old')"
    assert "ciphertext" not in repr(ring.seal(b"secret", CONTEXT))


def test_a_fingerprint_is_found_again_also_after_the_active_key_has_changed() -> None:
    keys = {"old": OLD, "new": NEW}
    made = KeyRing(keys, "old").fingerprint(b"content", "acme")
    later = KeyRing(keys, "new")

    assert later.has_fingerprint(b"content", "acme", made)
    assert not later.has_fingerprint(b"other", "acme", made)
    assert not later.has_fingerprint(b"content", "rival", made)
    assert not KeyRing({"new": NEW}, "new").has_fingerprint(b"content", "acme", made)
    assert made != hashlib.sha256(b"content").digest()
