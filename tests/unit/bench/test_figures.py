"""Figures beside their targets: what counts as met, and what people and documents are shown."""

import io

from rich.console import Console

from bench.figures import FIGURES, Figure, rows_of, to_markdown
from bench.runs import show_table

MACHINE = {"processor": "a processor", "cores": 2, "broker": "a broker", "database": "a database", "python": "3.11"}
LATENCY = {"bench": "latency", "p50_ms": 60.0, "p99_ms": 300.4, "idle_p50_ms": 12.34, "machine": MACHINE}
INGRESS = {"bench": "ingress", "ratio_to_bare_asgi": 0.499, "ingress_per_second": 12_345.6, "machine": MACHINE}


def test_a_bound_is_met_when_it_is_just_reached() -> None:
    assert Figure("a", "", at_most=60).is_met(60.0) is True
    assert Figure("a", "", at_most=60).is_met(60.1) is False
    assert Figure("a", "", at_least=0.5).is_met(0.5) is True
    assert Figure("a", "", at_least=0.5).is_met(0.49) is False
    assert Figure("a", "").is_met(1.0) is None


def test_only_what_was_measured_is_shown() -> None:
    shown = [(row.value, row.target, row.met) for row in rows_of(LATENCY)]
    assert shown == [("60.0", "≤ 60", True), ("300.4", "≤ 300", False), ("12.3", "", None)]


def test_a_figure_is_judged_before_it_is_rounded() -> None:
    ratio = rows_of(INGRESS)[0]
    assert (ratio.value, ratio.met) == ("0.50", False)


def test_a_document_gets_one_table_and_each_machine_once() -> None:
    table = to_markdown([LATENCY, INGRESS])
    assert "| latency | callback to domain event at 30 % of peak, p50, ms | 60.0 | ≤ 60 | met |" in table
    assert "| ingress | callbacks stored a second, one process | 12,346 |  |  |" in table
    assert table.endswith("\na processor, 2 cores, a broker, a database, 3.11.\n")
    assert table.count("a processor") == 1


def test_people_see_what_was_missed() -> None:
    console = Console(file=io.StringIO(), width=160)
    show_table([LATENCY, INGRESS], console)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert shown.count("missed") == 2
    assert shown.count("met") == 1


def test_no_figure_is_named_twice_or_has_two_bounds() -> None:
    for figures in FIGURES.values():
        keys = [figure.key for figure in figures]
        assert len(keys) == len(set(keys))
        assert all(figure.at_least is None or figure.at_most is None for figure in figures)
