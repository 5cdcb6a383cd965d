"""Finds a Java that is new enough for the broker."""

import os
import re
import shutil
import subprocess
from pathlib import Path

MINIMUM_VERSION = 17
VERSION_TIMEOUT_SECONDS = 20.0


def major_version(report: str) -> int | None:
    """Read the major version from what `java -version` prints: `"17.0.15"` is 17, `"1.8.0_402"` is 8."""
    found = re.search(r'version "(\d+)(?:\.(\d+))?', report)
    if found is None:
        return None
    first, second = found.group(1), found.group(2)
    return int(second) if first == "1" and second else int(first)


def find_java() -> Path | None:
    """Return a Java of at least the minimum version, from JAVA_HOME or else the path; None when there is none."""
    home = os.environ.get("JAVA_HOME")
    candidates = [str(Path(home) / "bin" / "java") if home else None, shutil.which("java")]
    for candidate in candidates:
        if candidate is not None and _is_new_enough(candidate):
            return Path(candidate)
    return None


def _is_new_enough(command: str) -> bool:
    try:
        answer = subprocess.run(  # noqa: S603 - the Java of this machine, asked for its version
            [command, "-version"], capture_output=True, text=True, timeout=VERSION_TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    version = major_version(answer.stderr + answer.stdout)
    return answer.returncode == 0 and version is not None and version >= MINIMUM_VERSION
