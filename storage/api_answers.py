"""What the HTTP API answered to requests with an idempotency key."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.sealing import Sealed

_BEGIN = text(
    "insert into api_answers (account, idempotency_key, fingerprint, started_at)"
    " values (:account, :key, :fingerprint, :now) on conflict do nothing returning account"
)
_TAKE_OVER = text(
    "update api_answers set started_at = :now where account = :account and idempotency_key = :key"
    " and ciphertext is null and started_at < :stale_before and fingerprint = :fingerprint returning account"
)
_GET = text(
    "select fingerprint, key_id, wrapped_key, ciphertext from api_answers"
    " where account = :account and idempotency_key = :key"
)
_FINISH = text(
    "update api_answers set key_id = :key_id, wrapped_key = :wrapped_key, ciphertext = :ciphertext"
    " where account = :account and idempotency_key = :key"
)
_FORGET = text("delete from api_answers where account = :account and idempotency_key = :key and ciphertext is null")
_PURGE = text("delete from api_answers where started_at < :before")
_LOCK_WRAPPED_WITH_OTHERS = text(
    "select account, idempotency_key, key_id, wrapped_key, ciphertext from api_answers"
    " where key_id <> :active_key order by account, idempotency_key limit :limit for update"
)


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """A request that came before: the digest of what it asked, and its sealed answer once there is one."""

    fingerprint: bytes
    sealed: Sealed | None


@dataclass(frozen=True, slots=True)
class SealedAnswer:
    """An answer that was given, still sealed."""

    account: str
    idempotency_key: str
    sealed: Sealed

    @property
    def context(self) -> str:
        """What the seal is bound to."""
        return answer_context(self.account, self.idempotency_key)


def answer_context(account: str, idempotency_key: str) -> str:
    """What the seal of an answer is bound to."""
    return f"answer:{account}:{idempotency_key}"


class ApiAnswers:
    """Reads and writes answers by account and idempotency key."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def begin(self, account: str, key: str, fingerprint: bytes, now: datetime, stale_before: datetime) -> bool:
        """Claim a key for a request; False when another has it.

        A claim from before `stale_before` that was never answered belonged to a process that died, and is taken over.
        """
        values = {"account": account, "key": key, "fingerprint": fingerprint, "now": now}
        if (await self._connection.execute(_BEGIN, values)).first() is not None:
            return True
        taken = await self._connection.execute(_TAKE_OVER, values | {"stale_before": stale_before})
        return taken.first() is not None

    async def get(self, account: str, key: str) -> KnownAnswer | None:
        """Return the request that has a key."""
        row = (await self._connection.execute(_GET, {"account": account, "key": key})).first()
        if row is None:
            return None
        sealed = None if row.ciphertext is None else Sealed(row.key_id, row.wrapped_key, row.ciphertext)
        return KnownAnswer(row.fingerprint, sealed)

    async def finish(self, account: str, key: str, sealed: Sealed) -> None:
        """Keep the answer."""
        values = {"account": account, "key": key, "key_id": sealed.key_id}
        await self._connection.execute(
            _FINISH, values | {"wrapped_key": sealed.wrapped_key, "ciphertext": sealed.ciphertext}
        )

    async def forget(self, account: str, key: str) -> None:
        """Give a key back whose request was not carried out."""
        await self._connection.execute(_FORGET, {"account": account, "key": key})

    async def purge(self, before: datetime) -> int:
        """Delete answers that nobody will ask for any more; returns how many."""
        return (await self._connection.execute(_PURGE, {"before": before})).rowcount

    async def lock_wrapped_with_others(self, active_key: str, limit: int) -> list[SealedAnswer]:
        """Lock the next answers that are wrapped with another key, in one order."""
        rows = await self._connection.execute(_LOCK_WRAPPED_WITH_OTHERS, {"active_key": active_key, "limit": limit})
        return [
            SealedAnswer(row.account, row.idempotency_key, Sealed(row.key_id, row.wrapped_key, row.ciphertext))
            for row in rows
        ]
