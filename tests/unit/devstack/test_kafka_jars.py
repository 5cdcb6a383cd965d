import subprocess
import sys
from pathlib import Path

import pytest

from devstack import kafka_jars
from devstack.errors import StackFailed

SUCCEEDS = """\
#!/bin/sh
echo called >> "$CALLS"
for argument in "$@"; do case "$argument" in -DoutputDirectory=*) lib="${argument#-DoutputDirectory=}";; esac; done
mkdir -p "$lib"
sleep "${MAVEN_SECONDS:-0}"
touch "$lib/kafka_2.13-4.1.0.jar"
"""
FAILS = """\
#!/bin/sh
echo called >> "$CALLS"
echo "Could not transfer artifact"
exit 1
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, a path for a Maven of the test, and the file where that Maven notes its calls."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return tmp_path / "calls"


def install_maven(tmp_path: Path, script: str) -> None:
    command = tmp_path / "bin" / "mvn"
    command.parent.mkdir(exist_ok=True)
    command.write_text(script)
    command.chmod(0o755)


def cache_entries() -> list[str]:
    return sorted(path.name for path in kafka_jars.cache_root().iterdir() if path.is_dir())


def test_the_pom_asks_for_the_version_that_the_code_names() -> None:
    assert f"<kafka.version>{kafka_jars.KAFKA_VERSION}</kafka.version>" in kafka_jars.POM.read_text()


def test_the_jars_are_resolved_once_and_then_come_from_the_cache(tmp_path: Path, calls: Path) -> None:
    install_maven(tmp_path, SUCCEEDS)
    said: list[str] = []

    first = kafka_jars.class_path(said.append)
    second = kafka_jars.class_path(said.append)

    assert first == second == f"{tmp_path}/cache/paystream/kafka-4.1.0/lib/*"
    assert calls.read_text().splitlines() == ["called"]
    assert len(said) == 1
    assert "Getting Apache Kafka" in said[0]
    assert cache_entries() == ["kafka-4.1.0"]


def test_a_failure_leaves_no_cache_and_says_what_to_do(tmp_path: Path, calls: Path) -> None:
    install_maven(tmp_path, FAILS)

    with pytest.raises(StackFailed, match="Could not transfer artifact") as failure:
        kafka_jars.class_path(lambda _: None)

    assert "PAYSTREAM_BROKER=tansu" in failure.value.message
    assert cache_entries() == []

    install_maven(tmp_path, SUCCEEDS)
    kafka_jars.class_path(lambda _: None)
    assert cache_entries() == ["kafka-4.1.0"]


def test_what_an_interrupted_run_left_is_cleared_away(tmp_path: Path, calls: Path) -> None:
    install_maven(tmp_path, SUCCEEDS)
    leftover = kafka_jars.cache_root() / "kafka-4.1.0.unfinished-abc" / "lib"
    leftover.mkdir(parents=True)

    kafka_jars.class_path(lambda _: None)

    assert cache_entries() == ["kafka-4.1.0"]


def test_a_cache_made_from_another_pom_is_made_again(tmp_path: Path, calls: Path) -> None:
    install_maven(tmp_path, SUCCEEDS)
    kafka_jars.class_path(lambda _: None)
    (kafka_jars.cache_folder() / "pom.xml").write_text("<project/>")

    kafka_jars.class_path(lambda _: None)

    assert calls.read_text().splitlines() == ["called", "called"]
    assert kafka_jars.is_resolved(kafka_jars.cache_folder())


def test_two_runs_at_once_call_maven_once(tmp_path: Path, calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_maven(tmp_path, SUCCEEDS)
    monkeypatch.setenv("MAVEN_SECONDS", "1")
    script = "from devstack.kafka_jars import class_path; class_path(lambda _: None)"
    runs = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(2)]

    assert [run.wait(30) for run in runs] == [0, 0]
    assert calls.read_text().splitlines() == ["called"]
    assert cache_entries() == ["kafka-4.1.0"]


def test_without_maven_and_without_a_cache_nothing_can_be_resolved(
    tmp_path: Path, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert not kafka_jars.can_resolve()
    with pytest.raises(StackFailed, match="Maven"):
        kafka_jars.class_path(lambda _: None)


def test_with_a_cache_maven_is_not_needed(tmp_path: Path, calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_maven(tmp_path, SUCCEEDS)
    kafka_jars.class_path(lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert kafka_jars.can_resolve()
    assert kafka_jars.class_path(lambda _: None).endswith("/lib/*")
