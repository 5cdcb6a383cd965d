"""Packages that are installed as far as Python can tell: a module and its metadata in a folder of the path."""

from pathlib import Path

from connectors.entry_points import ENTRY_POINT_GROUP

REGISTRATION = """\
from connectors.base import CredentialsModel, Registration

REGISTRATION = Registration(
    key="{key}",
    display_name="Other",
    description="Another package's gateway.",
    capabilities=frozenset(),
    currencies=frozenset(),
    countries=frozenset(),
    payment_methods=(),
    credentials=CredentialsModel,
    factory=lambda credentials: credentials,
)
"""


def install(directory: Path, distribution: str, source: str, *, key: str, attribute: str = "REGISTRATION") -> None:
    """Put a distribution there whose entry point `key` leads to `attribute` of a module with this source."""
    module = distribution.replace("-", "_")
    (directory / f"{module}.py").write_text(source, encoding="utf-8")
    metadata = directory / f"{module}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n", encoding="utf-8")
    entry = f"[{ENTRY_POINT_GROUP}]\n{key} = {module}:{attribute}\n"
    (metadata / "entry_points.txt").write_text(entry, encoding="utf-8")
