"""Puts the imports of a generated module in order.

Where a gateway's own modules stand among the others depends on its name, so templates leave the order to this: one
block of one-line imports, which becomes sections of the standard library, of other packages and of its own.
"""

import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Set as AbstractSet

LINE_LENGTH = 120

_IMPORT = re.compile(r"import (?P<module>[\w.]+)|from (?P<source>[\w.]+) import (?P<members>[\w, ]+)")


def arrange_imports(text: str, own: AbstractSet[str]) -> str:
    """Return the module with its first block of imports sorted and parted; `own` are its own top-level packages."""
    lines = text.split("\n")
    first = next((number for number, line in enumerate(lines) if _IMPORT.fullmatch(line)), None)
    if first is None:
        return text
    last = first
    while _IMPORT.fullmatch(lines[last]):
        last += 1
    return "\n".join([*lines[:first], *_arranged(lines[first:last], own), *lines[last:]])


def _arranged(lines: Iterable[str], own: AbstractSet[str]) -> list[str]:
    plain: set[str] = set()
    members: defaultdict[str, set[str]] = defaultdict(set)
    for line in lines:
        match = _IMPORT.fullmatch(line)
        if match is None or match["module"]:
            plain.add(line.removeprefix("import "))
        else:
            members[match["source"]].update(match["members"].split(", "))
    arranged: list[str] = []
    for section in range(3):
        modules = sorted(module for module in plain if _section_of(module, own) == section)
        sources = sorted(source for source in members if _section_of(source, own) == section)
        written = [f"import {module}" for module in modules]
        written += [_from(source, sorted(members[source], key=_rank)) for source in sources]
        arranged += ["", *written] if arranged and written else written
    return arranged


def _section_of(module: str, own: AbstractSet[str]) -> int:
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names:
        return 0
    return 2 if top in own else 1


def _rank(member: str) -> tuple[int, str]:
    """Constants come first, then classes, then functions; a single capital names a class."""
    is_constant, is_class = member.isupper() and len(member) > 1, member[0].isupper()
    return (0 if is_constant else 1 if is_class else 2), member


def _from(source: str, members: list[str]) -> str:
    line = f"from {source} import {', '.join(members)}"
    if len(line) <= LINE_LENGTH:
        return line
    return "\n".join([f"from {source} import (", *(f"    {member}," for member in members), ")"])
