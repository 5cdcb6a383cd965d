"""Reading what the order API answers: a list of records in XML, or fields in one line of text.

Pages of the API disagree about capitals, so names are compared in small letters.
"""

from collections.abc import Mapping
from urllib.parse import parse_qsl
from xml.etree import ElementTree as ET

from domain.errors import MalformedPayload

Record = Mapping[str, str]
"""Fields by their names in small letters. What is empty is left out."""

LONGEST_ANSWER = 1_000_000
MOST_FIELDS = 200


def parse_records(text: str) -> list[Record]:
    """Read `<records><record>…`. Raises MalformedPayload.

    Everything that begins with `<!` is refused: a document type is how entities are declared that grow without bound or
    read files, and the API has none. So is NUL: the parser recognizes UTF-16 by it, in which `<!` would be hidden.
    """
    if len(text) > LONGEST_ANSWER or "<!" in text or "\x00" in text:
        raise MalformedPayload("the answer is not the plain XML that the order API writes")
    try:
        # What makes parsing dangerous was refused above.
        root = ET.fromstring(text)  # noqa: S314 - see above
    except (ET.ParseError, ValueError) as error:
        raise MalformedPayload("the answer is no XML") from error
    if root.tag.lower() != "records":
        raise MalformedPayload("the answer is no list of records")
    return [
        {field.tag.lower(): field.text.strip() for field in record if field.text and field.text.strip()}
        for record in root
        if record.tag.lower() == "record"
    ]


def parse_line(text: str) -> Record:
    """Read `resultCode=0&orderStatus=…`, an answer or a datafeed. Raises MalformedPayload for too many fields."""
    try:
        fields = parse_qsl(text.strip(), errors="replace", max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise MalformedPayload("there are too many fields") from error
    return {name.lower(): value for name, value in fields}
