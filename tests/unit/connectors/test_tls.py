"""Connectors share their TLS settings, and those trust no server that nobody vouches for."""

import ssl

from connectors.tls import system_tls


def test_the_settings_are_made_once_and_check_every_server() -> None:
    tls = system_tls()

    assert system_tls() is tls
    assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert tls.get_ca_certs()
