"""The HTML statement of a batch: whole, escaped, with nothing from elsewhere, and never one that does not add up."""

import uuid
from html.parser import HTMLParser

import pytest
from sqlalchemy import text

from domain.errors import InvariantViolated, NotFound
from services.payout_documents.statement_html import statement_html
from services.payouts import execute_payout
from storage.unit_of_work import Database
from tests.integration.services.banking import AFTER, NET, capture, make_batch
from tests.integration.services.books import open_account

HOSTILE = "<script>alert('x')</script>"


class Page(HTMLParser):
    """What a browser would see of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.text.append(data.strip())


async def read(database: Database, batch_id: uuid.UUID, page_size: int = 500) -> Page:
    page = Page()
    page.feed("".join([piece async for piece in statement_html(database, "demo", batch_id, page_size=page_size)]))
    page.close()
    return page


@pytest.fixture
async def batch_id(database: Database) -> uuid.UUID:
    """A batch of one entry."""
    await open_account(database)
    await capture(database, 1)
    return await make_batch(database, 1)


async def set_values(database: Database, assignment: str) -> None:
    async with database.transaction() as transaction:
        await transaction.connection.execute(text(f"update payout_batches set {assignment}"))  # noqa: S608 - this file's


async def test_a_statement_shows_what_is_paid_and_what_for(database: Database, batch_id: uuid.UUID) -> None:
    page = await read(database, batch_id)
    assert page.text.count("9.41 USD") == 1
    assert {"To be paid", "p1", "capture", "10.00", "0.59", "1 entry", str(batch_id), batch_id.hex} <= set(page.text)
    await execute_payout(database, "demo", batch_id, actor="cfo", request_id="r", now=AFTER, bank_reference="b-1")
    assert {"Paid", "b-1", "completed"} <= set((await read(database, batch_id)).text)


async def test_pages_of_entries_make_one_statement(database: Database, batch_id: uuid.UUID) -> None:
    await capture(database, 2)
    other = await make_batch(database, 2)
    async with database.transaction() as transaction:
        for statement in (
            "update settlement_entries set payout_batch_id = :batch",
            "update payout_batch_entries set payout_batch_id = :batch where payout_batch_id = :other",
            "update payout_batches set gross_minor = 2000, fee_minor = 118, net_minor = 1882, entry_count = 2",
        ):
            values = {"batch": batch_id, "other": other}
            await transaction.connection.execute(text(statement), values)
    page = await read(database, batch_id, page_size=1)
    assert {"2 entries", "18.82 USD", "20.00", "1.18"} <= set(page.text)


async def test_what_people_wrote_is_text_and_nothing_comes_from_elsewhere(
    database: Database, batch_id: uuid.UUID
) -> None:
    async with database.transaction() as transaction:
        await transaction.connection.execute(text("update accounts set name = :name"), {"name": HOSTILE})
    await set_values(database, f"status = 'failed', failure_reason = '{HOSTILE.replace(chr(39), chr(34))}'")
    page = await read(database, batch_id)
    assert HOSTILE in page.text
    assert not {"script", "img", "link", "iframe", "form", "a"} & set(page.tags)
    assert not {name for name, _ in page.attributes} & {"src", "href", "onload", "style"}
    assert "Not paid" in page.text


async def test_a_reserve_is_shown(database: Database, batch_id: uuid.UUID) -> None:
    await set_values(database, "reserve_held_minor = 100, reserve_released_minor = 30, net_minor = 871")
    page = await read(database, batch_id)
    assert {"-1.00", "0.30", "8.71 USD"} <= set(page.text)


async def test_a_statement_that_does_not_add_up_breaks_off(database: Database, batch_id: uuid.UUID) -> None:
    await set_values(database, f"gross_minor = gross_minor + 1, net_minor = {NET + 1}")
    with pytest.raises(InvariantViolated):
        await read(database, batch_id)


async def test_another_accounts_statement_is_not_there(database: Database, batch_id: uuid.UUID) -> None:
    with pytest.raises(NotFound):
        await read(database, uuid.uuid4())
    with pytest.raises(NotFound):
        [piece async for piece in statement_html(database, "other", batch_id)]
