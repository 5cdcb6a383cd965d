"""No callback, however it is made, gets more out of a connector than facts or a refusal.

Deliveries go through the verifying agent, whose own errors would bury an honest batch: what escapes it fails here. Each
test runs for every registered gateway. `PAYSTREAM_FUZZ_CASES` sets how many examples are made up; where it is set,
every hostile value is tried in every place, else every fifth, beginning with another one in each place.
"""

import base64
import os
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.callback_proofs import LONGEST_UNPROVEN_BYTES
from tests.connectors.case import Delivery, GatewayCases
from tests.hostile.bodies import (
    HOSTILE_VALUES,
    MEBIBYTE,
    Path,
    any_json,
    encodings_of,
    paths_of,
    removed,
    replaced,
    shapeless_bodies,
    with_key_twice,
    write_json,
)
from tests.hostile.judged import Judge, parsed

THOROUGH = "PAYSTREAM_FUZZ_CASES" in os.environ
EXAMPLES = int(os.environ.get("PAYSTREAM_FUZZ_CASES", "10"))
STRIDE = 1 if THOROUGH else 5
REPLACEMENTS: tuple[object, ...] = (None, 1, "1", [], {})
FORGED_PEAK_BYTES = 6 * MEBIBYTE
PROVEN_PEAK_BYTES = 64 * MEBIBYTE

fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


def signed(cases: GatewayCases, body: bytes) -> Delivery:
    """The body with the account's own proof; what the gateway's scheme cannot sign goes with a genuine one's."""
    try:
        return cases.delivery(body)
    except (AttributeError, KeyError, TypeError, UnicodeEncodeError):
        return replace(cases.genuine(), body=body)


def forged(cases: GatewayCases, body: bytes) -> Delivery:
    """The body with a proof that is none."""
    return replace(cases.proof.write(cases.genuine(), "0" * 64), body=body)


def places(cases: GatewayCases) -> Iterator[tuple[object, Path]]:
    """Every place that any JSON sample of the gateway has, once; places in lists count as one."""
    seen = set()
    for name in cases.samples:
        value = parsed(cases.sample(name))
        for path in paths_of(value) if value is not None else ():
            shape = tuple("*" if isinstance(step, int) else step for step in path)
            if shape not in seen:
                seen.add(shape)
                yield value, path


async def test_whatever_stands_in_any_place_of_a_genuine_callback_is_read_or_refused(cases: GatewayCases) -> None:
    judge = Judge(cases)
    for number, (value, path) in enumerate(places(cases)):
        for hostile in HOSTILE_VALUES[number % STRIDE :: STRIDE]:
            await judge.judge(signed(cases, write_json(replaced(value, path, hostile))))
        if path:
            await judge.judge(signed(cases, write_json(removed(value, path))))


async def test_whatever_stands_in_any_field_of_a_form_is_read_or_refused(cases: GatewayCases) -> None:
    judge = Judge(cases)
    texts = [value for value in HOSTILE_VALUES if isinstance(value, str)]
    for name in cases.samples:
        if parsed(cases.sample(name)) is None:
            fields = parse_qsl(cases.sample(name).decode(), keep_blank_values=True)
            for position, (field, _) in enumerate(fields):
                for text in texts:
                    changed = [*fields[:position], (field, text), *fields[position + 1 :]]
                    await judge.judge(signed(cases, urlencode(changed, errors="surrogatepass").encode()))


async def test_whatever_stands_in_a_wrapped_object_is_read_or_refused(cases: GatewayCases) -> None:
    judge = Judge(cases)
    seen = set()
    for name in cases.samples:
        value = parsed(cases.sample(name))
        for outer, inner in wrapped_objects(value):
            for path in paths_of(inner):
                if path not in seen:
                    seen.add(path)
                    for hostile in HOSTILE_VALUES:
                        text = base64.b64encode(write_json(replaced(inner, path, hostile))).decode()
                        await judge.judge(signed(cases, write_json(replaced(value, outer, text))))


def wrapped_objects(value: object) -> Iterator[tuple[Path, object]]:
    """JSON objects that stand as Base64 in a text of a JSON value."""
    for path in paths_of(value) if isinstance(value, dict) else ():
        inner: object = value
        for step in path:
            inner = inner[step]  # type: ignore[index]  # the path is one of this value's own
        if isinstance(inner, str) and inner.startswith("ey"):
            yield path, parsed(base64.b64decode(inner))


async def test_the_same_text_in_another_encoding_is_read_or_refused_and_says_nothing_else(cases: GatewayCases) -> None:
    judge = Judge(cases)
    for name in cases.samples:
        body = cases.sample(name)
        genuine = signed(cases, body)
        told = (await judge.judge(genuine)).money
        for encoding, encoded in encodings_of(body).items():
            assert (await judge.judge(signed(cases, encoded))).money <= told, (name, encoding)
            assert (await judge.judge(replace(genuine, body=encoded))).money <= told, (name, encoding)


async def test_a_body_of_no_shape_is_read_or_refused_in_bounded_memory_and_moves_nothing(cases: GatewayCases) -> None:
    judge = Judge(cases)
    for kind, body in shapeless_bodies().items():
        for delivery, bound in ((forged(cases, body), FORGED_PEAK_BYTES), (signed(cases, body), PROVEN_PEAK_BYTES)):
            tracemalloc.start()
            judgement = await judge.judge(delivery)
            peak_bytes = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert not judgement.money, kind
            assert peak_bytes < bound, kind


async def test_a_body_that_was_changed_after_it_was_signed_tells_of_no_other_money(cases: GatewayCases) -> None:
    judge = Judge(cases)
    for name in cases.samples:
        body = cases.sample(name)
        genuine = signed(cases, body)
        told = (await judge.judge(genuine)).money
        value = parsed(body)
        if not isinstance(value, dict):
            continue
        for number, path in enumerate(paths_of(value)):
            for changed in REPLACEMENTS[number % STRIDE :: STRIDE]:
                altered = replace(genuine, body=write_json(replaced(value, path, changed)))
                assert (await judge.judge(altered)).money <= told, (name, path, changed)
        for key, inner in value.items():
            for first in (inner, *REPLACEMENTS):
                altered = replace(genuine, body=with_key_twice(body, key, first))
                assert (await judge.judge(altered)).money <= told, (name, key, first)


async def test_a_form_that_was_changed_after_it_was_signed_tells_of_no_other_money(cases: GatewayCases) -> None:
    judge = Judge(cases)
    for name in cases.samples:
        if parsed(cases.sample(name)) is None:
            genuine = signed(cases, cases.sample(name))
            told = (await judge.judge(genuine)).money
            for field, _ in parse_qsl(genuine.body.decode(), keep_blank_values=True):
                for addition in (f"&{field}=1", f"&{field.upper()}=1", f"&{field}%00=1", f";{field}=1"):
                    altered = replace(genuine, body=genuine.body + addition.encode())
                    assert (await judge.judge(altered)).money <= told, (name, addition)


@fuzzed
@given(data=st.data())
async def test_made_up_json_is_read_or_refused_and_moves_nothing_unproven(
    cases: GatewayCases, data: st.DataObject
) -> None:
    judge = Judge(cases)
    body = write_json(data.draw(any_json()))
    await judge.judge(signed(cases, body))
    assert not (await judge.judge(forged(cases, body))).money
    assert not (await judge.judge(Delivery(body=body))).money


@fuzzed
@given(data=st.data())
async def test_samples_with_several_things_changed_are_read_or_refused_and_move_nothing_unproven(
    cases: GatewayCases, data: st.DataObject
) -> None:
    judge = Judge(cases)
    value = parsed(cases.sample(data.draw(st.sampled_from(sorted(cases.samples)))))
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from(list(paths_of(value))))
        value = replaced(value, path, data.draw(st.sampled_from(HOSTILE_VALUES) | any_json()))
        # What was just put in is not entered again: a literal has no places.
        value = parsed(write_json(value))
    body = write_json(value)
    await judge.judge(signed(cases, body))
    assert not (await judge.judge(forged(cases, body))).money


@fuzzed
@given(data=st.data())
async def test_made_up_headers_and_targets_prove_nothing_else(cases: GatewayCases, data: st.DataObject) -> None:
    judge = Judge(cases)
    genuine = cases.genuine()
    told = (await judge.judge(genuine)).money
    names = st.sampled_from([name for name, _ in genuine.headers] or ["x"]) | st.text("abcdefghijklmnopqrstuvwxyz-")
    latin = st.text(st.characters(max_codepoint=255), max_size=60)
    headers = tuple(data.draw(st.lists(st.tuples(names, latin), max_size=6)))
    target = data.draw(st.just(cases.proof.write(genuine, "0").target) | latin)
    assert (await judge.judge(replace(genuine, headers=headers, target=target))).money <= told
    assert not (await judge.judge(replace(forged(cases, genuine.body), headers=headers, target=target))).money or told


@pytest.mark.parametrize("size", [0, 1, 32_768, 32_769, MEBIBYTE])
async def test_a_body_without_a_proof_is_refused_whatever_its_size(cases: GatewayCases, size: int) -> None:
    judgement = await Judge(cases).judge(Delivery(body=b"x" * size))

    assert judgement.refusal in {"signature_missing", "signature_invalid", "malformed_payload"}
    assert judgement.message


@pytest.mark.parametrize("size", [LONGEST_UNPROVEN_BYTES, LONGEST_UNPROVEN_BYTES + 1])
async def test_a_proof_inside_the_body_does_not_stretch_to_bodies_longer_than_any_genuine_one(
    cases: GatewayCases, size: int
) -> None:
    genuine = cases.genuine()
    padded = signed(cases, genuine.body + b" " * (size - len(genuine.body)))
    judgement = await Judge(cases).judge(padded)

    assert not judgement.money or cases.covers == "body" or len(padded.body) <= LONGEST_UNPROVEN_BYTES
