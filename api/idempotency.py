"""`Idempotency-Key`: the same POST again gets the same answer, byte for byte; with another content it is refused.

The answer is sealed before it is stored, because it may hold what is shown only once. A command's id is derived from
the account and the key, so that even a process that died between the work and the answer leads to no second effect.
"""

import base64
import hashlib
import json
import re
import uuid
from datetime import timedelta
from typing import Any

from fastapi import Request
from starlette.responses import Response

from api.authentication import Caller
from api.context import ApiContext
from domain.errors import CommandConflict, InvalidInput
from storage.api_answers import answer_context

HEADER = "idempotency-key"
REPLAYED_HEADER = "idempotent-replayed"
STALE_AFTER = timedelta(minutes=2)
KEPT_FOR = timedelta(days=2)

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_NAMESPACE = uuid.UUID("8c2f5b3e-4e5f-4cf5-9d9d-0a4f7b1f6a51")
_KEPT_HEADERS = ("content-type", "location", "etag")
_NOT_CARRIED_OUT = frozenset({400, 401, 403, 413, 422, 429, 500, 503})
"""Answers to requests that had no effect and may be sent again, mended, with the same key."""


class Idempotency:
    """The way of one POST with a key: `replay` before the work, `keep` after it."""

    def __init__(self, context: ApiContext, caller: Caller, key: str, asked: bytes) -> None:
        self._context = context
        self._caller = caller
        self._key = key
        self._asked = asked

    async def replay(self) -> Response | None:
        """Claim the key, or return what was answered before.

        Raises CommandConflict when the key was used for something else, or is being worked on at this moment.
        """
        now = self._context.clock()
        async with self._caller.database.transaction(self._caller.actor) as transaction:
            answers, account = transaction.api_answers, self._caller.account
            # A body may hold a secret that somebody chose and others could guess.
            fingerprint = self._context.ring.fingerprint(self._asked, account)
            if await answers.begin(account, self._key, fingerprint, now, now - STALE_AFTER):
                return None
            known = await answers.get(account, self._key)
        if known is not None and known.sealed is not None:
            # What was asked is sealed with the answer, so that it is known also when the ring's keys have changed.
            kept = json.loads(self._context.ring.open(known.sealed, self._seal_context))
            if kept["asked"] == self._digest:
                return _thaw(kept)
        elif known is not None and self._context.ring.has_fingerprint(self._asked, account, known.fingerprint):
            raise CommandConflict("a request with this Idempotency-Key is being worked on", code="request_in_progress")
        raise CommandConflict("this Idempotency-Key was used for another request", code="idempotency_key_reused")

    async def keep(self, response: Response, *, is_final: bool) -> None:
        """Keep the answer, or give the key back when nothing was carried out.

        The answer is final whatever it is once a command was run: the command's id is bound to the key.
        """
        async with self._caller.database.transaction(self._caller.actor) as transaction:
            if response.status_code in _NOT_CARRIED_OUT and not is_final:
                await transaction.api_answers.forget(self._caller.account, self._key)
            else:
                sealed = self._context.ring.seal(_freeze(response, self._digest), self._seal_context)
                await transaction.api_answers.finish(self._caller.account, self._key, sealed)

    @property
    def _digest(self) -> str:
        return hashlib.sha256(self._asked).hexdigest()

    @property
    def _seal_context(self) -> str:
        return answer_context(self._caller.account, self._key)


async def idempotency_of(request: Request, context: ApiContext, caller: Caller) -> Idempotency | None:
    """How a request is kept from happening twice; None without a key. Raises InvalidInput for an unusable key."""
    key = request.headers.get(HEADER)
    if request.method != "POST" or key is None:
        return None
    if not _KEY.fullmatch(key):
        raise InvalidInput("an Idempotency-Key has 1 to 255 printable characters, without spaces", field=HEADER)
    return Idempotency(context, caller, key, await _asked_by(request, caller))


def new_id_of(request: Request, caller: Caller, prefix: str) -> str:
    """An id for what a request makes: the same for the same idempotency key of the same account, else a new one."""
    key = request.headers.get(HEADER)
    made = uuid.uuid4() if key is None else uuid.uuid5(_NAMESPACE, f"{prefix}:{caller.account}:{key}")
    return f"{prefix}_{made.hex}"


def command_id_of(request: Request, caller: Caller) -> str:
    """The id of the command that a request stands for."""
    return new_id_of(request, caller, "api")


async def _asked_by(request: Request, caller: Caller) -> bytes:
    asked = (request.method, request.url.path, request.url.query, caller.key.id)
    return json.dumps(asked).encode() + await request.body()


def _freeze(response: Response, asked: str) -> bytes:
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    body = base64.b64encode(bytes(response.body)).decode()
    kept = {"asked": asked, "status": response.status_code, "headers": headers, "body": body}
    return json.dumps(kept).encode()


def _thaw(answer: dict[str, Any]) -> Response:
    headers = {**answer["headers"], REPLAYED_HEADER: "true"}
    return Response(base64.b64decode(answer["body"]), answer["status"], headers)
