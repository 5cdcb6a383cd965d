"""Commands: what was asked, how far it came, and the one result."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
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
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCommand:
    """A command without its final result. `content` is the command as JSON; `attempts` counts looks at it."""

    id: str
    account: str
    subject_id: str
    kind: str
    content: dict[str, Any]
    state: CommandState
    amount_minor: int | None
    started_at: datetime
    attempts: int

    @property
    def payment_id(self) -> str | None:
        """The payment it is about; None for what is not about a payment."""
        found = self.content.get("payment_id")
        return found if isinstance(found, str) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundCommand:
    """A refund that was asked for: whether it is done and how, and when it was."""

    id: str
    state: CommandState
    outcome: str | None
    amount_minor: int | None
    finished_at: datetime | None


_INSERT = text(
    "insert into commands (id, account, subject_id, actor, kind, digest, content, state, started_at)"
    " values (:id, :account, :subject_id, :actor, :kind, :digest, cast(:content as jsonb), 'started', :now)"
    " on conflict (id) do nothing returning id"
)
_SELECT = text(
    "select id, account, subject_id, actor, kind, digest, state, amount_minor, result, started_at"
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
_OPEN = text(
    "select id, kind from commands where subject_id = :payment_id and kind = any(:kinds)"
    " and state <> 'finished' and id <> :except_id order by started_at limit 1"
)
_OPEN_COLUMNS = (
    "id, account, subject_id, kind, content, state, amount_minor, started_at, reconcile_attempts as attempts"
)
_TAKE_DUE = text(
    "update commands set reconcile_due_at = :lease_until, reconcile_attempts = reconcile_attempts + 1 where id in"  # noqa: S608 - literals
    " (select id from commands where state <> 'finished'"
    " and coalesce(reconcile_due_at, finished_at, started_at) <= :now and :now >="
    " coalesce(reconcile_due_at, finished_at + cast(:wait as interval), started_at + cast(:stale_after as interval))"
    " order by coalesce(reconcile_due_at, finished_at, started_at) limit :limit for update skip locked)"
    f" returning {_OPEN_COLUMNS}"
)
_OPEN_OF = text(
    f"select {_OPEN_COLUMNS} from commands where subject_id = :payment_id and content ->> 'payment_id' = :payment_id"  # noqa: S608 - literals
    " and (state = 'unknown' or (state = 'started' and started_at <= :started_before)) order by started_at, id"
)
_GET_OPEN = text(f"select {_OPEN_COLUMNS} from commands where id = :id and state <> 'finished'")  # noqa: S608 - literals
_PLAN = text(
    "update commands set reconcile_due_at = :due_at where id = :id and reconcile_due_at = :lease_until"
    " and state <> 'finished' returning id"
)
_RESTART = text(
    "update commands set reconcile_due_at = :now, reconcile_attempts = 0 where id = :id and state <> 'finished'"
)
_COUNT_OPEN = text(
    "select count(*)::bigint from commands where subject_id = :payment_id and content ->> 'payment_id' = :payment_id"
    " and state <> 'finished'"
)
_REFUNDS_OF = text(
    "select id, state, result ->> 'outcome' as outcome, amount_minor, finished_at from commands"
    " where subject_id = :payment_id and kind = 'refund'"
)
_ALONE = frozenset({"capture", "void", "reverse", "increment_authorization", "cancel", "authorize", "create_order"})
"""Kinds of which a payment has at most one under way: together they could move more than was authorized."""
_MAKE_PAYABLE = frozenset({"create_payment", "charge_mandate", "create_payment_link"})
WAITS_FOR: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(_ALONE, _ALONE),
    # While one way to pay may yet come of a command, a second one would let the payer pay twice, and a cancellation
    # here alone would leave the first one open.
    "create_order": _ALONE | _MAKE_PAYABLE,
    "cancel": _ALONE | _MAKE_PAYABLE,
    # A reversal takes everything back, so nothing else may be on its way back.
    "reverse": _ALONE | {"refund"},
    "refund": frozenset({"reverse"}),
}
"""Which kinds under way a kind of command has to wait for, at one payment."""


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
        """Raise OperationNotAllowed while another command is under way that this kind has to wait for."""
        kinds = WAITS_FOR.get(kind)
        if kinds is None:
            return
        values = {"payment_id": payment_id, "kinds": sorted(kinds), "except_id": command_id}
        row = (await self._connection.execute(_OPEN, values)).first()
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

    async def take_due(
        self, now: datetime, lease_until: datetime, *, wait: timedelta, stale_after: timedelta, limit: int
    ) -> list[OpenCommand]:
        """Claim commands without a final result that are due to be looked at.

        The first look comes `wait` after the outcome was found to be unknown, and `stale_after` after the start of a
        command that nobody recorded anything more of. A claim that nobody ends falls due again by itself.
        """
        values = {"now": now, "lease_until": lease_until, "wait": wait, "stale_after": stale_after, "limit": limit}
        return [OpenCommand(**row._mapping) for row in await self._connection.execute(_TAKE_DUE, values)]  # noqa: SLF001 - its public name

    async def open_of(self, payment_id: str, started_before: datetime) -> list[OpenCommand]:
        """A payment's commands of unknown outcome, and those that were started before a time and left."""
        values = {"payment_id": payment_id, "started_before": started_before}
        return [OpenCommand(**row._mapping) for row in await self._connection.execute(_OPEN_OF, values)]  # noqa: SLF001 - its public name

    async def get_open(self, command_id: str) -> OpenCommand | None:
        """Read a command without locking it; None when it has its final result."""
        row = (await self._connection.execute(_GET_OPEN, {"id": command_id})).first()
        return None if row is None else OpenCommand(**row._mapping)  # noqa: SLF001 - its public name

    async def plan(self, command_id: str, lease_until: datetime, due_at: datetime) -> bool:
        """Plan the next look at a claimed command; False when it has its final result or another look is planned."""
        values = {"id": command_id, "lease_until": lease_until, "due_at": due_at}
        return (await self._connection.execute(_PLAN, values)).first() is not None

    async def restart(self, command_id: str, now: datetime) -> None:
        """Look at a command again from the beginning of the schedule, if it has no final result."""
        await self._connection.execute(_RESTART, {"id": command_id, "now": now})

    async def count_open(self, payment_id: str) -> int:
        """How many commands about a payment have no final result."""
        return int((await self._connection.execute(_COUNT_OPEN, {"payment_id": payment_id})).scalar_one())

    async def refunds_of(self, payment_id: str) -> list[RefundCommand]:
        """Every refund that was asked for of a payment."""
        rows = await self._connection.execute(_REFUNDS_OF, {"payment_id": payment_id})
        return [RefundCommand(**row._mapping) for row in rows]  # noqa: SLF001 - its public name
