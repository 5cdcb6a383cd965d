"""What a new gateway is called in all the places where it has a name."""

import re
from dataclasses import dataclass
from keyword import iskeyword
from typing import Self

from connectors.registry import check_key, get_registration
from domain.errors import InvalidInput, NotFound, Refused

_DISPLAY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .&()+-]{0,29}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """A gateway's names: `acmepay`, `Acmepay`, and what follows from them."""

    key: str
    display_name: str

    @classmethod
    def of(cls, key: str, display_name: str | None = None) -> Self:
        """Take a key, and a name for people, which is made from the key unless it is given.

        Raises InvalidInput for what cannot be one, Refused when a gateway has the key already.
        """
        if iskeyword(check_key(key)):
            raise InvalidInput(f"{key!r} is a word of Python's and cannot name a module", field="key")
        if _is_taken(key):
            raise Refused(f"there is a gateway {key!r} already", field="key")
        from_key = " ".join(part.capitalize() for part in key.split("_"))
        spoken = from_key if display_name is None else display_name
        if not _DISPLAY_NAME.fullmatch(spoken):
            text = f"{spoken!r} cannot be a display name: at most 30 letters, digits, spaces and . & ( ) + -"
            raise InvalidInput(text, field="display_name")
        return cls(key=key, display_name=spoken)

    @property
    def class_name(self) -> str:
        """What its classes begin with."""
        return "".join(part.capitalize() for part in self.key.split("_"))

    @property
    def constant(self) -> str:
        """What its registration is called in `connectors/registry.py`."""
        return self.key.upper()

    @property
    def dashed(self) -> str:
        """The key in headers and addresses, which have no underscores."""
        return self.key.replace("_", "-")

    @property
    def package(self) -> str:
        """The import name of a package of its own."""
        return f"paystream_{self.key}"

    @property
    def distribution(self) -> str:
        """The name of that package's distribution."""
        return f"paystream-{self.dashed}"


def _is_taken(key: str) -> bool:
    try:
        get_registration(key)
    except NotFound:
        return False
    return True
