"""Hosted pages where payers begin: found by a digest, because whoever opens one has nothing but its address."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from storage.api_tables import CHECKOUT_PAGES


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutPage:
    """A page: the digest that finds it, the payment it was made for, and where the merchant wants the payer to go."""

    digest: bytes
    account: str
    payment_id: str
    created_at: datetime
    expires_at: datetime
    return_url: str | None = None


_REFUSED_ORDERS = text(
    "select count(*)::bigint from commands where account = :account and subject_id = :payment_id"
    " and kind = 'create_order' and actor = :actor and state = 'finished' and result ->> 'outcome' <> 'succeeded'"
)


class CheckoutPages:
    """Reads and writes hosted pages."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def replace(self, page: CheckoutPage) -> None:
        """Keep a page as its payment's only one."""
        pages = CHECKOUT_PAGES
        of_payment = (pages.c.account == page.account, pages.c.payment_id == page.payment_id)
        await self._connection.execute(delete(pages).where(*of_payment))
        values = {
            "digest": page.digest,
            "account": page.account,
            "payment_id": page.payment_id,
            "created_at": page.created_at,
            "expires_at": page.expires_at,
            "return_url": page.return_url,
        }
        await self._connection.execute(insert(pages).values(values))

    async def get(self, digest: bytes) -> CheckoutPage | None:
        """Find a page, whether it has expired or not."""
        row = (await self._connection.execute(select(CHECKOUT_PAGES).where(CHECKOUT_PAGES.c.digest == digest))).first()
        if row is None:
            return None
        return CheckoutPage(
            digest=bytes(row.digest),
            account=row.account,
            payment_id=row.payment_id,
            created_at=row.created_at,
            expires_at=row.expires_at,
            return_url=row.return_url,
        )

    async def close(self, account: str, payment_id: str, now: datetime) -> None:
        """Have a payment's page expire now, if it has not before."""
        pages = CHECKOUT_PAGES
        of_payment = (pages.c.account == account, pages.c.payment_id == payment_id)
        closing = update(pages).where(*of_payment).values(expires_at=func.least(pages.c.expires_at, now))
        await self._connection.execute(closing)

    async def refused_orders(self, account: str, payment_id: str, actor: str) -> int:
        """How often `actor` could not have a payment set up at its gateway, with a definite answer each time."""
        values = {"account": account, "payment_id": payment_id, "actor": actor}
        return int((await self._connection.execute(_REFUSED_ORDERS, values)).scalar_one())
