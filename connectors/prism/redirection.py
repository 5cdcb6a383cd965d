"""Where a processor sends the payer's browser, in the house's terms."""

import json
from collections.abc import Mapping
from urllib.parse import urlencode

from connectors.payloads import Payload, optional_url

_GET = "HTTP_METHOD_GET"


def client_parameters(answer: Payload) -> Mapping[str, str]:
    """Return what the payer's client needs: `redirect_url`, or `form_action` and `form_fields` for a form to post.

    Anything else that Prism knows, such as a page of HTML, is handed on as JSON in `redirection_data`.
    """
    redirection = answer.get("redirectionData")
    if not isinstance(redirection, dict) or not redirection:
        return {}
    uri, form = redirection.get("uri"), redirection.get("form")
    if isinstance(uri, dict) and (url := optional_url(uri.get("uri"))) is not None:
        return {"redirect_url": url}
    if isinstance(form, dict) and (action := optional_url(form.get("endpoint"))) is not None:
        return _of_form(action, form)
    return {"redirection_data": json.dumps(redirection, sort_keys=True)}


def _of_form(action: str, form: Payload) -> Mapping[str, str]:
    told = form.get("formFields")
    fields = {str(name): str(value) for name, value in told.items()} if isinstance(told, dict) else {}
    if form.get("method") != _GET:
        return {"form_action": action, "form_fields": json.dumps(fields, sort_keys=True)}
    if not fields:
        return {"redirect_url": action}
    return {"redirect_url": f"{action}{'&' if '?' in action else '?'}{urlencode(fields)}"}
