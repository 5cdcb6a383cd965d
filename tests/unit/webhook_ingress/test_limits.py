"""The bounds of what the ingress takes on."""

import pytest

from bootstrap.rate_limits import RateLimiter
from bootstrap.settings import IngressSettings
from domain.errors import InvalidInput
from webhook_ingress.limits import BYTES_PER_TOKEN, CallbackRates, InFlight, peer_of


def limiter(now: list[float], *, rate: float = 10.0, burst: int = 3, capacity: int = 10_000) -> RateLimiter:
    return RateLimiter(rate_per_second=rate, burst=burst, monotonic=lambda: now[0], capacity=capacity)


def taken(limits: RateLimiter, attempts: int, account: str = "shop") -> int:
    return sum(limits.take("stripe", account) == 0 for _ in range(attempts))


@pytest.mark.parametrize(("rate", "burst"), [(10.0, 3), (0.1, 1), (333.3, 2_000), (7.0, 97)])
def test_a_burst_is_taken_whole_and_nothing_more(rate: float, burst: int) -> None:
    assert taken(limiter([12_345.678], rate=rate, burst=burst), burst + 5) == burst


def test_tokens_come_back_at_the_rate_and_never_beyond_the_burst() -> None:
    now = [0.0]
    limits = limiter(now)
    assert taken(limits, 5) == 3
    now[0] = 0.2
    assert taken(limits, 5) == 2
    now[0] = 1_000.0
    assert taken(limits, 5) == 3


def test_the_wait_that_is_told_is_long_enough() -> None:
    now = [0.0]
    limits = limiter(now, rate=0.25, burst=1)
    assert limits.take("stripe", "shop") == 0
    wait_seconds = limits.take("stripe", "shop")
    assert 0 < wait_seconds <= 4
    now[0] += wait_seconds + 1e-6
    assert limits.take("stripe", "shop") == 0


def test_accounts_and_gateways_do_not_share_a_bucket() -> None:
    limits = limiter([0.0], burst=1)
    assert [limits.take(gateway, account) == 0 for gateway in "ab" for account in "xy"] == [True] * 4


def test_the_number_of_buckets_is_bounded_and_the_busy_ones_stay() -> None:
    limits = limiter([0.0], burst=2, capacity=3)
    assert taken(limits, 1, "busy") == 1
    for number in range(10):
        assert taken(limits, 1, f"account-{number}") == 1
        if number == 0:
            assert taken(limits, 2, "busy") == 1
        assert len(limits) <= 3
        limits.take("stripe", "busy")
    assert taken(limits, 1, "busy") == 0


@pytest.mark.parametrize(("rate", "burst"), [(0.0, 1), (-1.0, 1), (1.0, 0)])
def test_a_limit_that_lets_nothing_through_is_refused(rate: float, burst: int) -> None:
    with pytest.raises(InvalidInput):
        limiter([0.0], rate=rate, burst=burst)


def test_requests_and_bytes_are_both_bounded() -> None:
    in_flight = InFlight(max_requests=2, max_bytes=10)
    assert in_flight.admit(8)
    assert not in_flight.admit(3)
    assert in_flight.admit(2)
    assert not in_flight.admit(0)
    assert (in_flight.requests, in_flight.held_bytes) == (2, 10)
    in_flight.shrink(7)
    in_flight.release(1)
    assert in_flight.admit(8)
    in_flight.release(8)
    in_flight.release(2)
    assert (in_flight.requests, in_flight.held_bytes) == (0, 0)


def rates(now: list[float], *, burst: int = 100, share: float = 0.5) -> CallbackRates:
    settings = IngressSettings(rate_limit_per_second=10, rate_limit_burst=burst, rate_limit_peer_share=share)
    return CallbackRates(settings, lambda: now[0])


def taken_by(callback_rates: CallbackRates, peer: str, attempts: int, *, account: str = "shop", size: int = 100) -> int:
    return sum(callback_rates.take("stripe", account, peer, size) == 0 for _ in range(attempts))


def test_a_peer_that_floods_an_account_leaves_room_for_others() -> None:
    callback_rates = rates([0.0])
    assert taken_by(callback_rates, "flood", 1_000) == 50
    assert taken_by(callback_rates, "gateway", 50) == 50
    assert taken_by(callback_rates, "a third", 5) == 0
    assert taken_by(callback_rates, "flood", 1_000, account="other") == 50


def test_what_a_peer_is_refused_takes_nothing_from_the_account() -> None:
    now = [0.0]
    callback_rates = rates(now, share=0.1)
    assert taken_by(callback_rates, "flood", 10_000) == 10
    assert taken_by(callback_rates, "another", 10) == 10


def test_long_callbacks_take_as_much_as_many_short_ones() -> None:
    assert taken_by(rates([0.0], share=1), "peer", 200, size=BYTES_PER_TOKEN - 1) == 100
    assert taken_by(rates([0.0], share=1), "peer", 200, size=9 * BYTES_PER_TOKEN) == 10
    # However long it is, a full bucket is enough: it could never be sent otherwise.
    assert taken_by(rates([0.0], burst=4, share=1), "peer", 5, size=64 * BYTES_PER_TOKEN) == 1


def test_what_did_not_say_how_long_it_is_pays_afterwards() -> None:
    now = [0.0]
    callback_rates = rates(now, share=1)
    assert callback_rates.take("stripe", "shop", "peer", None) == 0
    callback_rates.owe("stripe", "shop", "peer", 89 * BYTES_PER_TOKEN)
    assert taken_by(callback_rates, "peer", 50) == 10
    callback_rates.owe("stripe", "shop", "peer", BYTES_PER_TOKEN - 1)
    now[0] = 1.0
    assert taken_by(callback_rates, "peer", 50) == 10


@pytest.mark.parametrize(
    ("remote", "forwarded", "trusted_proxies", "peer"),
    [
        ("203.0.113.9", (), 0, "203.0.113.9"),
        ("203.0.113.9", ("198.51.100.1",), 0, "203.0.113.9"),
        ("10.0.0.1", ("198.51.100.1",), 1, "198.51.100.1"),
        ("10.0.0.1", ("invented, 198.51.100.1",), 1, "198.51.100.1"),
        ("10.0.0.1", ("invented", "198.51.100.1, 10.0.0.2"), 2, "198.51.100.1"),
        ("10.0.0.1", (), 1, "10.0.0.1"),
        ("10.0.0.1", ("10.0.0.2",), 2, "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", (), 0, "2001:db8:1:2::/64"),
        ("10.0.0.1", ("2001:db8:1:2::7",), 1, "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", (), 0, "203.0.113.9"),
        ("10.0.0.1", ("a:b",), 1, "a:b"),
    ],
)
def test_peers_are_told_apart_by_what_they_cannot_choose(
    remote: str, forwarded: tuple[str, ...], trusted_proxies: int, peer: str
) -> None:
    headers = [("x-other", "1.1.1.1"), *(("x-forwarded-for", each) for each in forwarded)]
    assert peer_of(remote, headers, trusted_proxies) == peer
