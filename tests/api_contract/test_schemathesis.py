"""Generated requests, valid and not, to every operation: whatever comes, the answer is one that the document names.

`PAYSTREAM_API_FUZZ_CASES` says how many requests there are in total (`make api-fuzz` sends thousands).
"""

import base64
import os
import re
from http import HTTPStatus
from typing import Any, TypeAlias

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.core.result import Ok
from schemathesis.openapi import from_dict
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.app import openapi_document
from tests.api_contract.served import Case, Served

Operation: TypeAlias = schemathesis.APIOperation[Any, Any, Any, Any]

CASES = int(os.environ.get("PAYSTREAM_API_FUZZ_CASES", "249"))
IS_LONG_RUN = CASES >= 2_000
SCHEMA = from_dict(openapi_document())
OPERATIONS = [result.ok() for result in SCHEMA.get_all_operations() if isinstance(result, Ok)]
MOMENT = "2026-01-02T03:04:05+00:00"
STEPS = 12
EXAMPLES = max(1, round(CASES / len(OPERATIONS)))
PARAMETER = re.compile(r"{(\w+)}")
OF_GATEWAYS = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
"""What an operation may answer when somebody behind us does not do as asked, where the document names it."""

pytestmark = pytest.mark.xdist_group("api_contract")

generated = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


@schemathesis.check
def not_our_mistake(ctx: schemathesis.CheckContext, response: schemathesis.Response, case: Case) -> None:
    """No request makes the server fail."""
    if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        assert response.status_code in OF_GATEWAYS, response.text
        assert str(response.status_code) in case.operation.definition.raw["responses"], response.text


CHECKS = [
    not_our_mistake,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def requests_of(operation: Operation) -> st.SearchStrategy[Case]:
    """Requests as the document describes them, and requests that break it somewhere."""
    modes = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
    return st.sampled_from(modes).flatmap(operation.as_strategy)


def label(operation: Operation) -> str:
    return str(operation.label)


def test_reads_find_what_there_is(served: Served) -> None:
    """Else all those requests would have been about nothing."""
    reads = [operation for operation in OPERATIONS if operation.method == "get"]
    query = {"country": "US", "currency": "USD", "amount_minor": 100}
    for operation in reads:
        case = operation.Case(path_parameters=dict.fromkeys(PARAMETER.findall(operation.path), "x"))
        case.query = query if operation.path.endswith("/available") else {}
        answer = served.send(served.about_what_there_is(case), key=served.key)
        assert answer.status_code == HTTPStatus.OK, (operation.label, answer.text)
        case.validate_response(answer, checks=CHECKS)
    assert len(reads) > 40


def test_a_cursor_of_another_list_breaks_no_list(served: Served) -> None:
    """A list whose ids have another form refuses it; where the form is the same, it is a place in the list."""
    lists = [operation for operation in OPERATIONS if "cursor" in {one.name for one in operation.query}]
    refused = 0
    for operation in lists:
        for identifier in ("pay_1", "7", "0f8fad5b-d9cb-469f-a165-70867728950e", "9" * 30):
            case = operation.Case(path_parameters=dict.fromkeys(PARAMETER.findall(operation.path), "x"))
            case.query = {"cursor": base64.urlsafe_b64encode(f'["{MOMENT}", "{identifier}"]'.encode()).decode()}
            answer = served.send(served.about_what_there_is(case), key=served.key)
            assert answer.status_code in {HTTPStatus.OK, HTTPStatus.UNPROCESSABLE_ENTITY}, (
                operation.label,
                answer.text,
            )
            case.validate_response(answer, checks=CHECKS)
            refused += answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert (len(lists) > 15, refused > 15) == (True, True), (len(lists), refused)


@pytest.mark.parametrize("operation", OPERATIONS, ids=label)
def test_without_a_key_no_request_succeeds(served: Served, operation: Operation) -> None:
    @settings(generated, max_examples=max(1, EXAMPLES // 4))
    @given(case=operation.as_strategy())
    def check(case: Case) -> None:
        answer = served.send(served.about_what_there_is(case), key=None)
        assert (answer.status_code, answer.json()["code"]) == (HTTPStatus.UNAUTHORIZED, "unauthenticated")

    check()


def test_every_answer_is_as_documented_when_requests_build_on_each_other(served: Served) -> None:
    """What one operation makes the next ones ask about; which do follows from the names in the document."""
    schema = from_dict(openapi_document())
    machine = schema.as_state_machine()
    assert schema.statistic.transitions.total > len(OPERATIONS)

    class Flow(machine):  # type: ignore[misc, valid-type]  # the class is made at run time
        def call(self, case: Case, **_: object) -> schemathesis.Response:
            return served.send(served.for_the_account(case), key=served.key)

        def validate_response(self, response: schemathesis.Response, case: Case, **_: object) -> None:
            case.validate_response(response, checks=CHECKS)

    Flow.run(settings=settings(generated, max_examples=max(1, CASES // 60), stateful_step_count=STEPS))


@pytest.mark.parametrize("operation", OPERATIONS, ids=label)
def test_every_answer_is_as_documented(served: Served, operation: Operation) -> None:
    @generated
    @given(case=requests_of(operation), about_known=st.sampled_from([True, True, True, False]))
    def check(case: Case, about_known: bool) -> None:
        asked = served.about_what_there_is(case) if about_known else case
        asked.validate_response(served.send(asked, key=served.key), checks=CHECKS)

    check()


if IS_LONG_RUN:

    @SCHEMA.parametrize()
    @settings(generated, phases=[Phase.explicit])
    def test_every_answer_at_every_boundary_is_as_documented(case: Case, served: Served) -> None:
        """Each parameter and field at, below and above each of its bounds, missing, twice, and of another type."""
        asked = served.about_what_there_is(case)
        asked.validate_response(served.send(asked, key=served.key), checks=CHECKS)
