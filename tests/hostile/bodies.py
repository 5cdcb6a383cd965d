"""Bodies that nobody honest sends, and honest ones with one thing in them made hostile."""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from hypothesis import strategies as st

MEBIBYTE = 1_048_576
"""The longest body that the ingress takes unless it is told otherwise."""

DEEP = 100_000
"""Levels of nesting: far beyond what a recursive reader survives."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A piece of JSON text that no Python value is written as."""

    text: str


HOSTILE_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    10**30,
    2**63,
    2**53 + 1,
    -(2**63) - 1,
    0.1,
    Literal("1e400"),
    Literal("-1e400"),
    Literal("1e999999999"),
    Literal("1e-999999999"),
    Literal("NaN"),
    Literal("Infinity"),
    Literal("-Infinity"),
    Literal("9" * 4_000),
    Literal("9" * 5_000),
    Literal("1." + "0" * 5_000 + "1"),
    Literal('"\\ud800"'),
    Literal('"\\udfff\\ud800"'),
    Literal("[" * 500 + "]" * 500),
    "",
    " ",
    "\x00",
    "a\x00b",
    "\ufeff",
    "\u202e\u0660\u0661",
    "x" * 300,
    "x" * 70_000,
    "4242424242424242",
    "1e999999999",
    "NaN",
    "٣",
    "9" * 5_000,
    "-0",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2026-01-02T03:00:00",
    [],
    {},
    [[]],
    [None],
    [{}],
    {"": {}},
    {"value": {"value": {"value": "1"}}},
    ["x"] * 50,
)
"""What may stand where a gateway promises something else."""

_MARK = "\ufff0literal:%d\ufff1"


def write_json(value: object) -> bytes:
    """Write JSON in which literals stand as they are, and lone surrogates as escapes."""
    literals: list[str] = []

    def mark(item: object) -> object:
        if isinstance(item, Literal):
            literals.append(item.text)
            return _MARK % (len(literals) - 1)
        if isinstance(item, Mapping):
            return {key: mark(each) for key, each in item.items()}
        if isinstance(item, Sequence) and not isinstance(item, str):
            return [mark(each) for each in item]
        return item

    text = json.dumps(mark(value), ensure_ascii=True)
    for number, literal in enumerate(literals):
        text = text.replace(json.dumps(_MARK % number), literal)
    return text.encode()


Path = tuple[str | int, ...]


def paths_of(value: object, path: Path = ()) -> Iterator[Path]:
    """Every place in a JSON value, the whole first."""
    yield path
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from paths_of(each, (*path, key))
    elif isinstance(value, list):
        for position, each in enumerate(value):
            yield from paths_of(each, (*path, position))


def replaced(value: Any, path: Path, by: object) -> Any:  # noqa: ANN401 - JSON has any shape
    """The same value with another thing in one place."""
    if not path:
        return by
    copy: Any = dict(value) if isinstance(value, Mapping) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], by)
    return copy


def removed(value: Any, path: Path) -> Any:  # noqa: ANN401 - JSON has any shape
    """The same value without what is in one place; the whole cannot be removed."""
    copy: Any = dict(value) if isinstance(value, Mapping) else list(value)
    if len(path) == 1:
        del copy[path[0]]
    else:
        copy[path[0]] = removed(value[path[0]], path[1:])
    return copy


def with_key_twice(body: bytes, key: str, first: object) -> bytes:
    """The same JSON object with one more pair of the key in front, as a reader that takes the last would not see."""
    assert body.startswith(b"{")
    return b"{" + json.dumps(key).encode() + b":" + write_json(first) + b"," + body[1:]


def encodings_of(body: bytes) -> dict[str, bytes]:
    """The same text in ways that some readers take for the same, and nobody has signed."""
    text = body.decode("utf-8", errors="replace")
    return {
        "byte order mark": b"\xef\xbb\xbf" + body,
        "utf-16": text.encode("utf-16"),
        "utf-16 without a mark": text.encode("utf-16-le"),
        "utf-32": text.encode("utf-32"),
        "utf-7": text.encode("utf-7"),
        "overlong": body.replace(b"{", b"\xc1\xbb"),
        "gzip": gzip.compress(body, mtime=0),
        "multipart": b'--x\r\nContent-Disposition: form-data; name="body"\r\n\r\n' + body + b"\r\n--x--\r\n",
        "form": b"body=" + body,
        "twice": body + body,
        "in a list": b"[" + body + b"]",
        "in quotes": json.dumps(text).encode(),
        "cut": body[: len(body) // 2],
        "with NUL": body + b"\x00",
    }


@cache
def shapeless_bodies() -> dict[str, bytes]:
    """Bodies of no gateway at all, up to the longest that the ingress takes."""
    return {
        "nothing": b"",
        "space": b" \t\r\n",
        "NUL": b"\x00" * 64,
        "every byte": bytes(range(256)),
        "null": b"null",
        "number": b"7",
        "text": b'"text"',
        "list": b"[]",
        "object": b"{}",
        "not a number": b"NaN",
        "infinity": b'{"amount":Infinity}',
        "deep list": b"[" * DEEP,
        "deep list, closed": b"[" * DEEP + b"]" * DEEP,
        "deep object": b'{"a":' * DEEP,
        "deep object, closed": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        "huge number": b"9" * MEBIBYTE,
        "huge fraction": b'{"amount":0.' + b"9" * (MEBIBYTE - 14) + b"}",
        "huge exponent": b'{"amount":1e999999999999}',
        "many keys": b"{" + b",".join(b'"%d":0' % number for number in range(90_000)) + b"}",
        "one key, many times": b"{" + b",".join([b'"a":[]'] * 140_000) + b"}",
        "many lists": b"[" + b",".join([b"[]"] * 340_000) + b"]",
        "many fields": b"&".join([b"a=1"] * 250_000),
        "percent signs": b"a=" + b"%" * (MEBIBYTE - 2),
        "dots": b"." * MEBIBYTE,
        "escapes": b'{"a":"' + b"\\u0000" * 170_000 + b'"}',
        "gzip bomb": gzip.compress(b"\x00" * (64 * MEBIBYTE), mtime=0),
    }


def any_json() -> st.SearchStrategy[object]:
    """JSON of any shape, with hostile values as leaves."""
    leaves = st.sampled_from(HOSTILE_VALUES) | st.integers() | st.text(st.characters(), max_size=20)
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=20,
    )
