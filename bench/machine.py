"""The machine and the versions that figures belong to."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil

from devstack.kafka_jars import KAFKA_VERSION
from devstack.postgres import MAJOR_VERSION
from devstack.stack import Stack

CPU_INFORMATION = Path("/proc/cpuinfo")


def describe_machine(stack: Stack) -> dict[str, str | int | float]:
    """Say what the figures were measured on. `load_before` is the one-minute load average at the start."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "broker": f"Apache Kafka {KAFKA_VERSION}" if stack.broker == "kafka" else stack.broker,
        "database": f"PostgreSQL {MAJOR_VERSION}" if stack.postgres_server else "external",
        "faust": version("faust-streaming"),
        "aiokafka": version("aiokafka"),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    if CPU_INFORMATION.exists():
        for line in CPU_INFORMATION.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
