"""What every way of making a payment says about it."""

from typing import Annotated, Any

from pydantic import Field

from api.schemas.base import AmountRequest
from api.schemas.payments import SplitRequest
from topics.safe_text import Metadata, SafeName, SafeReference, SafeText

_TOLD_OTHERWISE = frozenset({"amount", "amount_minor", "splits"})


class PurchaseRequest(AmountRequest):
    """An amount, what it is for, who pays, and who gets parts of it."""

    resource_type: SafeName = Field(description="What is paid for, such as `order` or `invoice`.")
    resource_id: SafeReference
    user_id: SafeReference | None = None
    user_name: SafeText | None = None
    description: SafeText | None = None
    splits: Annotated[tuple[SplitRequest, ...], Field(max_length=50)] = ()
    metadata: Metadata = Field(default_factory=dict)

    def purchase(self) -> dict[str, Any]:
        """What of this goes into the command that makes the payment, by the command's names."""
        told = self.model_dump(include=set(PurchaseRequest.model_fields) - _TOLD_OTHERWISE)
        splits = [{"recipient_type": "partner", **part.model_dump()} for part in self.splits]
        return {**told, "amount_minor": self.minor(), "splits": splits}
