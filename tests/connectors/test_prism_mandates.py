"""Mandates behind Prism."""

import pytest

from connectors.prism.sdk import Flow
from domain.errors import GatewayRejected
from domain.facts import FactKind
from tests.connectors.fake_prism import ScriptedPrism
from tests.connectors.local_prism import (
    AUTOMATIC,
    NOW,
    charge,
    connector,
    mandate,
    said,
)


@pytest.mark.parametrize(
    ("told", "mandate_status"),
    [
        ("CHARGED", "active"),
        ("AUTHORIZED", "active"),
        ("PENDING", "pending"),
        ("STARTED", "pending"),
        ("FAILURE", "failed"),
    ],
)
async def test_a_mandate_is_set_up_and_charged_with_what_was_kept(told: str, mandate_status: str) -> None:
    kept = {
        "connectorRecurringPaymentId": "seti_1",
        "status": told,
        "mandateReferenceDetails": {"connectorMandateId": "kept_1"},
        "state": {"connectorCustomerId": "cus_1"},
    }
    charged = {"connectorTransactionId": "txn_2", "status": "CHARGED"}
    sdk = ScriptedPrism({Flow.SET_UP_MANDATE: kept, Flow.CHARGE_MANDATE: charged})
    built = connector(sdk)
    kept_there = await built.setup_mandate(mandate())

    answer = await built.charge_mandate(charge(kept_there))

    assert (kept_there.provider_reference, kept_there.status) == ("seti_1", mandate_status)
    assert answer.provider_reference == AUTOMATIC
    assert said(answer) == [(FactKind.AUTHORIZED, "txn_2", 1200), (FactKind.CAPTURED, "txn_2", 1200)]
    assert sdk.asked[0][1]["customerAcceptance"]["acceptedAt"] == str(int(NOW.timestamp()))
    request = sdk.asked[1][1]
    assert request["connectorRecurringPaymentId"] == {"connectorMandateId": {"connectorMandateId": "kept_1"}}
    assert (request["offSession"], request["connectorCustomerId"]) == (True, "cus_1")


async def test_a_mandate_needs_a_token() -> None:
    with pytest.raises(GatewayRejected) as refusal:
        await connector(ScriptedPrism()).setup_mandate(mandate(None))

    assert refusal.value.field == "payment_method_token"
