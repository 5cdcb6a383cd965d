"""Reading XML from elsewhere: no document types, no entities, no great depth, no great size.

Files that declare a document type are refused whole, because everything that can be done to a reader of XML (entities
that grow, files and addresses that are read) begins there; statements of banks have none.
"""

from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers.expat import ExpatError, ParserCreate

from domain.errors import MalformedPayload

LARGEST_FILE_BYTES = 32 * 1_048_576
DEEPEST = 60


def parse_xml(content: bytes) -> Element:
    """Return the root, with names as `{namespace}name`. Raises MalformedPayload, naming the line."""
    if len(content) > LARGEST_FILE_BYTES:
        raise MalformedPayload(f"the file is larger than {LARGEST_FILE_BYTES // 1_048_576} MiB; split it")
    builder = TreeBuilder()
    parser = ParserCreate(namespace_separator="}")
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise MalformedPayload(f"line {parser.CurrentLineNumber}: elements lie deeper than {DEEPEST}")
        element = builder.start(_qualified(name), {_qualified(key): value for key, value in attributes.items()})
        element.set(LINE, str(parser.CurrentLineNumber))

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_qualified(name))

    def refuse(*_: object) -> NoReturn:
        raise MalformedPayload(f"line {parser.CurrentLineNumber}: a document type is not allowed in a statement")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    is_whole = True
    try:
        parser.Parse(content, is_whole)
    except ExpatError as error:
        raise MalformedPayload(f"line {error.lineno} is not XML that can be read") from error
    return builder.close()


LINE = "line-number"
"""Attribute that each element is given: the line of the file it begins on."""


def line_of(element: Element) -> int:
    """The line of the file that an element begins on."""
    return int(element.get(LINE, "0"))


def _qualified(name: str) -> str:
    return "{" + name if "}" in name else name
