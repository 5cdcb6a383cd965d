"""Charts are well-formed SVG in which larger is longer, and later is further right."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from bench.chart import draw, write_charts

SVG = "{http://www.w3.org/2000/svg}"
BARS = {"kind": "bars", "title": "A < B", "bars": [["small", 10], ["large", 1_000], ["middle", 100]]}
LINES = {
    "kind": "lines",
    "title": "Growth",
    "x": "payments",
    "y": "µs",
    "lines": {"all": [[1_000, 5.0], [10_000, 5.5], [1_000_000, 6.0]], "a part": [[1_000, 1.0], [1_000_000, 1.0]]},
}


def parse(chart: dict[str, Any]) -> ET.Element:
    return ET.fromstring(draw(chart))  # noqa: S314 - what is parsed was drawn here


def test_bars_are_as_long_as_their_decades() -> None:
    widths = [bar.attrib["width"] for bar in parse(BARS).iter(f"{SVG}rect")]
    small, large, middle = (float(width) for width in widths if width != "100%")
    assert large == pytest.approx(3 * small, abs=0.2)
    assert middle == pytest.approx(2 * small, abs=0.2)


def test_titles_are_escaped_and_values_are_written_beside_their_bars() -> None:
    texts = [text.text for text in parse(BARS).iter(f"{SVG}text")]
    assert "A < B" in texts
    assert "1,000" in texts


def test_lines_go_right_by_decades_and_up_by_value() -> None:
    drawn = [line.attrib["points"].split() for line in parse(LINES).iter(f"{SVG}polyline")]
    (first, second, last), flat = ([tuple(map(float, point.split(","))) for point in line] for line in drawn)
    assert (second[0] - first[0]) / (last[0] - first[0]) == pytest.approx(1 / 3, abs=0.01)
    assert first[1] > second[1] > last[1]
    assert flat[0][1] == flat[1][1]


def test_one_point_and_nothing_but_zero_can_be_drawn() -> None:
    parse({**LINES, "lines": {"one": [[0, 0.0]]}})
    parse({**BARS, "bars": [["only", 5]]})


def test_each_chart_of_a_run_gets_a_file(tmp_path: Path) -> None:
    written = write_charts({"bench": "growth", "charts": [LINES, BARS]}, tmp_path / "charts")
    assert [path.name for path in written] == ["growth-1.svg", "growth-2.svg"]
    assert written[1].read_text(encoding="utf-8") == draw(BARS)
    assert write_charts({"bench": "growth"}, tmp_path) == []
