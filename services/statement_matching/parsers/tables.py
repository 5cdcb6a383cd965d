"""Reading CSV files into rows: the whole of a file or nothing of it."""

import csv
import io
from collections.abc import Iterator, Sequence

from domain.errors import MalformedPayload
from services.statement_matching.parsers.fields import Row

LARGEST_FILE_BYTES = 64 * 1_048_576


def read_rows(
    content: bytes,
    *,
    required: Sequence[str],
    delimiter: str = ",",
    encoding: str = "utf-8-sig",
    skipped_lines: int = 0,
) -> Iterator[Row]:
    """Yield the rows below the header line, empty ones left out.

    Raises MalformedPayload when the file is too large, no text, lacks a column, or has a row that is longer or shorter
    than its header.
    """
    text = decode(content, encoding)
    lines = io.StringIO(text, newline="")
    for _ in range(skipped_lines):
        lines.readline()
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header, required)
        for cells in reader:
            number = reader.line_num + skipped_lines
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise MalformedPayload(f"line {number} has {len(cells)} columns, the header has {len(header)}")
            yield Row(number, dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        raise MalformedPayload(f"line {reader.line_num + skipped_lines} is not CSV: {error}") from error


def decode(content: bytes, encoding: str = "utf-8-sig") -> str:
    """Return a file's text; raises MalformedPayload for what is too large or in another encoding."""
    if len(content) > LARGEST_FILE_BYTES:
        raise MalformedPayload(f"the file is larger than {LARGEST_FILE_BYTES // 1_048_576} MiB; split it")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise MalformedPayload(f"line {line} is not text in {encoding}") from error
    except LookupError as error:
        raise MalformedPayload(f"nobody knows the encoding {encoding!r}", field="encoding") from error


def _check_header(header: Sequence[str], required: Sequence[str]) -> None:
    if missing := [name for name in required if name not in header]:
        raise MalformedPayload(
            f"line 1: the column {missing[0]!r} is missing; the file has {', '.join(map(repr, header)) or 'none'}",
            field=missing[0],
        )
    if len(set(header)) != len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise MalformedPayload(f"line 1: there are two columns {twice!r}", field=twice)
