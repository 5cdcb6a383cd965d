"""The orders, refunds and mandates of a local PhonePe, kept in memory.

Every name is the merchant's and can be used once. Amounts are paisa.
"""

import time
from collections import Counter
from collections.abc import Mapping
from itertools import count
from typing import Any

Item = dict[str, Any]

SMALLEST_AMOUNT = 100
CONFIRMATION_AMOUNT = 200
ORDER_SECONDS = 1_200
LONGEST_NAME = 63


class Refusal(Exception):
    """A request that PhonePe refuses."""

    def __init__(self, status_code: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.code = code
        self.message = message


class PhonePeState:
    """What one merchant has at PhonePe. `movements` counts how often money moved."""

    def __init__(self) -> None:
        self.orders: dict[str, Item] = {}
        self.refunds: dict[str, Item] = {}
        self.mandates: dict[str, Item] = {}
        self.movements: Counter[str] = Counter()
        self._numbers = count(1)

    def create_order(self, body: Mapping[str, Any], kind: str) -> Item:
        """Make an order of the kind `page`, `sdk`, `setup` or `charge`."""
        name, amount = self._new_name(self.orders, body, "merchantOrderId"), _amount_of(body)
        meta_info = body.get("metaInfo", {})
        if not all(isinstance(value, str) and len(value) <= 256 for value in meta_info.values()):
            raise bad_request("metaInfo holds texts of at most 256 characters")
        order = {
            "merchantOrderId": name,
            "orderId": f"OMO{next(self._numbers):016}",
            "state": "PENDING",
            "amount": amount,
            "expireAt": milliseconds_now() + ORDER_SECONDS * 1_000,
            "metaInfo": dict(meta_info),
            "paymentDetails": [],
            "kind": kind,
        }
        self.orders[name] = order
        return order

    def order(self, name: str, kinds: frozenset[str]) -> Item:
        """Find an order of one of the kinds."""
        order = self.orders.get(name)
        if order is None or order["kind"] not in kinds:
            raise Refusal(404, "ORDER_NOT_FOUND", f"no order {name}")
        return order

    def attempt(self, order: Item, state: str) -> None:
        """The payer tries to pay, or is debited; a completed attempt completes the order."""
        attempt = {
            "paymentMode": "UPI_INTENT",
            "transactionId": f"OM{next(self._numbers):016}",
            "timestamp": milliseconds_now(),
            "amount": order["amount"],
            "state": state,
        }
        if state == "FAILED":
            attempt |= {"errorCode": "PAYMENT_ERROR", "detailedErrorCode": "ZM"}
        order["paymentDetails"].append(attempt)
        if state == "COMPLETED":
            order["state"] = "COMPLETED"
            self.movements["capture"] += order["kind"] != "setup"

    def fail(self, order: Item) -> None:
        """End an order without a payment."""
        order |= {"state": "FAILED", "errorCode": "ORDER_EXPIRED", "detailedErrorCode": "ORDER_EXPIRED"}

    def refund(self, body: Mapping[str, Any]) -> Item:
        """Accept a refund."""
        order = self.orders.get(str(body.get("originalMerchantOrderId")))
        amount = _amount_of(body)
        name = self._new_name(self.refunds, body, "merchantRefundId")
        if order is None or order["state"] != "COMPLETED":
            raise bad_request("there is no completed order to refund")
        before = sum(
            refund["amount"]
            for refund in self.refunds.values()
            if refund["originalMerchantOrderId"] == order["merchantOrderId"] and refund["state"] != "FAILED"
        )
        if before + amount > order["amount"]:
            raise bad_request("the refund is above what is left of the order")
        refund = {
            "originalMerchantOrderId": order["merchantOrderId"],
            "merchantRefundId": name,
            "refundId": f"OMR{next(self._numbers):016}",
            "amount": amount,
            "state": "PENDING",
            "timestamp": milliseconds_now(),
        }
        self.refunds[name] = refund
        self.movements["refund"] += 1
        return refund

    def set_up_mandate(self, body: Mapping[str, Any]) -> Item:
        """Begin a mandate by an order of two rupees; returns the order."""
        flow = body["paymentFlow"]
        if flow["type"] != "SUBSCRIPTION_SETUP" or flow["authWorkflowType"] != "PENNY_DROP":
            raise bad_request("this is no setup of a subscription")
        if body.get("amount") != CONFIRMATION_AMOUNT:
            raise bad_request("a mandate is confirmed by 200 paisa")
        if type(flow.get("maxAmount")) is not int or flow["amountType"] != "VARIABLE":
            raise bad_request("a variable mandate has a largest amount")
        name = self._new_name(self.mandates, flow, "merchantSubscriptionId")
        order = self.create_order(body, "setup")
        self.mandates[name] = {
            "merchantSubscriptionId": name,
            "subscriptionId": f"OMS{next(self._numbers):016}",
            "state": "ACTIVATION_IN_PROGRESS",
            "maxAmount": flow["maxAmount"],
            "frequency": flow["frequency"],
            "order": order["merchantOrderId"],
        }
        return order

    def mandate(self, name: str) -> Item:
        """Find a mandate."""
        if name not in self.mandates:
            raise Refusal(404, "SUBSCRIPTION_NOT_FOUND", f"no subscription {name}")
        return self.mandates[name]

    def notify(self, body: Mapping[str, Any]) -> Item:
        """Announce a debit, to be carried out by PhonePe itself."""
        flow = body["paymentFlow"]
        if flow["type"] != "SUBSCRIPTION_REDEMPTION" or flow.get("autoDebit") is not True:
            raise bad_request("this is no debit that is carried out by itself")
        mandate = self.mandate(str(flow.get("merchantSubscriptionId")))
        if mandate["state"] != "ACTIVE" or _amount_of(body) > mandate["maxAmount"]:
            raise bad_request("the subscription does not allow it")
        order = self.create_order(body, "charge")
        order["state"] = "NOTIFICATION_IN_PROGRESS"
        return order

    @staticmethod
    def _new_name(known: Mapping[str, Item], body: Mapping[str, Any], key: str) -> str:
        name = body.get(key)
        is_name = isinstance(name, str) and name.replace("-", "").replace("_", "").isalnum() and name.isascii()
        if not isinstance(name, str) or not is_name or len(name) > LONGEST_NAME:
            raise bad_request(f"{key} is no name")
        if name in known:
            raise Refusal(400, "DUPLICATE_REQUEST", f"{key} was used before")
        return name


def bad_request(message: str) -> Refusal:
    """What PhonePe says of a request that is not right."""
    return Refusal(400, "BAD_REQUEST", message)


def milliseconds_now() -> int:
    """The time as PhonePe tells it."""
    return time.time_ns() // 1_000_000


def _amount_of(body: Mapping[str, Any]) -> int:
    amount = body.get("amount")
    if type(amount) is not int or amount < SMALLEST_AMOUNT:
        raise bad_request(f"amount is an integer of at least {SMALLEST_AMOUNT} paisa")
    return amount
