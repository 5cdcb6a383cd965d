"""One of everything that an account can have, so that requests about ids find something."""

from typing import Any

import httpx

from domain.facts import FactKind
from domain.statement_lines import Side
from services.apply_events import apply_events
from services.bank_accounts import confirm_recipient_account, set_debtor_account, set_recipient_account
from services.statement_matching.importing import ReportFormat, import_statement
from storage.unit_of_work import Database
from tests.integration.api.configured import STRIPE
from tests.integration.api.conftest import Api, payment
from tests.integration.api.paying import authorized, get, id_of, made, paid, post
from tests.integration.api.test_bank_files import TENANT
from tests.integration.api.test_payout_batches import pay
from tests.integration.api.test_reconciliation import STATEMENT
from tests.integration.services.banking import CREDITOR, DEBTOR, capture, make_batch
from tests.integration.services.books import NOW, fact, open_payment, received
from tests.integration.services.commands.shop import TESTGATE
from tests.unit.services.fake_broker import FakeBroker
from topics.catalog import COMMANDS, REJECTED_WEBHOOKS, dead_letter

MANUAL = {
    "amount_minor": 500,
    "currency": "USD",
    "resource_type": "order",
    "resource_id": "order-2",
    "method": "bank_transfer",
    "transaction_reference": "TRX-1",
}
PLACES = ("acme", "stripe", "customer-1", "invoice-1")


async def seed(api: Api, broker: FakeBroker, database: Database, client: httpx.AsyncClient) -> dict[str, str]:
    """Fill the account `acme`; returns ids by the names of path parameters."""
    account, gateway, customer, invoice = PLACES
    payout_batch_id = await pay(database, account, ["p_settled"])
    found = await _payments(client) | await _movements(client, database)
    mandate = await post(
        client, "/v1/mandates", 201, gateway=TESTGATE, customer_id=customer, currency="USD", payment_method_token="pm_1"
    )
    method = await post(client, f"/v1/customers/{customer}/payment-methods", 201, gateway=TESTGATE, token="pm_1")
    link = await post(client, "/v1/payment-links", 201, hosted_by="paystream", **payment())
    await post(client, "/v1/invoices", 201, invoice_id=invoice, amount_minor=500, currency="USD")
    manual = await post(client, "/v1/manual-payments", 201, **MANUAL)
    await client.put(f"/v1/accounts/{account}/gateways/{gateway}", json={"credentials": STRIPE})
    await client.put(f"/v1/accounts/{account}/payment-options/{gateway}", json={"enabled": True, "priority": 1})
    bank_file_id = await _bank_file(api, client, database)
    spare_key = await api.key(account)
    return found | {
        "account": account,
        "gateway": gateway,
        "customer_id": customer,
        "invoice_id": invoice,
        "manual_payment_id": manual["payment_id"],
        "mandate_id": mandate["id"],
        "payment_method_id": method["id"],
        "payment_link_id": link["id"],
        "payout_batch_id": payout_batch_id,
        "bank_file_id": bank_file_id,
        "break_id": await _break(api, account, database),
        "api_key_id": spare_key.split("_")[2],
        **_parked(broker, account),
    }


async def _bank_file(api: Api, client: httpx.AsyncClient, database: Database) -> str:
    """A file that pays one batch into a confirmed account."""
    ring = api.context.ring
    await set_recipient_account(database, ring, TENANT, CREDITOR, actor="ann", request_id="r", now=NOW)
    await confirm_recipient_account(database, TENANT, 1, actor="bob", request_id="r", now=NOW)
    await set_debtor_account(
        database, ring, TENANT.account, TENANT.currency, DEBTOR, actor="ann", request_id="r", now=NOW
    )
    await capture(database, 77, account=TENANT.account)
    batch_id = await make_batch(database, 77, recipient=TENANT)
    made = await post(client, "/v1/bank-files", 201, payout_batch_ids=[str(batch_id)], format="csv")
    return str(made["id"])


async def _break(api: Api, account: str, database: Database) -> str:
    """What a statement tells that the books do not have."""
    names: dict[str, Any] = {"file_name": "balance.csv", "actor": "ann", "request_id": "r", "now": NOW}
    content = STATEMENT.replace("_1,", "_88,").encode()
    await import_statement(database, account, Side.GATEWAY, "stripe", ReportFormat.STRIPE, content, **names)
    operator = api.client(await api.key(account, kind="operator"))
    await post(operator, "/v1/reconciliation/runs", 200)
    return str((await get(operator, "/v1/reconciliation/breaks"))["data"][0]["id"])


async def _payments(client: httpx.AsyncClient) -> dict[str, str]:
    path = await paid(client)
    refund = await post(client, "/v1/refunds", 201, payment_id=id_of(path), amount_minor=100)
    return {
        "payment_id": id_of(path),
        "refund_id": refund["id"],
        "authorized_payment_id": id_of(await authorized(client, resource_id="order-3")),
        "open_payment_id": id_of(await made(client, resource_id="order-4")),
        "recorded_payment_id": id_of(await made(client, resource_id="order-5", set_up_at_gateway=False)),
    }


async def _movements(client: httpx.AsyncClient, database: Database) -> dict[str, str]:
    await open_payment(database, "p_acme", account="acme", reference="pi_acme")
    names = {"account": "acme", "provider_reference": "pi_acme"}
    captured = fact("evt_1", FactKind.CAPTURED, movement_reference="ch_1", **names)
    disputed = fact("evt_2", FactKind.DISPUTE_OPENED, movement_reference="dp_1", amount_minor=100, **names)
    await apply_events(database, received(captured, disputed), NOW)
    dispute = (await get(client, "/v1/disputes"))["data"][0]
    transaction = (await get(client, "/v1/ledger/transactions"))["data"][0]
    return {"dispute_id": dispute["id"], "transaction_id": transaction["id"]}


def _parked(broker: FakeBroker, account: str) -> dict[str, str]:
    """A rejected callback and a dead letter."""
    dead = dead_letter(COMMANDS)
    broker.put(REJECTED_WEBHOOKS, b"{}", partition=0, headers=[("ps_account", account)])
    broker.put(dead, f'{{"command": {{"account": "{account}"}}}}'.encode(), headers=[("ps_dlq_topic", COMMANDS.name)])
    return {"topic": dead.name, "partition": "0", "offset": "0"}
