"""PayPal's proof of a callback: the signature, and PayPal's own word where the certificate cannot be had."""

import asyncio
import zlib
from collections.abc import Mapping
from datetime import timedelta

import pytest

from connectors.base import Callback, FetchesProofs
from connectors.paypal.client import PayPalConnector
from connectors.paypal.postback import question
from connectors.paypal.registration import PayPalCredentials
from connectors.paypal.signatures import Transmission, read_transmission, signed_message
from domain.errors import GatewayUnavailable, MalformedPayload, VerificationFailed
from domain.facts import FactKind, Trust
from tests.connectors.case import ACCOUNT, SIGNED_AT
from tests.connectors.cases.paypal import CASES, CERTIFICATE_URL, CREDENTIALS, SIGNER, captured
from tests.connectors.fault_server import Fault, answers, fault_server, hangs_up
from tests.gateways.paypal import CERTIFICATE_PATH, WEBHOOK_ID, LocalPayPal
from tests.gateways.paypal_payer import connected, credentials_at

BODY = captured("12.00", "USD", "payment-1")
POSTBACK = "/v1/notifications/verify-webhook-signature"


def callback(
    url: str, body: bytes = BODY, *, webhook_id: str = WEBHOOK_ID, changes: Mapping[str, str] | None = None
) -> Callback:
    """A delivery that names a certificate, with other headers where they are given."""
    headers = SIGNER.headers(body, webhook_id, url, SIGNED_AT) | dict(changes or {})
    return Callback(account=ACCOUNT, body=body, headers=tuple(headers.items()), received_at=SIGNED_AT)


async def code_of_refusal(paypal: PayPalConnector, callback: Callback) -> str:
    with pytest.raises(VerificationFailed) as refusal:
        await paypal.fetch_proof(callback)
    return refusal.value.code


def test_paypals_published_vector() -> None:
    body = b'{"id":"WH-1","event_type":"PAYMENT.CAPTURE.COMPLETED"}'
    transmission = Transmission("69cd13f0-d67a-11e5-baa3-778b53f4ae55", "2026-01-02T03:04:05Z", "", "")

    assert zlib.crc32(body) == 2325436976
    assert signed_message(transmission, "1JE4291016473214C", body) == (
        "69cd13f0-d67a-11e5-baa3-778b53f4ae55|2026-01-02T03:04:05Z|1JE4291016473214C|2325436976"
    )


async def test_a_callback_is_proven_by_the_certificate_that_it_names(
    paypal: PayPalConnector, local_paypal: LocalPayPal, paypal_url: str
) -> None:
    delivery = callback(paypal_url + CERTIFICATE_PATH)
    assert isinstance(paypal, FetchesProofs)

    await asyncio.gather(*(paypal.fetch_proof(delivery) for _ in range(5)))
    (fact,) = paypal.parse_callback(delivery)

    assert (fact.kind, fact.amount_minor, fact.trust) == (FactKind.CAPTURED, 1200, Trust.HINT)
    assert local_paypal.requests == {CERTIFICATE_PATH: 1}


async def test_another_body_of_the_same_crc_proves_why_a_callback_is_only_a_hint(
    paypal: PayPalConnector, paypal_url: str
) -> None:
    genuine = callback(paypal_url + CERTIFICATE_PATH)
    dear = captured("99999.00", "USD", "payment-1")
    forged_body = dear[:-1] + b',"x":"' + _filler(dear[:-1] + b',"x":"', b'"}', zlib.crc32(BODY)) + b'"}'
    forged = Callback(account=ACCOUNT, body=forged_body, headers=genuine.headers, received_at=SIGNED_AT)

    await paypal.fetch_proof(forged)
    facts = paypal.parse_callback(forged)

    assert [(fact.amount_minor, fact.trust) for fact in facts] == [(9_999_900, Trust.HINT)]


async def test_without_the_certificate_nothing_is_proven(paypal: PayPalConnector, paypal_url: str) -> None:
    with pytest.raises(VerificationFailed, match="not at hand"):
        paypal.parse_callback(callback(paypal_url + CERTIFICATE_PATH))


@pytest.mark.parametrize("name", ["transmission-id", "transmission-time", "transmission-sig", "cert-url", "auth-algo"])
@pytest.mark.parametrize("how", ["missing", "empty", "twice"])
async def test_every_header_must_come_exactly_once(
    paypal: PayPalConnector, paypal_url: str, name: str, how: str
) -> None:
    headers: list[tuple[str, str]] = list(callback(paypal_url + CERTIFICATE_PATH).headers)
    (value,) = [value for key, value in headers if key == f"paypal-{name}"]
    if how != "twice":
        headers.remove((f"paypal-{name}", value))
    if how != "missing":
        headers.append((f"paypal-{name}", "" if how == "empty" else value))
    delivery = Callback(account=ACCOUNT, body=BODY, headers=headers, received_at=SIGNED_AT)

    assert await code_of_refusal(paypal, delivery) == "signature_missing"
    with pytest.raises(VerificationFailed):
        paypal.parse_callback(delivery)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("paypal-auth-algo", "SHA1withRSA"),
        ("paypal-auth-algo", "none"),
        ("paypal-transmission-id", "another"),
        ("paypal-transmission-time", "2026-01-02T03:00:01Z"),
        ("paypal-transmission-time", "yesterday"),
        ("paypal-transmission-time", "2026-01-02T03:00:00"),
        ("paypal-transmission-id", "x\x00y"),
    ],
)
async def test_a_header_that_was_changed_proves_nothing(
    paypal: PayPalConnector, paypal_url: str, name: str, value: str
) -> None:
    await paypal.fetch_proof(callback(paypal_url + CERTIFICATE_PATH))

    with pytest.raises(VerificationFailed) as refusal:
        paypal.parse_callback(callback(paypal_url + CERTIFICATE_PATH, changes={name: value}))

    assert refusal.value.code == "signature_invalid"


@pytest.mark.parametrize("told", ["yesterday", "2026-01-02T03:00:00", "2026-13-02T03:00:00Z"])
async def test_a_time_that_cannot_be_read_is_refused_before_anybody_is_asked(
    paypal: PayPalConnector, local_paypal: LocalPayPal, paypal_url: str, told: str
) -> None:
    delivery = callback(paypal_url + CERTIFICATE_PATH, changes={"paypal-transmission-time": told})

    assert await code_of_refusal(paypal, delivery) == "signature_invalid"
    assert not local_paypal.requests


async def test_a_signed_body_that_is_no_text_is_malformed(paypal: PayPalConnector, paypal_url: str) -> None:
    delivery = callback(paypal_url + CERTIFICATE_PATH, b'{"id": "\xff"}')
    await paypal.fetch_proof(delivery)

    with pytest.raises(MalformedPayload):
        paypal.parse_callback(delivery)


@pytest.mark.parametrize(
    ("late", "code"),
    [
        (timedelta(days=4), None),
        (timedelta(days=4, seconds=1), "signature_stale"),
        (timedelta(minutes=-15), None),
        (timedelta(minutes=-15, seconds=-1), "signature_from_future"),
    ],
)
async def test_a_delivery_may_be_as_old_as_paypals_last_retry(
    paypal: PayPalConnector, paypal_url: str, late: timedelta, code: str | None
) -> None:
    genuine = callback(paypal_url + CERTIFICATE_PATH)
    delivery = Callback(
        account=ACCOUNT, body=genuine.body, headers=genuine.headers, received_at=genuine.received_at + late
    )
    if code is None:
        await paypal.fetch_proof(delivery)
        assert paypal.parse_callback(delivery)
    else:
        assert await code_of_refusal(paypal, delivery) == code
        await paypal.fetch_proof(genuine)
        with pytest.raises(VerificationFailed) as refusal:
            paypal.parse_callback(delivery)
        assert refusal.value.code == code


@pytest.mark.parametrize(
    "address",
    [
        "http://api.paypal.com/v1/notifications/certs/CERT-1",
        "https://api.paypal.com.evil.example/v1/notifications/certs/CERT-1",
        "https://api.paypal.com@evil.example/v1/notifications/certs/CERT-1",
        "https://evil.example/v1/notifications/certs/CERT-1",
        "https://api.paypal.com:444/v1/notifications/certs/CERT-1",
        "https://api.paypal.com/v1/notifications/certs/../../oauth2/CERT-1",
        "https://api.paypal.com/v1/notifications/certs/CERT-1?next=https://evil.example",
        "https://api.paypal.com/v1/notifications/certs/CERT-1#x",
        "https://api.paypal.com/v1/notifications/certs/CERT-1\n",
        "https://api.paypal.com/v1/notifications/certs/CERT-",
        "https://api.paypal.com/v1/notifications/certs/CERT-" + "a" * 129,
        "https://api.paypal.com//v1/notifications/certs/CERT-1",
        "https://API.PAYPAL.COM/v1/notifications/certs/CERT-1",
        "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-1",
        "file:///etc/passwd",
        "CERT-1",
    ],
)
async def test_no_other_address_is_ever_asked_for_a_certificate(address: str) -> None:
    async with connected(PayPalCredentials.model_validate(CREDENTIALS)) as paypal:
        assert await code_of_refusal(paypal, callback(address)) == "signature_invalid"


async def test_each_environment_has_hosts_and_a_signer_of_its_own() -> None:
    sandbox = {**CREDENTIALS, "environment": "sandbox"}
    certificate = SIGNER.authority.issue(SIGNER.key, "messageverificationcerts.sandbox.paypal.com")
    address = CERTIFICATE_URL.replace("api.", "api-m.sandbox.")
    async with connected(PayPalCredentials.model_validate(sandbox)) as paypal:
        paypal.certificates.keep(address, certificate, SIGNED_AT)
        with pytest.raises(GatewayUnavailable, match="cannot be used"):
            paypal.certificates.keep(address, SIGNER.certificate, SIGNED_AT)
        delivery = callback(address, webhook_id=CREDENTIALS["webhook_id"])
        await paypal.fetch_proof(delivery)
        assert paypal.parse_callback(delivery)
        refused = callback(CERTIFICATE_URL, webhook_id=CREDENTIALS["webhook_id"])
        assert await code_of_refusal(paypal, refused) == "signature_invalid"


async def test_a_certificate_that_paypal_does_not_have_refuses_without_another_question(
    paypal: PayPalConnector, local_paypal: LocalPayPal, paypal_url: str
) -> None:
    local_paypal.certificate_served = "missing"

    codes = {await code_of_refusal(paypal, callback(paypal_url + CERTIFICATE_PATH)) for _ in range(3)}

    assert codes == {"signature_invalid"}
    assert local_paypal.requests == {CERTIFICATE_PATH: 1}


@pytest.mark.parametrize("served", ["down", "moved", "untrusted"])
async def test_without_a_certificate_that_can_be_used_paypal_is_asked_about_the_bytes_it_sent(
    paypal: PayPalConnector, local_paypal: LocalPayPal, paypal_url: str, served: str
) -> None:
    local_paypal.certificate_served = served
    # Written anew, this body would lose its spaces, its escapes and the order of its digits.
    body = BODY.replace(b'"id": "WH-1"', b'"id" :  "WH-1",\n "said": "\\u00e9\\/", "n": 1.10')

    delivery = callback(paypal_url + CERTIFICATE_PATH, body)
    for _ in range(2):
        await paypal.fetch_proof(delivery)
    (fact,) = paypal.parse_callback(delivery)

    assert (fact.kind, fact.trust) == (FactKind.CAPTURED, Trust.HINT)
    assert local_paypal.requests[POSTBACK] == 1
    assert f"{CERTIFICATE_PATH}-elsewhere" not in local_paypal.requests


async def test_what_paypal_does_not_call_its_own_is_refused(
    paypal: PayPalConnector, local_paypal: LocalPayPal, paypal_url: str
) -> None:
    local_paypal.certificate_served = "down"
    genuine = callback(paypal_url + CERTIFICATE_PATH)
    await paypal.fetch_proof(genuine)
    forged = Callback(account=ACCOUNT, body=BODY + b" ", headers=genuine.headers, received_at=SIGNED_AT)

    assert await code_of_refusal(paypal, forged) == "signature_invalid"
    with pytest.raises(VerificationFailed):
        paypal.parse_callback(forged)


async def test_the_previous_webhook_counts_when_paypal_is_asked_as_well(
    local_paypal: LocalPayPal, paypal_url: str
) -> None:
    local_paypal.certificate_served = "down"
    changed = {"webhook_id": "0NEWWEBHOOK", "previous_webhook_id": WEBHOOK_ID}
    async with connected(credentials_at(paypal_url, SIGNER.authority.pem(), **changed)) as paypal:
        delivery = callback(paypal_url + CERTIFICATE_PATH)
        await paypal.fetch_proof(delivery)
        assert paypal.parse_callback(delivery)

    assert local_paypal.requests[POSTBACK] == 2


@pytest.mark.parametrize("said", [{}, {"verification_status": "PERHAPS"}, []])
async def test_when_paypal_cannot_tell_the_callback_is_tried_again(said: object) -> None:
    async with (
        fault_server(answers(200, said), on_get=answers(503, {}), preliminary=CASES.preliminary) as server,
        connected(credentials_at(server.url, SIGNER.authority.pem())) as paypal,
    ):
        with pytest.raises(GatewayUnavailable):
            await paypal.fetch_proof(callback(server.url + CERTIFICATE_PATH))


@pytest.mark.parametrize("fault", [hangs_up, answers(200, SIGNER.certificate + b"\n" * 70_000)])
async def test_when_neither_certificate_nor_word_can_be_had_the_callback_is_tried_again(fault: Fault) -> None:
    async with (
        fault_server(answers(503, {}), on_get=fault, preliminary=CASES.preliminary) as server,
        connected(credentials_at(server.url, SIGNER.authority.pem())) as paypal,
    ):
        with pytest.raises(GatewayUnavailable):
            await paypal.fetch_proof(callback(server.url + CERTIFICATE_PATH))


@pytest.mark.parametrize(
    "body", [b'{}, "webhook_id": "another"', b'{}}, {"x": {}', b"", b"[]", b"null", b"\xff", b'{"a":NaN}']
)
def test_a_body_cannot_change_what_paypal_is_asked(body: bytes) -> None:
    transmission = read_transmission(callback(CERTIFICATE_URL, body))

    with pytest.raises(VerificationFailed):
        question(transmission, body, WEBHOOK_ID)


def test_a_question_carries_the_body_as_it_is() -> None:
    body = b'{"b" :1.10,\n"a":"\\u00e9"}'
    asked = question(read_transmission(callback(CERTIFICATE_URL, body)), body, WEBHOOK_ID)

    assert asked.endswith(b',"webhook_event":' + body + b"}")
    assert asked.startswith(b'{"auth_algo":"SHA256withRSA","cert_url":"https://api.paypal.com/')


@pytest.mark.parametrize("spelling", ["less padding", "more padding", "letters of the web"])
def test_a_signature_has_one_spelling(spelling: str) -> None:
    genuine = callback(CERTIFICATE_URL, webhook_id=CREDENTIALS["webhook_id"])
    signature = dict(genuine.headers)["paypal-transmission-sig"]
    respelled = {
        "less padding": signature.rstrip("="),
        "more padding": signature + "=",
        "letters of the web": signature.replace("+", "-").replace("/", "_").replace("=", "-"),
    }[spelling]
    respelled_callback = callback(
        CERTIFICATE_URL, webhook_id=CREDENTIALS["webhook_id"], changes={"paypal-transmission-sig": respelled}
    )

    assert CASES.connector().parse_callback(genuine)
    with pytest.raises(VerificationFailed, match="is not base64"):
        CASES.connector().parse_callback(respelled_callback)


def _filler(before: bytes, after: bytes, wanted: int) -> bytes:
    """Letters that give a body the CRC-32 that is wanted, found by linear algebra over single bits."""
    # Each of 64 places holds one of two letters, which differ in one bit; a CRC is linear in these bits.
    places = 64
    base = bytearray(b"a" * places)
    start = zlib.crc32(before + base + after)
    rows: list[tuple[int, int]] = []
    for place in range(places):
        flipped = bytearray(base)
        flipped[place] ^= 0x02
        effect, mark = zlib.crc32(before + flipped + after) ^ start, 1 << place
        for known_effect, known_mark in rows:
            if effect ^ known_effect < effect:
                effect, mark = effect ^ known_effect, mark ^ known_mark
        if effect:
            rows.append((effect, mark))
            rows.sort(reverse=True)
    missing, marks = start ^ wanted, 0
    for effect, mark in rows:
        if missing ^ effect < missing:
            missing, marks = missing ^ effect, marks ^ mark
    assert missing == 0
    for place in range(places):
        if marks >> place & 1:
            base[place] ^= 0x02
    return bytes(base)
