"""Facts about payments that nobody here knows: the gateways' names they wait for, and the search for those payments."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.payments import Reference

MAKES_A_NAME = ("create_payment", "create_order", "charge_mandate", "complete")
"""Kinds of commands whose answer gives a payment its name at the gateway."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrphanSearch:
    """A claimed search for one payment. `attempts` counts this one."""

    gateway: str
    account: str
    reference: str
    first_seen_at: datetime
    attempts: int
    lease_until: datetime

    @property
    def key(self) -> Reference:
        """The name searched for."""
        return (self.gateway, self.account, self.reference)


_BEGIN = text(
    "insert into orphan_searches (gateway, account, reference, first_seen_at, due_at)"
    " select gateway, account, provider_reference, min(recorded_at), min(recorded_at) + cast(:wait as interval)"
    " from inbox where disposition = 'orphaned' and not exists (select from orphan_searches known where"
    " (known.gateway, known.account, known.reference) = (inbox.gateway, inbox.account, inbox.provider_reference))"
    " group by gateway, account, provider_reference order by gateway, account, provider_reference limit :limit"
    " on conflict do nothing"
)
_TAKE_DUE = text(
    "update orphan_searches set due_at = :lease_until, attempts = attempts + 1"
    " where (gateway, account, reference) in (select gateway, account, reference from orphan_searches"
    " where due_at <= :now order by due_at limit :limit for update skip locked)"
    " returning gateway, account, reference, first_seen_at, attempts"
)
_PUT_OFF = text(
    "update orphan_searches set due_at = :due_at where due_at = :lease_until"
    " and gateway = :gateway and account = :account and reference = :reference"
)
_RESTART = text(
    "update orphan_searches set due_at = :now, first_seen_at = :now, attempts = 0"
    " where gateway = :gateway and account = :account and reference = :reference"
)
_END = text("delete from orphan_searches where gateway = :gateway and account = :account and reference = :reference")
_WAITING = text(
    "select count(*)::bigint from inbox where disposition = 'orphaned'"
    " and gateway = :gateway and account = :account and provider_reference = :reference"
)
_MAY_BE_NAMED = text(
    "select exists (select from commands join payments on payments.id = commands.subject_id"
    " where commands.state <> 'finished' and commands.kind = any(:kinds) and payments.provider_reference is null"
    " and payments.gateway = :gateway and payments.account = :account"
    " and payments.amount_minor = :amount_minor and payments.currency = :currency)"
)


class Orphans:
    """Reads and writes the searches."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def begin_searches(self, wait: timedelta, limit: int) -> None:
        """Note names that facts wait for and nobody searches for yet; the first search comes `wait` after the fact."""
        await self._connection.execute(_BEGIN, {"wait": wait, "limit": limit})

    async def take_due(self, now: datetime, lease_until: datetime, limit: int) -> list[OrphanSearch]:
        """Claim searches that are due; a claim that nobody ends falls due again by itself."""
        values = {"now": now, "lease_until": lease_until, "limit": limit}
        rows = await self._connection.execute(_TAKE_DUE, values)
        return [OrphanSearch(**row._mapping, lease_until=lease_until) for row in rows]  # noqa: SLF001 - its public name

    async def put_off(self, search: OrphanSearch, due_at: datetime) -> None:
        """Plan the next attempt."""
        values = {**_key(search.key), "lease_until": search.lease_until, "due_at": due_at}
        await self._connection.execute(_PUT_OFF, values)

    async def restart(self, key: Reference, now: datetime) -> None:
        """Search again from the beginning."""
        await self._connection.execute(_RESTART, {**_key(key), "now": now})

    async def end(self, key: Reference) -> None:
        """The search is over: no fact waits for the name any more."""
        await self._connection.execute(_END, _key(key))

    async def waiting(self, key: Reference) -> int:
        """How many facts wait for the name."""
        return int((await self._connection.execute(_WAITING, _key(key))).scalar_one())

    async def may_be_named(self, gateway: str, account: str, amount_minor: int, currency: str) -> bool:
        """Whether a payment of the amount waits for its name while a command that may bring it is under way."""
        values = {
            "kinds": list(MAKES_A_NAME),
            "gateway": gateway,
            "account": account,
            "amount_minor": amount_minor,
            "currency": currency,
        }
        return bool((await self._connection.execute(_MAY_BE_NAMED, values)).scalar_one())


def _key(key: Reference) -> dict[str, str]:
    gateway, account, reference = key
    return {"gateway": gateway, "account": account, "reference": reference}
