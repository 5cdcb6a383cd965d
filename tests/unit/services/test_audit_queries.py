from services.audit_queries import HIDDEN, without_secrets


def test_secrets_are_hidden_at_every_depth() -> None:
    value = {
        "content": {"amount_minor": 5, "payment_method_token": "pm_1", "parameters": {"signature": "s"}},
        "list": [{"token": "t"}, 1, None],
        "wrapped_key": "k",
    }
    assert without_secrets(value) == {
        "content": {"amount_minor": 5, "payment_method_token": HIDDEN, "parameters": HIDDEN},
        "list": [{"token": HIDDEN}, 1, None],
        "wrapped_key": HIDDEN,
    }
