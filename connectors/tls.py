"""The TLS settings of connections to gateways that ask for none of their own."""

import ssl
from functools import cache

import httpx


@cache
def system_tls() -> ssl.SSLContext:
    """TLS settings that trust the certificate authorities httpx trusts: one object, which nobody may change.

    Reading the authorities takes about twenty milliseconds and a megabyte; connectors are made for each account and
    gateway, and would read them each time.
    """
    return httpx.create_ssl_context()
