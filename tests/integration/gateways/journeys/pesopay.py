"""PesoPay: the browser posts a form, the payer pays, and a datafeed tells. Refunds are only seen by asking."""

import json
from collections.abc import Mapping

import httpx

from tests.gateways.pesopay import HASH_FUNCTION, HASH_SECRET, LOGIN_ID, MERCHANT_ID, PASSWORD
from tests.integration.gateways.journey import Journey, pay_at_gateway


async def pay(http: httpx.AsyncClient, reference: str, client_parameters: Mapping[str, str], callback_url: str) -> None:
    """Post the form as the payer's browser does, and pay."""
    form = json.loads(client_parameters["form_fields"])
    assert form["orderRef"] == reference
    (await http.post(client_parameters["form_action"], data=form)).raise_for_status()
    await pay_at_gateway(http, reference, client_parameters, callback_url)


JOURNEY = Journey(
    gateway="pesopay",
    server="tests.gateways.pesopay",
    credentials=lambda url, _: {
        "merchant_id": MERCHANT_ID,
        "secure_hash_secret": HASH_SECRET,
        "hash_function": HASH_FUNCTION,
        "api_login_id": LOGIN_ID,
        "api_password": PASSWORD,
        "api_base": url,
    },
    amount_minor=15000,
    currency="PHP",
    create={"manual_capture": True, "return_url": "https://shop.example/back"},
    captures=True,
    refund_minor=5000,
    pay=pay,
)
