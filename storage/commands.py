"""Commands: what was asked, how far it came, and the one result."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

CommandState = Literal["started", "unknown", "finished"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRow:
    """A command as recorded. `amount_minor` is what an open refund holds back from other refunds."""

    id: str
    account: str
    payment_id: str
    kind: str
    digest: str
    state: CommandState
    amount_minor: int | None
    result: dict[str, Any] | None


_INSERT = text(
    "insert into commands (id, account, payment_id, kind, digest, content, state, started_at)"
    " values (:id, :account, :payment_id, :kind, :digest, cast(:content as jsonb), 'started', :now)"
    " on conflict (id) do nothing returning id"
)
_SELECT = text(
    "select id, account, payment_id, kind, digest, state, amount_minor, result from commands where id = :id for update"
)
_RESERVE = text("update commands set amount_minor = :amount_minor where id = :id")
_FINISH = text(
    "update commands set state = :state, result = cast(:result as jsonb), finished_at = :now"
    " where id = :id and state <> 'finished' returning id"
)
_RESERVED = text(
    "select coalesce(sum(amount_minor), 0)::bigint from commands"
    " where payment_id = :payment_id and kind = 'refund' and state <> 'finished' and id <> :except_id"
)


class Commands:
    """Reads and writes commands."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def start(self, row: CommandRow, content: str, now: datetime) -> bool:
        """Record a command; False when the id was used before."""
        values = {
            "id": row.id,
            "account": row.account,
            "payment_id": row.payment_id,
            "kind": row.kind,
            "digest": row.digest,
            "content": content,
            "now": now,
        }
        return (await self._connection.execute(_INSERT, values)).first() is not None

    async def lock(self, command_id: str) -> CommandRow | None:
        """Read a command and hold it until the transaction ends."""
        row = (await self._connection.execute(_SELECT, {"id": command_id})).first()
        return None if row is None else CommandRow(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it

    async def reserve(self, command_id: str, amount_minor: int) -> None:
        """Note the amount a command is about to move."""
        await self._connection.execute(_RESERVE, {"id": command_id, "amount_minor": amount_minor})

    async def reserved_refunds(self, payment_id: str, except_id: str) -> int:
        """The sum of refunds of a payment that other commands have under way, in minor units."""
        values = {"payment_id": payment_id, "except_id": except_id}
        return int((await self._connection.execute(_RESERVED, values)).scalar_one())

    async def finish(self, command_id: str, state: CommandState, result: str, now: datetime) -> bool:
        """Store the result; False when the command had its final result already."""
        values = {"id": command_id, "state": state, "result": result, "now": now}
        return (await self._connection.execute(_FINISH, values)).first() is not None
