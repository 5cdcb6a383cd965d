import pytest

from services.audit.topic_reader import Position, position_in


@pytest.mark.parametrize(
    ("headers", "position"),
    [
        ((("ps_raw_partition", b"3"), ("ps_raw_offset", b"17")), (3, 17)),
        ((("ps_raw_partition", b"3"),), None),
        ((("ps_raw_partition", b"3"), ("ps_raw_offset", b"-1")), None),
        ((("ps_raw_partition", b"three"), ("ps_raw_offset", b"17")), None),
        ((("ps_dlq_partition", b"3"), ("ps_dlq_offset", b"17")), None),
        ((), None),
    ],
)
def test_a_position_is_read_from_two_headers_or_not_at_all(
    headers: tuple[tuple[str, bytes], ...], position: Position | None
) -> None:
    assert position_in(headers, "ps_raw") == position
