"""The report of a replay: every difference is counted, the first are kept, and each kind has a next step."""

import json
from typing import get_args

from services.replay.books import Part
from services.replay.report import (
    KEPT_DIFFERENCES,
    NEXT_STEPS,
    Difference,
    Differences,
    ReplayFigures,
    ReplayReport,
)


def report_of(count: int) -> ReplayReport:
    differences = Differences()
    for number in range(count):
        differences.add(Difference(f"p{number}", "payment", "status", "failed", "completed"))
    return ReplayReport(figures=ReplayFigures(unproven={"signature_invalid": 2}), differences=differences, schema=None)


def test_nothing_that_differs_is_said_to_be_empty() -> None:
    said = json.loads(report_of(0).to_json())
    assert (said["empty"], said["difference_count"], said["differences"], said["next_steps"]) == (True, 0, [], {})
    assert said["figures"]["unproven"] == {"signature_invalid": 2}


def test_all_differences_are_counted_and_the_first_are_kept() -> None:
    said = json.loads(report_of(KEPT_DIFFERENCES + 7).to_json())
    assert (said["empty"], said["difference_count"]) == (False, KEPT_DIFFERENCES + 7)
    assert len(said["differences"]) == KEPT_DIFFERENCES
    assert said["differences"][0] == {
        "payment_id": "p0",
        "part": "payment",
        "name": "status",
        "live": "failed",
        "rebuilt": "completed",
    }
    assert said["differences_by_part"] == {"payment": KEPT_DIFFERENCES + 7}
    assert set(said["next_steps"]) == {"payment"}


def test_every_part_of_the_books_has_a_next_step() -> None:
    assert set(NEXT_STEPS) == set(get_args(Part))
