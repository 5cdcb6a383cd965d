"""The seals of bank accounts and bank files, all together, for the rotation of keys."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.sealing import Sealed

_CONTEXTS = {
    "recipient_bank_accounts": (
        "'recipient-bank-account:' || account || ':' || recipient_type || ':' || recipient_id || ':' || currency"
    ),
    "debtor_bank_accounts": "'debtor-bank-account:' || account || ':' || currency",
    "bank_files": "'bank-file:' || account || ':' || id",
}
"""What a row's seal is bound to, as the modules of these tables write it."""

# Every part of the statements below is a literal of this module.
_STALE = {
    table: text(
        f"select {context} as context, key_id, wrapped_key, ciphertext from {table}"  # noqa: S608
        " where key_id <> :active order by 1 limit :limit for update"
    )
    for table, context in _CONTEXTS.items()
}
_REWRAP = {
    table: text(f"update {table} set key_id = :key_id, wrapped_key = :wrapped_key where {context} = :context")  # noqa: S608
    for table, context in _CONTEXTS.items()
}


@dataclass(frozen=True, slots=True)
class SealedRow:
    """One sealed row, and what its seal is bound to."""

    table: str
    context: str
    sealed: Sealed


async def stale_rows(connection: AsyncConnection, active_key: str, limit: int) -> list[SealedRow]:
    """Read and lock rows that are wrapped with another key than this, of each table at most `limit`."""
    values = {"active": active_key, "limit": limit}
    return [
        SealedRow(table, row.context, Sealed(row.key_id, row.wrapped_key, row.ciphertext))
        for table, statement in _STALE.items()
        for row in await connection.execute(statement, values)
    ]


async def put_wrapped(connection: AsyncConnection, row: SealedRow, rewrapped: Sealed) -> None:
    """Store a data key that was wrapped anew, for a row that is locked; its ciphertext stays."""
    values = {"key_id": rewrapped.key_id, "wrapped_key": rewrapped.wrapped_key, "context": row.context}
    await connection.execute(_REWRAP[row.table], values)
