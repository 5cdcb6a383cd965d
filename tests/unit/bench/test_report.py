"""The report: medians, ratios and what people see."""

import io

from rich.console import Console

from bench.report import BenchReport, Speeds, show

MACHINE = {"processor": "a processor", "cores": 2, "broker": "a broker", "database": "a database"}


def report() -> BenchReport:
    speeds = Speeds(
        pipeline=[900.0, 1_000.0, 5_000.0],
        facts_committed=[1_100.0, 1_200.0, 1_300.0],
        naive=[250.0, 200.0, 100.0],
        no_faust=[2_000.0, 2_500.0, 1_000.0],
        copy=[100_000.0] * 3,
        producer=[10_000.0] * 3,
    )
    return BenchReport(
        callbacks=20_000,
        naive_callbacks=2_000,
        speeds=speeds,
        latencies_milliseconds=[float(number) for number in range(1, 101)],
        machine=MACHINE,
    )


def test_ratios_are_of_medians_so_that_one_wild_run_changes_little() -> None:
    figures = report().to_json()
    assert figures["pipeline_per_second"] == 1_000.0
    assert figures["ratio_to_naive"] == 5.0
    assert figures["ratio_to_no_faust"] == 0.5
    assert figures["ratio_to_copy"] == 0.01
    assert figures["ratio_to_producer"] == 0.1
    assert figures["repeats"] == 3
    assert figures["runs"]["naive"] == [250.0, 200.0, 100.0]
    assert figures["machine"] == MACHINE


def test_ratios_come_first() -> None:
    assert next(iter(report().to_json())) == "ratio_to_naive"


def test_what_a_callback_costs_is_compared_over_all_processes() -> None:
    made = report()
    for worker, handler in ((400, 4_000), (300, 5_000), (900, 3_000)):
        made.speeds.note_processor_time("pipeline", {"worker": worker / 1_000, "kafka": 0.1}, 1_000)
        made.speeds.note_processor_time("naive", {"handler": handler / 1_000}, 1_000)
    figures = made.to_json()
    assert figures["processor_microseconds_per_callback"] == {
        "pipeline": {"worker": 400.0, "kafka": 100.0},
        "naive": {"handler": 4_000.0},
    }
    assert figures["ratio_to_naive_by_processor_time"] == 8.0


def test_latency_is_given_at_the_middle_and_the_end() -> None:
    figures = report().to_json()
    assert figures["latency_p50_milliseconds"] == 50.5
    assert figures["latency_p99_milliseconds"] == 99.0
    assert figures["latency_samples"] == 100


def test_people_see_the_ratio_the_speed_and_the_latency() -> None:
    console = Console(file=io.StringIO(), width=160)
    show(report(), console)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert "5.00" in shown
    assert "1,000" in shown
    assert "p50 50 ms, p99 99 ms" in shown
