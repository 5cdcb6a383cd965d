"""What every local gateway has beside its documented API: chosen faults, posted callbacks, and counts.

A local gateway is a small ASGI application written from the gateway's documented API. It checks credentials, amounts
and idempotency as the gateway does, and keeps its state in memory. Tests play the payer under `/_control/`:

- `POST /_control/callbacks {"url": …}`: where callbacks are posted that the gateway's dashboard would say.
- `POST /_control/pay/{reference} {"outcome": "paid" | "failed" | "cancelled"}`: the payer pays what the merchant knows
  by this name, or does not; then the callbacks are posted.
- `POST /_control/settle`: everything that is pending there (refunds, captures) comes to its end, and is called back.
- `POST /_control/faults/{fault}`: how the next writing call fails. `silent_after`: it has its effect and is never
  answered; `error_before`: 503 without an effect; `delivered_twice`: the request is carried out as if it had come
  twice; `callback_twice`: the next callbacks are posted twice.
- `GET /_control/movements`: how often money moved, by kind (`authorization`, `capture`, `void`, `refund`).

Run one with `python -m tests.gateways.NAME --port N`.
"""

import argparse
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.tls import system_tls

FAULTS = frozenset({"silent_after", "error_before", "delivered_twice", "callback_twice"})
CALLBACK_SECONDS = 10.0

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A callback to post. `url` counts where the merchant named one with the payment; otherwise the dashboard's."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    url: str | None = None
    query: str = ""


class LocalGateway:
    """Base of the local gateways. A subclass adds `api_routes`, `pay` and, where things stay pending, `settle`."""

    def __init__(self) -> None:
        self.callback_url = ""
        self.movements: Counter[str] = Counter()
        self._faults: deque[str] = deque()

    def api_routes(self) -> list[Route]:
        """The documented API, made with `reads` and `writes`."""
        raise NotImplementedError

    def pay(self, reference: str, outcome: str) -> Sequence[Outgoing]:
        """The payer pays, or does not; returns the callbacks that follow."""
        raise NotImplementedError

    def settle(self) -> Sequence[Outgoing]:
        """Bring what is pending to its end; returns the callbacks that follow."""
        return ()

    def refuse(self, request: Request) -> Response | None:
        """The answer to a request whose credentials are not right; None when they are."""
        raise NotImplementedError

    def reads(self, path: str, handler: Handler, method: str = "GET") -> Route:
        """A route without an effect."""

        async def respond(request: Request) -> Response:
            return self.refuse(request) or await handler(request)

        return Route(path, respond, methods=[method])

    def writes(self, path: str, handler: Handler, method: str = "POST") -> Route:
        """A route with an effect: it fails as the test has chosen."""

        async def respond(request: Request) -> Response:
            if (refused := self.refuse(request)) is not None:
                return refused
            fault = self._faults.popleft() if self._faults and self._faults[0] != "callback_twice" else ""
            if fault == "error_before":
                return JSONResponse({"message": "try again"}, 503)
            response = await handler(request)
            if fault == "delivered_twice":
                return await handler(request)
            if fault == "silent_after":
                await until_disconnected(request)
            return response

        return Route(path, respond, methods=[method])

    def create_app(self) -> Starlette:
        """The application: the API and the controls."""
        controls = [
            Route("/_control/callbacks", self._set_callback_url, methods=["POST"]),
            Route("/_control/pay/{reference:path}", self._pay, methods=["POST"]),
            Route("/_control/settle", self._settle, methods=["POST"]),
            Route("/_control/faults/{fault}", self._plan, methods=["POST"]),
            Route("/_control/movements", self._count, methods=["GET"]),
        ]
        return Starlette(routes=[*self.api_routes(), *controls])

    async def post(self, callbacks: Sequence[Outgoing]) -> list[int]:
        """Post callbacks, one after the other; returns what was answered."""
        times = 1
        if self._faults and self._faults[0] == "callback_twice":
            self._faults.popleft()
            times = 2
        async with httpx.AsyncClient(timeout=CALLBACK_SECONDS, verify=system_tls()) as http:
            return [
                (
                    await http.post(
                        (callback.url or self.callback_url) + callback.query,
                        content=callback.body,
                        headers=dict(callback.headers),
                    )
                ).status_code
                for callback in callbacks
                for _ in range(times)
            ]

    async def _set_callback_url(self, request: Request) -> Response:
        self.callback_url = str((await request.json())["url"])
        return JSONResponse({"url": self.callback_url})

    async def _pay(self, request: Request) -> Response:
        chosen: dict[str, Any] = await request.json()
        callbacks = self.pay(str(request.path_params["reference"]), str(chosen.get("outcome", "paid")))
        return JSONResponse({"answered": await self.post(callbacks)})

    async def _settle(self, _: Request) -> Response:
        return JSONResponse({"answered": await self.post(self.settle())})

    async def _plan(self, request: Request) -> Response:
        fault = request.path_params["fault"]
        if fault not in FAULTS:
            return JSONResponse({"message": f"no such fault: {fault}"}, 400)
        self._faults.append(fault)
        return JSONResponse({"planned": list(self._faults)})

    async def _count(self, _: Request) -> Response:
        return JSONResponse(dict(self.movements))


async def until_disconnected(request: Request) -> None:
    """Wait until nobody waits for the answer any more."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def serve(gateway: LocalGateway, description: str) -> None:
    """Serve until interrupted; the `main` of every local gateway."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    uvicorn.run(gateway.create_app(), host="127.0.0.1", port=port, log_level="warning")
