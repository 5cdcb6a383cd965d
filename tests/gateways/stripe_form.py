"""The form encoding that Stripe takes: `metadata[payment_id]=1&line_items[0][quantity]=1`, as nested objects."""

import re
from typing import Any
from urllib.parse import parse_qsl

Params = dict[str, Any]

_PARTS = re.compile(r"[^\[\]]+")


def decode_form(text: str) -> Params:
    """Decode a form or a query. Lists come out as lists when their positions are numbered from zero."""
    params: Params = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        *path, last = _PARTS.findall(name)
        holder = params
        for part in path:
            holder = holder.setdefault(part, {})
        holder[last] = value
    return {name: _with_lists(value) for name, value in params.items()}


def _with_lists(value: Any) -> Any:  # noqa: ANN401 - a decoded value is a text, an object or a list
    if not isinstance(value, dict):
        return value
    decoded = {name: _with_lists(item) for name, item in value.items()}
    is_list = list(decoded) == [str(position) for position in range(len(decoded))]
    return list(decoded.values()) if is_list else decoded
