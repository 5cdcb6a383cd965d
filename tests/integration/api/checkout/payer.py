"""A payer with a browser, the link that they were sent, and a gateway with a page of its own."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx

from connectors.base import GatewayAnswer, OrderRequest, RedirectRequest
from domain.facts import FactKind
from services.apply_events import apply_events
from services.checkout_tokens import return_token_of
from storage.unit_of_work import Database
from tests.integration.api.conftest import payment
from tests.integration.api.paying import Json, post
from tests.integration.services.books import fact, received
from tests.integration.services.commands.fake_gateway import FakeGateway
from tests.integration.services.commands.shop import TESTGATE

ELSEWHERE = "https://pay.gateway.example/checkout?session=1"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}&amp;\u202eevil"


@dataclass
class Form:
    """A form of a page."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    label: str = ""


class Page(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[Form] = []
        self.links: dict[str, str] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self._inside: list[str] = []
        self._link = ""
        self.feed(html)

    @property
    def text(self) -> str:
        """What can be read on it."""
        return " ".join(" ".join(self.words).split())

    def tagged(self, name: str) -> Iterator[dict[str, str | None]]:
        """The attributes of every element of a name."""
        return (attributes for tag, attributes in self.tags if tag == name)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        self._inside.append(tag)
        if tag == "form":
            self.forms.append(Form(attributes["action"] or ""))
        elif tag == "input":
            self.forms[-1].fields[attributes["name"] or ""] = attributes["value"] or ""
        elif tag == "a":
            self._link = attributes["href"] or ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside[: len(self._inside) - 1 - self._inside[::-1].index(tag)]

    def handle_data(self, data: str) -> None:
        if "script" in self._inside:
            self.scripts.append(data)
            return
        self.words.append(data)
        if "button" in self._inside:
            self.forms[-1].label += data
        if "a" in self._inside:
            self.links[self._link] = self.links.get(self._link, "") + data


async def open_page(browser: httpx.AsyncClient, address: str, status: int = 200) -> Page:
    """Go to a page, wherever that leads among ours."""
    answer = await browser.get(address, follow_redirects=True)
    assert answer.status_code == status, answer.text
    return Page(answer.text)


async def click(browser: httpx.AsyncClient, page: Page) -> httpx.Response:
    """Submit the page's only form."""
    (form,) = page.forms
    return await browser.post(form.action, data=form.fields)


class PageGateway(FakeGateway):
    """Hands payers what they need to go on, and remembers where they are to come back to."""

    parameters: dict[str, str]
    return_urls: list[str | None]
    brought_back: list[dict[str, str]]

    @classmethod
    def handing_out(cls, name: str, parameters: dict[str, str]) -> "PageGateway":
        """A gateway of the account `acme`."""
        gateway = cls(name, "acme")
        gateway.parameters, gateway.return_urls, gateway.brought_back = parameters, [], []
        return gateway

    async def create_order(self, request: OrderRequest) -> GatewayAnswer:
        self.return_urls.append(request.return_url)
        answer = await super().create_order(request)
        return GatewayAnswer(provider_reference=answer.provider_reference, client_parameters=self.parameters)

    async def verify_redirect(self, request: RedirectRequest) -> GatewayAnswer:
        self.brought_back.append(dict(request.parameters))
        return await super().verify_redirect(request)


async def link(acme: httpx.AsyncClient, **changes: object) -> Json:
    """Make a link to a page of ours; `path` is where it leads."""
    made = await post(acme, "/v1/payment-links", 201, **payment(description="Two coffees") | changes)
    return made | {"path": made["url"].partition(":8081")[2]}


async def begin(browser: httpx.AsyncClient, path: str) -> httpx.Response:
    """Open a page and click its button."""
    return await click(browser, await open_page(browser, path))


def return_path(path: str) -> str:
    """Where the gateway sends the payer of a page back to."""
    return f"/pay/{return_token_of(path.rpartition('/')[2])}/return"


async def tell(database: Database, reference: str, kind: FactKind, reason: str | None = None) -> None:
    """Have the gateway call back about a payment without an amount."""
    told = fact(
        f"evt_{kind}_{reference}",
        kind,
        gateway=TESTGATE,
        account="acme",
        provider_reference=reference,
        amount_minor=None,
        currency=None,
        movement_reference=None,
        reason=reason,
    )
    await apply_events(database, received(told), told.occurred_at)
