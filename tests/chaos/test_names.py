"""Names that are written down twice, so that a run need not import all of Faust."""

from agents.worker import APP_ID
from chaos.rest import WORKER_APP_ID


def test_the_workers_group_is_the_one_whose_lag_is_watched() -> None:
    assert WORKER_APP_ID == APP_ID
