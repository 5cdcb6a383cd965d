"""What orders and refunds are called at AsiaPay, and what the names tell."""

import pytest

from connectors.pesopay.orders import PayType, order_reference, pay_type_of, payment_id_in
from connectors.pesopay.refunds import carried_out, name_refund, open_refunds
from connectors.pesopay.registration import PesoPayCredentials
from tests.connectors.cases.pesopay import CASES

UUID = "0b9fa2b5-a2dd-4c6a-9a4b-7d6d3b6f7a10"


@pytest.mark.parametrize("pay_type", list(PayType))
@pytest.mark.parametrize("payment_id", ["payment-1", "p", "x" * 33, UUID, "order_7-N", "a-H"])
def test_a_payment_is_read_back_from_its_order_reference(payment_id: str, pay_type: PayType) -> None:
    reference = order_reference(payment_id, pay_type)

    assert len(reference) <= 35
    assert pay_type_of(reference) is pay_type
    assert payment_id_in(reference) == payment_id


@pytest.mark.parametrize(
    "payment_id",
    ["x" * 34, "with spaces", "with|bars", "é", UUID.replace("-", ""), UUID.upper(), "x" + "0" * 32, "a" * 255],
)
def test_an_id_that_does_not_fit_or_could_be_mistaken_becomes_a_digest(payment_id: str) -> None:
    reference = order_reference(payment_id, PayType.NORMAL)

    assert len(reference) == 35
    assert pay_type_of(reference) is PayType.NORMAL
    assert payment_id_in(reference) is None
    assert order_reference(payment_id, PayType.NORMAL) == reference


@pytest.mark.parametrize("reference", ["ORDER-1", "", "payment-1", "payment-1-X", "payment-1-n", "-N", "a b-N"])
def test_an_order_that_was_not_made_here_tells_nothing(reference: str) -> None:
    assert pay_type_of(reference) is None
    assert payment_id_in(reference) is None


@pytest.mark.parametrize("is_first", [True, False])
def test_a_refunds_name_tells_what_is_needed_to_settle_it(*, is_first: bool) -> None:
    refund = name_refund("4000123", 5000, "command-2", is_first=is_first)

    assert open_refunds(["not-ours", refund.name, "4000123:first:5000:short"]) == [refund]
    assert refund == name_refund("4000123", 5000, "command-2", is_first=is_first)
    assert refund.name != name_refund("4000123", 5000, "command-3", is_first=is_first).name


@pytest.mark.parametrize(
    ("firsts", "is_whole", "done"),
    [
        ([True], True, 1),
        ([True], False, 1),
        ([False], True, 1),
        ([False], False, 0),
        ([True, False], True, 2),
        ([True, False], False, 0),
        ([], True, 0),
    ],
)
def test_only_what_can_be_known_is_carried_out(firsts: list[bool], is_whole: bool, done: int) -> None:
    refunds = [name_refund("4000123", 100, f"command-{n}", is_first=first) for n, first in enumerate(firsts)]

    assert len(carried_out(refunds, is_whole=is_whole)) == done


@pytest.mark.parametrize(
    ("brand", "environment", "base_url"),
    [
        ("pesopay", "live", "https://www.pesopay.com/b2c2"),
        ("pesopay", "test", "https://test.pesopay.com/b2cDemo"),
        ("paydollar", "live", "https://www.paydollar.com/b2c2"),
        ("paydollar", "test", "https://test.paydollar.com/b2cDemo"),
        ("siampay", "live", "https://www.siampay.com/b2c2"),
        ("siampay", "test", "https://test.siampay.com/b2cDemo"),
    ],
)
def test_every_brand_has_its_hosts_and_the_test_hosts_another_path(brand: str, environment: str, base_url: str) -> None:
    account = {**CASES.credentials, "brand": brand, "environment": environment}

    assert PesoPayCredentials.model_validate(account).base_url == base_url
    stand_in = PesoPayCredentials.model_validate({**account, "api_base": "http://127.0.0.1:8423"})
    assert stand_in.base_url == "http://127.0.0.1:8423/" + base_url.rpartition("/")[2]
