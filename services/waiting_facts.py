"""Facts that came before anybody knew whose they are, and the names by which they find their payment."""

from collections.abc import Collection

from domain.facts import Fact, FactKind, Trust
from storage.payments import Reference
from storage.unit_of_work import Transaction


def may_name(fact: Fact) -> bool:
    """Only what is proven and means something tells how a gateway names a payment."""
    return fact.trust is Trust.SIGNED and fact.kind is not FactKind.IGNORED


async def adopt_waiting(transaction: Transaction, named: Collection[tuple[Reference, str]]) -> list[tuple[str, Fact]]:
    """Return what waited for these names, each fact with its payment's id, to be folded.

    An adopted fact may bring a name that further facts wait for, so this goes on until there are none.
    """
    found: list[tuple[str, Fact]] = []
    while named:
        adopted = await transaction.inbox.adopt_orphans(named)
        found += adopted
        told = {
            ((fact.gateway, fact.account, reference), payment_id)
            for payment_id, fact in adopted
            if may_name(fact)
            for reference in fact.references
        }
        named = await name_payments(transaction, told)
    return found


async def name_payments(
    transaction: Transaction, told: Collection[tuple[Reference, str]]
) -> set[tuple[Reference, str]]:
    """Remember names that are new, and return those; a name that has a meaning keeps it."""
    known = await transaction.payments.resolve({reference for reference, _ in told})
    new = {(reference, payment_id) for reference, payment_id in told if reference not in known}
    await transaction.payments.add_references(new)
    return new
