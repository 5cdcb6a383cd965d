"""The audit log for those who ask over HTTP: who changed what of an account."""

from collections.abc import Mapping
from dataclasses import replace

from storage.audit_list import AuditFilter, list_audit_records
from storage.audit_log import AuditRecord
from storage.listing import Position
from storage.unit_of_work import Database

HIDDEN = "[hidden]"
SECRET_NAMES = frozenset(
    {
        "ciphertext",
        "client_parameters",
        "client_secret",
        "digest",
        "parameters",
        "payment_method_token",
        "secret",
        "token",
        "wrapped_key",
    }
)
"""What is never shown, at whatever depth. The database leaves it out as it writes; this is the second wall."""


async def find_audit_records(
    database: Database, wanted: AuditFilter, *, limit: int, after: Position | None, ascending: bool
) -> tuple[list[AuditRecord], Position | None]:
    """Return a page of records, without secrets, and where to go on. Raises InvalidInput for a foreign position."""
    async with database.transaction() as transaction:
        found, following = await list_audit_records(
            transaction.connection, wanted, limit=limit, after=after, ascending=ascending
        )
    shown = [replace(record, before=_shown(record.before), after=_shown(record.after)) for record in found]
    return shown, following


def without_secrets(value: object) -> object:
    """Return a value of JSON with everything hidden whose name says that it is secret."""
    if isinstance(value, Mapping):
        return {name: HIDDEN if name in SECRET_NAMES else without_secrets(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [without_secrets(inner) for inner in value]
    return value


def _shown(columns: Mapping[str, object] | None) -> dict[str, object] | None:
    if columns is None:
        return None
    return {name: HIDDEN if name in SECRET_NAMES else without_secrets(value) for name, value in columns.items()}
