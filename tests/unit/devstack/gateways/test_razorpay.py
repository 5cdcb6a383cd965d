"""The stand-in for Razorpay, as its documentation describes the API."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from devstack.gateways.razorpay import KEY_ID, KEY_SECRET, build_event, create_app, sign_webhook

ORDER = {"amount": 50000, "currency": "INR", "receipt": "receipt-1", "notes": {"payment_id": "payment-1"}}
JsonObject = dict[str, Any]


class Api:
    """Calls the stand-in without a network; answers are the status and the JSON object."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def get(self, path: str, **params: str | int) -> JsonObject:
        return self._success(await self._http.get(path, params=params))

    async def post(self, path: str, body: JsonObject, key: str | None = None) -> JsonObject:
        return self._success(await self._send(path, body, key))

    async def refusal(self, path: str, body: JsonObject, key: str | None = None) -> tuple[int, str]:
        response = await self._send(path, body, key)
        return response.status_code, response.json()["error"]["description"]

    async def order(self, **changes: object) -> JsonObject:
        return await self.post("/v1/orders", ORDER | changes)

    async def pay(self, order: JsonObject, **how: object) -> JsonObject:
        return await self.post(f"/_control/orders/{order['id']}/pay", how)

    async def _send(self, path: str, body: JsonObject, key: str | None) -> httpx.Response:
        headers = {} if key is None else {"X-Refund-Idempotency": key}
        return await self._http.post(path, json=body, headers=headers)

    @staticmethod
    def _success(response: httpx.Response) -> JsonObject:
        assert response.status_code == 200, response.text
        answer: JsonObject = response.json()
        return answer


@asynccontextmanager
async def connect(
    *, key_secret: str = KEY_SECRET, refund_status: str = "processed"
) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(refund_status=refund_status))
    async with httpx.AsyncClient(transport=transport, base_url="http://api", auth=(KEY_ID, key_secret)) as http:
        yield http


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with connect() as http:
        yield Api(http)


async def test_the_api_wants_the_keys() -> None:
    async with connect(key_secret="wrong") as http:
        answers = [await http.get("/v1/orders/order_1"), await http.post("/v1/orders", json=ORDER)]

    assert [answer.status_code for answer in answers] == [401, 401]
    assert answers[0].json()["error"]["description"] == "Authentication failed"


async def test_a_new_order_waits_to_be_paid(api: Api) -> None:
    order = await api.order()

    assert order["id"].startswith("order_")
    assert (order["entity"], order["status"], order["amount_due"], order["attempts"]) == ("order", "created", 50000, 0)
    assert await api.get(f"/v1/orders/{order['id']}") == order
    assert await api.get(f"/v1/orders/{order['id']}/payments") == {"entity": "collection", "count": 0, "items": []}


@pytest.mark.parametrize(
    ("change", "description"),
    [
        ({"amount": "50000"}, "The amount must be an integer."),
        ({"amount": 500.0}, "The amount must be an integer."),
        ({"amount": True}, "The amount must be an integer."),
        ({"amount": 99}, "The amount must be at least INR 1.00"),
        ({"amount": 0}, "The amount must be at least 1."),
        ({"currency": "inr"}, "The currency field is required."),
        ({"receipt": "x" * 41}, "The receipt may not be greater than 40 characters."),
        ({"notes": {str(number): "x" for number in range(16)}}, "The notes may not be more than 15 key-value pairs."),
        ({"notes": {"a": "x" * 257}}, "A note may not be greater than 256 characters."),
        ({"surprise": 1}, "surprise is/are not required and should not be sent"),
        ({"payment": {"capture": "later"}}, "The capture field is invalid."),
    ],
)
async def test_an_order_that_is_not_right_is_refused(api: Api, change: JsonObject, description: str) -> None:
    assert await api.refusal("/v1/orders", ORDER | change) == (400, description)


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
async def test_a_body_that_is_no_json_object_is_refused(content: bytes) -> None:
    async with connect() as http:
        assert (await http.post("/v1/orders", content=content)).status_code == 400


async def test_a_receipt_belongs_to_one_order(api: Api) -> None:
    order = await api.order()

    assert await api.order(unique_receipt=True) == order
    assert await api.refusal("/v1/orders", ORDER) == (400, "The receipt has to be unique.")


@pytest.mark.parametrize(("capture", "status"), [("automatic", "captured"), ("manual", "authorized")])
async def test_an_order_is_paid_by_its_own_capture_setting(api: Api, capture: str, status: str) -> None:
    order = await api.order(payment={"capture": capture})
    payment = await api.pay(order, notes={"from": "browser"})
    after = await api.get(f"/v1/orders/{order['id']}")

    assert (payment["status"], payment["captured"]) == (status, status == "captured")
    assert payment["notes"] == {"from": "browser"}
    assert after["status"] == ("paid" if status == "captured" else "attempted")
    assert await api.get(f"/v1/payments/{payment['id']}") == payment


async def test_a_paid_order_takes_no_second_payment(api: Api) -> None:
    order = await api.order()
    await api.pay(order, outcome="captured")

    refusal = await api.refusal(f"/_control/orders/{order['id']}/pay", {})

    assert refusal == (400, "Your payment has been declined as the order is already paid.")


async def test_a_failed_payment_says_why_and_leaves_the_order_open(api: Api) -> None:
    order = await api.order()
    failed = await api.pay(order, outcome="failed")
    paid = await api.pay(order)

    assert (failed["status"], failed["error_reason"]) == ("failed", "payment_failed")
    assert paid["status"] == "captured"


async def test_only_the_whole_authorized_amount_is_captured_and_only_once(api: Api) -> None:
    payment = await api.pay(await api.order(), outcome="authorized")
    path, whole = f"/v1/payments/{payment['id']}/capture", {"amount": 50000, "currency": "INR"}
    part = await api.refusal(path, whole | {"amount": 100})
    other = await api.refusal(path, whole | {"currency": "USD"})
    captured = await api.post(path, whole)
    again = await api.refusal(path, whole)

    assert part == (400, "Capture amount must be equal to the amount authorized")
    assert other == (400, "Payment currency and capture currency are different.")
    assert captured["status"] == "captured"
    assert again == (400, "This payment has already been captured")


async def test_refunds_add_up_to_the_payment(api: Api) -> None:
    payment = await api.pay(await api.order(), outcome="captured")
    path = f"/v1/payments/{payment['id']}"
    first = await api.post(f"{path}/refund", {"amount": 20000})
    partly = await api.get(path)
    too_much = await api.refusal(f"{path}/refund", {"amount": 30001})
    rest = await api.post(f"{path}/refund", {})
    fully = await api.get(path)

    assert (partly["status"], partly["refund_status"], partly["amount_refunded"]) == ("captured", "partial", 20000)
    assert too_much == (400, "The refund amount provided is greater than amount captured")
    assert rest["amount"] == 30000
    assert (fully["status"], fully["refund_status"]) == ("refunded", "full")
    assert await api.refusal(f"{path}/refund", {}) == (400, "The payment has been fully refunded already")
    assert (await api.get(f"{path}/refunds", count=1, skip=1))["items"] == [first]
    assert await api.get(f"/v1/refunds/{first['id']}") == first


async def test_an_idempotency_key_makes_one_refund(api: Api) -> None:
    payment = await api.pay(await api.order(), outcome="captured")
    path = f"/v1/payments/{payment['id']}/refund"
    first = await api.post(path, {"amount": 10000}, key="key-0000000001")
    again = await api.post(path, {"amount": 10000}, key="key-0000000001")
    other = await api.post(path, {"amount": 10000}, key="key-0000000002")

    assert first == again
    assert first["id"] != other["id"]
    assert (await api.refusal(path, {"amount": 20000}, key="key-0000000001"))[0] == 409
    assert (await api.refusal(path, {"amount": 10000}, key="short"))[0] == 400
    assert (await api.refusal(path, {"amount": 10000}, key="not-only-hyphens!"))[0] == 400


async def test_a_refund_of_what_was_never_captured_is_refused(api: Api) -> None:
    payment = await api.pay(await api.order(), outcome="authorized")

    assert (await api.refusal(f"/v1/payments/{payment['id']}/refund", {}))[0] == 400


async def test_banks_settle_pending_refunds() -> None:
    async with connect(refund_status="pending") as http:
        api = Api(http)
        payment = await api.pay(await api.order(), outcome="captured")
        refund = await api.post(f"/v1/payments/{payment['id']}/refund", {})
        failed = await api.post(f"/_control/refunds/{refund['id']}", {"status": "failed"})
        after = await api.get(f"/v1/payments/{payment['id']}")

    assert (refund["status"], failed["status"]) == ("pending", "failed")
    assert (after["status"], after["amount_refunded"], after["refund_status"]) == ("captured", 0, None)


@pytest.mark.parametrize("path", ["/v1/orders/order_1", "/v1/payments/pay_1", "/v1/refunds/rfnd_1"])
async def test_what_does_not_exist_is_refused(path: str) -> None:
    async with connect() as http:
        response = await http.get(path)

    assert (response.status_code, response.json()["error"]["description"]) == (400, "The id provided does not exist")


async def test_an_unknown_address_is_refused(api: Api) -> None:
    assert await api.refusal("/v1/nothing", {}) == (404, "The requested URL was not found on the server.")


async def test_it_says_when_it_is_ready(api: Api) -> None:
    assert await api.get("/_control/ready") == {"ready": True}


def test_a_webhook_has_the_documented_shape_and_signature() -> None:
    body = build_event("refund.processed", {"refund": {"id": "rfnd_1"}, "payment": {"id": "pay_1"}}, created_at=7)
    headers = sign_webhook("secret", body)

    assert json.loads(body) == {
        "entity": "event",
        "account_id": "acc_PaystreamLocal",
        "event": "refund.processed",
        "contains": ["refund", "payment"],
        "payload": {"refund": {"entity": {"id": "rfnd_1"}}, "payment": {"entity": {"id": "pay_1"}}},
        "created_at": 7,
    }
    assert headers["X-Razorpay-Signature"] == hmac.new(b"secret", body, hashlib.sha256).hexdigest()
    assert headers["x-razorpay-event-id"] == sign_webhook("another", body)["x-razorpay-event-id"]
    assert sign_webhook("secret", body, event_id="evt_7")["x-razorpay-event-id"] == "evt_7"
