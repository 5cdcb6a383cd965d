"""A certificate authority and a signer of callbacks, made anew each time: no private key is kept anywhere."""

import base64
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec_key
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SIGNER_NAME = "messageverificationcerts.paypal.com"
NOT_BEFORE, NOT_AFTER = datetime(2020, 1, 1, tzinfo=UTC), datetime(2045, 1, 1, tzinfo=UTC)


def new_rsa_key(bits: int = 2048) -> RSAPrivateKey:
    """A key to sign callbacks with."""
    return generate_private_key(65537, bits)


@dataclass(slots=True)
class Authority:
    """A certificate authority."""

    name: str = "Local Authority"
    key: EllipticCurvePrivateKey = field(default_factory=lambda: generate_ec_key(SECP256R1()))

    def certificate(self) -> x509.Certificate:
        """The authority's own certificate."""
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        return (
            self._builder(self.name)
            .public_key(self.key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .sign(self.key, SHA256())
        )

    def pem(self) -> str:
        """The authority's certificate as credentials name it."""
        return self.certificate().public_bytes(Encoding.PEM).decode()

    def issue(
        self,
        key: RSAPrivateKey | EllipticCurvePrivateKey,
        name: str = SIGNER_NAME,
        not_before: datetime = NOT_BEFORE,
        not_after: datetime = NOT_AFTER,
    ) -> bytes:
        """Issue a certificate, as PEM."""
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        certificate = (
            self._builder(name, not_before, not_after)
            .public_key(key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(issuer, critical=False)
            .sign(self.key, SHA256())
        )
        return certificate.public_bytes(Encoding.PEM)

    def _builder(
        self, name: str, not_before: datetime = NOT_BEFORE, not_after: datetime = NOT_AFTER
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)]))
            .serial_number(x509.random_serial_number())
            .not_valid_before(not_before)
            .not_valid_after(not_after)
        )


class Signer:
    """Signs callbacks as PayPal documents it."""

    def __init__(self) -> None:
        self.authority = Authority()
        self.key = new_rsa_key()
        self.certificate = self.authority.issue(self.key)

    def headers(self, body: bytes, webhook_id: str, certificate_url: str, sent_at: datetime) -> dict[str, str]:
        """The headers of a delivery."""
        told_id, told_time = "69cd13f0-d67a-11e5-baa3-778b53f4ae55", f"{sent_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        message = message_of(told_id, told_time, webhook_id, body)
        signature = self.key.sign(message, PKCS1v15(), SHA256())
        return {
            "content-type": "application/json",
            "paypal-transmission-id": told_id,
            "paypal-transmission-time": told_time,
            "paypal-transmission-sig": base64.b64encode(signature).decode(),
            "paypal-cert-url": certificate_url,
            "paypal-auth-algo": "SHA256withRSA",
        }


def message_of(transmission_id: str, transmission_time: str, webhook_id: str, body: bytes) -> bytes:
    """What is signed."""
    return f"{transmission_id}|{transmission_time}|{webhook_id}|{zlib.crc32(body)}".encode()
