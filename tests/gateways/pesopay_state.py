"""What the local PesoPay remembers, and what AsiaPay documents of orders, attempts and their statuses."""

import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

MERCHANT_ID = "18000000"
LOGIN_ID = "apiuser"
PASSWORD = "local-api-password"
HASH_SECRET = "LocalHashKey00000000000000000001"
HASH_FUNCTION = "sha256"

DECIMALS = {"608": 2, "344": 2, "840": 2, "702": 2, "392": 0, "764": 2}

Attempt = dict[str, str]

_ORDER_FIELDS = {
    "merchantId",
    "amount",
    "orderRef",
    "currCode",
    "mpsMode",
    "successUrl",
    "failUrl",
    "cancelUrl",
    "payType",
    "lang",
    "payMethod",
    "secureHash",
}
_COVERED = ("src", "prc", "successcode", "Ref", "PayRef", "Cur", "Amt", "payerAuth")


class Refusal(Exception):
    """What AsiaPay says no with."""


class PesoPayState:
    """One merchant account: posted orders, and the attempts to pay them."""

    def __init__(self) -> None:
        self.orders: dict[str, Mapping[str, str]] = {}
        self.attempts: dict[str, Attempt] = {}
        self.movements: Counter[str] = Counter()
        self._numbers = itertools.count(4000123)

    def post_order(self, form: Mapping[str, str]) -> None:
        """Take in the form that a payer's browser posts to the payment page."""
        if form.keys() != _ORDER_FIELDS:
            raise Refusal(f"Parameter Incorrect: {sorted(form.keys() ^ _ORDER_FIELDS)}")
        hashed = [form[name] for name in ("merchantId", "orderRef", "currCode", "amount", "payType")]
        if form["secureHash"] != hash_of(hashed):
            raise Refusal("Secure Hash Incorrect")
        if form["merchantId"] != MERCHANT_ID or form["payType"] not in {"N", "H"} or len(form["orderRef"]) > 35:
            raise Refusal("Parameter Incorrect")
        check_amount(form["amount"], form["currCode"])
        if any(self._is_paid(attempt) for attempt in self._attempts_of(form["orderRef"])):
            raise Refusal("Duplicate Order Reference")
        self.orders[form["orderRef"]] = form

    def pay(self, reference: str, outcome: str) -> Attempt:
        """The payer makes an attempt on an order."""
        order = self.orders[reference]
        is_accepted = outcome == "paid"
        paid = "Authorized" if order["payType"] == "H" else "Accepted"
        status = {"paid": paid, "failed": "Rejected", "cancelled": "Cancelled"}[outcome]
        pay_ref = str(next(self._numbers))
        self.attempts[pay_ref] = {
            "orderStatus": status,
            "ref": reference,
            "payRef": pay_ref,
            "amt": order["amount"],
            "cur": order["currCode"],
            "prc": "0" if is_accepted else "1",
            "src": "0" if is_accepted else "51",
            "ord": "12345678",
            "holder": "JOSÉ <&> DELA CRUZ",
            "payerAuth": "U",
            "payMethod": "VISA",
            "txTime": (datetime.now(UTC) + timedelta(hours=8)).strftime("%Y-%m-%d %H:%M:%S.0"),
            "successcode": "0" if is_accepted else "1",
            "errMsg": "",
        }
        if is_accepted:
            self.movements["authorization" if order["payType"] == "H" else "capture"] += 1
        return self.attempts[pay_ref]

    def query(self, form: Mapping[str, str]) -> Sequence[Attempt]:
        """The attempts on an order, or one attempt."""
        check_login(form)
        if "payRef" in form:
            return [self.attempts[form["payRef"]]] if form["payRef"] in self.attempts else []
        return self._attempts_of(form["orderRef"])

    def act(self, form: Mapping[str, str]) -> Attempt:
        """Capture, void or ask for a refund."""
        check_login(form)
        attempt = self.attempts.get(form.get("payRef", ""))
        action = {"Capture": self._capture, "Void": self._void, "RequestRefund": self._request_refund}
        if attempt is None or form["actionType"] not in action:
            raise Refusal("Parameter Incorrect")
        action[form["actionType"]](attempt, form)
        return attempt

    def settle(self) -> None:
        """Carry the refunds out that were asked for."""
        for attempt in self.attempts.values():
            done = {"RequestRefund": "Refunded", "RequestPartialRefund": "Partial Refunded"}.get(attempt["orderStatus"])
            if done is not None:
                attempt["orderStatus"] = done
                attempt["before"] = done
                self.movements["refund"] += 1

    def reject_refunds(self) -> None:
        """Turn the refunds down that were asked for."""
        for attempt in self.attempts.values():
            if attempt["orderStatus"] in {"RequestRefund", "RequestPartialRefund"}:
                attempt["orderStatus"] = attempt["before"]

    def set_status(self, reference: str, status: str) -> None:
        """Put what people do in AsiaPay's portal."""
        for attempt in self._attempts_of(reference):
            attempt["orderStatus"] = status

    def _capture(self, attempt: Attempt, form: Mapping[str, str]) -> None:
        check_amount(form["amount"], attempt["cur"])
        if attempt["orderStatus"] != "Authorized" or form["amount"] != attempt["amt"]:
            raise Refusal("Capture Failed")
        attempt["orderStatus"] = "Captured"
        self.movements["capture"] += 1

    def _void(self, attempt: Attempt, _: Mapping[str, str]) -> None:
        if attempt["orderStatus"] != "Authorized":
            raise Refusal("Void Failed")
        attempt["orderStatus"] = "Voided"
        self.movements["void"] += 1

    def _request_refund(self, attempt: Attempt, form: Mapping[str, str]) -> None:
        check_amount(form["amount"], attempt["cur"])
        if attempt["orderStatus"] not in {"Accepted", "Captured", "Partial Refunded"}:
            raise Refusal("Refund Failed")
        attempt["before"] = attempt["orderStatus"]
        is_whole = form["amount"] == attempt["amt"]
        attempt["orderStatus"] = "RequestRefund" if is_whole else "RequestPartialRefund"
        self.movements["refund_request"] += 1

    def _attempts_of(self, reference: str) -> list[Attempt]:
        return [attempt for attempt in self.attempts.values() if attempt["ref"] == reference]

    def _is_paid(self, attempt: Attempt) -> bool:
        return attempt["orderStatus"] not in {"Rejected", "Cancelled"}


def check_login(form: Mapping[str, str]) -> None:
    """The API's own user stands in every request."""
    told = (form.get("merchantId"), form.get("loginId"), form.get("password"))
    if told != (MERCHANT_ID, LOGIN_ID, PASSWORD):
        raise Refusal("Authentication Failed")


def check_amount(amount: str, currency: str) -> None:
    """An amount is written with just as many decimals as its currency has."""
    decimals = DECIMALS.get(currency)
    if decimals is None or not re.fullmatch(r"[0-9]{1,10}" + (rf"\.[0-9]{{{decimals}}}" if decimals else ""), amount):
        raise Refusal("Amount Incorrect")


def hash_of(values: Sequence[str]) -> str:
    """AsiaPay's secure hash of some values."""
    return hashlib.new(HASH_FUNCTION, "|".join([*values, HASH_SECRET]).encode()).hexdigest()


def datafeed_of(attempt: Attempt) -> dict[str, str]:
    """The fields of the datafeed about an attempt."""
    feed = {
        "prc": attempt["prc"],
        "src": attempt["src"],
        "Ord": attempt["ord"],
        "Ref": attempt["ref"],
        "PayRef": attempt["payRef"],
        "successcode": attempt["successcode"],
        "Amt": attempt["amt"],
        "Cur": attempt["cur"],
        "Holder": attempt["holder"],
        "AuthId": "123456",
        "AlertCode": "R14",
        "remark": "",
        "eci": "05",
        "payerAuth": attempt["payerAuth"],
        "sourceIp": "203.0.113.5",
        "ipCountry": "PH",
        "payMethod": attempt["payMethod"],
        "TxTime": attempt["txTime"],
        "panFirst4": "4111",
        "panLast4": "1111",
    }
    # While a secret is being changed, the hash by the other one comes beside it.
    other = hashlib.new(HASH_FUNCTION, b"by another secret").hexdigest()
    return {**feed, "secureHash": f"{other},{hash_of([feed[name] for name in _COVERED])}"}
