"""Charts of a run as SVG, written by hand: two kinds, no library."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

WIDTH = 760
ROW = 30
LABEL_WIDTH = 300
MARGIN = 16
PLOT_HEIGHT = 260
LEFT = 70
BOTTOM = 46
COLOURS = ("#2f6f9f", "#c0603a", "#4f8a4f", "#7a5aa6")
STYLE = "font-family: system-ui, sans-serif; font-size: 13px"

Chart = Mapping[str, Any]
"""`{"kind": "bars", "title", "bars": [[label, value], …]}`, on a logarithmic scale, or
`{"kind": "lines", "title", "x", "y", "lines": {name: [[x, y], …]}}`."""


def write_charts(figures: Mapping[str, Any], directory: Path) -> list[Path]:
    """Draw every chart of a run into a file of its own; returns the files."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for number, chart in enumerate(figures.get("charts", ()), start=1):
        path = directory / f"{figures['bench']}-{number}.svg"
        path.write_text(draw(chart), encoding="utf-8")
        written.append(path)
    return written


def draw(chart: Chart) -> str:
    """Draw one chart. Raises KeyError for a kind that does not exist."""
    kinds: dict[str, Callable[[Chart], str]] = {"bars": _bars, "lines": _lines}
    return kinds[chart["kind"]](chart)


def _bars(chart: Chart) -> str:
    bars: Sequence[tuple[str, float]] = chart["bars"]
    largest = max(value for _, value in bars)
    # A decade below the smallest keeps its bar visible.
    floor = min(value for _, value in bars) / 10
    space = WIDTH - LABEL_WIDTH - 2 * MARGIN - 80
    parts = [_text(MARGIN, 24, chart["title"], weight="bold")]
    for number, (label, value) in enumerate(bars):
        top = 44 + number * ROW
        length = space * math.log(value / floor) / math.log(largest / floor)
        parts += [
            _text(MARGIN, top + 14, label),
            f'<rect x="{LABEL_WIDTH}" y="{top}" width="{length:.1f}" height="{ROW - 10}" fill="{COLOURS[0]}"/>',
            _text(LABEL_WIDTH + length + 6, top + 14, f"{value:,.0f}"),
        ]
    height = 44 + len(bars) * ROW + 26
    parts.append(_text(MARGIN, height - 10, "The scale is logarithmic.", colour="#777"))
    return _document(height, parts)


def _lines(chart: Chart) -> str:
    lines: Mapping[str, Sequence[tuple[float, float]]] = chart["lines"]
    points = [point for line in lines.values() for point in line]
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    is_wide = left > 0 and right / left >= 100  # noqa: PLR2004 - two decades are read better on a logarithmic scale
    position = math.log10 if is_wide else float
    top = max(y for _, y in points) * 1.1 or 1.0
    width = position(right) - position(left) or 1.0

    def place(x: float, y: float) -> str:
        across = LEFT + (WIDTH - LEFT - 4 * MARGIN) * (position(x) - position(left)) / width
        return f"{across:.1f},{40 + PLOT_HEIGHT * (1 - y / top):.1f}"

    parts = [_text(MARGIN, 24, chart["title"], weight="bold"), *_grid(top)]
    for (name, line), colour in zip(lines.items(), COLOURS, strict=False):
        path = " ".join(place(x, y) for x, y in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        x, y = place(*line[-1]).split(",")
        parts.append(_text(float(x) - 4, float(y) - 8, name, colour=colour, anchor="end"))
    floor = 40 + PLOT_HEIGHT + 18
    parts += [
        _text(LEFT, floor, f"{left:,.0f}"),
        _text(WIDTH - 4 * MARGIN, floor, f"{right:,.0f}", anchor="end"),
        _text(WIDTH / 2, floor + 18, f"{chart['x']}{', logarithmic' if is_wide else ''}; upwards: {chart['y']}"),
    ]
    return _document(40 + PLOT_HEIGHT + BOTTOM, parts)


def _grid(top: float) -> Iterable[str]:
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        height = 40 + PLOT_HEIGHT * (1 - share)
        yield f'<line x1="{LEFT}" x2="{WIDTH - 4 * MARGIN}" y1="{height}" y2="{height}" stroke="#ddd"/>'
        yield _text(LEFT - 8, height + 4, f"{top * share:,.0f}", anchor="end", colour="#777")


def _text(x: float, y: float, text: str, *, weight: str = "normal", colour: str = "#222", anchor: str = "start") -> str:
    style = f'fill="{colour}" font-weight="{weight}" text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'


def _document(height: float, parts: Iterable[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" style="{STYLE}">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>"]) + "\n"
