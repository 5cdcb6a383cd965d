"""Swish knows merchants by their client certificates: tried with real TLS, and certificates made for the purpose."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from domain.errors import GatewayError, GatewayRejected, GatewayUnavailable, OutcomeUnknown
from tests.gateways.swish_payer import IMPATIENT, order_request, shop_at

PASSPHRASE = "swish-passphrase"
PROMPT = b"HTTP/1.1 201 Created\r\nPaymentRequestToken: token-1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def as_pem(key: ec.EllipticCurvePrivateKey, passphrase: str | None = None) -> str:
    """A private key as PEM text."""
    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase is not None:
        encryption = BestAvailableEncryption(passphrase.encode())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority of the test's own."""

    key: ec.EllipticCurvePrivateKey
    name: x509.Name
    pem: str

    def issue(self, common_name: str) -> tuple[str, ec.EllipticCurvePrivateKey]:
        """A certificate for this machine or for a merchant, as PEM text, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        return certificate(named(common_name), key, self.name, self.key, is_authority=False), key


def named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def certificate(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    is_authority: bool,
) -> str:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
    )
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def make_authority(name: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    return Authority(key, named(name), certificate(named(name), key, named(name), key, is_authority=True))


@pytest.fixture(scope="module")
def authority() -> Authority:
    """The authority that Swish and its merchants trust."""
    return make_authority("Test Swish Root CA")


@asynccontextmanager
async def swish_with_tls(authority: Authority, directory: Path) -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """A Swish that answers those with a certificate of the authority; yields its URL and whom it has seen."""
    pem, key = authority.issue("cpc.getswish.example")
    chain = directory / "server.pem"
    chain.write_text(pem + as_pem(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    context.load_verify_locations(cadata=authority.pem)
    context.verify_mode = ssl.CERT_REQUIRED
    seen: list[dict[str, Any]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            seen.append(writer.get_extra_info("peercert"))
            writer.write(PROMPT)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}", seen
    finally:
        server.close()
        await server.wait_closed()


def credentials(authority: Authority, merchant: Authority, passphrase: str | None = None) -> dict[str, Any]:
    pem, key = merchant.issue("1231181189")
    return {
        "client_certificate": pem,
        "client_key": as_pem(key, passphrase),
        "client_key_passphrase": passphrase,
        "ca_certificates": authority.pem,
    }


async def failure_of(url: str, key: str, changes: dict[str, Any]) -> GatewayError:
    async with shop_at(url, timeouts=IMPATIENT, changes=changes) as shop:
        with pytest.raises(GatewayError) as failure:
            await shop.swish.create_order(order_request(key))
    return failure.value


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
async def test_the_merchant_shows_its_certificate(
    authority: Authority, tmp_path: Path, key: str, passphrase: str | None
) -> None:
    changes = credentials(authority, authority, passphrase)
    async with (
        swish_with_tls(authority, tmp_path) as (url, seen),
        shop_at(url, timeouts=IMPATIENT, changes=changes) as shop,
    ):
        answer = await shop.swish.create_order(order_request(key))

    assert answer.client_parameters["payment_request_token"] == "token-1"
    assert [dict(part[0] for part in peer["subject"])["commonName"] for peer in seen] == ["1231181189"]


async def test_a_server_of_another_authority_is_not_spoken_to(authority: Authority, tmp_path: Path, key: str) -> None:
    changes = {**credentials(authority, authority), "ca_certificates": make_authority("Another").pem}
    async with swish_with_tls(authority, tmp_path) as (url, seen):
        failure = await failure_of(url, key, changes)
        by_the_systems_authorities = await failure_of(url, key, {**changes, "ca_certificates": None})

    assert (type(failure), type(by_the_systems_authorities)) == (GatewayUnavailable, GatewayUnavailable)
    assert seen == []


async def test_a_merchant_of_another_authority_is_turned_away(authority: Authority, tmp_path: Path, key: str) -> None:
    changes = credentials(authority, make_authority("Another"))
    async with swish_with_tls(authority, tmp_path) as (url, seen):
        failure = await failure_of(url, key, changes)

    # With TLS 1.3 the refusal comes after the request was sent, so nobody can tell it from a lost answer.
    assert isinstance(failure, OutcomeUnknown | GatewayUnavailable)
    assert seen == []


def wrong(authority: Authority) -> list[dict[str, Any]]:
    good = credentials(authority, authority)
    encrypted = credentials(authority, authority, PASSPHRASE)
    return [
        {**good, "client_key": credentials(authority, authority)["client_key"]},
        {**good, "client_key": "no key"},
        {**good, "client_certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"},
        {**good, "ca_certificates": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"},
        {**good, "client_key_passphrase": PASSPHRASE},
        {**encrypted, "client_key_passphrase": None},
        {**encrypted, "client_key_passphrase": "another"},
    ]


async def test_a_certificate_that_cannot_be_used_is_refused_before_any_call(authority: Authority, key: str) -> None:
    for changes in wrong(authority):
        failure = await failure_of("https://127.0.0.1:9", key, changes)
        assert type(failure) is GatewayRejected
        assert failure.code == "credentials_refused"
        assert failure.__cause__ is None
