"""What payers of an account can pay with."""

from typing import Annotated

from fastapi import Query

from api.authentication import CallerDependency
from api.pagination import Page, page_of
from api.route import router
from api.schemas.available_methods import AvailableMethodResponse, Country, available_method_response
from domain.money import MAX_AMOUNT_MINOR
from services.available_methods import Purchase
from services.payment_intents import find_offers
from topics.message import Currency

ROUTER = router("payment methods")

Amount = Annotated[int | None, Query(gt=0, le=MAX_AMOUNT_MINOR, description="In minor units of `currency`.")]


@ROUTER.get("/payment-methods/available")
async def list_available_payment_methods(
    caller: CallerDependency,
    country: Country | None = None,
    currency: Currency | None = None,
    amount_minor: Amount = None,
) -> Page[AvailableMethodResponse]:
    """List what the account offers for a purchase, by priority; all of it is on one page."""
    purchase = Purchase(country=country, currency=currency, amount_minor=amount_minor)
    offers = await find_offers(caller.database, caller.account, purchase)
    return page_of([available_method_response(offer) for offer in offers], None)
