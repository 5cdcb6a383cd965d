"""The figures of a mode are found among whatever else its process prints."""

import pytest

from bench.faust.compare import read_figures
from bench.faust.source import Measured, record


def test_figures_are_found_behind_what_a_terminal_library_printed() -> None:
    assert read_figures('\x1b[?25h\nstarting\n\x1b[?25h{"per_second": 12.5}\n') == {"per_second": 12.5}


def test_a_process_that_printed_no_figures_is_an_error() -> None:
    with pytest.raises(ValueError, match="no figures"):
        read_figures("Traceback\n")


def test_a_record_has_the_size_that_speeds_are_given_for() -> None:
    value = record(1)
    assert Measured.model_validate_json(value).number == 1
    assert 230 <= len(value) <= 260
