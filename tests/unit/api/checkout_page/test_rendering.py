"""Amounts for people, and addresses that payers may be sent to."""

import pytest

from api.checkout_page.rendering import checked_address, origin_of, readable_amount
from domain.errors import InvariantViolated


@pytest.mark.parametrize(
    ("amount_minor", "currency", "text"),
    [
        (1099, "USD", "USD 10.99"),
        (5, "USD", "USD 0.05"),
        (123_456_789, "EUR", "EUR 1,234,567.89"),
        (500, "JPY", "JPY 500"),
        (1_234_567, "JPY", "JPY 1,234,567"),
        (1_234, "KWD", "KWD 1.234"),
    ],
)
def test_amounts_are_readable(amount_minor: int, currency: str, text: str) -> None:
    assert readable_amount(amount_minor, currency) == text


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://pay.example/a?b=c#d", "https://pay.example"),
        ("https://user:secret@pay.example:8443/a", "https://pay.example:8443"),
        ("http://[::1]:80/", "http://[::1]:80"),
    ],
)
def test_an_origin_is_scheme_host_and_port(address: str, origin: str) -> None:
    assert origin_of(address) == origin


@pytest.mark.parametrize(
    "address",
    [
        "",
        "javascript:alert(1)",
        "//pay.example",
        "ftp://pay.example",
        "https://pay example",
        "https://x\r\ny",
        "https://é",
    ],
)
def test_what_is_no_page_on_the_web_is_a_bug(address: str) -> None:
    with pytest.raises(InvariantViolated):
        checked_address(address)


@pytest.mark.parametrize("address", ["https://x;y/", "https://x'y/", "https://x,y/", "https://*/", "https://"])
def test_what_a_policy_cannot_name_is_a_bug(address: str) -> None:
    with pytest.raises(InvariantViolated):
        origin_of(address)
