"""Payments in the states that tests of the API begin with, reached over the API itself."""

from typing import Any

import httpx

from domain.facts import FactKind
from services.apply_events import apply_events
from storage.unit_of_work import Database
from tests.integration.api.conftest import payment
from tests.integration.services.books import NOW, fact, received
from tests.integration.services.commands.shop import TESTGATE

Json = dict[str, Any]


async def post(client: httpx.AsyncClient, path: str, status: int = 200, **body: object) -> Json:
    """Post a body and return the answer, which must have the status."""
    answer = await client.post(path, json=body)
    assert answer.status_code == status, answer.text
    shown = answer.json()
    assert isinstance(shown, dict)
    return shown


async def get(client: httpx.AsyncClient, path: str, **query: str | int) -> Json:
    """Get what must be there."""
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert isinstance(shown, dict)
    return shown


async def made(client: httpx.AsyncClient, **changes: object) -> str:
    """The path of a payment that is set up at its gateway."""
    shown = await post(client, "/v1/payments", 201, **payment(**changes))
    return f"/v1/payments/{shown['id']}"


async def authorized(client: httpx.AsyncClient, **changes: object) -> str:
    """The path of a payment that waits for its capture."""
    path = await made(client, manual_capture=True, **changes)
    shown = await post(client, f"{path}/authorize", payment_method_token="pm_card")
    assert shown["status"] == "authorized"
    return path


async def paid(client: httpx.AsyncClient, **changes: object) -> str:
    """The path of a payment that is paid."""
    path = await made(client, **changes)
    shown = await post(client, f"{path}/authorize", payment_method_token="pm_card")
    assert shown["status"] == "completed"
    return path


async def disputed(
    database: Database, path: str, reference: str, kind: FactKind = FactKind.DISPUTE_OPENED, **changes: object
) -> None:
    """Have the gateway call back about a dispute of a payment of `acme`."""
    values: Json = {
        "gateway": TESTGATE,
        "account": "acme",
        "provider_reference": f"unused_{reference}",
        "payment_id": path.rpartition("/")[2],
        "movement_reference": reference,
        "amount_minor": 300,
    }
    async with database.transaction() as transaction:
        known = await transaction.payments.get(str(values["payment_id"]))
    assert known is not None
    told = fact(f"evt_{kind}_{reference}", kind, **values | {"provider_reference": known.provider_reference} | changes)
    await apply_events(database, received(told), NOW)


def id_of(path: str) -> str:
    """The id at the end of a path."""
    return path.rpartition("/")[2]
