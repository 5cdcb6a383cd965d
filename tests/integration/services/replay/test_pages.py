"""A replay of more payments than fit on a page: none is passed over, and what differs is found on every page."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from bootstrap.producer import build_producer
from bootstrap.settings import Settings
from services.create_payment import CREATED
from services.messages import payment_event
from services.replay.comparison import PAGE_SIZE
from storage.unit_of_work import Database
from tests.integration.services.audited_pipeline import EVENING, Pipeline, fact
from tests.integration.services.books import open_account
from tests.integration.services.replay.replaying import replayed, spoil

COUNT = 2 * PAGE_SIZE + 1
PAYMENTS = text(
    "insert into payments (id, account, gateway, provider_reference, resource_type, resource_id, amount_minor,"
    " currency, splits, fee_basis_points, fee_fixed_minor, status, event_sequence, created_at, updated_at)"
    " select 'p' || number, 'demo', 'stripe', 'pi_p' || number, 'order', 'o1', 1000, 'USD',"
    " '[[\"tenant\", \"demo\", 1000]]', 290, 30, 'pending', 1, :now, :now from generate_series(1, :count) as number"
)
NAMES = text("insert into payment_references select gateway, account, provider_reference, id from payments")


@pytest.fixture
async def pipeline(topics_created: Settings, database: Database) -> AsyncIterator[Pipeline]:
    """Payments on three pages, each paid by a callback that brings its fact."""
    await open_account(database)
    async with database.transaction() as transaction:
        await transaction.connection.execute(PAYMENTS, {"count": COUNT, "now": EVENING})
        await transaction.connection.execute(NAMES)
        made = await transaction.payments.lock({f"p{number}" for number in range(1, COUNT + 1)})
        events = [payment_event(one, CREATED, 1, EVENING)[1] for one in made.values()]
        await transaction.movements.add_events(events, EVENING)
    producer = build_producer(topics_created.kafka, client_id="pages")
    await producer.start()
    pipeline = Pipeline(topics_created, database, producer)
    paid = [fact(f"p{number}", "captured", 1_000, movement=f"ch_{number}") for number in range(1, COUNT + 1)]
    for start in range(0, COUNT, 20):
        await pipeline.callback(*paid[start : start + 20])
    await pipeline.settle_down()
    yield pipeline
    await producer.stop()


async def test_every_page_is_rebuilt_and_compared(pipeline: Pipeline, database: Database) -> None:
    untouched = await replayed(pipeline)
    ids = sorted(f"p{number}" for number in range(1, COUNT + 1))
    changed = {ids[0], ids[PAGE_SIZE], ids[-1]}
    listed = ", ".join(f"'{payment_id}'" for payment_id in changed)
    await spoil(database, f"update payments set captured_minor = 1 where id in ({listed})")  # noqa: S608 - made above
    await spoil(database, f"delete from inbox where payment_id = '{ids[-1]}'")  # noqa: S608 - made above
    touched = await replayed(pipeline)

    assert untouched.is_empty, untouched.to_json()
    assert (untouched.figures.payments, untouched.figures.facts_compared) == (COUNT, COUNT)
    assert touched.differences.by_part == {"payment": 3, "fact": 1}
    assert {each.payment_id for each in touched.differences.kept} == changed
