"""What the page says, for every way that a payment can stand. Plain words; nothing that a gateway said is repeated."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from services.checkout_pages import CheckoutView, Situation

Tone = Literal["", "good", "bad"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A heading, sentences under it, and the label of the button that begins, where there is something to begin."""

    heading: str
    texts: tuple[str, ...] = ()
    tone: Tone = ""
    begin_label: str | None = None


NOT_FOUND = (
    "This link is not valid",
    "It may have expired, or its address was not copied whole. Ask whoever sent it to you for a new one.",
)
TOO_MANY = ("One moment, please", "There are too many requests from your network. Try again in a minute.")
NOT_OURS = ("Please open the link again", "This form did not come from the payment page. Nothing was begun.")
BROKEN = ("Something went wrong", "This is our mistake. Try again in a minute; you will not pay twice.")


def words_of(view: CheckoutView, *, has_returned: bool) -> Words:
    """Say how the payment stands. `has_returned` is for payers who come back from the gateway."""
    if has_returned and view.situation is Situation.READY:
        return _no_word_yet(view)
    return _WORDS[view.situation](view)


def needs_merchants_client(view: CheckoutView) -> Words:
    """For gateways whose form lives in the merchant's own site or app."""
    name = view.gateway.display_name
    return Words(
        heading="This payment is made with the merchant directly",
        texts=(
            f"{name} takes this payment in the merchant's own website or app, and this page cannot stand in for that.",
            "Go back to the merchant to pay there, or ask for another way to pay. Nothing was charged.",
        ),
    )


def not_known_yet(view: CheckoutView) -> Words:
    """For a gateway that has not answered."""
    text = f"{view.gateway.display_name} has not answered yet. Check again in a minute; you will not pay twice."
    return Words(heading="One moment, please", texts=(text,))


def could_not_begin() -> Words:
    """For a gateway that said no to the payment as such."""
    return Words(
        heading="The payment could not be started",
        texts=("Nothing was charged. Try again in a minute, or ask the merchant for another way to pay.",),
        tone="bad",
        begin_label="Try again",
    )


def _ready(view: CheckoutView) -> Words:
    name = view.gateway.display_name
    return Words(
        heading=f"Pay with {name}",
        texts=(f"You continue at {name} and come back here afterwards.",),
        begin_label=f"Continue to {name}",
    )


def _no_word_yet(view: CheckoutView) -> Words:
    name = view.gateway.display_name
    return Words(
        heading="No payment yet",
        texts=(f"If you have just paid, {name} will tell us in a moment: check again. If not, you can go on to pay.",),
        begin_label=f"Continue to {name}",
    )


def _by_hand(view: CheckoutView) -> Words:
    if view.instructions is None:
        return Words(heading="How to pay", texts=("Ask the merchant how to pay this.",))
    return Words(heading="How to pay", texts=("The merchant confirms your payment once the money has arrived.",))


def _processing(_: CheckoutView) -> Words:
    return Words(heading="Your payment is being processed", texts=("You do not have to do anything more.",))


def _paid(_: CheckoutView) -> Words:
    return Words(heading="Paid", texts=("Thank you. Your payment went through.",), tone="good")


def _failed_once(_: CheckoutView) -> Words:
    return Words(
        heading="The payment did not go through", texts=("You can try again.",), tone="bad", begin_label="Try again"
    )


def _failed(_: CheckoutView) -> Words:
    return Words(
        heading="The payment did not go through",
        texts=("Ask the merchant for another way to pay.",),
        tone="bad",
    )


def _cancelled(_: CheckoutView) -> Words:
    text = "Ask the merchant for a new link if you still want to pay."
    return Words(heading="This payment was cancelled", texts=(text,))


def _given_back(_: CheckoutView) -> Words:
    return Words(heading="This payment was given back", texts=("The money returns the way it came.",))


_WORDS: Mapping[Situation, Callable[[CheckoutView], Words]] = {
    Situation.READY: _ready,
    Situation.BY_HAND: _by_hand,
    Situation.PROCESSING: _processing,
    Situation.PAID: _paid,
    Situation.FAILED_ONCE: _failed_once,
    Situation.FAILED: _failed,
    Situation.CANCELLED: _cancelled,
    Situation.GIVEN_BACK: _given_back,
}
