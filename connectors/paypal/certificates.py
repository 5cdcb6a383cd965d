"""The certificates that PayPal signs with: fetched from PayPal alone, checked as a browser checks a server's, kept.

The address of the certificate comes in a header, so anybody chooses it. It must be, to the letter, one of PayPal's own
API hosts and the one path that certificates have there; redirects are not followed. What is fetched must then lead to a
certificate authority and be for the name that PayPal signs under.
"""

import asyncio
import re
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from http import HTTPStatus

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from connectors.http_client import GatewayHttp
from connectors.outcomes import Timeouts, nothing_moved_yet
from connectors.paypal.bounded_cache import BoundedCache
from connectors.paypal.errors import GATEWAY_NAME
from connectors.paypal.registration import PayPalCredentials
from connectors.tls import system_tls
from domain.errors import GatewayUnavailable, InvalidInput, VerificationFailed

HOSTS: Mapping[str, tuple[str, ...]] = {
    "live": ("https://api.paypal.com", "https://api-m.paypal.com"),
    "sandbox": ("https://api.sandbox.paypal.com", "https://api-m.sandbox.paypal.com"),
}
SIGNER_NAMES: Mapping[str, str] = {
    "live": "messageverificationcerts.paypal.com",
    "sandbox": "messageverificationcerts.sandbox.paypal.com",
}
PATH = re.compile(r"/v1/notifications/certs/CERT-[A-Za-z0-9-]{1,128}")

KEEP_SECONDS = 24 * 3600.0
RETRY_SECONDS = 60.0
"""How long a certificate that could not be had is not asked for again."""
MAX_CERTIFICATES = 16
MAX_REFUSED = 256
MAX_BYTES = 64 * 1024
MIN_KEY_BITS = 2048
_THERE_IS_NONE = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})

TIMEOUTS = Timeouts(connect_seconds=3.0, read_seconds=5.0, total_seconds=8.0)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A proven certificate's public key and the time it is good for."""

    public_key: RSAPublicKey
    not_before: datetime
    not_after: datetime

    def is_good(self, at: datetime) -> bool:
        """Say whether the certificate was valid at a time."""
        return self.not_before <= at <= self.not_after


class Certificates:
    """The signing certificates of one environment. Close it with `aclose`."""

    def __init__(self, credentials: PayPalCredentials, clock: Callable[[], float] = time.monotonic) -> None:
        environment, api_base = credentials.environment, credentials.api_base
        self._origins = HOSTS[environment] if api_base is None else (api_base,)
        self._signer = SIGNER_NAMES[environment]
        authorities = credentials.certificate_authorities
        self._named_authorities = None if authorities is None else _read_authorities(authorities)
        self._clients: dict[str, GatewayHttp] = {}
        self._keys: BoundedCache[SigningKey] = BoundedCache(
            max_entries=MAX_CERTIFICATES, keep_seconds=KEEP_SECONDS, clock=clock
        )
        # Apart from the good ones, so that strangers who name certificates there are not cannot push those out.
        self._refused: BoundedCache[GatewayUnavailable | VerificationFailed] = BoundedCache(
            max_entries=MAX_REFUSED, keep_seconds=RETRY_SECONDS, clock=clock
        )
        self._fetching = asyncio.Lock()

    def known(self, url: str, at: datetime) -> SigningKey | None:
        """Return the key of a certificate that was fetched before and was valid at a time."""
        key = self._keys.get(url)
        return key if key is not None and key.is_good(at) else None

    async def fetch(self, url: str, at: datetime) -> None:
        """Fetch a certificate and keep its key, unless it is known.

        Raises VerificationFailed for an address that PayPal's certificates do not have, or where there is none;
        GatewayUnavailable when it cannot be had now, or when it does not lead to an authority that we know.
        """
        origin = self._origin_of(url)
        if self.known(url, at) is not None:
            return
        async with self._fetching:
            if self.known(url, at) is not None:
                return
            if (refusal := self._refused.get(url)) is not None:
                raise type(refusal)(refusal.message, code=refusal.code)
            try:
                self.keep(url, await self._download(origin, url), at)
            except (GatewayUnavailable, VerificationFailed) as error:
                self._refused.keep(url, error)
                raise

    def keep(self, url: str, pem: bytes, at: datetime) -> None:
        """Check a certificate with what leads to its authority, and keep its key.

        Raises GatewayUnavailable when it is not proven to be PayPal's.
        """
        try:
            self._keys.keep(url, self._prove(pem, at))
        except (VerificationError, ValueError) as error:
            raise GatewayUnavailable(f"{GATEWAY_NAME}'s certificate cannot be used: {error}") from error

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        for client in self._clients.values():
            await client.aclose()

    def _origin_of(self, url: str) -> str:
        for origin in self._origins:
            if url.startswith(origin) and PATH.fullmatch(url.removeprefix(origin)):
                return origin
        raise VerificationFailed("the certificate's address is none of PayPal's", code="signature_invalid")

    async def _download(self, origin: str, url: str) -> bytes:
        client = self._clients.setdefault(origin, GatewayHttp(GATEWAY_NAME, origin, TIMEOUTS))
        with nothing_moved_yet():
            response = await client.read(url.removeprefix(origin), headers={"Accept": "*/*"})
        if response.status_code in _THERE_IS_NONE:
            raise VerificationFailed("PayPal has no such certificate", code="signature_invalid")
        if not response.is_success or len(response.body) > MAX_BYTES:
            raise GatewayUnavailable(f"{GATEWAY_NAME} gave no certificate (HTTP {response.status_code})")
        return response.body

    def _prove(self, pem: bytes, at: datetime) -> SigningKey:
        leaf, *others = x509.load_pem_x509_certificates(pem)
        store = Store(list(self._named_authorities or _system_authorities()))
        verifier = PolicyBuilder().store(store).time(at).build_server_verifier(x509.DNSName(self._signer))
        verifier.verify(leaf, others)
        public_key = leaf.public_key()
        if not isinstance(public_key, RSAPublicKey) or public_key.key_size < MIN_KEY_BITS:
            raise ValueError("its key is not a long enough RSA key")
        return SigningKey(public_key, leaf.not_valid_before_utc, leaf.not_valid_after_utc)


def _read_authorities(pem: str) -> Sequence[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise InvalidInput("the certificate authorities cannot be read", field="certificate_authorities") from error


@cache
def _system_authorities() -> Sequence[x509.Certificate]:
    """The authorities that our connections to gateways trust.

    Old ones that break the rules for certificates are left out: later versions of the library will not read them.
    """
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for encoded in system_tls().get_ca_certs(binary_form=True):
            try:
                found.append(x509.load_der_x509_certificate(encoded))
            except (ValueError, Warning):
                continue
    return tuple(found)
