"""Bank accounts as JSON values: what people hand in, and what is sealed."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domain.bank_accounts import AccountKind, BankAccount, DebtorAccount, HolderKind
from domain.errors import InvalidInput

Details = TypeVar("Details", bound=BaseModel)


class BankAccountDetails(BaseModel):
    """An account at a bank: an IBAN, or a number with its bank's code in a clearing system."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    holder: str = Field(title="Holder", description="Name of the holder, as the bank knows it.")
    iban: str | None = Field(default=None, repr=False, title="IBAN", description="Without spaces.")
    bic: str | None = Field(default=None, title="BIC", description="The bank's BIC; SEPA payments need none.")
    number: str | None = Field(default=None, repr=False, title="Account number", description="Where there is no IBAN.")
    clearing_system: str | None = Field(
        default=None, title="Clearing system", description="ISO 20022's code, such as USABA, GBDSC, INFSC or AUBSB."
    )
    bank_code: str | None = Field(default=None, title="Bank code", description="Routing number, sort code, IFSC, BSB.")
    holder_kind: HolderKind = Field(default=HolderKind.COMPANY, title="Kind of holder", description="For ACH.")
    account_kind: AccountKind = Field(default=AccountKind.CHECKING, title="Kind of account", description="For ACH.")
    town: str | None = Field(default=None, title="Town", description="The holder's town, where the bank asks for it.")
    country: str | None = Field(
        default=None, title="Country", description="The holder's country (ISO 3166, 2 letters)."
    )

    def account(self) -> BankAccount:
        """Return the account. Raises InvalidInput, naming the field, when something cannot be right."""
        return BankAccount(**{name: getattr(self, name) for name in type(self).model_fields})


class DebtorAccountDetails(BaseModel):
    """An account that payouts are paid from."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    account: BankAccountDetails
    company_id: str | None = Field(default=None, title="Company id", description="What the bank gave for ACH files.")
    bank_name: str | None = Field(default=None, title="Name of the bank", description="For ACH files.")

    def debtor(self) -> DebtorAccount:
        """Return the account. Raises InvalidInput as `BankAccountDetails.account` does."""
        return DebtorAccount(account=self.account.account(), company_id=self.company_id, bank_name=self.bank_name)


def read_bank_account(values: Mapping[str, Any]) -> BankAccount:
    """Read a recipient's bank account. Raises InvalidInput, which names fields and never what is in them."""
    return _read(BankAccountDetails, values).account()


def read_debtor_account(values: Mapping[str, Any]) -> DebtorAccount:
    """Read an account that payouts are paid from. Raises InvalidInput as `read_bank_account` does."""
    return _read(DebtorAccountDetails, values).debtor()


def _read(model: type[Details], values: Mapping[str, Any]) -> Details:
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_input=False)
        )
        raise InvalidInput(f"the bank account is not right: {problems}", field="bank_account") from None
