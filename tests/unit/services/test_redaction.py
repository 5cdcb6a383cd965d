import pytest

from services.redaction import MAX_VALUE_LENGTH, REDACTED, shown_headers, shown_path


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "proxy-authorization",
        "Cookie",
        "Set-Cookie",
        "X-Razorpay-Signature",
        "PayPal-Transmission-Sig",
        "X-Square-HmacSha256-Signature",
        "X-VERIFY",
        "x-something-nobody-knows",
    ],
)
def test_what_may_prove_something_is_kept_back(name: str) -> None:
    assert shown_headers([(name, "secret")]) == ((name, REDACTED),)


def test_what_describes_the_request_is_shown() -> None:
    pairs = (("Content-Type", "application/json"), ("USER-AGENT", "Stripe/1.0"))
    assert shown_headers(pairs) == pairs


def test_query_strings_are_kept_back() -> None:
    assert shown_path("/webhooks/swish/acme?token=secret?x") == f"/webhooks/swish/acme?{REDACTED}"
    assert shown_path("/webhooks/swish/acme") == "/webhooks/swish/acme"


def test_long_values_are_cut() -> None:
    ((_, shown),) = shown_headers([("user-agent", "x" * 9_000)])
    assert len(shown) == MAX_VALUE_LENGTH + 1
