"""The secrets of a hosted page: what leads from one to another, and what does not."""

import hashlib

import pytest

from services.checkout_tokens import (
    digest_of,
    digest_of_return,
    form_token_of,
    is_form_token,
    is_return_of,
    is_token,
    new_token,
    return_token_of,
)

TOKEN = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA"


def test_tokens_have_256_random_bits_and_fit_an_address() -> None:
    made = {new_token() for _ in range(100)}
    assert len(made) == 100
    assert all(is_token(token) and len(token) == 43 for token in made)


def test_a_page_is_found_by_its_token_and_by_its_return_token_and_by_nothing_else() -> None:
    returned = return_token_of(TOKEN)

    assert is_token(returned)
    assert digest_of(TOKEN) == digest_of_return(returned) == hashlib.sha256(returned.encode()).digest()
    assert digest_of(returned) != digest_of(TOKEN)
    assert digest_of_return(TOKEN) != digest_of(TOKEN)


def test_the_derived_secrets_are_told_apart() -> None:
    derived = {TOKEN, return_token_of(TOKEN), form_token_of(TOKEN), digest_of(TOKEN).hex()}
    assert len(derived) == 4
    assert bytes.fromhex(form_token_of(TOKEN)) not in {digest_of(TOKEN), hashlib.sha256(TOKEN.encode()).digest()}


def test_a_form_token_is_its_pages_own() -> None:
    assert is_form_token(TOKEN, form_token_of(TOKEN))
    for offered in ("", TOKEN, form_token_of(new_token()), form_token_of(TOKEN).upper(), "é", "\udcff"):
        assert not is_form_token(TOKEN, offered)


def test_a_return_token_is_its_pages_own() -> None:
    assert is_return_of(TOKEN, return_token_of(TOKEN))
    assert not is_return_of(new_token(), return_token_of(TOKEN))
    assert not is_return_of("", return_token_of(TOKEN))
    assert not is_return_of("é", return_token_of("é"))


@pytest.mark.parametrize("text", ["", "x", "A" * 42, "A" * 44, "A" * 42 + "=", "A" * 42 + "é", "A" * 43 + "\n"])
def test_what_cannot_be_a_token_is_told_without_a_look(text: str) -> None:
    assert not is_token(text)
