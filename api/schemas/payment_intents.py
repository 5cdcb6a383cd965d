"""The beginning of a payment as a payer's client needs it."""

from pydantic import AliasChoices, ConfigDict, Field, JsonValue

from api.schemas.available_methods import Country
from api.schemas.base import ResponseModel
from api.schemas.payments import NewPaymentRequest, PaymentResponse
from services.available_methods import Purchase
from services.payment_intents import NextStep, StepType
from topics.message import Name

EXAMPLE: dict[str, JsonValue] = {
    "amount_minor": 1099,
    "currency": "USD",
    "country": "US",
    "resource_type": "order",
    "resource_id": "order-1001",
    "return_url": "https://shop.example/orders/1001",
}


class CreatePaymentIntentRequest(NewPaymentRequest):
    """A new payment, at the gateway that is named or that the account's payment options choose."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    gateway: Name | None = Field(
        default=None,
        validation_alias=AliasChoices("gateway", "provider"),
        description=(
            "Where to pay; `provider` is understood too. When it is left out, the enabled payment option with the least"
            " priority number is taken that takes country, currency, amount and payment method."
        ),
    )
    country: Country | None = Field(default=None, description="The payer's, ISO 3166-1 alpha-2; only to choose by.")

    def purchase(self) -> Purchase:
        """What the payer wants to pay."""
        return Purchase(
            country=self.country,
            currency=self.currency,
            amount_minor=self.minor(),
            payment_method=self.payment_method,
        )


class PaymentIntentResponse(ResponseModel):
    """A payment, and what its payer does next.

    - `client_secret`: pay in the gateway's own client, opened with `client_secret` and `publishable_key`. What else it
      needs is in the payment's `client_parameters`, by the gateway's own names.
    - `redirect`: go to `redirect_url`.
    - `form`: post `form_fields` to `form_action` from the browser.
    - `instructions`: pay by hand as `instructions` say; a person confirms the money.
    - null: nothing is to be done, or the gateway has not answered yet.
    """

    payment: PaymentResponse
    type: StepType | None
    client_secret: str | None
    publishable_key: str | None
    redirect_url: str | None
    form_action: str | None
    form_fields: dict[str, str]
    instructions: str | None


def payment_intent_response(payment: PaymentResponse, step: NextStep) -> PaymentIntentResponse:
    """Show a payment with what its payer does next."""
    return PaymentIntentResponse(
        payment=payment,
        type=step.type,
        client_secret=step.client_secret,
        publishable_key=step.publishable_key,
        redirect_url=step.redirect_url,
        form_action=step.form_action,
        form_fields=dict(step.form_fields),
        instructions=step.instructions,
    )
