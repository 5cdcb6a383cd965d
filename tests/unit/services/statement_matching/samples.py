"""Sample statements, written after the documented structure of each."""

from pathlib import Path

DIRECTORY = Path(__file__).parents[3] / "fixtures" / "statements"


def sample(name: str) -> bytes:
    """The bytes of a sample."""
    return (DIRECTORY / name).read_bytes()
