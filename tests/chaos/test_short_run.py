"""A short run of the real thing: faults of every kind at a stack of its own, and a clean verdict."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from chaos.schedule import make_schedule
from devstack import kafka_jars
from devstack.java import find_java

SEED = 6
MINUTES = 1.0
REST_SECONDS = 150
CHAOS = (sys.executable, "-m", "cli.main", "chaos")
ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.xdist_group("chaos")
@pytest.mark.skipif(find_java() is None or not kafka_jars.can_resolve(), reason="no Java for Apache Kafka")
def test_a_short_run_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    written = tmp_path / "chaos.json"
    options = ["--minutes", str(MINUTES), "--seed", str(SEED), "--rest-seconds", str(REST_SECONDS)]
    where = ["--directory", str(tmp_path / "run"), "--json", str(written)]
    done = subprocess.run([*CHAOS, *options, *where], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(written.read_text())
    assert (report["holds"], report["lost"], report["doubled"]) == (True, 0, 0)
    assert sum(report["faults"].values()) == len(make_schedule(SEED, MINUTES))
    assert report["accepted"] >= report["applied"] > 0
    assert report["kills"] > 0
    assert not (tmp_path / "run" / "postgres").exists()


def test_a_dry_run_prints_the_schedule_and_does_nothing(tmp_path: Path) -> None:
    command = [*CHAOS, "--minutes", "2", "--seed", "7", "--dry-run", "--directory", str(tmp_path / "run")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [str(fault) for fault in make_schedule(7, 2)]
    assert not (tmp_path / "run").exists()
