"""The gateways that there are, and what they need."""

from api.authentication import CallerDependency, ContextDependency
from api.pagination import Page, page_of
from api.route import router
from api.schemas.providers import ProviderResponse, provider_response
from connectors.registry import get_registration, registrations
from topics.message import Name

ROUTER = router("providers")


@ROUTER.get("/providers")
async def list_providers(caller: CallerDependency, context: ContextDependency) -> Page[ProviderResponse]:
    """List every gateway, by key; all of them are on one page."""
    public_url = context.settings.ingress.public_url
    return page_of([provider_response(each, public_url, caller.chosen) for each in registrations()], None)


@ROUTER.get("/providers/{gateway}")
async def read_provider(gateway: Name, caller: CallerDependency, context: ContextDependency) -> ProviderResponse:
    """Read what a gateway can do and what an account needs to use it."""
    return provider_response(get_registration(gateway), context.settings.ingress.public_url, caller.chosen)
