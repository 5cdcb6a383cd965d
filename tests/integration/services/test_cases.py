"""Cases: what people decide is final, signed, and starts the machine again where it should."""

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from domain.errors import InvalidInput, NotFound, OperationNotAllowed
from services.reconcile.cases import CaseDesk, Subject, open_case
from services.reconcile.schedule import SCHEDULE_SECONDS
from storage.cases import Case
from storage.unit_of_work import Database
from tests.integration.services.books import NOW, rows
from tests.integration.services.reconciling import (
    Desk,
    LossyGateway,
    assert_audit_holds,
    notices,
    refund,
    results_of,
)


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    """A shop with a refund that nobody can tell the outcome of; the books must hold at the end."""
    desk = Desk(database, LossyGateway(keeps_keys=False))
    await desk.open()
    await desk.complete()
    desk.gateway.drops = 1
    await desk.run(refund("r1", 600))
    for seconds in SCHEDULE_SECONDS:
        await desk.round(timedelta(seconds=seconds + 1))
    yield desk
    await assert_audit_holds(database)


async def open_cases(desk: Desk) -> list[Case]:
    async with desk.database.transaction() as transaction:
        return await transaction.cases.find()


def people(desk: Desk) -> CaseDesk:
    return CaseDesk(desk.database, desk.clock)


async def test_a_failed_command_gives_its_reservation_back(desk: Desk) -> None:
    (case,) = await open_cases(desk)
    assert (case.kind, case.command_id, case.payment_id) == ("command_unknown", "r1", "p1")
    assert await desk.run(refund("r2", 500)) == "refused"
    await people(desk).resolve(case.id, by="mia", resolution="not in the dashboard", outcome="failed")
    assert await results_of(desk.database, "r1") == ["unknown", "failed"]
    assert await desk.run(refund("r3", 500)) == "succeeded"
    assert await open_cases(desk) == []
    found = await rows(desk.database, "select actor from audit_log where subject_type = 'reconciliation_case'")
    assert found == [("agent:reconcile",), ("mia",)]


async def test_a_person_may_say_that_it_succeeded(desk: Desk) -> None:
    (case,) = await open_cases(desk)
    await people(desk).resolve(case.id, by="mia", resolution="re_9 in the dashboard", outcome="succeeded")
    assert await results_of(desk.database, "r1") == ["unknown", "succeeded"]
    assert (await notices(desk.database))[-1] == ("case_resolved", "command_unknown")


async def test_without_an_outcome_the_machine_looks_again_from_the_beginning(desk: Desk) -> None:
    (case,) = await open_cases(desk)
    await people(desk).resolve(case.id, by="mia", resolution="the gateway was told")
    for seconds in SCHEDULE_SECONDS:
        assert await open_cases(desk) == []
        await desk.round(timedelta(seconds=seconds + 1))
    (again,) = await open_cases(desk)
    assert again.id != case.id


async def test_a_case_is_resolved_once(desk: Desk) -> None:
    (case,) = await open_cases(desk)
    await people(desk).resolve(case.id, by="mia", resolution="done", outcome="failed")
    with pytest.raises(OperationNotAllowed, match="mia has resolved"):
        await people(desk).resolve(case.id, by="joe", resolution="done", outcome="succeeded")
    assert await results_of(desk.database, "r1") == ["unknown", "failed"]
    with pytest.raises(NotFound):
        await people(desk).resolve(uuid.uuid4(), by="joe", resolution="done")


@pytest.mark.parametrize(
    ("by", "resolution"), [("", "done"), ("mia", "refunded to 4242 4242 4242 4242"), ("mia", "nul\x00")]
)
async def test_what_may_not_be_stored_is_refused(desk: Desk, by: str, resolution: str) -> None:
    (case,) = await open_cases(desk)
    with pytest.raises(InvalidInput):
        await people(desk).resolve(case.id, by=by, resolution=resolution)
    assert len(await open_cases(desk)) == 1


async def test_an_outcome_needs_an_open_command(desk: Desk) -> None:
    async with desk.database.transaction() as transaction:
        await open_case(
            transaction, "payment_unreadable", Subject(account="demo", payment_id="p1"), "no answer", desk.now
        )
    case = next(case for case in await open_cases(desk) if case.kind == "payment_unreadable")
    with pytest.raises(InvalidInput, match="open command"):
        await people(desk).resolve(case.id, by="mia", resolution="x", outcome="failed")
    await people(desk).resolve(case.id, by="mia", resolution="the gateway is back")
    assert await rows(desk.database, "select sync_due_at from payments") == [(desk.now,)]


async def test_the_same_case_is_open_once(desk: Desk) -> None:
    subject = Subject(account="demo", gateway="stripe", reference="pi_x")
    async with desk.database.transaction() as transaction:
        assert await open_case(transaction, "orphan_not_adopted", subject, "waits", NOW)
        assert not await open_case(transaction, "orphan_not_adopted", subject, "waits", NOW)
        other = Subject(account="demo", gateway="stripe", reference="pi_y")
        assert await open_case(transaction, "orphan_not_adopted", other, "waits", NOW)
