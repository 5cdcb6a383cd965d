"""Keys of the HTTP API, stored as digests."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Row, Select, any_, insert, literal, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.api_tables import API_KEY_USES, API_KEYS
from storage.listing import Position, read_page

KeyKind = Literal["merchant", "operator"]
KeyMode = Literal["live", "test"]

_NOTE_USE = text(
    "insert into api_key_uses (id, last_used_at) values (:id, :now) on conflict (id) do update"
    " set last_used_at = excluded.last_used_at where api_key_uses.last_used_at < :stale_before"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as stored: who may use it for what, and never the key itself."""

    id: str
    digest: bytes
    name: str
    kind: KeyKind
    mode: KeyMode
    accounts: tuple[str, ...]
    scopes: tuple[str, ...]
    created_by: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


class ApiKeys:
    """Reads and writes keys."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def insert(self, key: ApiKey) -> None:
        """Store a new key."""
        values = {column.name: getattr(key, column.name) for column in API_KEYS.columns}
        await self._connection.execute(
            insert(API_KEYS).values(values | {"accounts": list(key.accounts), "scopes": list(key.scopes)})
        )

    async def get(self, key_id: str) -> ApiKey | None:
        """Return a key by the id that is part of it."""
        found = await self._select(key_id)
        return found[0] if found else None

    async def all(self, account: str | None = None) -> list[ApiKey]:
        """The keys that are valid for an account, or every key; the newest first."""
        keys = await self._select(None)
        return [key for key in keys if account is None or account in key.accounts]

    async def page(
        self, account: str, *, limit: int, after: Position | None = None, ascending: bool = False
    ) -> tuple[list[ApiKey], Position | None]:
        """A page of the keys that are valid for an account, in the order they were made."""
        statement = _with_uses().where(literal(account) == any_(API_KEYS.c.accounts))
        page = await read_page(
            self._connection,
            statement,
            API_KEYS.c.created_at,
            API_KEYS.c.id,
            limit=limit,
            after=after,
            ascending=ascending,
        )
        return [_key(row) for row in page.rows], page.next

    async def revoke(self, key_id: str, now: datetime) -> bool:
        """Revoke a key; False when there is none of this id, or it was revoked before."""
        statement = (
            update(API_KEYS)
            .where(API_KEYS.c.id == key_id, API_KEYS.c.revoked_at.is_(None))
            .values(revoked_at=now)
            .returning(API_KEYS.c.id)
        )
        return (await self._connection.execute(statement)).first() is not None

    async def note_use(self, key_id: str, now: datetime, *, at_most_every: timedelta) -> None:
        """Remember that a key was used, without writing for every request."""
        await self._connection.execute(_NOTE_USE, {"id": key_id, "now": now, "stale_before": now - at_most_every})

    async def _select(self, key_id: str | None) -> list[ApiKey]:
        statement = _with_uses()
        if key_id is not None:
            statement = statement.where(API_KEYS.c.id == key_id)
        rows = await self._connection.execute(statement.order_by(API_KEYS.c.created_at.desc(), API_KEYS.c.id))
        return [_key(row) for row in rows]


def _with_uses() -> Select[Any]:
    uses = API_KEYS.outerjoin(API_KEY_USES, API_KEY_USES.c.id == API_KEYS.c.id)
    return select(API_KEYS, API_KEY_USES.c.last_used_at).select_from(uses)


def _key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        id=row.id,
        digest=row.digest,
        name=row.name,
        kind=row.kind,
        mode=row.mode,
        accounts=tuple(row.accounts),
        scopes=tuple(row.scopes),
        created_by=row.created_by,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
