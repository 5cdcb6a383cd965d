"""AsiaPay's failures in the house's terms.

The order API answers most failures with HTTP 200 and a line of text, `resultCode=-1&errMsg=…`.
"""

from connectors.http_client import GatewayResponse
from connectors.outcomes import from_status, quote, reading, unreadable
from connectors.pesopay.answers import Record, parse_line, parse_records
from domain.errors import GatewayDeclined, GatewayRejected, MalformedPayload

GATEWAY_NAME = "PesoPay"

_DONE, _DECLINED, _REFUSED = "0", "1", "-1"


def read_records(response: GatewayResponse) -> list[Record]:
    """Return the records of an answer to a query. Raises the house's error for anything else."""
    text = _text_of(response)
    if not text.startswith("<"):
        record = _read_line(text)
        return [record] if "payref" in record else []
    with reading(GATEWAY_NAME):
        return parse_records(text)


def read_result(response: GatewayResponse) -> Record:
    """Return the fields of an answer to an action that was carried out. Raises the house's error for anything else."""
    return _read_line(_text_of(response))


def _read_line(text: str) -> Record:
    with reading(GATEWAY_NAME):
        fields = parse_line(text)
    code, message = fields.get("resultcode"), fields.get("errmsg")
    if code == _REFUSED:
        raise GatewayRejected(f"{GATEWAY_NAME} refused the request{quote(message)}")
    if code == _DECLINED:
        raise GatewayDeclined(f"{GATEWAY_NAME} declined the request{quote(message)}")
    if code != _DONE:
        raise unreadable(GATEWAY_NAME)
    return fields


def _text_of(response: GatewayResponse) -> str:
    # Payers' names come in any encoding; everything that is read is ASCII.
    text = response.body.decode(errors="replace").lstrip("\ufeff").strip()
    if not response.is_success:
        raise from_status(GATEWAY_NAME, response.status_code, _message_in(text))
    return text


def _message_in(text: str) -> str | None:
    try:
        return parse_line(text).get("errmsg")
    except MalformedPayload:
        return None
