"""The vault and the disputes of the local PayPal."""

from typing import Any

from tests.gateways.paypal_state import Item, PayPalState, Refusal, find, new_id, now

WALLET, CARD, DECLINED_CARD = "wallettoken1", "cardtoken1", "declinedtoken1"
"""Payment tokens that are there from the beginning."""
CARD_SETUP = "5C991763VB2781612"
"""A setup token that PayPal's client made of a card."""

_CARD: Item = {"brand": "VISA", "last_digits": "4242", "expiry": "2030-03"}
_WITHOUT_PAYER = {"payment_initiator": "MERCHANT", "usage": "SUBSEQUENT"}


class PayPalVault:
    """Setup tokens, payment tokens and disputes of one account."""

    def __init__(self, state: PayPalState) -> None:
        self._state = state
        self.setups: dict[str, Item] = {CARD_SETUP: _setup(CARD_SETUP, "card", _CARD, "APPROVED")}
        self.tokens: dict[str, Item] = {
            WALLET: _token(WALLET, "paypal", {"email_address": "payer@example.com"}, "customer_1"),
            CARD: _token(CARD, "card", _CARD, "customer_2"),
            DECLINED_CARD: _token(DECLINED_CARD, "card", _CARD, "customer_2") | {"declines": True},
        }
        self.disputes: dict[str, Item] = {}
        self.may_read_disputes = True

    def create_setup(self, body: Item) -> Item:
        """Create a setup token, which the payer is to approve."""
        (kind, details) = next(iter(body["payment_source"].items()))
        context = details.get("experience_context", {})
        if kind != "paypal" or not {"return_url", "cancel_url"} <= context.keys() or not details.get("usage_type"):
            raise Refusal("MISSING_REQUIRED_PARAMETER", "return_url", 400)
        setup = _setup(new_id(), kind, {"email_address": "payer@example.com"}, "PAYER_ACTION_REQUIRED")
        setup["customer"] |= {
            name: value for name, value in body.get("customer", {}).items() if name == "merchant_customer_id"
        }
        self.setups[setup["id"]] = setup
        return setup

    def approve(self, setup_id: str) -> None:
        """The payer approves."""
        self.setups[setup_id]["status"] = "APPROVED"

    def create_token(self, body: Item) -> Item:
        """Turn a setup token into a payment token."""
        named = body["payment_source"]["token"]
        if named["type"] != "SETUP_TOKEN":
            raise Refusal("INVALID_PARAMETER_VALUE", "type", 400)
        setup = find(self.setups, named["id"])
        if setup["status"] != "APPROVED":
            raise Refusal("SETUP_TOKEN_NOT_APPROVED", "The payer has not approved it.")
        setup["status"] = "VAULTED"
        ((kind, details),) = setup["payment_source"].items()
        token = _token(new_id(), kind, details, setup["customer"]["id"])
        self.tokens[token["id"]] = token
        return shown(token)

    def tokens_of(self, customer_id: str) -> Item:
        """List a customer's payment tokens."""
        found = [shown(token) for token in self.tokens.values() if token["customer"]["id"] == customer_id]
        return {"customer": {"id": customer_id}, "payment_tokens": found}

    def payer_of(self, body: Item, *, present: bool) -> Item | None:
        """The payment token that a request pays by; None when the payer is to approve it at PayPal."""
        source = body.get("payment_source") or {}
        for kind, details in source.items():
            if "vault_id" not in details:
                return None
            token = find(self.tokens, details["vault_id"])
            if kind not in token["payment_source"]:
                raise Refusal("TOKEN_PAYMENT_SOURCE_MISMATCH")
            credential = details.get("stored_credential", {})
            if not present and not _WITHOUT_PAYER.items() <= credential.items():
                raise Refusal("PAYER_ACTION_REQUIRED", "The payer is not there.")
            return token
        return None

    def dispute(self, capture_id: str, changes: Item) -> None:
        """Open a dispute about a capture, or change it."""
        captured = self._state.payment(capture_id, "capture")
        known = self.disputes.get(capture_id)
        dispute = known or {
            "dispute_id": f"PP-D-{len(self.disputes) + 1}",
            "create_time": now(),
            "disputed_transactions": [{"seller_transaction_id": capture_id, "custom": captured["custom_id"]}],
            "reason": "MERCHANDISE_OR_SERVICE_NOT_RECEIVED",
            "status": "OPEN",
            "dispute_amount": captured["amount"],
            "seller_response_due_date": "2027-01-10T00:00:00.000Z",
        }
        dispute |= {**changes, "update_time": now()}
        self.disputes[capture_id] = dispute
        event = "CREATED" if known is None else "RESOLVED" if dispute["status"] == "RESOLVED" else "UPDATED"
        self._state.events.append((f"CUSTOMER.DISPUTE.{event}", "dispute", dict(dispute)))

    def disputes_about(self, transaction_id: str) -> Item:
        """List the disputes about a capture, in short."""
        self._check_feature()
        short = ("dispute_id", "reason", "status", "dispute_amount", "create_time", "update_time")
        found = [self.disputes[transaction_id]] if transaction_id in self.disputes else []
        return {"items": [{name: each[name] for name in short} for each in found], "links": []}

    def get_dispute(self, dispute_id: str) -> Item:
        """Show a dispute as a whole."""
        self._check_feature()
        return find({each["dispute_id"]: each for each in self.disputes.values()}, dispute_id)

    def _check_feature(self) -> None:
        if not self.may_read_disputes:
            raise Refusal("PERMISSION_DENIED", "You do not have permission to access or perform operations.", 403)


def shown(token: Item) -> Item:
    """A payment token as PayPal shows it."""
    return {name: value for name, value in token.items() if name != "declines"}


def _setup(name: str, kind: str, details: Item, status: str) -> Item:
    page = f"https://www.paypal.example/agreements/approve?approval_session_id={name}"
    links: list[Any] = [{"rel": "approve", "href": page}] if status == "PAYER_ACTION_REQUIRED" else []
    return {
        "id": name,
        "status": status,
        "customer": {"id": f"customer_{new_id()}"},
        "payment_source": {kind: details},
        "links": links,
    }


def _token(name: str, kind: str, details: Item, customer_id: str) -> Item:
    return {"id": name, "customer": {"id": customer_id}, "payment_source": {kind: dict(details)}}
