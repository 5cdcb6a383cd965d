"""What a change of settings comes with: who makes it and when, and which version they have seen."""

from typing import Annotated

from fastapi import Depends, Header

from api.authentication import CallerDependency, ContextDependency
from services.gateway_configuration import Writer


def _writer_of(caller: CallerDependency, context: ContextDependency) -> Writer:
    return Writer(actor=caller.actor, request_id=caller.request_id, now=context.clock())


def _tag_of(
    if_match: Annotated[str | None, Header(max_length=100, description="The `ETag` that was read.")] = None,
) -> str | None:
    return None if if_match is None else if_match.strip('"')


WriterDependency = Annotated[Writer, Depends(_writer_of)]
SeenTag = Annotated[str | None, Depends(_tag_of)]
"""The tag in `If-Match`; None when any version may be changed."""
