"""Records as they are: Faust's own schema asks for serializers and copies the headers, for every record."""

from collections.abc import Awaitable, Callable
from typing import Any

import faust

Decode = Callable[..., Awaitable[Any]]


class RawSchema(faust.Schema):
    """Keys and values are bytes. Headers are left where they are: on the event's message, not on the event."""

    def compile(self, app: Any, **_: Any) -> Decode:
        """Return what makes an event of a message."""

        async def decode(message: Any, **_: Any) -> Any:
            return faust.Event(app, message.key, message.value, None, message)

        return decode
