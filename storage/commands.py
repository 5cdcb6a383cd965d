"""Commands: what was asked, how far it came, and the one result."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import OperationNotAllowed

CommandState = Literal["started", "unknown", "finished"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRow:
    """A command as recorded. `amount_minor` is what an open refund holds back from other refunds."""

    id: str
    account: str
    subject_id: str
    actor: str
    kind: str
    digest: str
    state: CommandState
    amount_minor: int | None
    result: dict[str, Any] | None


_INSERT = text(
    "insert into commands (id, account, subject_id, actor, kind, digest, content, state, started_at)"
    " values (:id, :account, :subject_id, :actor, :kind, :digest, cast(:content as jsonb), 'started', :now)"
    " on conflict (id) do nothing returning id"
)
_SELECT = text(
    "select id, account, subject_id, actor, kind, digest, state, amount_minor, result"
    " from commands where id = :id for update"
)
_RESERVE = text("update commands set amount_minor = :amount_minor where id = :id")
_FINISH = text(
    "update commands set state = :state, result = cast(:result as jsonb), finished_at = :now"
    " where id = :id and state <> 'finished' returning id"
)
_RESERVED = text(
    "select coalesce(sum(amount_minor), 0)::bigint from commands"
    " where subject_id = :payment_id and kind = 'refund' and state <> 'finished' and id <> :except_id"
)
_OPEN_ALONE = text(
    "select id, kind from commands where subject_id = :payment_id and kind = any(:kinds)"
    " and state <> 'finished' and id <> :except_id order by started_at limit 1"
)
ALONE = frozenset({"capture", "void", "reverse", "increment_authorization", "cancel", "authorize", "create_order"})
"""Kinds of which a payment has at most one under way: together they could move more than was authorized."""


class Commands:
    """Reads and writes commands."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def start(self, row: CommandRow, content: str, now: datetime) -> bool:
        """Record a command; False when the id was used before."""
        values = {
            "id": row.id,
            "account": row.account,
            "subject_id": row.subject_id,
            "actor": row.actor,
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

    async def refuse_while_open(self, payment_id: str, command_id: str, kind: str) -> None:
        """Raise OperationNotAllowed while another command of a kind that must be alone is under way."""
        if kind not in ALONE:
            return
        values = {"payment_id": payment_id, "kinds": sorted(ALONE), "except_id": command_id}
        row = (await self._connection.execute(_OPEN_ALONE, values)).first()
        if row is not None:
            raise OperationNotAllowed(
                f"{kind} must wait: {row.kind} of command {row.id!r} is still under way", field="payment_id"
            )

    async def reserved_refunds(self, payment_id: str, except_id: str) -> int:
        """The sum of refunds of a payment that other commands have under way, in minor units."""
        values = {"payment_id": payment_id, "except_id": except_id}
        return int((await self._connection.execute(_RESERVED, values)).scalar_one())

    async def finish(self, command_id: str, state: CommandState, result: str, now: datetime) -> bool:
        """Store the result; False when the command had its final result already."""
        values = {"id": command_id, "state": state, "result": result, "now": now}
        return (await self._connection.execute(_FINISH, values)).first() is not None
