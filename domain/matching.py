"""Matching: two sides that should tell the same money, item by item; what agrees, what does not, what is not due yet.

Pure, and independent of the order in which the items are given: every choice among candidates follows from what the
items say. Each item is in exactly one match, one break, or among those that wait.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class BreakKind(StrEnum):
    """How two sides differ."""

    MISSING_HERE = "missing_here"
    """The other side tells of money that we do not know."""
    MISSING_THERE = "missing_there"
    """We know of money that the other side should have told of by now."""
    AMOUNT = "amount"
    FEE = "fee"
    CURRENCY = "currency"
    DUPLICATE = "duplicate"
    """The other side tells twice of what happened once here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that one side tells, in minor units.

    - `kind`: only items of one kind are compared.
    - `names`: what it is called, the most telling name first.
    - `place`: whose statement tells of it; coverage is known per place.
    - `gateway`: whose money it is, where that is known; it is not compared.
    - `is_optional`: nothing is wrong when the other side does not tell of it.
    """

    id: str
    kind: str
    names: tuple[str, ...]
    amount_minor: int
    currency: str
    at: datetime
    place: str = ""
    gateway: str | None = None
    fee_minor: int = 0
    is_optional: bool = False

    @property
    def order(self) -> tuple[datetime, str]:
        """Items come in the order of their times; the id decides between equals."""
        return (self.at, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedFee:
    """What a place charges for money that comes in: basis points rounded half-even, and a fixed part."""

    basis_points: int
    fixed_minor: int = 0
    tolerance_minor: int = 0

    def of(self, amount_minor: int) -> int:
        """The fee on an amount; nothing on money that goes out."""
        if amount_minor <= 0:
            return 0
        whole, rest = divmod(amount_minor * self.basis_points, 10_000)
        rounds_up = 2 * rest > 10_000 or (2 * rest == 10_000 and whole % 2 == 1)  # noqa: PLR2004 - of 10,000
        return whole + rounds_up + self.fixed_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """What is no difference: minor units per currency, days until a statement tells of it, fees per place.

    `by_amount` lets items without a common name match by amount and date, as bank statements often demand.
    """

    minor_by_currency: Mapping[str, int] = field(default_factory=dict)
    days: int = 3
    fees: Mapping[str, ExpectedFee] = field(default_factory=dict)
    by_amount: bool = False

    def minor(self, currency: str) -> int:
        """How far two amounts of a currency may be apart."""
        return self.minor_by_currency.get(currency, 0)


@dataclass(frozen=True, slots=True)
class Match:
    """Two items that tell the same money. `ours` is what should be, `theirs` what was told."""

    ours: Item
    theirs: Item


@dataclass(frozen=True, slots=True)
class Break:
    """A difference: of a pair, or of an item that has no partner."""

    kind: BreakKind
    ours: Item | None
    theirs: Item | None

    @property
    def items(self) -> tuple[Item, ...]:
        """The items it is about, one or two."""
        return tuple(item for item in (self.ours, self.theirs) if item is not None)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that was compared, each list in the order of the items."""

    matches: tuple[Match, ...]
    breaks: tuple[Break, ...]
    waiting: tuple[Item, ...]


MOST_SHARING = 100
"""A name that more items than this carry, such as a word of every payment's text, names none of them."""

Coverage = Mapping[str, tuple[datetime, datetime]]
"""Per place, the times that its statements cover."""
TakenNames = Collection[tuple[str, str]]
"""(kind, first name) of what the other side told before and was matched."""

_Pairs = dict[str, tuple[Item, Item]]
_Candidate = tuple[tuple[object, ...], Item, Item]
"""A key by which candidates are taken, the least first; and the two items."""


def match_items(
    ours: Iterable[Item],
    theirs: Iterable[Item],
    tolerance: Tolerance,
    coverage: Coverage,
    taken: TakenNames = frozenset(),
) -> Outcome:
    """Compare what we know with what another side tells. Ids are unique over both sides."""
    here, there = sorted(ours, key=_order), sorted(theirs, key=_order)
    pairs = _by_first_name(here, there)
    _pair(pairs, _by_name(_free(here, pairs), _free(there, pairs)))
    if tolerance.by_amount:
        _pair(pairs, _by_amount(_free(here, pairs), _free(there, pairs), tolerance))
    matches, breaks, waiting = [], [], []
    for item in here:
        pair = pairs.get(item.id)
        if pair is None:
            if _is_due(item, tolerance, coverage):
                breaks.append(Break(BreakKind.MISSING_THERE, item, None))
            else:
                waiting.append(item)
        elif (kind := _difference(*pair, tolerance)) is None:
            matches.append(Match(*pair))
        else:
            breaks.append(Break(kind, *pair))
    told = {*taken, *((item.kind, item.names[0]) for item in there if item.id in pairs and item.names)}
    for item in there:
        if item.id not in pairs:
            is_repeated = bool(item.names) and (item.kind, item.names[0]) in told
            breaks.append(Break(BreakKind.DUPLICATE if is_repeated else BreakKind.MISSING_HERE, None, item))
    return Outcome(tuple(matches), tuple(breaks), tuple(waiting))


def _order(item: Item) -> tuple[datetime, str]:
    return item.order


def _pair(pairs: _Pairs, candidates: Iterable[_Candidate]) -> None:
    """Take the best candidates first, each item once. Keys end with the ids, so that no two are equal."""
    for _, ours, theirs in sorted(candidates, key=lambda candidate: candidate[0]):
        if ours.id not in pairs and theirs.id not in pairs:
            pairs[ours.id] = pairs[theirs.id] = (ours, theirs)


def _free(items: Sequence[Item], pairs: _Pairs) -> list[Item]:
    return [item for item in items if item.id not in pairs]


def _by_first_name(here: Sequence[Item], there: Sequence[Item]) -> _Pairs:
    """Pair what one item of each side is called first: nothing can be a better partner for either."""
    known, told = _first_names(here), _first_names(there)
    pairs: _Pairs = {}
    for key in known.keys() & told.keys():
        if len(known[key]) == len(told[key]) == 1:
            pair = (known[key][0], told[key][0])
            pairs[pair[0].id] = pairs[pair[1].id] = pair
    return pairs


def _first_names(items: Sequence[Item]) -> dict[tuple[str, str], list[Item]]:
    named: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for item in items:
        if item.names:
            named[item.kind, item.names[0]].append(item)
    return named


def _by_name(here: Sequence[Item], there: Sequence[Item]) -> Iterator[_Candidate]:
    """Pairs with a common name; the more telling the name, and the less the difference, the better."""
    known = _carriers(here)
    told = _carriers(there)
    for key in known.keys() & told.keys():
        if max(len(known[key]), len(told[key])) > MOST_SHARING:
            continue
        for our_rank, ours in known[key]:
            for their_rank, theirs in told[key]:
                is_foreign = ours.currency != theirs.currency
                yield (our_rank + their_rank, is_foreign, *_distance(ours, theirs)), ours, theirs


def _carriers(items: Sequence[Item]) -> dict[tuple[str, str], list[tuple[int, Item]]]:
    """(kind, name) to the items with that name, and how telling it is for each."""
    carriers: dict[tuple[str, str], list[tuple[int, Item]]] = defaultdict(list)
    for item in items:
        for rank, name in enumerate(item.names):
            carriers[item.kind, name].append((rank, item))
    return carriers


def _by_amount(here: Sequence[Item], there: Sequence[Item], tolerance: Tolerance) -> Iterator[_Candidate]:
    """Pairs of one kind and currency whose amounts and times are close enough."""
    told: dict[tuple[str, str], list[Item]] = defaultdict(list)
    for item in sorted(there, key=lambda item: item.amount_minor):
        told[item.kind, item.currency].append(item)
    for ours in here:
        others = told[ours.kind, ours.currency]
        most = tolerance.minor(ours.currency)
        first = bisect_left(others, ours.amount_minor - most, key=lambda item: item.amount_minor)
        last = bisect_right(others, ours.amount_minor + most, key=lambda item: item.amount_minor)
        for theirs in others[first:last]:
            if abs(ours.at - theirs.at) <= timedelta(days=tolerance.days):
                yield _distance(ours, theirs), ours, theirs


def _distance(ours: Item, theirs: Item) -> tuple[object, ...]:
    return (abs(ours.amount_minor - theirs.amount_minor), abs(ours.at - theirs.at), ours.order, theirs.order)


def _difference(ours: Item, theirs: Item, tolerance: Tolerance) -> BreakKind | None:
    if ours.currency != theirs.currency:
        return BreakKind.CURRENCY
    if abs(ours.amount_minor - theirs.amount_minor) > tolerance.minor(ours.currency):
        return BreakKind.AMOUNT
    expected = tolerance.fees.get(theirs.place)
    if expected is not None:
        apart = abs(theirs.fee_minor - expected.of(theirs.amount_minor))
        return BreakKind.FEE if apart > expected.tolerance_minor else None
    return None


def _is_due(item: Item, tolerance: Tolerance, coverage: Coverage) -> bool:
    """Whether the other side should have told of an item by now."""
    covered = coverage.get(item.place)
    if item.is_optional or covered is None:
        return False
    return covered[0] <= item.at and item.at + timedelta(days=tolerance.days) <= covered[1]
