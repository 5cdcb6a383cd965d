"""What each kind of command must do and must refuse, as literal tables."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from domain.money import MAX_AMOUNT_MINOR
from tests.integration.services.books import AMOUNT, NOW


@dataclass(frozen=True, kw_only=True)
class Case:
    """A command in a situation: `given` names stages of the shop, `values` change the command."""

    kind: str
    title: str
    given: tuple[str, ...] = ()
    stage: Mapping[str, object] = field(default_factory=dict)
    values: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kind}: {self.title}"


@dataclass(frozen=True, kw_only=True)
class Happy(Case):
    """A command that is carried out; `asks` is whether its gateway is called for it."""

    status: str | None = None
    amount_minor: int | None = None
    asks: bool = True
    brings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Refused(Case):
    """A command whose answer is no; nobody is called and nothing is kept of it."""

    code: str
    at: str
    says: tuple[str, ...] = ()


HAPPY = (
    Happy(kind="create_payment", title="is set up", status="pending", amount_minor=AMOUNT, brings=("client_secret",)),
    Happy(
        kind="create_payment",
        title="is recorded alone",
        values={"set_up_at_gateway": False},
        status="pending",
        amount_minor=AMOUNT,
        asks=False,
    ),
    Happy(
        kind="create_order", title="is set up later", given=("recorded",), status="pending", brings=("client_secret",)
    ),
    Happy(kind="authorize", title="is paid at once", given=("created",), status="completed"),
    Happy(
        kind="authorize",
        title="waits for its capture",
        given=("created",),
        stage={"manual_capture": True},
        status="authorized",
    ),
    Happy(kind="capture", title="the whole", given=("authorized",), status="completed", amount_minor=AMOUNT),
    Happy(
        kind="capture",
        title="a part",
        given=("authorized",),
        values={"amount_minor": 400},
        status="completed",
        amount_minor=400,
    ),
    Happy(kind="void", title="an authorization", given=("authorized",), status="cancelled", amount_minor=AMOUNT),
    Happy(kind="reverse", title="a capture", given=("completed",), status="reversed", amount_minor=AMOUNT),
    Happy(kind="refund", title="the whole", given=("completed",), status="refunded", amount_minor=AMOUNT),
    Happy(
        kind="refund",
        title="a part",
        given=("completed",),
        values={"amount_minor": 1, "reason": "one cent too much"},
        status="partially_refunded",
        amount_minor=1,
    ),
    Happy(
        kind="increment_authorization",
        title="a new total",
        given=("authorized",),
        status="authorized",
        amount_minor=AMOUNT + 500,
    ),
    Happy(kind="sync", title="what is known already", given=("completed",), status="completed"),
    Happy(kind="verify_redirect", title="a genuine proof", given=("created",), status="pending"),
    Happy(kind="complete", title="what the gateway confirms", given=("recorded", "paid_elsewhere"), status="completed"),
    Happy(kind="complete", title="the same name again", given=("completed",), status="completed", asks=False),
    Happy(kind="cancel", title="at its gateway", given=("created",), status="cancelled"),
    Happy(kind="cancel", title="here alone", given=("recorded",), status="cancelled", asks=False),
    Happy(kind="cancel", title="a manual payment", given=("submitted",), status="cancelled", asks=False),
    Happy(
        kind="submit_manual_payment",
        title="an invoice",
        given=("invoiced",),
        status="pending_approval",
        amount_minor=AMOUNT,
        asks=False,
        brings=("method", "transaction_reference"),
    ),
    Happy(
        kind="approve", title="by another", given=("submitted",), status="completed", amount_minor=AMOUNT, asks=False
    ),
    Happy(kind="reject", title="by another", given=("submitted",), status="failed", amount_minor=AMOUNT, asks=False),
    Happy(kind="register_invoice", title="a new one", amount_minor=AMOUNT, asks=False),
    Happy(kind="register_invoice", title="the same again", given=("invoiced",), amount_minor=AMOUNT, asks=False),
    Happy(kind="setup_mandate", title="is active", brings=("mandate_id", "mandate_status")),
    Happy(kind="charge_mandate", title="is paid", given=("mandated",), status="completed", amount_minor=AMOUNT),
    Happy(kind="save_payment_method", title="is kept", brings=("payment_method_id", "brand", "last_four")),
    Happy(kind="create_payment_link", title="is payable", status="pending", amount_minor=AMOUNT, brings=("url",)),
    Happy(
        kind="create_payment_link",
        title="again and again, for an hour",
        values={"reusable": True, "expires_at": NOW + timedelta(hours=1)},
        status="pending",
        amount_minor=AMOUNT,
        brings=("url",),
    ),
    Happy(kind="cancel_payment_link", title="an active one", given=("linked",), status="pending"),
)

_STATUS = "operation_not_allowed"
_ABOVE = "amount_exceeded"

REFUSED = (
    Refused(
        kind="create_payment", title="unknown account", values={"account": "nobody"}, code="not_found", at="account"
    ),
    Refused(kind="create_payment", title="unknown gateway", values={"gateway": "no"}, code="not_found", at="gateway"),
    Refused(
        kind="create_payment",
        title="a currency the gateway does not take",
        values={"currency": "XAF"},
        code="capability_missing",
        at="currency",
        says=("Testgate", "XAF"),
    ),
    Refused(
        kind="create_payment",
        title="a taken id",
        given=("created",),
        code="command_conflict",
        at="payment_id",
    ),
    Refused(
        kind="create_payment",
        title="splits above the amount",
        values={"splits": [{"recipient_type": "partner", "recipient_id": "a", "amount_minor": AMOUNT + 1}]},
        code="invalid_input",
        at="splits",
    ),
    Refused(kind="create_order", title="set up already", given=("created",), code=_STATUS, at="payment_id"),
    Refused(
        kind="create_order", title="beside a link", given=("linked",), code=_STATUS, at="payment_id", says=("link",)
    ),
    Refused(kind="create_order", title="paid", given=("completed",), code=_STATUS, at="payment_id"),
    Refused(kind="authorize", title="paid", given=("completed",), code=_STATUS, at="payment_id", says=("completed",)),
    Refused(kind="authorize", title="not set up", given=("recorded",), code=_STATUS, at="payment_id", says=("set up",)),
    Refused(
        kind="capture", title="pending", given=("created",), code=_STATUS, at="payment_id", says=("capture", "pending")
    ),
    Refused(
        kind="capture",
        title="above what is authorized",
        given=("authorized",),
        values={"amount_minor": AMOUNT + 1},
        code=_ABOVE,
        at="amount_minor",
    ),
    Refused(kind="capture", title="nothing left", given=("completed",), code=_ABOVE, at="amount_minor"),
    Refused(kind="void", title="paid", given=("completed",), code=_STATUS, at="payment_id", says=("void", "completed")),
    Refused(
        kind="reverse", title="authorized", given=("authorized",), code=_STATUS, at="payment_id", says=("reverse",)
    ),
    Refused(kind="reverse", title="refunded", given=("refunded",), code=_STATUS, at="payment_id", says=("refunded",)),
    Refused(
        kind="refund", title="pending", given=("created",), code=_STATUS, at="payment_id", says=("refund", "pending")
    ),
    Refused(kind="refund", title="refunded", given=("refunded",), code=_STATUS, at="payment_id"),
    Refused(
        kind="refund",
        title="above what is captured",
        given=("completed",),
        values={"amount_minor": MAX_AMOUNT_MINOR},
        code=_ABOVE,
        at="amount_minor",
    ),
    Refused(
        kind="increment_authorization",
        title="not above the present total",
        given=("authorized",),
        values={"amount_minor": AMOUNT},
        code="invalid_input",
        at="amount_minor",
    ),
    Refused(kind="increment_authorization", title="paid", given=("completed",), code=_STATUS, at="payment_id"),
    Refused(kind="sync", title="not set up", given=("recorded",), code=_STATUS, at="payment_id"),
    Refused(kind="sync", title="a manual payment", given=("submitted",), code=_STATUS, at="payment_id"),
    Refused(kind="verify_redirect", title="refunded", given=("refunded",), code=_STATUS, at="payment_id"),
    Refused(
        kind="complete",
        title="by another name than its own",
        given=("created",),
        values={"provider_reference": "pi_other"},
        code="command_conflict",
        at="provider_reference",
    ),
    Refused(kind="complete", title="refunded", given=("refunded",), code=_STATUS, at="payment_id"),
    Refused(kind="cancel", title="authorized", given=("authorized",), code=_STATUS, at="payment_id", says=("cancel",)),
    Refused(kind="cancel", title="beside a link", given=("linked",), code=_STATUS, at="payment_id", says=("link",)),
    Refused(kind="submit_manual_payment", title="unknown invoice", code="not_found", at="resource_id"),
    Refused(
        kind="submit_manual_payment",
        title="unknown account",
        values={"account": "nobody"},
        code="not_found",
        at="account",
    ),
    Refused(
        kind="submit_manual_payment",
        title="wrong amount",
        given=("invoiced",),
        values={"amount_minor": AMOUNT - 1},
        code="wrong_amount",
        at="amount_minor",
    ),
    Refused(
        kind="submit_manual_payment",
        title="wrong currency",
        given=("invoiced",),
        values={"currency": "EUR"},
        code="wrong_amount",
        at="currency",
    ),
    Refused(
        kind="submit_manual_payment",
        title="a currency that is none",
        values={"currency": "ZZZ", "resource_type": "order"},
        code="invalid_money",
        at="currency",
    ),
    Refused(
        kind="approve",
        title="by the submitter",
        given=("submitted",),
        values={"actor": "clerk"},
        code=_STATUS,
        at="actor",
    ),
    Refused(
        kind="approve",
        title="not a manual payment",
        given=("created",),
        code="capability_missing",
        at="None",
        says=("testgate", "not approved by people"),
    ),
    Refused(
        kind="reject",
        title="by the submitter",
        given=("submitted",),
        values={"actor": "clerk"},
        code=_STATUS,
        at="actor",
    ),
    Refused(
        kind="register_invoice",
        title="another amount",
        given=("invoiced",),
        values={"amount_minor": 1},
        code="invoice_conflict",
        at="amount_minor",
    ),
    Refused(
        kind="register_invoice", title="unknown account", values={"account": "nobody"}, code="not_found", at="account"
    ),
    Refused(
        kind="register_invoice",
        title="a currency that is none",
        values={"currency": "ZZZ"},
        code="invalid_money",
        at="currency",
    ),
    Refused(
        kind="setup_mandate", title="unknown account", values={"account": "nobody"}, code="not_found", at="account"
    ),
    Refused(kind="setup_mandate", title="a taken id", given=("mandated",), code="command_conflict", at="mandate_id"),
    Refused(kind="charge_mandate", title="unknown mandate", code="not_found", at="mandate_id"),
    Refused(
        kind="charge_mandate",
        title="wrong currency",
        given=("mandated",),
        values={"currency": "EUR"},
        code="invalid_input",
        at="currency",
    ),
    Refused(
        kind="charge_mandate",
        title="above its maximum",
        given=("mandated",),
        stage={"max_amount_minor": AMOUNT - 1},
        code=_ABOVE,
        at="amount_minor",
    ),
    Refused(
        kind="save_payment_method",
        title="unknown account",
        values={"account": "nobody"},
        code="not_found",
        at="account",
    ),
    Refused(
        kind="create_payment_link",
        title="expired already",
        values={"expires_at": NOW},
        code="invalid_input",
        at="expires_at",
    ),
    Refused(
        kind="create_payment_link",
        title="open for centuries",
        values={"expires_at": "9999-12-31T23:59:59-14:00"},
        code="invalid_input",
        at="expires_at",
    ),
    Refused(kind="cancel_payment_link", title="no link", given=("created",), code="not_found", at="payment_id"),
)

OF_A_PAYMENT = (
    "create_order",
    "authorize",
    "capture",
    "void",
    "reverse",
    "refund",
    "increment_authorization",
    "sync",
    "verify_redirect",
    "complete",
    "cancel",
    "approve",
    "reject",
    "cancel_payment_link",
)
"""Kinds that need a payment of the account; each is refused without one and for another account's."""

INCAPABLE = (
    ("authorized", "void"),
    ("completed", "reverse"),
    ("authorized", "increment_authorization"),
    ("created", "authorize"),
    ("created", "cancel"),
)
"""A stage and what could be asked then of a gateway that can do it. Razorpay can do none of it."""
