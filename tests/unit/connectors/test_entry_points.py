"""Gateways of other packages: found by their entry points, left out alone when something is wrong with them."""

import inspect
import logging
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import agents.worker
import api.server
import webhook_ingress.server
from connectors import registry
from connectors.base import CredentialsModel, Registration
from connectors.entry_points import ENTRY_POINT_GROUP, Loaded, load_packages
from connectors.registry import (
    HOUSE_PACKAGE,
    check_key,
    get_registration,
    load_entry_points,
    package_of,
    register_connector,
    registrations,
)
from domain.errors import InvalidInput, NotFound
from tests.unit.connectors.installed import REGISTRATION, install


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose packages are installed."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def same_gateways_afterwards() -> Iterator[None]:
    before = registrations()
    yield
    for added in set(registrations()) - set(before):
        del registry._REGISTRATIONS[added.key]
        registry._PACKAGES.pop(added.key, None)
    assert registrations() == before


def load(known: dict[str, Registration]) -> Loaded:
    """Load what is installed, beside what is known, the way the registry does."""

    def register(registration: Registration) -> Registration:
        if registration.key in known:
            raise InvalidInput(f"{registration.key} is taken")
        known[registration.key] = registration
        return registration

    return load_packages(entry_points(group=ENTRY_POINT_GROUP), known, register)


def reasons(loaded: Loaded) -> dict[str, str]:
    return {left_out.package: left_out.reason for left_out in loaded.left_out}


def sample(key: str) -> Registration:
    return Registration(
        key=key,
        display_name="Sample",
        description="A sample.",
        capabilities=frozenset(),
        currencies=frozenset(),
        countries=frozenset(),
        payment_methods=(),
        credentials=CredentialsModel,
        factory=lambda credentials: credentials,
    )


def test_an_installed_package_brings_its_gateway(site: Path) -> None:
    install(site, "found-one", REGISTRATION.format(key="found_one"), key="found_one")

    assert load_entry_points() == ()

    assert get_registration("found_one").display_name == "Other"
    assert package_of("found_one") == "found-one"
    assert package_of("stripe") == HOUSE_PACKAGE


def test_loading_again_changes_nothing(site: Path) -> None:
    install(site, "found-twice", REGISTRATION.format(key="found_twice"), key="found_twice")

    assert load_entry_points() == ()
    known = registrations()
    assert load_entry_points() == ()

    assert registrations() == known


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import a_module_that_nobody_has", "ModuleNotFoundError: No module named 'a_module_that_nobody_has'"),
        ("this is no Python", "SyntaxError: invalid syntax (broken_one.py, line 1)"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("REGISTRATION = 'acme'", "broken_one:REGISTRATION is no Registration but a str"),
        ("NOTHING = None", "AttributeError: module 'broken_one' has no attribute 'REGISTRATION'"),
        (REGISTRATION.format(key="another"), "its registration has another key, 'another'"),
    ],
)
def test_a_broken_package_is_named_and_stops_no_other(
    site: Path, monkeypatch: pytest.MonkeyPatch, source: str, reason: str
) -> None:
    monkeypatch.delitem(sys.modules, "broken_one", raising=False)
    install(site, "broken-one", source, key="broken")
    install(site, "working-one", REGISTRATION.format(key="working"), key="working")
    known = {"stripe": sample("stripe")}

    loaded = load(known)

    assert reasons(loaded) == {"broken-one": reason}
    assert known.keys() == {"stripe", "working"}
    assert loaded.packages == {"working": "working-one"}


def test_what_a_package_registers_before_it_breaks_is_taken_back(site: Path) -> None:
    made = REGISTRATION.format(key="half_done")
    source = f"{made}\nfrom connectors.registry import register_connector\nregister_connector(REGISTRATION)\n1 / 0\n"
    install(site, "half-done", source, key="half_done")

    (left_out,) = load_entry_points()

    assert left_out.package == "half-done"
    with pytest.raises(NotFound):
        get_registration("half_done")


def test_nobody_takes_the_key_of_a_gateway_of_the_house(site: Path, caplog: pytest.LogCaptureFixture) -> None:
    install(site, "false-stripe", REGISTRATION.format(key="stripe"), key="stripe")
    genuine = get_registration("stripe")

    with caplog.at_level(logging.ERROR):
        (left_out,) = load_entry_points()

    assert get_registration("stripe") is genuine
    told = "the gateway stripe of the package false-stripe is left out: the gateway key 'stripe' is taken by Stripe"
    assert str(left_out) == told
    assert caplog.messages == [told]


def test_of_two_packages_with_one_key_the_first_by_name_is_taken(site: Path) -> None:
    install(site, "b-second", REGISTRATION.format(key="shared"), key="shared")
    install(site, "a-first", REGISTRATION.format(key="shared"), key="shared")

    loaded = load({})

    assert loaded.packages == {"shared": "a-first"}
    assert reasons(loaded) == {"b-second": "shared is taken"}


@pytest.mark.parametrize("key", ["", "Acme", "acme-pay", "1acme", "acme__pay", "acme_", "a" * 31, "acme\n", "../acme"])
def test_what_cannot_be_a_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidInput):
        check_key(key)
    with pytest.raises(InvalidInput):
        register_connector(sample(key))


@pytest.mark.parametrize("registration", registrations(), ids=lambda registration: registration.key)
def test_every_key_of_the_house_is_one(registration: Registration) -> None:
    assert check_key(registration.key) == registration.key


def test_a_gateway_is_added_by_a_call_or_by_a_decorator() -> None:
    called = register_connector(sample("by_call"))

    @register_connector
    def decorated() -> Registration:
        return sample("by_decorator")

    assert get_registration("by_call") is called
    assert get_registration("by_decorator") is decorated
    assert register_connector(called) is called
    with pytest.raises(InvalidInput, match="taken by Sample"):
        register_connector(sample("by_call"))


@pytest.mark.parametrize("start", [webhook_ingress.server.run, api.server.run, agents.worker.run_worker])
def test_every_process_that_looks_gateways_up_loads_them_first(start: Callable[..., object]) -> None:
    first = inspect.getsource(start).partition('"""\n')[2].lstrip()

    assert first.startswith("load_entry_points()\n")
