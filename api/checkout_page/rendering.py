"""Pages as HTML, and the policy that binds the browser to them: nothing from elsewhere, and forms only where they must.

Every value is escaped by the templates. What merchants and payers wrote stands in `<bdi>`, so that characters which
turn the direction of writing cannot reach the text around it.
"""

import hashlib
import re
from base64 import b64encode
from importlib.resources import files
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from domain.errors import InvariantViolated
from domain.money import to_decimal_string

STYLE = (files("api.checkout_page") / "checkout.css").read_bytes()
STYLE_NAME = f"checkout.{hashlib.sha256(STYLE).hexdigest()[:16]}.css"
"""The name changes with the content, so that browsers may keep it for ever."""

SUBMIT_SCRIPT = "HTMLFormElement.prototype.submit.call(document.forms[0])"
"""Called on the prototype, because a field of the gateway's may be named `submit`."""

_ORIGIN = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+")
_ADDRESS = re.compile(r"https?://[\x21-\x7e]+")
_POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"
_SUBMIT_HASH = b64encode(hashlib.sha256(SUBMIT_SCRIPT.encode()).digest()).decode()

_TEMPLATES = Environment(
    loader=PackageLoader("api.checkout_page"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_TEMPLATES.globals |= {"style_name": STYLE_NAME, "submit_script": SUBMIT_SCRIPT}


def show_page(template: str, status: int = 200, *, leads_to: str = "", **values: object) -> HTMLResponse:
    """Render a page. `leads_to` is where its form may go beside our own origin: sources of the policy, or nothing."""
    policy = f"{_POLICY}; form-action 'self' {leads_to}".rstrip()
    return _respond(template, status, policy, values)


def show_form_post(action: str, fields: dict[str, str], **values: object) -> HTMLResponse:
    """Render a form that the browser posts to a gateway by itself, or at a click where scripts are off.

    The gateway may redirect the post to another host, such as a bank's, which browsers hold against the same policy.
    """
    policy = f"{_POLICY}; script-src 'sha256-{_SUBMIT_HASH}'; form-action {origin_of(action)} https:"
    return _respond("form_post.html", 200, policy, {**values, "action": action, "fields": fields})


def origin_of(url: str) -> str:
    """The origin of a page on the web, as a policy names it. Raises InvariantViolated for what is none."""
    parts = urlsplit(checked_address(url))
    origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    if not _ORIGIN.fullmatch(origin):
        raise InvariantViolated("a gateway sends payers to a page on the web")
    return origin


def checked_address(url: str) -> str:
    """Return an address that a browser can be sent to. Raises InvariantViolated for what is none."""
    if not _ADDRESS.fullmatch(url):
        raise InvariantViolated("a gateway sends payers to a page on the web")
    return url


def readable_amount(amount_minor: int, currency: str) -> str:
    """An amount for people who read English: `USD 1,234.50`."""
    whole, point, decimals = to_decimal_string(amount_minor, currency).partition(".")
    return f"{currency} {int(whole):,}{point}{decimals}"


def _respond(template: str, status: int, policy: str, values: dict[str, object]) -> HTMLResponse:
    content = _TEMPLATES.get_template(template).render(values)
    return HTMLResponse(content, status, headers={"content-security-policy": policy})
