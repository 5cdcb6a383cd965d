"""Accounts: the tenants, and the fees they are charged."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from api.schemas.base import RequestModel, ResponseModel
from domain.money import MAX_AMOUNT_MINOR
from storage.accounts import Account
from topics.message import Name
from topics.safe_text import SafeText

MAX_BASIS_POINTS = 10_000

AccountName = Annotated[SafeText, Field(min_length=1, max_length=200)]
BasisPoints = Annotated[int, Field(strict=True, ge=0, le=MAX_BASIS_POINTS)]
FixedFee = Annotated[int, Field(strict=True, ge=0, le=MAX_AMOUNT_MINOR)]


class CreateAccountRequest(RequestModel):
    """A new account. Its id is a short name, because it is part of the URLs that gateways post callbacks to."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"id": "acme", "name": "Acme Ltd", "fee_basis_points": 290}]}
    )

    id: Name
    name: AccountName
    fee_basis_points: BasisPoints = Field(default=0, description="Hundredths of a percent of each capture.")
    fee_fixed_minor: FixedFee = Field(default=0, description="Of each capture, in minor units of its currency.")


class AccountResponse(ResponseModel):
    """An account, and the fees it is charged on captures."""

    id: str
    object: Literal["account"] = "account"
    name: str
    mode: Literal["live", "test"]
    fee_basis_points: int
    fee_fixed_minor: int


def account_response(account: Account) -> AccountResponse:
    """Show an account."""
    return AccountResponse.model_validate(account)
