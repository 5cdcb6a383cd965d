"""The postman brings everything at least once, and keeps books about it."""

from collections import Counter
from collections.abc import Sequence

import httpx

from chaos.postman import DELIVERY_HEADER, Postman
from chaos.shops.base import Callback

BODIES = [b"%d" % number for number in range(40)]


class Ingress:
    """Refuses the first attempts, then takes everything."""

    def __init__(self, refusals: Sequence[int]) -> None:
        self._refusals = list(refusals)
        self.taken: Counter[bytes] = Counter()
        self.names: set[str] = set()

    async def answer(self, request: httpx.Request) -> httpx.Response:
        name = request.headers[DELIVERY_HEADER]
        assert name not in self.names
        self.names.add(name)
        if self._refusals:
            status = self._refusals.pop()
            if status == 0:
                raise httpx.ReadTimeout("no answer", request=request)
            return httpx.Response(status)
        self.taken[request.content] += 1
        return httpx.Response(200)


def callback(body: bytes, *, is_genuine: bool = True) -> Callback:
    return Callback(
        gateway="stripe",
        account="north",
        payment_id="pay",
        body=body,
        sign=lambda content: {"x-signature": content.decode()},
        is_genuine=is_genuine,
    )


async def deliver(ingress: Ingress, *callbacks: Callback) -> Postman:
    postman = Postman("http://ingress", 3, pace=0.0, transport=httpx.MockTransport(ingress.answer))
    postman.take(callbacks)
    await postman.finish()
    await postman.close()
    return postman


async def test_every_callback_arrives_and_some_arrive_twice() -> None:
    ingress = Ingress([503, 0, 429, 503])
    postman = await deliver(ingress, *map(callback, BODIES))
    assert set(ingress.taken) == set(BODIES)
    assert set(ingress.taken.values()) == {1, 2}
    assert postman.waiting == 0


async def test_each_attempt_is_named_and_only_what_was_answered_with_2xx_counts_as_taken() -> None:
    ingress = Ingress([503, 0, 429, 503])
    ledger = (await deliver(ingress, *map(callback, BODIES))).ledger
    assert ledger.callbacks == len(BODIES)
    assert ledger.attempts == len(ingress.names) == ledger.answers.total()
    assert len(ledger.accepted) == ingress.taken.total() == ledger.attempts - 4
    assert (ledger.answers[503], ledger.answers[429], ledger.answers[0]) == (2, 1, 1)
    assert set(ledger.accepted_at) == {"pay"}


async def test_attempts_of_a_forgery_are_remembered_whatever_their_answer() -> None:
    ledger = (await deliver(Ingress([0]), callback(b"forged", is_genuine=False))).ledger
    assert ledger.forged >= ledger.accepted.keys()
    assert len(ledger.forged) == ledger.attempts
    assert ledger.accepted_at == {}
