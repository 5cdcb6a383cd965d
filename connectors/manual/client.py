"""The manual connector: it calls nobody and tells the payer how to pay."""

from connectors.manual.errors import no_instructions, unknown_method
from connectors.manual.registration import ManualCredentials
from domain.money import Money, to_decimal_string


class ManualConnector:
    """Knows how payers pay one account by hand."""

    def __init__(self, credentials: ManualCredentials) -> None:
        self._credentials = credentials

    def instructions(
        self,
        method: str,
        *,
        reference: str | None = None,
        amount_minor: int | None = None,
        currency: str | None = None,
    ) -> str:
        """Return what the payer is to do; raises InvalidInput for a method that the account does not take."""
        texts = self._credentials.instructions
        if method not in texts:
            raise unknown_method(method)
        text = texts[method]
        if text is None:
            raise no_instructions(method)
        money = None if amount_minor is None or currency is None else Money(amount_minor, currency)
        return instructions_for(text, reference=reference, money=money)


def instructions_for(text: str, *, reference: str | None = None, money: Money | None = None) -> str:
    """Return the account's own text, followed by what to pay and the reference to give with it."""
    lines = [text]
    if money is not None:
        lines.append(f"Amount: {money.currency} {to_decimal_string(money.amount_minor, money.currency)}")
    if reference is not None:
        lines.append(f"Reference: {reference}")
    return "\n".join(lines)
