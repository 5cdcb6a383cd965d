"""Which code works with which schema."""

import pytest

from domain.errors import Unavailable
from storage.schema_version import VERSIONS, check_revision, newest_revision, oldest_code_comment


def refusal(known: str, present: str | None, comment: str | None = None) -> Unavailable:
    with pytest.raises(Unavailable) as refused:
        check_revision(known, present, comment)
    return refused.value


def test_the_newest_revision_is_that_of_the_last_migration() -> None:
    last = max(VERSIONS.glob("[0-9]*.py"))
    assert f'revision = "{newest_revision()}"' in last.read_text()


def test_a_schema_that_is_as_new_as_the_code_is_in_order() -> None:
    check_revision("0009", "0009", None)
    check_revision("0009", "0009", "somebody's own comment")


@pytest.mark.parametrize("present", [None, "0001", "0008"])
def test_new_code_refuses_an_older_schema_and_says_what_to_run(present: str | None) -> None:
    error = refusal("0009", present)
    assert error.code == "schema_too_old"
    assert "`paystream migrate`" in error.message


def test_old_code_goes_on_with_a_newer_schema_until_that_needs_newer_code() -> None:
    check_revision("0009", "0010", None)
    check_revision("0009", "0014", oldest_code_comment("0009"))
    error = refusal("0009", "0015", oldest_code_comment("0010"))
    assert error.code == "schema_too_new"
    assert "deploy a newer version" in error.message
