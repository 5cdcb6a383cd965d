"""Commands that cannot be taken: who sent them, as far as that can be read, and what is wrong, without the input."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from domain.card_numbers import CARD_NUMBER_REFUSED
from domain.errors import InvalidInput
from topics.commands import Command
from topics.message import Name
from topics.safe_text import SafeIdentifier

UNKNOWN_KIND = "unknown"
SUBJECTS = ("payment_id", "mandate_id", "payment_method_id", "invoice_id")
"""Fields that can name what a command is about."""

_KINDS = frozenset(model.model_fields["kind"].default for model in get_args(Command))
_IDENTIFIER: TypeAdapter[str] = TypeAdapter(SafeIdentifier)
_NAME: TypeAdapter[str] = TypeAdapter(Name)
_FIELD_NAME = re.compile("[a-z_]{1,40}")
_NO_SUCH_KIND = "there is no such kind of command"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandIdentity:
    """What a refusal needs of a command. `digest` is of all that was sent but the time it was asked at."""

    command_id: str
    account: str
    subject_id: str
    payment_id: str | None
    kind: str
    digest: str


def read_identity(value: bytes) -> CommandIdentity | None:
    """Read whose command this is; None when nobody could be answered."""
    try:
        sent = from_json(value)
    except ValueError:
        return None
    if isinstance(sent, Mapping) and isinstance(sent.get("command"), Mapping):
        sent = sent["command"]
    if not isinstance(sent, Mapping):
        return None
    command_id = _read(_IDENTIFIER, sent.get("command_id"))
    account = _read(_NAME, sent.get("account"))
    subjects = {name: _read(_IDENTIFIER, sent.get(name)) for name in SUBJECTS}
    subject_id = next(filter(None, subjects.values()), None)
    if command_id is None or account is None or subject_id is None:
        return None
    kind = sent.get("kind")
    return CommandIdentity(
        command_id=command_id,
        account=account,
        subject_id=subject_id,
        payment_id=subjects["payment_id"],
        kind=kind if isinstance(kind, str) and kind in _KINDS else UNKNOWN_KIND,
        digest=_digest(sent),
    )


def explain(error: ValidationError) -> InvalidInput:
    """Say what is wrong with a command, in the validator's words and never with what was sent.

    `field` is the path of the offending field, as far as its names are ours: a key of metadata may itself be what
    must not be repeated. A card number is told before anything else.
    """
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    problem = next((item for item in problems if item["type"] == CARD_NUMBER_REFUSED), problems[0])
    if problem["type"].startswith("union_tag"):
        return InvalidInput(_NO_SUCH_KIND, field="kind")
    code = CARD_NUMBER_REFUSED if problem["type"] == CARD_NUMBER_REFUSED else InvalidInput.code
    return InvalidInput(problem["msg"], code=code, field=_path(problem["loc"]))


def _read(adapter: TypeAdapter[str], value: object) -> str | None:
    try:
        return adapter.validate_python(value, strict=True)
    except ValidationError:
        return None


def _digest(sent: Mapping[str, Any]) -> str:
    content = {name: value for name, value in sent.items() if name != "requested_at"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _path(location: tuple[int | str, ...]) -> str | None:
    """The location without the wrapper and the kind that lead to the command's own fields."""
    inside = location[2:] if location[:1] == ("command",) and len(location) > 2 else location  # noqa: PLR2004
    path = []
    for part in inside:
        if isinstance(part, str) and not _FIELD_NAME.fullmatch(part):
            break
        path.append(str(part))
    return ".".join(path) or None
