"""Moments as people type them."""

from datetime import UTC, datetime

import pytest
import typer

from cli.moments import read_moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02", datetime(2026, 1, 2, tzinfo=UTC)),
        ("2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05+01:00", datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)),
    ],
)
def test_a_moment_is_in_utc_unless_it_says_otherwise(text: str, moment: datetime) -> None:
    assert read_moment(text) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "0001-01-01T00:00:00+14:00"])
def test_what_is_no_time_is_refused_in_words(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no time; write it as"):
        read_moment(text)
