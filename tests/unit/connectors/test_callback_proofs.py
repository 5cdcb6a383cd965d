"""What proofs of callbacks have in common."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from connectors.base import Callback, Headers
from connectors.callback_proofs import (
    check_age,
    hmac_sha256,
    is_one_of,
    require_header,
    secret_values,
    usable_secrets,
)
from domain.errors import VerificationFailed

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
OLDEST, NEWEST = timedelta(minutes=5), timedelta(minutes=1)


def callback(headers: Headers) -> Callback:
    return Callback(account="acme", body=b"{}", headers=headers, received_at=NOON)


def test_the_current_secret_comes_before_the_previous_one() -> None:
    assert secret_values(SecretStr("current"), SecretStr("previous")) == ["current", "previous"]
    assert secret_values(SecretStr("current"), None) == ["current"]


def test_an_empty_secret_proves_nothing() -> None:
    assert usable_secrets(["current", " ", "previous"], "webhook secret", "Stripe") == ["current", "previous"]


@pytest.mark.parametrize("secrets", [[], [""], [" "], ["", "previous"], ["\t", "previous"]])
def test_without_a_current_secret_there_is_none(secrets: list[str]) -> None:
    with pytest.raises(VerificationFailed, match="no webhook secret is set for Stripe") as refusal:
        usable_secrets(secrets, "webhook secret", "Stripe")
    assert refusal.value.code == "secret_missing"


def test_a_header_that_proves_something_comes_once() -> None:
    assert require_header(callback([("x-other", "b"), ("x-signature", "a")]), "x-signature") == "a"


@pytest.mark.parametrize(
    "headers", [[], [("x-signature", "")], [("x-signature", "a"), ("x-signature", "a")], [("x-other", "a")]]
)
def test_a_header_that_is_not_there_once_is_missing(headers: Headers) -> None:
    with pytest.raises(VerificationFailed, match="x-signature must come exactly once") as refusal:
        require_header(callback(headers), "x-signature")
    assert refusal.value.code == "signature_missing"


def test_an_hmac_is_that_of_rfc_4231() -> None:
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"

    assert hmac_sha256("Jefe", b"what do ya want for nothing?").hex() == expected


@pytest.mark.parametrize(
    ("told", "expected", "is_there"),
    [
        ("abc", ["abc"], True),
        ("abc", ["xyz", "abc"], True),
        ("abc", ["abd", "ab", "abcd", "ABC"], False),
        ("abc", [], False),
        ("", ["abc"], False),
        ("é", ["abc"], False),
        ("\ud800", ["abc"], False),
    ],
)
def test_a_proof_is_one_of_those_expected(told: str, expected: list[str], *, is_there: bool) -> None:
    assert is_one_of(told, iter(expected)) is is_there


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(-301, "signature_stale"), (-300, None), (0, None), (60, None), (61, "signature_from_future")],
)
def test_a_signed_time_is_near_the_time_of_receipt(seconds: int, code: str | None) -> None:
    signed_at = NOON + timedelta(seconds=seconds)
    if code is None:
        check_age(signed_at, NOON, oldest=OLDEST, newest=NEWEST)
        return
    with pytest.raises(VerificationFailed, match=f"signed {abs(seconds)} s") as refusal:
        check_age(signed_at, NOON, oldest=OLDEST, newest=NEWEST)
    assert refusal.value.code == code
