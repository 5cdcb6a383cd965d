"""Both products' signatures on callbacks, byte by byte; the suite itself covers version v0 of Business's."""

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from connectors.base import Callback
from connectors.coinbase.client import CoinbaseConnector
from connectors.coinbase.registration import CoinbaseCredentials
from connectors.coinbase.signatures import verify_business, verify_commerce
from domain.errors import VerificationFailed
from tests.connectors.case import ACCOUNT, FIXTURES
from tests.connectors.cases.coinbase import CASES
from tests.gateways.coinbase import WEBHOOK_SECRET, outgoing_business, outgoing_commerce

SECRET, PREVIOUS = "cc_suite_current", "cc_suite_previous"
COMMERCE_BODY = b'{"id":"1","event":{"id":"e1","type":"charge:confirmed"}}'
BUSINESS_BODY = b'{"eventType":"payment_link.payment.success"}'
VECTOR_TIME = datetime.fromtimestamp(1728394718, UTC)
BOUND = (("content-type", "application/json"), ("x-event-id", "evt-123"))
V0 = "b32ba895c650c653a8d7af8c3aec2b5dca6fc34199b5105661d67df333953e8c"
V1 = "87130b0721906aca7b4362ef18d0e45af5f50ec97fbe73527abf706eb5a54edf"
BOTH = f"t=1728394718,v0={V0},h=content-type x-event-id,v1={V1}"


def callback(body: bytes, *headers: tuple[str, str], received_at: datetime = VECTOR_TIME) -> Callback:
    return Callback(account=ACCOUNT, body=body, headers=headers, received_at=received_at)


def commerce(body: bytes = COMMERCE_BODY, signature: str | None = None, *, times: int = 1) -> Callback:
    if signature is None:
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return callback(body, *[("x-cc-webhook-signature", signature)] * times)


def business(header: str, body: bytes = BUSINESS_BODY, *, bound: Sequence[tuple[str, str]] = BOUND) -> Callback:
    return callback(body, *bound, ("x-hook0-signature", header))


def code_of_commerce(given: Callback, secrets: Sequence[str] = (SECRET,)) -> str:
    with pytest.raises(VerificationFailed) as refusal:
        verify_commerce(given, secrets)
    return refusal.value.code


def code_of_business(given: Callback, version: str = "v1", secrets: Sequence[str] = ("cdp_sub_secret",)) -> str:
    with pytest.raises(VerificationFailed) as refusal:
        verify_business(given, secrets, "v1" if version == "v1" else "v0")
    return refusal.value.code


def test_the_published_signature_of_commerce_is_right() -> None:
    signature = "dac09df1aacefb141d9b4a754b5080d84b78f5f2d5e02daaccebf26c902dd22d"

    verify_commerce(commerce(signature=signature), ["cc_shared_secret"])


@pytest.mark.parametrize("header", [BOTH, f"t=1728394718,v0={V0}"])
def test_the_published_signature_v0_of_business_is_right(header: str) -> None:
    verify_business(business(header), ["cdp_sub_secret"], "v0")


@pytest.mark.parametrize("header", [BOTH, f"t=1728394718,h=content-type x-event-id,v1={V1}"])
def test_the_published_signature_v1_of_business_is_right(header: str) -> None:
    verify_business(business(header), ["cdp_sub_secret"], "v1")


@pytest.mark.parametrize("bit", [0x01, 0x20, 0x80])
def test_any_changed_byte_of_commerces_body_or_signature_is_refused(bit: int) -> None:
    signature = hmac.new(SECRET.encode(), COMMERCE_BODY, hashlib.sha256).hexdigest()
    for position in range(len(COMMERCE_BODY)):
        tampered = bytearray(COMMERCE_BODY)
        tampered[position] ^= bit
        assert code_of_commerce(commerce(bytes(tampered), signature)) == "signature_invalid"
    for position, character in enumerate(signature):
        changed = signature[:position] + chr(ord(character) ^ bit) + signature[position + 1 :]
        assert code_of_commerce(commerce(signature=changed)) == "signature_invalid"


@pytest.mark.parametrize("bit", [0x01, 0x20, 0x80])
def test_any_changed_byte_of_what_v1_binds_is_refused(bit: int) -> None:
    header = f"t=1728394718,h=content-type x-event-id,v1={V1}"
    for position in range(len(BUSINESS_BODY)):
        tampered = bytearray(BUSINESS_BODY)
        tampered[position] ^= bit
        assert code_of_business(business(header, bytes(tampered))) == "signature_invalid"
    for position, character in enumerate(header):
        changed = header[:position] + chr(ord(character) ^ bit) + header[position + 1 :]
        assert code_of_business(business(changed)) == "signature_invalid", changed
    for index, (name, value) in enumerate(BOUND):
        for position, character in enumerate(value):
            changed = value[:position] + chr(ord(character) ^ bit) + value[position + 1 :]
            bound = [*BOUND[:index], (name, changed), *BOUND[index + 1 :]]
            assert code_of_business(business(header, bound=bound)) == "signature_invalid", changed


@pytest.mark.parametrize(
    "bound",
    [
        (),
        BOUND[:1],
        (*BOUND, BOUND[1]),
        (*BOUND[:1], ("x-event-id", "")),
        (("content-type", "application/json"), ("x-event-other", "evt-123")),
    ],
)
def test_a_header_that_v1_binds_must_come_once(bound: Sequence[tuple[str, str]]) -> None:
    assert code_of_business(business(BOTH, bound=bound)) == "signature_invalid"


def test_names_of_headers_are_signed_as_written_and_found_whatever_their_case() -> None:
    names = "Content-Type X-Event-Id"
    signed = f"1728394718.{names}.application/json.evt-123.".encode() + BUSINESS_BODY
    signature = hmac.new(b"cdp_sub_secret", signed, hashlib.sha256).hexdigest()

    verify_business(business(f"t=1728394718,h={names},v1={signature}"), ["cdp_sub_secret"], "v1")


@pytest.mark.parametrize(
    ("header", "version"),
    [
        (f"t=1728394718,h=content-type x-event-id,v1={V1}", "v0"),
        (f"t=1728394718,v0={V0}", "v1"),
        (f"t=1728394718,v0={V0},h=content-type x-event-id,v1={'0' * 64}", "v1"),
        (f"t=1728394718,v0={'0' * 64},h=content-type x-event-id,v1={V1}", "v0"),
        (f"t=1728394718,h=,v1={V1}", "v1"),
        (f"t=1728394718,v1={V1}", "v1"),
    ],
)
def test_only_the_version_that_the_account_asks_for_counts(header: str, version: str) -> None:
    assert code_of_business(business(header), version) == "signature_invalid"


@pytest.mark.parametrize(
    "header",
    [
        f"v0={V0}",
        f"t=,v0={V0}",
        f"t=1728394718,t=1728394718,v0={V0}",
        f"t=1728394718,v0={V0},v0={V0}",
        f"t=1728394718,v0={'0' * 64},v0={V0}",
        f"t=+1728394718,v0={V0}",
        f"t=1728394718.0,v0={V0}",
        f"t= 1728394718,v0={V0}",
        f"t=1728394718, v0={V0}",
        f"t=1728394718,V0={V0}",
        f"t=1728394718,v0={V0.upper()}",
        f"t=172839471800,v0={V0}",
    ],
)
def test_a_header_that_is_not_written_as_documented_is_refused(header: str) -> None:
    assert code_of_business(business(header), "v0") == "signature_invalid"


@pytest.mark.parametrize("version", ["v0", "v1"])
@pytest.mark.parametrize(("seconds", "code"), [(301, "signature_stale"), (-301, "signature_from_future")])
def test_a_time_that_is_far_from_the_receipt_is_refused(version: str, seconds: int, code: str) -> None:
    late = replace(business(BOTH), received_at=VECTOR_TIME + timedelta(seconds=seconds))

    assert code_of_business(late, version) == code


@pytest.mark.parametrize("seconds", [-300, 300])
def test_a_time_at_the_border_is_fine(seconds: int) -> None:
    verify_business(
        replace(business(BOTH), received_at=VECTOR_TIME + timedelta(seconds=seconds)), ["cdp_sub_secret"], "v1"
    )


def test_commerces_callbacks_never_grow_stale() -> None:
    verify_commerce(replace(commerce(), received_at=VECTOR_TIME + timedelta(days=30)), [SECRET])


@pytest.mark.parametrize("given", [commerce(times=0), commerce(times=2), commerce(signature="")])
def test_commerces_signature_must_come_once(given: Callback) -> None:
    assert code_of_commerce(given) == "signature_missing"


def test_one_products_signature_is_not_the_others() -> None:
    assert code_of_commerce(business(BOTH)) == "signature_missing"
    assert code_of_business(commerce()) == "signature_missing"


@pytest.mark.parametrize("signature", ["x", "é", "\x00", "0" * 64, "dac09d"])
def test_what_is_no_signature_of_commerce_is_refused(signature: str) -> None:
    assert code_of_commerce(commerce(signature=signature)) == "signature_invalid"


@pytest.mark.parametrize("empty", ["", " ", "\t\n"])
def test_an_empty_secret_proves_nothing(empty: str) -> None:
    signature = hmac.new(empty.encode(), COMMERCE_BODY, hashlib.sha256).hexdigest()

    assert code_of_commerce(commerce(signature=signature), [empty]) == "secret_missing"
    assert code_of_commerce(commerce(signature=signature), [empty, SECRET]) == "secret_missing"
    assert code_of_commerce(commerce(signature=signature), [SECRET, empty]) == "signature_invalid"


def test_commerces_previous_secret_is_accepted_beside_the_current_one() -> None:
    by_previous = commerce(signature=hmac.new(PREVIOUS.encode(), COMMERCE_BODY, hashlib.sha256).hexdigest())

    verify_commerce(by_previous, [SECRET, PREVIOUS])
    assert code_of_commerce(by_previous) == "signature_invalid"


@dataclass(frozen=True)
class Posted:
    """A callback of the local Coinbase, and the credentials of the account that takes it."""

    given: Callback
    credentials: dict[str, object]


def posted(product: str, version: str = "v0") -> Posted:
    sample = FIXTURES / "coinbase" / ("checkout.payment.success.json" if product == "business" else "commerce")
    if product == "commerce":
        outgoing = outgoing_commerce(json.loads((sample / "charge_confirmed.json").read_bytes()))
        credentials: dict[str, object] = {"api": "commerce", "api_key": "key", "webhook_secret": WEBHOOK_SECRET}
    else:
        outgoing = outgoing_business(json.loads(sample.read_bytes()))
        credentials = {**CASES.credentials, "webhook_secret": WEBHOOK_SECRET, "hook_signature_version": version}
    headers = [(name.lower(), value) for name, value in outgoing.headers.items()]
    return Posted(callback(outgoing.body, *headers, received_at=datetime.now(UTC)), credentials)


@pytest.mark.parametrize(("product", "version"), [("commerce", "v0"), ("business", "v0"), ("business", "v1")])
def test_what_the_local_coinbase_posts_is_taken(product: str, version: str) -> None:
    given = posted(product, version)
    connector = CoinbaseConnector(CoinbaseCredentials.model_validate(given.credentials))

    (fact,) = connector.parse_callback(given.given)

    assert (fact.amount_minor, fact.payment_id) == (1099, "payment-1")
    with pytest.raises(VerificationFailed):
        connector.parse_callback(replace(given.given, body=given.given.body + b" "))
    with pytest.raises(VerificationFailed):
        connector.parse_callback(replace(given.given, headers=()))


def test_the_suites_table_signs_as_the_published_vector() -> None:
    delivery = CASES.deliver(BUSINESS_BODY, "cdp_sub_secret", VECTOR_TIME)

    assert dict(delivery.headers)["x-hook0-signature"] == f"t=1728394718,v0={V0}"
