"""Links to pay by, on a page of the gateway's or on one of ours."""

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator

from api.schemas.base import ResponseModel, decimal_of
from api.schemas.filters import UtcDatetime
from api.schemas.purchases import PurchaseRequest
from domain.payment import Status
from services.vault_queries import LinkStatus, PaymentLink
from storage.vault_list import LinkHost
from topics.message import Name
from topics.safe_text import ReturnUrl, SafeName

EXAMPLE: dict[str, JsonValue] = {
    "amount_minor": 4500,
    "currency": "EUR",
    "gateway": "paypal",
    "hosted_by": "paystream",
    "resource_type": "order",
    "resource_id": "order-1001",
    "description": "Pottery course, Saturday",
    "return_url": "https://shop.example/orders/1001",
}


class CreatePaymentLinkRequest(PurchaseRequest):
    """A payment and a page to pay it on.

    `paystream` has a page of ours, which leads the payer to the gateway's page or shows how to pay by hand. `gateway`
    has a page of the gateway's own, where its API makes such links.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    gateway: Name
    hosted_by: LinkHost = "paystream"
    expires_at: UtcDatetime | None = Field(
        default=None, description="When the page closes; without it a page of ours closes after seven days."
    )
    reusable: bool = Field(default=False, description="May be paid many times; only some gateways' own pages can.")
    return_url: ReturnUrl | None = Field(
        default=None, description="A page of yours that our page leads back to. Nothing that it is told is a proof."
    )
    payment_method: SafeName | None = Field(
        default=None, description="How to pay by hand, for the gateway `manual`. At others the payer chooses there."
    )
    manual_capture: bool = Field(default=False, description="Authorize only; capture by a call of its own.")

    @model_validator(mode="after")
    def _fits_its_host(self) -> Self:
        if self.hosted_by == "gateway":
            for name in ("return_url", "payment_method", "manual_capture"):
                if getattr(self, name):
                    raise ValueError(f"`{name}` is for pages of ours; the gateway's page does not take it")
        elif self.reusable:
            raise ValueError("a page of ours is for one payment and cannot be reusable")
        return self

    def asked_of_page(self) -> dict[str, Any]:
        """What goes into the command behind a page of ours."""
        said = {"manual_capture": self.manual_capture, "payment_method": None, "return_url": None}
        return {**self.purchase(), **said}


class PaymentLinkResponse(ResponseModel):
    """A link to pay by. Its id is that of the payment it was made for. All `*_minor` are minor units of `currency`.

    On a page of ours, a payment that has failed is followed by another when the payer tries again: `payment_id` is the
    latest, and the one that was paid if any was.
    """

    id: str
    object: Literal["payment_link"] = "payment_link"
    account: str
    gateway: str
    hosted_by: LinkHost
    status: LinkStatus
    url: str | None = Field(
        description="Where to pay. The address of a page of ours is a secret that only the answer to its making tells."
    )
    reusable: bool
    payment_id: str
    payment_status: Status
    amount_minor: int
    amount: str = Field(description="The amount in major units.", examples=["45.00"])
    currency: str
    description: str | None
    resource_type: str
    resource_id: str
    expires_at: datetime | None
    created_at: datetime


def payment_link_response(found: PaymentLink, now: datetime, *, url: str | None = None) -> PaymentLinkResponse:
    """Show a link; `url` is the address of a page of ours that was just made."""
    link, payment = found.link, found.payment
    terms = payment.terms
    return PaymentLinkResponse(
        id=link.id,
        account=link.account,
        gateway=link.gateway,
        hosted_by=link.hosted_by,
        status=found.status(now),
        url=url or link.url,
        reusable=link.reusable,
        payment_id=payment.id,
        payment_status=payment.status,
        amount_minor=terms.amount_minor,
        amount=decimal_of(terms.amount_minor, terms.currency),
        currency=terms.currency,
        description=payment.description,
        resource_type=payment.resource_type,
        resource_id=payment.resource_id,
        expires_at=link.expires_at,
        created_at=link.created_at,
    )
