"""PayTabs' payment pages, where payers type their cards."""

from collections.abc import Mapping

from connectors.outcomes import reading
from connectors.payloads import require_url
from connectors.paytabs.api import PayTabsApi
from connectors.paytabs.errors import GATEWAY_NAME


async def open_page(api: PayTabsApi, fields: Mapping[str, object], return_url: str | None) -> str:
    """Make a page and return its address.

    Without a `return_url`, the payment's or the account's, the payer stays on PayTabs' own page in the end.
    """
    addresses = {"callback": api.credentials.callback_url, "return": return_url or api.credentials.return_url}
    told = {name: address for name, address in addresses.items() if address is not None}
    page = await api.request({"tran_class": "ecom", "hide_shipping": True, **fields, **told})
    with reading(GATEWAY_NAME):
        return require_url(page, "redirect_url")
