"""A place where a local gateway posts its own callbacks, for tests that look at them."""

import base64

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


class Inbox:
    """Keeps what is posted to `/_control/inbox`; `GET` takes it out: headers, target, and bodies in Base64."""

    def __init__(self) -> None:
        self._kept: list[dict[str, object]] = []

    def routes(self) -> list[Route]:
        """The inbox's address."""
        return [Route("/_control/inbox", self._take_in, methods=["POST"]), Route("/_control/inbox", self._take_out)]

    async def _take_in(self, request: Request) -> Response:
        body = base64.b64encode(await request.body()).decode()
        target = f"{request.url.path}?{request.url.query}"
        self._kept.append({"headers": list(request.headers.items()), "target": target, "body": body})
        return Response("OK")

    async def _take_out(self, _: Request) -> Response:
        kept, self._kept = self._kept, []
        return JSONResponse({"callbacks": kept})
