"""Gateways that come with other installed packages, found by their entry points.

A package names its registration in the group `paystream.connectors`:

    [project.entry-points."paystream.connectors"]
    acmepay = "paystream_acmepay.registration:REGISTRATION"

Its code is not ours: whatever is wrong with one package leaves that package out, and nothing else.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint

from connectors.base import Registration
from domain.errors import InvalidInput, PaystreamError

ENTRY_POINT_GROUP = "paystream.connectors"
UNKNOWN_PACKAGE = "(unknown)"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A gateway of an installed package that is not there, and why. `package` is the distribution's name."""

    package: str
    entry_point: str
    reason: str

    def __str__(self) -> str:
        return f"the gateway {self.entry_point} of the package {self.package} is left out: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What entry points led to: the gateways' keys by the package they come with, and what was left out."""

    packages: dict[str, str]
    left_out: tuple[LeftOut, ...]


def load_packages(
    found: Iterable[EntryPoint], known: dict[str, Registration], register: Callable[[Registration], Registration]
) -> Loaded:
    """Register what the entry points name, in the order of packages and names, so that the outcome is the same always.

    A package that fails leaves `known` as it was, whatever it had registered on its way.
    """
    packages: dict[str, str] = {}
    left_out: list[LeftOut] = []
    for entry_point in sorted(found, key=lambda each: (package_of(each), each.name)):
        before = set(known)
        try:
            registration = _load(entry_point)
            register(registration)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - importing a package runs its code, whatever it is
            for key in known.keys() - before:
                del known[key]
            reason = error.message if isinstance(error, PaystreamError) else f"{type(error).__name__}: {error}"
            left_out.append(LeftOut(package=package_of(entry_point), entry_point=entry_point.name, reason=reason))
        else:
            packages[registration.key] = package_of(entry_point)
    return Loaded(packages=packages, left_out=tuple(left_out))


def package_of(entry_point: EntryPoint) -> str:
    """Name the distribution that an entry point comes with."""
    return UNKNOWN_PACKAGE if entry_point.dist is None else entry_point.dist.name


def _load(entry_point: EntryPoint) -> Registration:
    loaded = entry_point.load()
    if not isinstance(loaded, Registration):
        raise InvalidInput(f"{entry_point.value} is no Registration but a {type(loaded).__name__}")
    if loaded.key != entry_point.name:
        raise InvalidInput(f"its registration has another key, {loaded.key!r}")
    return loaded
