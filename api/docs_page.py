"""`/docs`: the reference of the API in the browser, with every asset from this process, under a policy of its own.

The assets are Swagger UI as `fastapi-offline` packs it. The policy keeps the page to this origin: nothing is fetched
from anywhere else, and the only script is a file.
"""

from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Response
from starlette.exceptions import HTTPException

OPENAPI_PATH = "/openapi.json"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Swagger UI writes styles into its elements and draws its icons as data: URLs; scripts are files alone."""

ROUTER = APIRouter(include_in_schema=False)

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Paystream API</title>
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
</head>
<body>
<div id="reference"></div>
<noscript>This page needs JavaScript. The same is told by <a href="/openapi.json">/openapi.json</a>.</noscript>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/assets/start.js"></script>
</body>
</html>
"""

# A key that somebody types in is kept by the page alone, and gone with it. No validator elsewhere is asked.
_START = f"""\
SwaggerUIBundle({{
  url: "{OPENAPI_PATH}",
  dom_id: "#reference",
  deepLinking: true,
  validatorUrl: null,
  persistAuthorization: false,
  presets: [SwaggerUIBundle.presets.apis],
}});
"""

_PACKED = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}


@ROUTER.get("/docs")
async def show_docs() -> Response:
    """The page."""
    return Response(_PAGE, media_type="text/html", headers={"content-security-policy": POLICY})


@ROUTER.get("/docs/assets/{name}")
async def read_asset(name: str) -> Response:
    """A file that the page needs."""
    if name == "start.js":
        return Response(_START, media_type="text/javascript")
    if name not in _PACKED:
        raise HTTPException(404)
    # It changes with a release of the package alone; a day is short enough not to be in the way of one.
    return Response(_packed(name), media_type=_PACKED[name], headers={"cache-control": "public, max-age=86400"})


@cache
def _packed(name: str) -> bytes:
    return files("fastapi_offline").joinpath("static", name).read_bytes()
