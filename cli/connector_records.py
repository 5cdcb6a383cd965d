"""A gateway as JSON: what `paystream connectors list --json` and `show --json` print."""

from dataclasses import asdict
from typing import Any

from cli.capability_terms import callbacks_of
from connectors.base import Capability, Registration
from connectors.credentials import describe_credentials
from connectors.registry import package_of

Record = dict[str, Any]


def summary_record(registration: Registration) -> Record:
    """What a gateway is and can do."""
    return {
        "key": registration.key,
        "name": registration.display_name,
        "package": package_of(registration.key),
        "native": registration.native,
        "callbacks": callbacks_of(registration),
        "capabilities": sorted(registration.capabilities),
        "currencies": sorted(registration.currencies),
        "countries": sorted(registration.countries),
        "payment_methods": list(registration.payment_methods),
    }


def full_record(registration: Registration) -> Record:
    """The summary, and what it takes to connect an account to the gateway.

    `keys_kept_for_seconds` is None where the gateway does not recognize a repeated call.
    """
    acknowledgement = registration.acknowledgement
    repeats = registration.has(Capability.REPEATS_SAFELY)
    return {
        **summary_record(registration),
        "description": registration.description,
        "keys_kept_for_seconds": int(registration.keys_kept_for.total_seconds()) if repeats else None,
        "required_headers": list(registration.required_headers),
        "acknowledgement": {
            "status_code": acknowledgement.status_code,
            "content_type": acknowledgement.content_type,
            "body": acknowledgement.body.decode(errors="backslashreplace"),
        },
        "credentials": [asdict(field) for field in describe_credentials(registration)],
    }
