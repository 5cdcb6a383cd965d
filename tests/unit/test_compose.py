"""The containers of docker-compose.yml start in the right order, are watched, and are told only what exists."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from pydantic import BaseModel

from bootstrap.settings import Settings
from cli.main import app
from devstack.kafka import BROKER_PROPERTIES
from devstack.kafka_jars import KAFKA_VERSION

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = ("migrate", "ingress", "api", "worker", "settle")
LONG_RUNNING = ("ingress", "api", "worker", "settle")
REQUIRED_SECRETS = ("POSTGRES_PASSWORD", "PAYSTREAM_KEYS__RING", "PAYSTREAM_KEYS__ACTIVE")


def setting_names(model: type[BaseModel], prefix: str) -> set[str]:
    names = set()
    for name, field in model.model_fields.items():
        full = f"{prefix}{name.upper()}"
        names.add(full)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            names |= setting_names(field.annotation, f"{full}__")
    return names


def test_the_stack_is_complete() -> None:
    assert {name for name, service in SERVICES.items() if "profiles" not in service} == {"kafka", "postgres", *OURS}
    assert {name for name, service in SERVICES.items() if service.get("profiles") == ["observability"]} == {
        "prometheus",
        "grafana",
    }


def test_migrations_wait_for_the_servers_and_everything_else_for_the_migrations() -> None:
    servers = {"kafka": {"condition": "service_healthy"}, "postgres": {"condition": "service_healthy"}}
    migrated = {**servers, "migrate": {"condition": "service_completed_successfully"}}

    assert SERVICES["migrate"]["depends_on"] == servers
    for name in LONG_RUNNING:
        assert SERVICES[name]["depends_on"] == migrated


def test_what_runs_on_is_watched_and_restarted_and_the_migration_runs_once() -> None:
    for name in ("kafka", "postgres", *LONG_RUNNING):
        assert SERVICES[name]["restart"] == "unless-stopped"
        assert {"test", "interval", "timeout", "retries", "start_period"} <= SERVICES[name]["healthcheck"].keys()
    assert SERVICES["migrate"]["restart"] == "no"


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("ingress", "http://127.0.0.1:8080/livez"),
        ("worker", "http://127.0.0.1:9100/metrics"),
        ("settle", "http://127.0.0.1:9100/metrics"),
    ],
)
def test_health_is_asked_of_the_port_that_the_process_is_told_to_open(name: str, url: str) -> None:
    service = SERVICES[name]
    test = service["healthcheck"]["test"]

    assert test[:3] == ["CMD", "python", "-c"]
    assert f"'{url}'" in test[3]
    compile(test[3], "healthcheck", "exec")
    port_setting = "PAYSTREAM_INGRESS__PORT" if name == "ingress" else "PAYSTREAM_WORKER__METRICS_PORT"
    assert f":{service['environment'][port_setting]}/" in url


def test_data_live_in_named_volumes() -> None:
    assert SERVICES["kafka"]["volumes"] == [f"kafka-data:{SERVICES['kafka']['environment']['KAFKA_LOG_DIRS']}"]
    assert SERVICES["postgres"]["volumes"] == ["postgres-data:/var/lib/postgresql"]
    assert {"kafka-data", "postgres-data"} <= COMPOSE["volumes"].keys()


def test_every_paystream_variable_is_a_setting() -> None:
    named = set(re.findall(r"PAYSTREAM_\w+", TEXT))

    assert "PAYSTREAM_DATABASE__URL" in named
    assert named - setting_names(Settings, "PAYSTREAM_") == set()


@pytest.mark.parametrize("name", OURS)
def test_every_command_is_one_of_the_command_line(name: str) -> None:
    program, command = SERVICES[name]["command"]

    assert program == "paystream"
    assert command in typer.main.get_group(app).commands


@pytest.mark.parametrize("secret", REQUIRED_SECRETS)
def test_secrets_are_required_from_outside_and_have_no_default(secret: str) -> None:
    uses = re.findall(rf"\$\{{{secret}[^}}]*\}}", TEXT)

    assert uses
    assert all(re.fullmatch(rf"\$\{{{secret}:\?[^}}]+\}}", use) for use in uses)


def test_only_who_calls_gateways_gets_the_key_ring() -> None:
    with_keys = [name for name, service in SERVICES.items() if "PAYSTREAM_KEYS__RING" in service.get("environment", {})]

    assert with_keys == ["api", "worker"]


def test_nothing_is_published_beyond_this_machine() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_our_processes_have_no_privileges_to_lose() -> None:
    for name in OURS:
        assert SERVICES[name]["cap_drop"] == ["ALL"]
        assert SERVICES[name]["read_only"] is True
        assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]


def test_the_broker_has_the_version_and_the_settings_of_the_embedded_one() -> None:
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"
    environment = SERVICES["kafka"]["environment"]
    # How many partitions Kafka's own topics have is a matter of the machine's size.
    shared = {name: value for name, value in BROKER_PROPERTIES.items() if not name.endswith("num.partitions")}

    assert shared
    for name, value in shared.items():
        assert str(environment[f"KAFKA_{name.upper().replace('.', '_')}"]) == value


def test_every_mounted_file_and_the_image_recipe_exist() -> None:
    mounted = [
        volume.partition(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", [])
        if volume.startswith("./")
    ]

    assert mounted
    assert all((ROOT / path).is_file() for path in mounted)
    assert (ROOT / "Dockerfile").is_file()


def test_the_image_runs_as_nobody_special_from_pinned_libraries() -> None:
    instructions = (ROOT / "Dockerfile").read_text()
    final_stage = instructions.rpartition("\nFROM ")[2]

    assert instructions.count("\nFROM ") == 2
    assert re.search(r"^USER 10001", final_stage, re.MULTILINE)
    assert "--constraint constraints.txt" in instructions
    assert "[dev" not in instructions
    assert shlex.split(final_stage.splitlines()[0])[0].startswith("python:3.")


def test_the_image_gets_every_package_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    with (ROOT / "pyproject.toml").open("rb") as project_file:
        packages = tomllib.load(project_file)["tool"]["setuptools"]["packages"]["find"]["include"]

    assert "*" in lines
    assert allowed == {package.rstrip("*") for package in packages} | {
        "pyproject.toml",
        "constraints.txt",
        "README.md",
        "LICENSE",
    }
