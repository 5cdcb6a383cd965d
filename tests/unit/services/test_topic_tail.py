from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services import topic_tail
from services.audit.topic_reader import UNDATED, TopicRecord
from services.topic_tail import Edges, read_back
from tests.unit.services.fake_broker import BEGAN, FakeBroker
from topics.catalog import COMMANDS, GATEWAY_EVENTS
from topics.spec import TopicSpec

Seen = tuple[str, int, int]


def everything(spec: TopicSpec, record: TopicRecord) -> Seen | None:
    return (spec.name, record.partition, record.offset)


def even(spec: TopicSpec, record: TopicRecord) -> Seen | None:
    return (spec.name, record.partition, record.offset) if record.offset % 2 == 0 else None


def none(_spec: TopicSpec, _record: TopicRecord) -> Seen | None:
    return None


async def pages(broker: FakeBroker, limit: int, specs: tuple[TopicSpec, ...] = (COMMANDS,)) -> list[list[Seen]]:
    found: list[list[Seen]] = []
    edges: Edges | None = None
    while True:
        tail = await read_back(broker, specs, everything, limit=limit, edges=edges)
        found.append(tail.items)
        if tail.edges is None:
            return found
        edges = tail.edges


@given(
    times=st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.booleans()), max_size=400),
    limit=st.integers(min_value=1, max_value=120),
)
async def test_every_record_comes_once_and_newest_first(times: list[tuple[int, bool]], limit: int) -> None:
    broker = FakeBroker()
    written = [
        (spec.name, partition, broker.put(spec, partition=partition).offset)
        for partition, is_command in times
        for spec in [COMMANDS if is_command else GATEWAY_EVENTS]
    ]

    found = await pages(broker, limit, (COMMANDS, GATEWAY_EVENTS))

    assert [seen for page in found for seen in page] == written[::-1]
    assert all(len(page) <= limit for page in found)


@given(
    minutes=st.lists(st.tuples(st.sampled_from([0, 1]), st.integers(min_value=-300, max_value=300)), max_size=200),
    limit=st.integers(min_value=1, max_value=30),
)
async def test_wrong_clocks_lose_and_double_nothing(minutes: list[tuple[int, int]], limit: int) -> None:
    broker = FakeBroker()
    for partition, minute in minutes:
        broker.put(COMMANDS, partition=partition, written_at=BEGAN + timedelta(minutes=minute))

    found = [seen for page in await pages(broker, limit) for seen in page]

    for partition in (0, 1):
        offsets = [offset for _, number, offset in found if number == partition]
        assert offsets == list(range(len(broker.topics[COMMANDS.name][partition])))[::-1]


async def test_a_record_without_a_time_does_not_hide_others() -> None:
    broker = FakeBroker()
    for written_at in (None, UNDATED, None):
        broker.put(COMMANDS, written_at=written_at)
    assert await pages(broker, 2) == [[(COMMANDS.name, 0, 2), (COMMANDS.name, 0, 1)], [(COMMANDS.name, 0, 0)]]


async def test_what_is_not_wanted_is_passed_over() -> None:
    broker = FakeBroker()
    for _ in range(9):
        broker.put(COMMANDS)
    tail = await read_back(broker, [COMMANDS], even, limit=3)
    assert [offset for _, _, offset in tail.items] == [8, 6, 4]
    rest = await read_back(broker, [COMMANDS], even, limit=3, edges=tail.edges)
    assert ([offset for _, _, offset in rest.items], rest.edges) == ([2, 0], None)


async def test_only_so_much_is_looked_at_for_one_page() -> None:
    broker = FakeBroker()
    for _ in range(topic_tail.MAX_EXAMINED + 500):
        broker.put(COMMANDS)
    tail = await read_back(broker, [COMMANDS], none, limit=1)
    assert (tail.items, tail.edges) == ([], {(COMMANDS.name, 0): 500})
    assert broker.examined == topic_tail.MAX_EXAMINED


async def test_what_retention_took_ends_the_list() -> None:
    broker = FakeBroker()
    for _ in range(5):
        broker.put(COMMANDS)
    broker.forgotten[COMMANDS.name, 0] = 3
    assert await pages(broker, 9) == [[(COMMANDS.name, 0, 4), (COMMANDS.name, 0, 3)]]


@pytest.mark.parametrize("edges", [{(COMMANDS.name, 0): 10**15, (COMMANDS.name, 99): 5, ("odd", 0): 5}, {}])
async def test_a_position_that_somebody_made_up_is_cut_to_what_is_there(edges: Edges) -> None:
    broker = FakeBroker()
    broker.put(COMMANDS)
    tail = await read_back(broker, [COMMANDS], everything, limit=5, edges=edges)
    assert (tail.items, tail.edges) == ([(COMMANDS.name, 0, 0)] if edges else [], None)
