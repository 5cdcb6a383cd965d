"""What an account at Coinbase must name for its product, and the tokens that its key signs."""

import base64
import json
import time

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import ValidationError

from connectors.base import StatusRequest
from connectors.coinbase.client import CoinbaseConnector
from connectors.coinbase.registration import CoinbaseCredentials
from connectors.coinbase.tokens import make_token, read_key
from domain.errors import GatewayRejected
from tests.connectors.case import ACCOUNT
from tests.connectors.cases.coinbase import CASES, CHECKOUT
from tests.connectors.fault_server import answers, fault_server
from tests.gateways.coinbase import CDP_KEY_ID, CDP_PRIVATE_KEY, is_good_token

BUSINESS = dict(CASES.credentials)
COMMERCE = {"api": "commerce", "api_key": "key", "webhook_secret": "secret"}
URI = "POST business.coinbase.com/api/v1/checkouts"

EDWARDS = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
EDWARDS_TEXT = base64.b64encode(bytes(range(32)) + EDWARDS.public_key().public_bytes_raw()).decode()


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, kind: PrivateFormat = PrivateFormat.PKCS8) -> str:
    return key.private_bytes(Encoding.PEM, kind, NoEncryption()).decode()


def part(token: str, index: int) -> bytes:
    text = token.split(".")[index]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def token_by(key_text: str, now_seconds: int = 1_767_322_800) -> str:
    key = read_key(key_text)
    return make_token(CDP_KEY_ID, key, "POST", "business.coinbase.com", "/api/v1/checkouts", now_seconds)


@pytest.mark.parametrize("key_text", [CDP_PRIVATE_KEY, EDWARDS_TEXT])
def test_a_token_says_who_asks_for_what_and_until_when(key_text: str) -> None:
    header, claims = (json.loads(part(token_by(key_text), index)) for index in (0, 1))

    assert claims == {"sub": CDP_KEY_ID, "iss": "cdp", "nbf": 1_767_322_800, "exp": 1_767_322_920, "uri": URI}
    assert header.pop("nonce").isalnum()
    algorithm = "EdDSA" if key_text == EDWARDS_TEXT else "ES256"
    assert header == {"alg": algorithm, "kid": CDP_KEY_ID, "typ": "JWT"}


def test_a_token_by_an_ec_key_is_signed_with_es256() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    token = token_by(pem(key, PrivateFormat.TraditionalOpenSSL))
    signature = part(token, 2)

    numbers = (int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    signed = token.rpartition(".")[0].encode()
    key.public_key().verify(encode_dss_signature(*numbers), signed, ec.ECDSA(hashes.SHA256()))
    assert len(signature) == 64


def test_a_token_by_an_edwards_key_is_signed_with_eddsa() -> None:
    token = token_by(EDWARDS_TEXT)

    EDWARDS.public_key().verify(part(token, 2), token.rpartition(".")[0].encode())


def test_every_token_is_another() -> None:
    assert token_by(EDWARDS_TEXT) != token_by(EDWARDS_TEXT)


def test_a_token_is_good_for_its_own_request_alone() -> None:
    token = token_by(CDP_PRIVATE_KEY, int(time.time()))

    assert is_good_token(token, URI)
    assert not is_good_token(token, f"{URI}/{CHECKOUT}/refund")
    assert not is_good_token(token, URI.replace("POST", "GET"))
    assert not is_good_token(token_by(CDP_PRIVATE_KEY, int(time.time()) - 121), URI)
    assert not is_good_token(token_by(pem(ec.generate_private_key(ec.SECP256R1())), int(time.time())), URI)


def test_a_key_may_be_in_one_line_or_in_the_newer_form() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    one_line = pem(key, PrivateFormat.TraditionalOpenSSL).replace("\n", "\\n")

    for text in (one_line, pem(key), f"\n{pem(key)}\n"):
        read = read_key(text)
        assert isinstance(read, ec.EllipticCurvePrivateKey)
        assert read.private_numbers() == key.private_numbers()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret-that-is-no-key",
        "-----BEGIN EC PRIVATE KEY-----\nsecret-that-is-no-key\n-----END EC PRIVATE KEY-----",
        base64.b64encode(bytes(32)).decode(),
        base64.b64encode(bytes(64)).decode(),
        pem(ec.generate_private_key(ec.SECP256K1())),
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(rsa.generate_private_key(65537, 2048)),
    ],
)
def test_what_is_no_key_of_the_developer_platform_is_refused_and_not_told(text: str) -> None:
    with pytest.raises(ValueError, match="neither an EC key") as refusal:
        read_key(text)

    assert "secret" not in str(refusal.value)
    with pytest.raises(ValidationError):
        CoinbaseCredentials.model_validate({**BUSINESS, "cdp_private_key": text})


@pytest.mark.parametrize(
    "values",
    [
        {**BUSINESS, "cdp_key_id": None},
        {**BUSINESS, "cdp_private_key": None},
        {**BUSINESS, "api_key": "key"},
        {**COMMERCE, "api_key": None},
        {**COMMERCE, "cdp_key_id": "id"},
        {**COMMERCE, "cdp_private_key": CDP_PRIVATE_KEY},
        {**COMMERCE, "sandbox": True},
        {**COMMERCE, "api": "exchange"},
        {**BUSINESS, "hook_signature_version": "v2"},
        {**BUSINESS, "pricing": "btc"},
        {**BUSINESS, "cdp_key_id": "an id"},
        {**BUSINESS, "return_url": "javascript:alert(1)"},
    ],
)
def test_credentials_that_do_not_fit_their_product_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as refusal:
        CoinbaseCredentials.model_validate(values)

    told = str([error["msg"] for error in refusal.value.errors()])
    assert all(str(values[name]) not in told for name in ("webhook_secret", "cdp_private_key") if values.get(name))


@pytest.mark.parametrize("values", [BUSINESS, COMMERCE, {**BUSINESS, "cdp_private_key": EDWARDS_TEXT}])
def test_credentials_that_fit_are_taken(values: dict[str, object]) -> None:
    assert CoinbaseCredentials.model_validate(values).api == values["api"]


async def test_names_from_outside_cannot_leave_their_place_in_the_path() -> None:
    async with fault_server(answers(404, {})) as server:
        credentials = CoinbaseCredentials.model_validate({**COMMERCE, "api_base": server.url})
        connector = CoinbaseConnector(credentials)
        request = StatusRequest(payment_id=None, account=ACCOUNT, provider_reference="../checkouts?limit=1#x")
        with pytest.raises(GatewayRejected, match="HTTP 404"):
            await connector.fetch_status(request)
        await connector.aclose()

    assert [item.path for item in server.reads] == ["/charges/..%2Fcheckouts%3Flimit%3D1%23x"]
