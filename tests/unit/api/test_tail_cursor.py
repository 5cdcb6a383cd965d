import base64

import pytest

from api.tail_cursor import read_tail_cursor, tail_page
from domain.errors import InvalidInput
from topics.catalog import DEAD_LETTERS


def test_a_cursor_says_where_to_go_on() -> None:
    edges = {(spec.name, partition): 2**40 for spec in DEAD_LETTERS for partition in range(8)}
    page = tail_page(["item"], edges)
    assert page.has_more
    assert page.next_cursor is not None
    assert len(page.next_cursor) < 4_000
    assert read_tail_cursor(page.next_cursor) == edges


def test_the_last_page_has_no_cursor() -> None:
    assert (tail_page([], None).has_more, tail_page([], None).next_cursor, read_tail_cursor(None)) == (
        False,
        None,
        None,
    )


@pytest.mark.parametrize(
    "said",
    [b"", b"x", b"[]", b'{"a": 1}', b'{"a": {"x": 1}}', b'{"a": {"0": -1}}', b'{"a": {"0": 1e99}}', b"[" * 3_000],
)
def test_what_is_no_cursor_of_ours_is_refused(said: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_tail_cursor(base64.urlsafe_b64encode(said).decode().rstrip("="))


@pytest.mark.parametrize("cursor", ["é", "a", "====", "%%%"])
def test_what_is_not_even_base64_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidInput):
        read_tail_cursor(cursor)
