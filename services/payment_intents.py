"""Beginning a payment for a payer: at which gateway, and what the payer does next."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from connectors.base import GivesInstructions
from connectors.registry import get_registration, registrations
from domain.errors import CapabilityMissing, InvalidInput, InvariantViolated
from services.available_methods import Offer, Purchase, available_methods, is_paid_by_hand
from services.gateways import ConnectorSource
from storage.unit_of_work import Database

StepType = Literal["client_secret", "redirect", "form", "instructions"]

CLIENT_SECRETS = ("client_secret", "client_token", "session_data", "payment_request_token", "token", "order_id")
"""What the payer's client opens the payment with, by the names that gateways give it."""

PUBLISHABLE_KEYS = ("publishable_key", "key_id", "client_key", "application_id")
"""What the payer's client tells its gateway who the merchant is with, by the names that gateways give it."""

_FOR_GATEWAYS = frozenset({"manual_capture", "return_url", "payment_method"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """What the payer does next; `type` is None where nothing is to be done, or nothing is known yet."""

    type: StepType | None = None
    client_secret: str | None = None
    publishable_key: str | None = None
    redirect_url: str | None = None
    form_action: str | None = None
    form_fields: Mapping[str, str] = field(default_factory=dict)
    instructions: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where a payment is begun; `method` says how it is made by hand, and is None where a gateway's API is asked."""

    gateway: str
    method: str | None = None

    @property
    def command(self) -> str:
        """The kind of command that makes the payment."""
        return "create_payment" if self.method is None else "submit_manual_payment"

    def content(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What the command says, from what was asked. Raises InvalidInput for what cannot be asked of people."""
        if self.method is None:
            return {**asked, "gateway": self.gateway}
        if asked["manual_capture"]:
            raise InvalidInput("a payment by hand is not captured later", field="manual_capture")
        # The payer is told to give the resource's name with the money.
        said = {name: value for name, value in asked.items() if name not in _FOR_GATEWAYS}
        return {**said, "method": self.method, "transaction_reference": asked["resource_id"]}


async def find_offers(database: Database, account: str, purchase: Purchase) -> tuple[Offer, ...]:
    """What the account offers for a purchase, in its order."""
    async with database.transaction() as transaction:
        options = await transaction.payment_options.all(account)
    return available_methods(options, registrations(), purchase)


async def plan_intent(
    database: Database,
    gateways: ConnectorSource,
    account: str,
    purchase: Purchase,
    *,
    gateway: str | None,
    reference: str,
) -> Plan:
    """Say at which gateway a payment is begun: the one that was named, else that of the account's first offer.

    `reference` is what a payer by hand gives with the money. Raises NotFound for an unknown gateway or one without
    credentials, CapabilityMissing (`no_payment_option`) when the account offers nothing for the purchase, InvalidInput
    for a method by hand that the account does not take.
    """
    if gateway is not None:
        registration = get_registration(gateway)
        methods = registration.payment_methods
    else:
        offer = await _first_offer(database, account, purchase)
        registration, methods = offer.registration, offer.payment_methods
    if not is_paid_by_hand(registration):
        return Plan(gateway=registration.key)
    connector = await gateways.connector(account, registration.key)
    if not isinstance(connector, GivesInstructions):
        raise InvariantViolated(f"the connector of {registration.key} gives no instructions")
    return Plan(gateway=registration.key, method=_method_by_hand(connector, methods, purchase, reference))


def next_step(parameters: Mapping[str, str]) -> NextStep:
    """Read what the payer does next from what a command told for the payer's client.

    A page to go to is named before a client of the gateway's own, where there are both: it works in every browser.
    """
    if "form_action" in parameters:
        fields = _form_fields(parameters.get("form_fields", "{}"))
        return NextStep(type="form", form_action=parameters["form_action"], form_fields=fields)
    secret, key = _first(parameters, CLIENT_SECRETS), _first(parameters, PUBLISHABLE_KEYS)
    if "redirect_url" in parameters:
        url = parameters["redirect_url"]
        return NextStep(type="redirect", redirect_url=url, client_secret=secret, publishable_key=key)
    if "instructions" in parameters:
        return NextStep(type="instructions", instructions=parameters["instructions"])
    if secret is not None:
        return NextStep(type="client_secret", client_secret=secret, publishable_key=key)
    return NextStep()


async def _first_offer(database: Database, account: str, purchase: Purchase) -> Offer:
    offers = await find_offers(database, account, purchase)
    if not offers:
        raise CapabilityMissing(
            "none of the account's payment options takes this payment: name a gateway, or add an option",
            code="no_payment_option",
            field="gateway",
        )
    return offers[0]


def _method_by_hand(connector: GivesInstructions, methods: tuple[str, ...], purchase: Purchase, reference: str) -> str:
    """The method that was asked for, else the first one for which the account has said how it is paid."""
    for method in methods:
        if purchase.payment_method not in {None, method}:
            continue
        try:
            connector.instructions(
                method, reference=reference, amount_minor=purchase.amount_minor, currency=purchase.currency
            )
        except InvalidInput:
            continue
        return method
    raise InvalidInput("the account has not said how it is paid by this method", field="payment_method")


def _first(parameters: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((parameters[name] for name in names if name in parameters), None)


def _form_fields(text: str) -> dict[str, str]:
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise InvariantViolated("the fields of a form are one JSON object") from error
    if not isinstance(fields, dict):
        raise InvariantViolated("the fields of a form are one JSON object")
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
