"""Types of query and path parameters: nothing that they let through can be refused by the database."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, Field


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("this time is not within the years 1 to 9999 in UTC") from error


UtcDatetime = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A time with an offset, brought to UTC."""

Moment = Annotated[UtcDatetime | None, Query(description="With an offset, such as 2026-01-02T03:04:05Z.")]
"""An optional bound of a date range."""

TextFilter = Annotated[str | None, Query(max_length=255, pattern=r"^[^\x00]*$")]
"""A text that a field must be equal to."""

PathId = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,600}$")]
"""An id of ours in a path."""
