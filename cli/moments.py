"""Moments as people type them: ISO 8601, in UTC unless they say otherwise."""

from datetime import UTC, datetime

import typer


def read_moment(text: str) -> datetime:
    """Read a moment such as `2026-01-02` or `2026-01-02T03:04:05+01:00`."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(f"{text!r} is no time; write it as 2026-01-02T03:04:05Z") from error
