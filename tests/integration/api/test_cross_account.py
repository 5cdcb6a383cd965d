"""The walk: every route and every id of one account with the key of another. Nothing is found, changed or told.

The table below names a valid body for each operation that takes one; a new operation without a row fails the walk.
"""

import re
import uuid
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from sqlalchemy import text

from api.routes import ROUTERS
from domain.facts import FactKind
from services.api_keys import Scope
from services.apply_events import apply_events
from storage.bank_files import BankFileRow, BankFiles, file_context
from storage.sealing import KeyRing
from storage.unit_of_work import Database
from tests.integration.api.configured import STRIPE
from tests.integration.api.conftest import Api, payment
from tests.integration.api.paying import id_of, made, paid, post
from tests.integration.services.books import NOW, fact, open_payment, received, rows
from tests.integration.services.commands.shop import TESTGATE
from tests.unit.services.fake_broker import FakeBroker
from topics.catalog import COMMANDS, REJECTED_WEBHOOKS, dead_letter

MARK = "acme-only-secret"
"""Stands in everything that `acme` wrote, and in nothing that anybody else did."""

ABOUT_NOBODY = frozenset({"list_providers", "read_provider", "create_account"})
"""What every key may read, and what belongs to no account yet."""

UNKNOWN = {
    "payment_id": "pay_00000000000000000000000000000000",
    "payout_batch_id": "00000000-0000-4000-8000-000000000001",
    "transaction_id": "00000000-0000-4000-8000-000000000001",
    "bank_file_id": "00000000-0000-4000-8000-000000000001",
    "break_id": "00000000-0000-4000-8000-000000000001",
    "currency": "USD",
    "account": "nobody",
}
"""Ids of the right shape that nobody has."""

BODIES: dict[str, dict[str, Any]] = {
    "update_payment": {"description": "taken over"},
    "set_up_payment": {},
    "authorize_payment": {"payment_method_token": "pm_card"},
    "capture_payment": {},
    "void_payment": {},
    "reverse_payment": {},
    "refund_payment": {},
    "increment_authorization": {"amount_minor": 2_000},
    "sync_payment": {},
    "complete_payment": {"provider_reference": "pi_1"},
    "cancel_payment": {},
    "approve_payment": {},
    "reject_payment": {"reason": "no"},
    "verify_redirect": {"parameters": {}},
    "configure_account_gateway": {"credentials": STRIPE},
    "rotate_gateway_secrets": {"secrets": {"webhook_secret": "whsec_taken_over"}},
    "replace_payment_options": {"options": []},
    "put_payment_option": {"enabled": False, "priority": 1},
    "execute_payout_batch": {"bank_reference": "taken"},
    "fail_payout_batch": {"reason": "taken"},
    "discard_dead_letter": {"reason": "taken"},
    "charge_mandate": {
        "amount_minor": 100,
        "currency": "USD",
        "resource_type": "order",
        "resource_id": "o1",
    },
    "set_settlement_schedule": {"cadence": "hourly"},
    "add_settlement_fees": {"basis_points": 1},
    "set_settlement_reserve": {"basis_points": 1, "days": 1},
    "set_settlement_thresholds": {"minimum_payout_minor": 1},
    "cancel_bank_file": {"reason": "taken"},
    "resolve_reconciliation_break": {"reason": "taken"},
    "save_payment_method": {"gateway": TESTGATE, "token": "pm_card"},
}
"""Bodies of the operations whose path names something."""

FOR_OPERATORS = frozenset({"resolve_reconciliation_break"})
"""Operations on something that only operators' keys may do: the walk takes one of the other account."""

NAMED_IN_LISTS = (
    "payment_id",
    "refund_id",
    "dispute_id",
    "payout_batch_id",
    "bank_file_id",
    "break_id",
    "mandate_id",
    "api_key_id",
)
"""Ids that lists show to whom they belong."""

CREATES_ITS_OWN = frozenset({"save_payment_method"})
"""A customer id is the merchant's own name: the same name in another account is somebody else, and may be used."""


def operations() -> list[APIRoute]:
    """Every operation that needs a key; the payer's own pages have a token instead."""
    found = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    return [route for route in found if route.path.startswith("/v1/")]


@pytest.fixture
async def owned(api: Api, database: Database, acme: httpx.AsyncClient) -> dict[str, str]:
    """One of everything that belongs to `acme`, by the names of path parameters."""
    broker = FakeBroker()
    object.__setattr__(api.context, "broker", broker)
    api.gateway.account = "acme"
    path = await paid(acme, description=MARK, metadata={"note": MARK})
    refund = await post(acme, "/v1/refunds", 201, payment_id=id_of(path), amount_minor=100, reason=MARK)
    await open_payment(database, "p_acme", account="acme", reference="pi_acme")
    names = {"account": "acme", "provider_reference": "pi_acme"}
    facts = [
        fact("evt_1", FactKind.CAPTURED, movement_reference="ch_1", **names),
        fact("evt_2", FactKind.DISPUTE_OPENED, movement_reference="dp_1", amount_minor=100, reason=MARK, **names),
    ]
    await apply_events(database, received(*facts), NOW)
    dispute = (await acme.get("/v1/disputes")).json()["data"][0]
    transaction = (await acme.get("/v1/ledger/transactions")).json()["data"][0]
    mandate = await post(
        acme, "/v1/mandates", 201, gateway=TESTGATE, customer_id=MARK, currency="USD", payment_method_token="pm_1"
    )
    method = await post(acme, f"/v1/customers/{MARK}/payment-methods", 201, gateway=TESTGATE, token="pm_1")
    link = await post(acme, "/v1/payment-links", 201, hosted_by="paystream", **payment(description=MARK))
    await post(acme, "/v1/invoices", 201, invoice_id="invoice-1", amount_minor=500, currency="USD")
    manual = await post(
        acme,
        "/v1/manual-payments",
        201,
        amount_minor=500,
        currency="USD",
        resource_type="order",
        resource_id="order-by-hand",
        method="bank_transfer",
        transaction_reference=MARK,
    )
    await acme.put("/v1/accounts/acme/gateways/stripe", json={"credentials": STRIPE})
    await acme.put("/v1/accounts/acme/payment-options/stripe", json={"enabled": True, "priority": 1})
    dead = dead_letter(COMMANDS)
    broker.put(REJECTED_WEBHOOKS, MARK.encode(), partition=0, key=b"k", headers=[("ps_account", "acme")])
    broker.put(dead, b'{"command": {"account": "acme"}}', partition=0, key=b"k", headers=[("ps_dlq_topic", "c")])
    key = await api.key("acme")
    batch_id = await _batch(database)
    return {
        "account": "acme",
        "gateway": "stripe",
        "payment_id": id_of(path),
        "manual_payment": manual["payment_id"] if "payment_id" in manual else manual["id"],
        "refund_id": refund["id"],
        "dispute_id": dispute["id"],
        "transaction_id": transaction["id"],
        "payout_batch_id": batch_id,
        "bank_file_id": await _bank_file(database, api.context.ring, batch_id),
        "break_id": await _break(database),
        "currency": "USD",
        "mandate_id": mandate["id"],
        "customer_id": MARK,
        "payment_method_id": method["id"],
        "payment_link_id": link["id"],
        "invoice_id": "invoice-1",
        "api_key_id": key.split("_")[2],
        "topic": dead.name,
        "partition": "0",
        "offset": "0",
    }


async def _batch(database: Database) -> str:
    batch_id = str(uuid.uuid4())
    async with database.transaction() as transaction:
        await transaction.connection.execute(
            text(
                "insert into payout_batches (id, account, recipient_type, recipient_id, currency, gross_minor,"
                " fee_minor, net_minor, entry_count, payment_count, period_start, period_end, status, created_by,"
                " created_at) values (:id, 'acme', 'tenant', 'acme', 'USD', 10, 0, 10, 1, 1, now(), now(), 'draft',"
                " 'settlement-agent', now())"
            ),
            {"id": batch_id},
        )
    return batch_id


async def _bank_file(database: Database, ring: KeyRing, batch_id: str) -> str:
    file_id = uuid.uuid4()
    row = BankFileRow(
        id=file_id,
        account="acme",
        format="csv",
        digest=b"d" * 32,
        transfer_count=1,
        totals={"USD": 10},
        execution_date=NOW.date(),
        sealed=ring.seal(MARK.encode(), file_context("acme", file_id)),
        created_by=MARK,
        created_at=NOW,
    )
    async with database.transaction() as transaction:
        await BankFiles(transaction.connection).insert(row, [(uuid.UUID(batch_id), 10, "USD")])
    return str(file_id)


async def _break(database: Database) -> str:
    break_id = str(uuid.uuid4())
    async with database.transaction() as transaction:
        await transaction.connection.execute(
            text(
                "insert into reconciliation_breaks (id, account, stage, kind, currency, detail, items, occurred_at,"
                " opened_at) values (:id, 'acme', 'payout', 'missing_there', 'USD', :detail, '{}', now(), now())"
            ),
            {"id": break_id, "detail": MARK},
        )
    return break_id


async def everything_of_acme(database: Database) -> list[tuple[object, ...]]:
    """A digest of every table's rows of `acme`; answers and uses of keys are nobody's business."""
    tables = await rows(
        database,
        "select table_name from information_schema.columns where column_name = 'account' and table_schema = 'public'"
        " and table_name <> 'api_answers' order by table_name",
    )
    return [
        (
            name,
            *(
                await rows(
                    database,
                    f"select md5(string_agg(row_to_json(t)::text, '|' order by row_to_json(t)::text)) from {name} t"  # noqa: S608 - the catalog's names
                    " where account = 'acme'",
                )
            )[0],
        )
        for (name,) in tables
    ]


def method_of(operation: APIRoute) -> str:
    """The one method of an operation."""
    (method,) = (operation.methods or set()) - {"HEAD"}
    return method


async def call(client: httpx.AsyncClient, operation: APIRoute, ids: dict[str, str]) -> httpx.Response:
    path = re.sub(r"{(\w+)(:\w+)?}", lambda found: ids[found.group(1)], operation.path)
    method = method_of(operation)
    body = BODIES.get(operation.name) if operation.body_field is not None else None
    assert operation.body_field is None or body is not None, f"{operation.name} needs a row in BODIES"
    return await client.request(method, path, json=body)


def without_ids(answer: httpx.Response, ids: dict[str, str]) -> str:
    """An answer's text without what the caller sent himself."""
    told = answer.text.replace(answer.headers["x-request-id"], "")
    for value in sorted(ids.values(), key=len, reverse=True):
        told = told.replace(value, "…")
    return told


async def test_another_accounts_things_are_not_there(
    api: Api, database: Database, owned: dict[str, str], rival: httpx.AsyncClient
) -> None:
    """The same words for what is another's and for what does not exist; and nothing of the other has changed."""
    operator = api.client(await api.key("rival", kind="operator"))
    before = await everything_of_acme(database)
    unknown = {
        name: UNKNOWN.get(name, value[:-1] + ("x" if value[-1] != "x" else "y")) for name, value in owned.items()
    }
    unknown |= {"gateway": "stripe", "partition": "0", "offset": "999", "topic": owned["topic"]}
    walked = 0
    for operation in operations():
        if "{" not in operation.path or operation.name in ABOUT_NOBODY | CREATES_ITS_OWN:
            continue
        client = operator if operation.name in FOR_OPERATORS else rival
        foreign = await call(client, operation, owned)
        if operation.name == "list_payment_methods":
            assert (foreign.status_code, foreign.json()["data"]) == (200, []), operation.name
        else:
            missing = await call(client, operation, unknown)
            assert (foreign.status_code, missing.status_code) == (404, 404), (
                operation.name,
                foreign.text,
                missing.text,
            )
            assert without_ids(foreign, owned) == without_ids(missing, unknown), operation.name
        assert MARK not in foreign.text.replace(owned["customer_id"], ""), operation.name
        walked += 1
    assert walked > 40
    assert await everything_of_acme(database) == before


async def test_no_list_shows_what_is_anothers(owned: dict[str, str], rival: httpx.AsyncClient) -> None:
    for operation in operations():
        method = method_of(operation)
        if "{" in operation.path or method != "GET":
            continue
        query = {"country": "US", "currency": "USD", "amount_minor": "100"}
        answer = await rival.get(operation.path, params=query if "available" in operation.path else {})
        assert answer.status_code == 200, (operation.name, answer.text)
        assert MARK not in answer.text, operation.name
        for name in NAMED_IN_LISTS:
            assert owned[name] not in answer.text, (operation.name, name)


async def test_a_body_may_not_name_what_is_anothers(owned: dict[str, str], rival: httpx.AsyncClient) -> None:
    refund = await rival.post("/v1/refunds", json={"payment_id": owned["payment_id"]})
    manual = await rival.post(
        "/v1/manual-payments",
        json={
            "amount_minor": 500,
            "currency": "USD",
            "resource_type": "invoice",
            "resource_id": owned["invoice_id"],
            "method": "bank_transfer",
            "transaction_reference": "t1",
        },
    )
    key = await rival.post("/v1/api-keys", json={"name": "x", "scopes": ["payments:read"], "accounts": ["acme"]})

    assert (refund.status_code, manual.status_code) == (404, 404), (refund.text, manual.text)
    assert key.status_code in {404, 422}, key.text


async def test_an_operators_key_reaches_only_its_accounts(api: Api, owned: dict[str, str]) -> None:
    key = await api.key("rival", kind="operator", scopes=[Scope.ADMIN])
    client = api.client(key, **{"Paystream-Account": "acme"})

    answers = [await client.get(f"/v1/payments/{owned['payment_id']}"), await client.get("/v1/payments")]

    assert {answer.status_code for answer in answers} == {404}


async def test_without_a_key_no_route_says_anything(api: Api, owned: dict[str, str]) -> None:
    for operation in operations():
        answer = await call(api.client(), operation, owned) if operation.name in BODIES else None
        if answer is None:
            path = re.sub(r"{(\w+)(:\w+)?}", lambda found: owned[found.group(1)], operation.path)
            method = method_of(operation)
            answer = await api.client().request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), operation.name


async def test_two_walls(api: Api, database: Database, acme: httpx.AsyncClient) -> None:
    """Also code that forgot to ask for the account finds nothing: PostgreSQL has the second wall."""
    path = await made(acme)
    async with database.scoped({"rival"}).transaction() as transaction:
        assert await transaction.payments.get(id_of(path)) is None
        assert await transaction.payments.lock({id_of(path)}) == {}
        assert await transaction.commands.lock("any") is None
