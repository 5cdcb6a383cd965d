"""When a process says that it is ready."""

import asyncio
from pathlib import Path

import pytest

from bootstrap.readiness import Check, Readiness, disk_check
from bootstrap.settings import ReadinessSettings

LOOK_SECONDS = 0.05


def says(answer: bool) -> Check:
    async def check() -> bool:
        return answer

    return check


async def fails() -> bool:
    raise ConnectionRefusedError


class Hanging:
    """Does not answer, and does not let go either, until it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()

    async def __call__(self) -> bool:
        self.asked += 1
        await asyncio.shield(self.may_answer.wait())
        return True


async def test_it_is_ready_when_everything_that_is_required_is_in_order() -> None:
    report = await Readiness({"broker": says(True), "database": says(True)}).look()
    assert (report.ready, report.status_code) == (True, 200)
    assert report.content() == {"status": "ready", "broker": True, "database": True}


@pytest.mark.parametrize("broken", [says(False), fails])
async def test_one_thing_that_is_not_in_order_is_named(broken: Check) -> None:
    report = await Readiness({"broker": broken, "database": says(True)}).look()
    assert (report.ready, report.status_code) == (False, 503)
    assert report.content() == {"status": "not_ready", "broker": False, "database": True}


async def test_what_it_only_tells_of_does_not_count() -> None:
    report = await Readiness({"database": says(True)}, told={"relay": says(False)}).look()
    assert report.content() == {"status": "ready", "database": True, "relay": False}


async def test_what_hangs_counts_as_a_no_and_is_asked_once() -> None:
    hanging = Hanging()
    readiness = Readiness({"database": hanging, "broker": says(True)}, look_seconds=LOOK_SECONDS)
    for _ in range(3):
        assert (await readiness.look()).found == {"database": False, "broker": True}
    assert hanging.asked == 1
    hanging.may_answer.set()
    assert (await readiness.look()).ready
    assert (await readiness.look()).ready
    assert hanging.asked == 2
    await readiness.close()


async def test_many_who_ask_at_once_share_the_looks() -> None:
    hanging = Hanging()
    readiness = Readiness({"database": hanging}, look_seconds=5)
    looks = [asyncio.create_task(readiness.look()) for _ in range(10)]
    while not hanging.asked:  # noqa: ASYNC110 - a plain value that nobody announces
        await asyncio.sleep(0)
    hanging.may_answer.set()
    assert {(await look).ready for look in looks} == {True}
    assert hanging.asked == 1


async def test_a_reserve_on_the_disk_is_kept_only_where_one_is_asked_for(tmp_path: Path) -> None:
    def settings(reserved_bytes: int) -> ReadinessSettings:
        return ReadinessSettings(reserved_disk_bytes=reserved_bytes, disk_path=str(tmp_path))

    assert disk_check(settings(0)) == {}
    assert (await Readiness(disk_check(settings(1))).look()).ready
    assert (await Readiness(disk_check(settings(2**62))).look()).found == {"disk": False}
