"""BitPay's signatures, on callbacks and on requests of the facade merchant; the suite covers the rest of callbacks."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError

from connectors.base import Callback, Headers
from connectors.bitpay.client import BitPayConnector
from connectors.bitpay.registration import BitPayCredentials
from connectors.bitpay.signing import identity_of, read_key, sign
from connectors.bitpay.webhooks import verify_signature
from domain.errors import VerificationFailed
from domain.facts import FactKind, Trust
from tests.connectors.case import ACCOUNT, SIGNED_AT
from tests.connectors.cases.bitpay import CASES
from tests.connectors.cases.bitpay import sign as sign_callback
from tests.gateways.bitpay import PRIVATE_KEY

BODY = b'{"event":{"code":1005,"name":"invoice_confirmed"},"data":{"id":"inv1"}}'
SIGNATURE = "RdWNB8z62LANqbmWk45DRrtqOYnWhSh+ZkNnO7CrOI4="
TOKEN = "bp_invoice_token"
MINIMAL = {"pos_token": "token", "callback_url": "https://hooks.example/webhooks/bitpay/acme"}


def callback(body: bytes, headers: Headers) -> Callback:
    return Callback(account=ACCOUNT, body=body, headers=headers, received_at=SIGNED_AT)


def code_of_refusal(body: bytes, headers: Headers, *, accepts_unsigned: bool = False) -> str:
    with pytest.raises(VerificationFailed) as refusal:
        verify_signature(callback(body, headers), [TOKEN], accepts_unsigned=accepts_unsigned)
    return refusal.value.code


def connector(**changes: object) -> BitPayConnector:
    return BitPayConnector(BitPayCredentials.model_validate({**CASES.credentials, **changes}))


@pytest.mark.parametrize("accepts_unsigned", [False, True])
def test_the_published_signature_is_right(*, accepts_unsigned: bool) -> None:
    verify_signature(callback(BODY, [("x-signature", SIGNATURE)]), [TOKEN], accepts_unsigned=accepts_unsigned)


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b" ", b"\x00"])
def test_a_line_ending_behind_the_body_breaks_the_signature(ending: bytes) -> None:
    assert code_of_refusal(BODY + ending, [("x-signature", SIGNATURE)]) == "signature_invalid"


def test_a_callback_without_a_signature_is_a_hint_only_where_the_account_says_so() -> None:
    genuine = CASES.genuine()
    unsigned = callback(genuine.body, ())

    (fact,) = connector(accept_unsigned_callbacks=True).parse_callback(unsigned)

    assert (fact.kind, fact.trust) == (FactKind.CAPTURED, Trust.HINT)
    with pytest.raises(VerificationFailed) as refusal:
        connector().parse_callback(unsigned)
    assert refusal.value.code == "signature_missing"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ([("x-signature", "")], "signature_missing"),
        ([("x-signature", SIGNATURE), ("x-signature", SIGNATURE)], "signature_missing"),
        ([("x-signature", ""), ("x-signature", SIGNATURE)], "signature_missing"),
        ([("x-signature", "é")], "signature_invalid"),
        ([("x-signature", SIGNATURE.lower())], "signature_invalid"),
        ([("x-signature", f" {SIGNATURE}")], "signature_invalid"),
        ([("x-signature", SIGNATURE.rstrip("="))], "signature_invalid"),
    ],
)
def test_a_signature_that_is_there_must_be_right_in_any_case(headers: Headers, code: str) -> None:
    assert code_of_refusal(BODY, headers, accepts_unsigned=True) == code
    assert code_of_refusal(BODY, headers, accepts_unsigned=False) == code


@pytest.mark.parametrize("bit", [0x01, 0x20, 0x80])
def test_any_changed_byte_is_refused_where_unsigned_callbacks_are_taken(bit: int) -> None:
    for position in range(len(BODY)):
        tampered = bytearray(BODY)
        tampered[position] ^= bit
        refused = code_of_refusal(bytes(tampered), [("x-signature", SIGNATURE)], accepts_unsigned=True)
        assert refused == "signature_invalid"
    for position, character in enumerate(SIGNATURE):
        changed = SIGNATURE[:position] + chr(ord(character) ^ bit) + SIGNATURE[position + 1 :]
        assert code_of_refusal(BODY, [("x-signature", changed)], accepts_unsigned=True) == "signature_invalid", changed


def test_without_a_token_nothing_is_taken_not_even_unsigned() -> None:
    for headers in ([], [("x-signature", sign_callback("", BODY))]):
        with pytest.raises(VerificationFailed) as refusal:
            verify_signature(callback(BODY, headers), [""], accepts_unsigned=True)
        assert refusal.value.code == "secret_missing"


def test_the_merchant_token_signs_too() -> None:
    genuine = CASES.delivery(CASES.sample("refund_success"), str(CASES.credentials["merchant_token"]))

    (fact,) = connector().parse_callback(CASES.callback(genuine))

    assert (fact.kind, fact.trust) == (FactKind.REFUNDED, Trust.HINT)


def test_a_request_is_signed_over_its_whole_address_and_body() -> None:
    key, url, body = read_key(PRIVATE_KEY), "https://bitpay.com/refunds?token=t", b'{"amount":12.00}'
    signature = bytes.fromhex(sign(key, url, body))

    key.public_key().verify(signature, url.encode() + body, ec.ECDSA(hashes.SHA256()))
    for other in (b"https://bitpay.com/refunds" + body, url.encode(), url.encode() + b'{"amount":12.01}'):
        with pytest.raises(InvalidSignature):
            key.public_key().verify(signature, other, ec.ECDSA(hashes.SHA256()))


def test_the_identity_is_the_compressed_public_key() -> None:
    # The generator of secp256k1, which belongs to the private key 1.
    assert identity_of(read_key("0" * 63 + "1")) == "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"


def test_a_key_may_be_pem_in_one_line_or_its_number() -> None:
    key = read_key(PRIVATE_KEY)
    number = f"{key.private_numbers().private_value:064x}"

    for text in (PRIVATE_KEY.replace("\n", "\\n"), number, number.upper(), f" {number}\n"):
        assert read_key(text).private_numbers() == key.private_numbers()


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    "text",
    [
        "secret-that-is-no-key",
        "0" * 64,
        "f" * 64,
        "f" * 63,
        "-----BEGIN EC PRIVATE KEY-----\nsecret-that-is-no-key\n-----END EC PRIVATE KEY-----",
        pem(ec.generate_private_key(ec.SECP256R1())),
        pem(rsa.generate_private_key(65537, 2048)),
    ],
)
def test_what_is_no_key_of_the_curve_is_refused_and_not_told(text: str) -> None:
    with pytest.raises(ValueError, match="no EC key of the curve secp256k1") as refusal:
        read_key(text)

    assert "secret" not in str(refusal.value)
    with pytest.raises(ValidationError):
        BitPayCredentials.model_validate({**CASES.credentials, "private_key": text})


@pytest.mark.parametrize(
    "change",
    [
        {"merchant_token": "token"},
        {"private_key": PRIVATE_KEY},
        {"callback_url": "hooks.example"},
        {"callback_url": None},
        {"environment": "sandbox"},
    ],
)
def test_credentials_that_do_not_fit_together_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        BitPayCredentials.model_validate({**MINIMAL, **change})

    assert BitPayCredentials.model_validate(MINIMAL).environment == "live"
