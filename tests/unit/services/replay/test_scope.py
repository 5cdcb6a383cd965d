"""What a replay covers: half-open ranges of offsets and of time."""

from datetime import UTC, datetime

import pytest

from domain.errors import InvalidInput
from services.audit.topic_reader import Position
from services.replay.scope import Coverage, ReplayRequest

MOMENT = datetime(2026, 1, 2, tzinfo=UTC)
COVERAGE = Coverage({0: (5, 8), 3: (0, 0)})


@pytest.mark.parametrize(
    ("position", "is_covered"),
    [((0, 4), False), ((0, 5), True), ((0, 7), True), ((0, 8), False), ((3, 0), False), ((9, 1), False), (None, False)],
)
def test_a_position_is_covered_from_the_first_to_before_the_end(position: Position | None, is_covered: bool) -> None:
    assert COVERAGE.covers(position) is is_covered


def test_a_coverage_is_counted_and_written_as_columns() -> None:
    assert COVERAGE.records == 3
    assert COVERAGE.values == {"partitions": [0, 3], "firsts": [5, 0], "ends": [8, 0]}


def test_a_range_has_to_begin_before_it_ends() -> None:
    ReplayRequest(since=MOMENT).check()
    ReplayRequest(until=MOMENT).check()
    with pytest.raises(InvalidInput, match="ends before it begins"):
        ReplayRequest(since=MOMENT, until=MOMENT).check()
