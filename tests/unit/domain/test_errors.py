from domain import errors
from domain.errors import RETRYABLE, GatewayUnavailable, OutcomeUnknown, PaystreamError, VerificationFailed


def tree(root: type[PaystreamError]) -> set[type[PaystreamError]]:
    return {root}.union(*(tree(branch) for branch in root.__subclasses__()))


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [error.code for error in tree(PaystreamError) if error.__module__ == errors.__name__]
    assert len(codes) == len(set(codes)) > 1


def test_only_a_call_that_had_no_effect_may_be_made_again() -> None:
    assert set(RETRYABLE) == {GatewayUnavailable}
    assert not issubclass(OutcomeUnknown, RETRYABLE)


def test_an_error_carries_what_an_answer_needs() -> None:
    error = VerificationFailed("too old", code="signature_stale", field="stripe-signature")
    assert (str(error), error.message, error.code, error.field) == (
        "too old",
        "too old",
        "signature_stale",
        "stripe-signature",
    )
    assert VerificationFailed("no").code == "signature_invalid"


def test_the_tree_in_the_documentation_is_the_tree_in_the_code() -> None:
    named = errors.__doc__ or ""
    assert {error.__name__ for error in tree(PaystreamError) if error.__module__ == errors.__name__} <= set(
        named.replace("\n", " ").split()
    )
