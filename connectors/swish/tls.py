"""The client certificate by which Swish knows the merchant."""

import secrets
import ssl
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from connectors.outcomes import CREDENTIALS_REFUSED
from connectors.swish.errors import GATEWAY_NAME
from connectors.swish.registration import SwishCredentials
from domain.errors import GatewayRejected


def client_context(credentials: SwishCredentials) -> ssl.SSLContext:
    """Return TLS settings with the account's client certificate; the server's certificate is always checked.

    Raises GatewayRejected, before any call, for a certificate or key that cannot be used.
    """
    try:
        context = ssl.create_default_context(cadata=credentials.ca_certificates)
        password = secrets.token_hex(32)
        key = _encrypted_key(credentials, password.encode())
        # OpenSSL reads keys from files alone, so the key is there for a moment, under a password that nobody has.
        with TemporaryDirectory() as directory:
            chain = Path(directory) / "client.pem"
            chain.write_text(f"{credentials.client_certificate}\n{key}")
            context.load_cert_chain(chain, password=password)
    except (ValueError, TypeError, UnsupportedAlgorithm, ssl.SSLError):
        # The cause may quote the key.
        text = f"{GATEWAY_NAME}: the client certificate, its key or the CA certificates cannot be used"
        raise GatewayRejected(text, code=CREDENTIALS_REFUSED) from None
    return context


def _encrypted_key(credentials: SwishCredentials, password: bytes) -> str:
    passphrase = credentials.client_key_passphrase
    key = load_pem_private_key(
        credentials.client_key.get_secret_value().encode(),
        None if passphrase is None else passphrase.get_secret_value().encode(),
    )
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password)).decode()
