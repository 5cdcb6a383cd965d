import httpx
import pytest

from connectors.outcomes import (
    before_sending,
    credentials_refused,
    from_status,
    from_transport,
    is_about_credentials,
    nothing_moved_yet,
    reading,
    unreadable,
)
from domain.errors import (
    RETRYABLE,
    GatewayDeclined,
    GatewayError,
    GatewayRejected,
    GatewayUnavailable,
    MalformedPayload,
    OutcomeUnknown,
)


@pytest.mark.parametrize(
    ("status_codes", "expected"),
    [
        ([400, 401, 403, 404, 405, 410, 422, 451], GatewayRejected),
        ([402], GatewayDeclined),
        ([429], GatewayUnavailable),
        ([100, 301, 302, 307, 408, 409, 500, 502, 503, 504, 599, 700], OutcomeUnknown),
    ],
)
def test_a_status_says_whether_there_can_have_been_an_effect(
    status_codes: list[int], expected: type[GatewayError]
) -> None:
    assert {type(from_status("Stripe", status_code, None)) for status_code in status_codes} == {expected}


def test_only_a_rate_limit_may_be_tried_again() -> None:
    retryable = [code for code in range(300, 600) if isinstance(from_status("Stripe", code, None), RETRYABLE)]

    assert retryable == [429]


def test_the_gateways_words_are_quoted_and_cut() -> None:
    assert from_status("Stripe", 400, "No such thing").message == "Stripe answered HTTP 400: No such thing"
    assert len(from_status("Stripe", 400, "x" * 10_000).message) < 400


@pytest.mark.parametrize("status_code", [401, 403])
def test_a_refusal_of_credentials_is_never_quoted(status_code: int) -> None:
    error = from_status("Stripe", status_code, "Invalid API Key provided: sk_live_****abcd")

    assert error.code == "credentials_refused"
    assert "sk_live" not in error.message


@pytest.mark.parametrize("kind", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
def test_a_request_that_never_left_had_no_effect(kind: type[httpx.TransportError]) -> None:
    assert type(from_transport("Stripe", kind("…"))) is GatewayUnavailable


@pytest.mark.parametrize(
    "error",
    [
        httpx.ReadTimeout("…"),
        httpx.WriteTimeout("…"),
        httpx.ReadError("…"),
        httpx.WriteError("…"),
        httpx.RemoteProtocolError("…"),
        httpx.ProxyError("…"),
        httpx.DecodingError("…"),
        TimeoutError(),
        OSError(),
    ],
)
def test_after_the_first_byte_nobody_knows(error: Exception) -> None:
    assert type(from_transport("Stripe", error)) is OutcomeUnknown


def test_a_success_that_cannot_be_read_is_unknown() -> None:
    assert type(unreadable("Stripe")) is OutcomeUnknown


def test_a_look_up_that_failed_moved_nothing() -> None:
    assert type(before_sending(OutcomeUnknown("no answer"))) is GatewayUnavailable


def test_what_is_malformed_in_a_success_has_an_unknown_outcome() -> None:
    with pytest.raises(OutcomeUnknown, match="Stripe gave an answer that cannot be read"), reading("Stripe"):
        raise MalformedPayload("the amount is below zero")
    with pytest.raises(GatewayRejected, match="no"), reading("Stripe"):
        raise GatewayRejected("no")


def test_a_look_up_without_an_answer_has_moved_nothing() -> None:
    with pytest.raises(GatewayUnavailable, match="no answer"), nothing_moved_yet():
        raise OutcomeUnknown("no answer")
    with pytest.raises(GatewayUnavailable), nothing_moved_yet(), reading("Stripe"):
        raise MalformedPayload("the answer is no object")


def test_a_refusal_of_our_credentials_is_told_from_any_other() -> None:
    assert is_about_credentials(from_status("Stripe", 401, "sk_live_1 is no key"))
    assert is_about_credentials(credentials_refused("PayTabs", "code 1"))
    assert not is_about_credentials(from_status("Stripe", 400, None))
