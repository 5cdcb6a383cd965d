"""What only an operator's key may do: rules that money follows, and postings that set the books right."""

from typing import Annotated, Any

from fastapi import Depends, Request

from api.authentication import caller_of, requires
from domain.errors import Forbidden
from services.api_keys import Scope


def operators_only(request: Request, _: Annotated[None, Depends(requires(Scope.ADMIN))]) -> None:
    """Let only operators' keys with the scope `admin` through."""
    if caller_of(request).key.kind != "operator":
        raise Forbidden("only an operator's key may do this", code="operator_key_needed")


OPERATORS: list[Any] = [Depends(operators_only)]
"""Dependencies of such a route."""
