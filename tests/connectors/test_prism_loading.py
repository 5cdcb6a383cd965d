"""Without Prism's SDK everything else works, and the connector says what is missing."""

import subprocess
import sys
from pathlib import Path

import pytest

from connectors.base import CredentialsModel
from connectors.prism.registration import REGISTRATION, PrismCredentials
from connectors.registry import build_connector
from domain.errors import GatewayUnavailable, InvalidInput
from tests.connectors.case import FIXTURES
from tests.connectors.cases.prism import CASES

CREDENTIALS = PrismCredentials.model_validate(CASES.credentials)


def test_a_missing_sdk_is_named_with_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "payments", None)

    with pytest.raises(GatewayUnavailable) as failure:
        build_connector("prism", CREDENTIALS)

    assert failure.value.code == "sdk_missing"
    assert "paystream[prism]" in failure.value.message
    assert "glibc 2.39" in failure.value.message


def test_an_sdk_that_does_not_load_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "payments.py").write_text("raise OSError('version GLIBC_2.38 not found')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "payments", raising=False)

    with pytest.raises(GatewayUnavailable, match=r"OSError") as failure:
        build_connector("prism", CREDENTIALS)

    assert failure.value.code == "sdk_missing"


def test_other_credentials_are_refused_before_the_sdk_is_looked_for() -> None:
    with pytest.raises(InvalidInput):
        build_connector("prism", CredentialsModel())


def test_looking_the_gateway_up_does_not_load_the_sdk() -> None:
    code = (
        "import sys, connectors.registry; sys.exit('payments' in sys.modules or 'connectors.prism.sdk' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=FIXTURES.parents[1], check=False)

    assert done.returncode == 0


def test_it_is_no_native_gateway() -> None:
    assert not REGISTRATION.native
