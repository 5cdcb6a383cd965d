import pytest

from services.payout_exports import plain_cell


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "-", "=", "\t=1", "\r=1", "-1.2.3", "-cmd|' /C calc'!A0"]
)
def test_what_a_spreadsheet_would_run_becomes_text(cell: str) -> None:
    assert plain_cell(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "pay_1", "-400", "-4.00", "10.99", "a=b", "2026-01-02T03:04:05+00:00"])
def test_text_and_numbers_stay_as_they_are(cell: str) -> None:
    assert plain_cell(cell) == cell
