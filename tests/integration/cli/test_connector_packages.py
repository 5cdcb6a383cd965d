"""Connectors as their authors meet them: a package in an environment of its own, and a new folder under the suite."""

import json
import os
import shutil
import site
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "docs" / "examples" / "paystream-acmepay"
SECONDS = 150
SUITE = ("failures", "operations", "proof", "registrations", "samples", "secrets")
"""The tests that run over every gateway."""

LEFT_BEHIND = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", ".*_cache")

SIGNED_CALLBACK = """\
import hashlib, hmac, json
from datetime import UTC, datetime
from connectors.base import Callback
from connectors.registry import build_connector, get_registration, load_entry_points
from domain.errors import VerificationFailed

assert load_entry_points() == ()
credentials = get_registration("acmepay").credentials.model_validate({"api_key": "k", "webhook_secret": "whsec_1"})
connector = build_connector("acmepay", credentials)
now = datetime.now(UTC)
order = {"id": "ord_1", "status": "paid", "amount": 1200, "currency": "EUR", "reference": "payment-1"}
body = json.dumps({"id": "evt_1", "type": "order.paid", "created_at": int(now.timestamp()), "order": order}).encode()
signed = f"{int(now.timestamp())}.".encode() + body
signature = f"t={int(now.timestamp())},v1={hmac.new(b'whsec_1', signed, hashlib.sha256).hexdigest()}"
headers = [("x-acmepay-signature", signature)]
(fact,) = connector.parse_callback(Callback(account="shop", body=body, headers=headers, received_at=now))
try:
    connector.parse_callback(Callback(account="shop", body=body + b" ", headers=headers, received_at=now))
    refusal = None
except VerificationFailed as error:
    refusal = error.code
print(json.dumps([fact.gateway, fact.kind, fact.amount_minor, fact.currency, fact.payment_id, refusal]))
"""


def run(command: Sequence[str | Path], cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a new environment with Paystream as it is here, and the example installed, without network."""
    directory = tmp_path_factory.mktemp("environment")
    venv.create(directory, symlinks=True, with_pip=False)
    interpreter = directory / "bin" / "python"
    asked = run([interpreter, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], directory)
    parents = "".join(f"import site; site.addsitedir({path!r})\n" for path in site.getsitepackages())
    (Path(asked.stdout.strip()) / "parents.pth").write_text(parents, encoding="utf-8")
    # The build leaves files beside the sources, so it gets a copy of them.
    sources = directory / "paystream-acmepay"
    shutil.copytree(EXAMPLE, sources, ignore=LEFT_BEHIND)
    offline = ("--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")
    run([interpreter, "-m", "pip", "install", "--quiet", *offline, sources], directory)
    return interpreter


def listed(python: Path, cwd: Path) -> dict[str, dict[str, Any]]:
    lines = run([python, "-m", "cli.main", "connectors", "list", "--json"], cwd).stdout.splitlines()
    return {record["key"]: record for record in map(json.loads, lines)}


def test_an_installed_package_is_listed_beside_the_gateways_of_the_house(python: Path, tmp_path: Path) -> None:
    records = listed(python, tmp_path)

    assert records["acmepay"]["package"] == "paystream-acmepay"
    assert records["acmepay"]["capabilities"] == [
        "creates_orders",
        "fetches_status",
        "partial_refunds",
        "refunds",
        "repeats_safely",
        "verifies_webhooks",
    ]
    assert records["stripe"]["package"] == "paystream"
    assert len(records) == 16


def test_its_signed_callback_becomes_a_fact_through_the_registry(python: Path, tmp_path: Path) -> None:
    told = json.loads(run([python, "-c", SIGNED_CALLBACK], tmp_path).stdout)

    assert told == ["acmepay", "captured", 1200, "EUR", "payment-1", "signature_invalid"]


def test_the_examples_own_tests_pass(python: Path, tmp_path: Path) -> None:
    sources = tmp_path / "paystream-acmepay"
    shutil.copytree(EXAMPLE, sources, ignore=LEFT_BEHIND)

    done = run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio"], sources)

    assert " passed" in done.stdout


def test_a_new_connector_passes_the_behaviour_suite_as_it_is_written(tmp_path: Path) -> None:
    for folder in ("connectors", "domain", "tests/connectors", "tests/gateways", "tests/fixtures"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=LEFT_BEHIND)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    here = {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}

    output = run([sys.executable, "-m", "cli.main", "connectors", "new", "acme_pay", "--here"], tmp_path, **here).stdout
    register(tmp_path / "connectors" / "registry.py", output)

    suite = [f"tests/connectors/test_{name}.py" for name in (*SUITE, "acme_pay_payments")]
    options = ["-q", "-p", "no:cacheprovider", "-k", "acme_pay"]
    done = run([sys.executable, "-m", "pytest", *options, *suite], tmp_path, **here)
    passed = int(done.stdout.rpartition(" passed")[0].split()[-1])
    assert passed > 100
    assert "skipped" not in done.stdout


def register(registry: Path, output: str) -> None:
    """Add the two lines that the command has printed."""
    lines = output.splitlines()
    line = next(each for each in lines if each.startswith("from connectors.acme_pay.registration import"))
    entry = next(each for each in lines if each.strip().startswith('"acme_pay": '))
    text = registry.read_text(encoding="utf-8")
    before_imports, before_table = "from connectors.adyen.registration", '    "manual": MANUAL,\n'
    assert text.count(before_imports) == text.count(before_table) == 1
    text = text.replace(before_imports, f"{line}\n{before_imports}").replace(before_table, f"{entry}\n{before_table}")
    registry.write_text(text, encoding="utf-8")
