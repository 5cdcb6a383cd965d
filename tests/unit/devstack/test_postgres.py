from pathlib import Path

import pytest

from devstack.errors import StackFailed
from devstack.postgres import SETTINGS, WITHOUT_POWER_CUTS, PostgresServer, binaries, server_command


def test_the_wheel_has_the_server_and_the_tool_that_prepares_its_folder() -> None:
    assert (binaries() / "postgres").is_file()
    assert (binaries() / "initdb").is_file()


def test_the_server_listens_on_the_loopback_interface_only_and_keeps_what_it_commits() -> None:
    command = server_command(Path("/binaries"), Path("/data"), 25_432)

    assert command[:5] == ["/binaries/postgres", "-D", "/data", "-p", "25432"]
    for setting in (
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "fsync=on",
        "synchronous_commit=on",
        "max_connections=200",
    ):
        assert setting in command


def test_tests_may_do_without_waiting_for_disks() -> None:
    command = server_command(Path("/binaries"), Path("/data"), 25_432, SETTINGS | WITHOUT_POWER_CUTS)

    assert {"fsync=off", "full_page_writes=off", "synchronous_commit=on"} <= set(command)


def test_data_of_another_version_are_refused_and_kept(tmp_path: Path) -> None:
    version = tmp_path / "postgres" / "data" / "PG_VERSION"
    version.parent.mkdir(parents=True)
    version.write_text("16\n")
    server = PostgresServer(tmp_path / "postgres", 25_432, tmp_path / "log")

    with pytest.raises(StackFailed, match="belongs to PostgreSQL 16, this is 18"):
        server.start()

    assert version.read_text() == "16\n"
