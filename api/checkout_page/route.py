"""The route class of the hosted page: a bound on requests, and every error as a page that a payer can read.

A page's address is a secret. Nothing here logs a path, and no error gets as far as to the parts that would.
"""

import traceback
from collections.abc import Callable, Coroutine, Mapping
from typing import Any
from urllib.parse import parse_qsl

import structlog
from fastapi import Request
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from api.checkout_page import wording
from api.checkout_page.rendering import show_page
from api.context import context_of
from api.middleware import BodyTooLarge
from api.problems import request_id_of

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

MAX_FIELDS = 100

_log = structlog.get_logger(__name__)


class CheckoutRoute(APIRoute):
    """A route that anybody reaches who has the address of a page."""

    def get_route_handler(self) -> Handler:
        """Wrap the route's own handler."""
        work = super().get_route_handler()

        async def handle(request: Request) -> Response:
            # Behind a proxy the address is the proxy's, and the limit that of all payers together.
            address = request.client.host if request.client is not None else ""
            wait_seconds = context_of(request).limiter.take("checkout", address)
            if wait_seconds:
                return _too_many(wait_seconds)
            try:
                return await work(request)
            except (BodyTooLarge, ClientDisconnect):
                raise
            except Exception as error:  # noqa: BLE001 - whoever catches it further up logs the path
                # As text, because some ways of showing a traceback show the values of its variables.
                _log.error("a hosted page failed", request_id=request_id_of(request), traceback=_text_of(error))
                return show_notice(wording.BROKEN, 500)

        return handle


def show_notice(words: tuple[str, str], status: int) -> Response:
    """A page without anything about a payment."""
    heading, text = words
    return show_page("notice.html", status, heading=heading, text=text)


async def read_form(request: Request) -> Mapping[str, str]:
    """The fields of a form as browsers post it; empty for anything else. Of a repeated field the last one counts."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        return {}
    return _fields(await request.body())


def read_query(request: Request) -> Mapping[str, str]:
    """The parameters of the address, likewise."""
    query: bytes = request.scope["query_string"]
    return _fields(query)


def _text_of(error: Exception) -> str:
    return "".join(traceback.format_exception(error))


def _fields(said: bytes) -> Mapping[str, str]:
    try:
        return dict(parse_qsl(said.decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        return {}


def _too_many(wait_seconds: float) -> Response:
    response = show_notice(wording.TOO_MANY, 429)
    response.headers["retry-after"] = str(max(1, round(wait_seconds)))
    return response
