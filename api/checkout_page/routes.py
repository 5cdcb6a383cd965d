"""The hosted page: shown, begun, come back to. Its address is the secret, as `services.checkout_tokens` says."""

from dataclasses import replace
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from api.authentication import ContextDependency
from api.checkout_page import wording
from api.checkout_page.rendering import (
    STYLE,
    STYLE_NAME,
    checked_address,
    readable_amount,
    show_form_post,
    show_page,
)
from api.checkout_page.route import CheckoutRoute, read_form, read_query, show_notice
from api.checkout_page.wording import Words, words_of
from api.context import ApiContext
from services.checkout_flow import Begun, CheckoutFlow
from services.checkout_pages import CheckoutView, Situation, find_page, find_returned, look_at
from services.checkout_tokens import form_token_of, is_form_token, is_return_of, return_token_of
from services.payment_intents import NextStep
from storage.checkout_pages import CheckoutPage
from storage.unit_of_work import Database

ROUTER = APIRouter(prefix="/pay", route_class=CheckoutRoute, include_in_schema=False)

COOKIE = "paystream_checkout"
"""Remembers the page of a payer who goes to the gateway, so that coming back offers to try again. It opens nothing that
its owner's browser has not opened before, and only the payer's own navigation brings it here."""

REFRESH_SECONDS = 6
REFRESHES_FOR = timedelta(minutes=5)


class Visit:
    """Somebody who has opened a page that there is."""

    def __init__(self, context: ApiContext, page: CheckoutPage, token: str | None) -> None:
        self.page = page
        self.token = token
        """The page's own token, where the visitor has it: without it nothing can be begun."""
        self._context = context
        self._database: Database = context.database.scoped({page.account})
        self.flow = CheckoutFlow(self._database, context.runner(page.account), context.clock, page)

    async def look(self) -> CheckoutView:
        """Read what the page shows."""
        return await look_at(self._database, self._context.gateways, self.page)

    def show(self, view: CheckoutView, words: Words, status: int = 200, *, check_again: str | None = None) -> Response:
        """Show the page."""
        refreshes = view.situation is Situation.PROCESSING and self._has_just_changed(view)
        return show_page(
            "checkout.html",
            status,
            # Browsers hold a form's redirect to the policy too, and only the gateway knows where that will lead.
            leads_to="https:" if self.is_secure else "https: http:",
            view=view,
            amount=amount_of(view),
            heading=words.heading,
            texts=words.texts,
            tone=words.tone,
            instructions=view.instructions,
            begin_label=words.begin_label,
            token=self.token,
            form_token=None if self.token is None else form_token_of(self.token),
            check_again=check_again,
            refresh_seconds=REFRESH_SECONDS if refreshes else None,
        )

    def return_url(self, token: str) -> str:
        """Where the gateway is to send the payer back."""
        return f"{self._context.settings.api.public_url.rstrip('/')}{_return_path(return_token_of(token))}"

    @property
    def is_secure(self) -> bool:
        """Whether payers reach us by https."""
        return self._context.settings.api.public_url.startswith("https:")

    def _has_just_changed(self, view: CheckoutView) -> bool:
        changed_at = view.payment.updated_at or view.payment.created_at
        return self._context.clock() - changed_at < REFRESHES_FOR


async def _by_token(token: str, context: ContextDependency) -> Visit | None:
    page = await find_page(context.database, token, context.clock())
    return None if page is None else Visit(context, page, token)


async def _by_return_token(return_token: str, request: Request, context: ContextDependency) -> Visit | None:
    now = context.clock()
    page = await find_returned(context.database, return_token, now)
    if page is None:
        return None
    token = request.cookies.get(COOKIE, "")
    return Visit(context, page, token if is_return_of(token, return_token) and now < page.expires_at else None)


Opened = Annotated[Visit | None, Depends(_by_token)]
Returned = Annotated[Visit | None, Depends(_by_return_token)]


@ROUTER.get("/assets/{name}")
async def read_style(name: str) -> Response:
    """The style sheet, for ever under the name that its content gives it."""
    if name != STYLE_NAME:
        return show_notice(wording.NOT_FOUND, 404)
    return Response(STYLE, media_type="text/css", headers={"cache-control": "public, max-age=31536000, immutable"})


@ROUTER.get("/{token}")
async def open_checkout_page(visit: Opened) -> Response:
    """Show what is to be paid, or what has become of it."""
    if visit is None:
        return show_notice(wording.NOT_FOUND, 404)
    await visit.flow.refresh()
    view = await visit.look()
    return visit.show(view, words_of(view, has_returned=False))


@ROUTER.post("/{token}")
async def begin_checkout(token: str, request: Request, visit: Opened) -> Response:
    """Set the payment up at its gateway, once, and send the payer there."""
    if visit is None:
        return show_notice(wording.NOT_FOUND, 404)
    form = await read_form(request)
    if not is_form_token(token, form.get("form_token", "")):
        return show_notice(wording.NOT_OURS, 403)
    begun = await visit.flow.begin(visit.return_url(token))
    response = await _answer(visit, token, begun)
    response.set_cookie(COOKIE, token, path="/pay", secure=visit.is_secure, httponly=True, samesite="lax")
    return response


@ROUTER.get("/{return_token}/return")
async def return_to_checkout(return_token: str, request: Request, visit: Returned) -> Response:
    """Take in what the browser brought back, then show how the payment stands at an address without it."""
    if visit is None:
        return show_notice(wording.NOT_FOUND, 404)
    if parameters := read_query(request):
        await visit.flow.verify(parameters)
        return RedirectResponse(_return_path(return_token), 303)
    await visit.flow.refresh()
    view = await visit.look()
    is_open = view.situation in {Situation.READY, Situation.PROCESSING}
    check_again = _return_path(return_token) if is_open else None
    return visit.show(view, words_of(view, has_returned=True), check_again=check_again)


@ROUTER.post("/{return_token}/return")
async def post_back_to_checkout(return_token: str, request: Request, visit: Returned) -> Response:
    """The same for gateways that have the browser post a form. What the form says counts only as far as it is proven,
    so any site may post it.
    """
    if visit is None:
        return show_notice(wording.NOT_FOUND, 404)
    if parameters := {**read_query(request), **await read_form(request)}:
        await visit.flow.verify(parameters)
    return RedirectResponse(_return_path(return_token), 303)


async def _answer(visit: Visit, token: str, begun: Begun) -> Response:
    view = await visit.look()
    if begun.outcome == "unknown":
        return visit.show(view, wording.not_known_yet(view), check_again=f"/pay/{token}")
    if begun.outcome == "failed":
        return visit.show(view, wording.could_not_begin(), 502)
    return _go_on(visit, token, view, begun.step)


def _go_on(visit: Visit, token: str, view: CheckoutView, step: NextStep) -> Response:
    if step.type == "redirect" and step.redirect_url is not None:
        return RedirectResponse(checked_address(step.redirect_url), 303)
    if step.type == "form" and step.form_action is not None:
        return show_form_post(step.form_action, dict(step.form_fields), view=view, amount=amount_of(view))
    if step.type == "instructions":
        shown = replace(view, situation=Situation.BY_HAND, instructions=step.instructions)
        return visit.show(shown, words_of(shown, has_returned=False))
    if view.situation in {Situation.READY, Situation.FAILED_ONCE}:
        # There is something to do, and only a client of the gateway's own knows how.
        return visit.show(view, wording.needs_merchants_client(view))
    return RedirectResponse(f"/pay/{token}", 303)


def amount_of(view: CheckoutView) -> str:
    """What is to be paid, for people."""
    return readable_amount(view.payment.terms.amount_minor, view.payment.terms.currency)


def _return_path(return_token: str) -> str:
    return f"/pay/{return_token}/return"
