"""What operators can ask of the ingress."""

import pytest
from aiokafka.errors import OutOfOrderSequenceNumber

from tests.unit.webhook_ingress.stand_ins import StandInProducer, open_door, until


async def test_it_is_live_whatever_happens_to_its_surroundings() -> None:
    async with open_door() as door:
        door.broker[0] = door.directory.is_ready = False
        response = await door.client.get("/livez")
    assert (response.status_code, response.json()) == (200, {"status": "live"})


async def test_it_asks_to_be_restarted_when_it_will_never_connect_again() -> None:
    producer = StandInProducer(error=OutOfOrderSequenceNumber())
    async with open_door(producer=producer) as door:
        producer.start_errors.append(ZeroDivisionError("a bug"))
        await door.post()
        await until(lambda: not producer.start_errors)
        response = await door.client.get("/livez")
    assert (response.status_code, response.json()) == (503, {"status": "lost"})


@pytest.mark.parametrize(("broker", "directory"), [(True, True), (True, False), (False, True), (False, False)])
async def test_it_is_ready_when_the_broker_answers_and_the_accounts_are_known(*, broker: bool, directory: bool) -> None:
    async with open_door() as door:
        door.broker[0], door.directory.is_ready = broker, directory
        response = await door.client.get("/readyz")
    ready = broker and directory
    assert response.status_code == (200 if ready else 503)
    assert response.json() == {
        "status": "ready" if ready else "not_ready",
        "broker": broker,
        "directory": directory,
    }


async def test_the_directory_and_the_producer_run_as_long_as_the_application() -> None:
    async with open_door() as door:
        inside = (door.directory.running, door.producer.stopped)
    assert inside == (True, False)
    assert (door.directory.running, door.producer.stopped) == (False, True)


async def test_metrics_count_requests_bytes_and_acknowledgements() -> None:
    async with open_door() as door:
        await door.post(b"12345")
        await door.post(b"123")
        await door.post(headers={})
        response = await door.client.get("/metrics")
        assert response.headers["content-type"].startswith("text/plain; version=")
        assert await door.metric('paystream_ingress_requests_total{gateway="stripe",outcome="accepted"}') == 2
        refused = 'paystream_ingress_requests_total{gateway="stripe",outcome="signature_header_missing"}'
        assert await door.metric(refused) == 1
        assert await door.metric('paystream_ingress_body_bytes_total{gateway="stripe"}') == 8
        assert await door.metric("paystream_ingress_acknowledgement_seconds_count") == 2
        assert await door.metric("paystream_ingress_in_flight") == 0
        assert await door.metric("process_resident_memory_bytes")


async def test_what_was_not_acknowledged_is_not_counted_as_such() -> None:
    async with open_door(producer=StandInProducer(error=ConnectionError())) as door:
        with pytest.raises(ConnectionError):
            await door.post()
        assert await door.metric("paystream_ingress_acknowledgement_seconds_count") == 0


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("POST", "/webhooks", 404, "not_found"),
        ("POST", "/livez", 405, "method_not_allowed"),
    ],
)
async def test_errors_of_every_path_have_the_same_shape(method: str, path: str, status: int, code: str) -> None:
    async with open_door() as door:
        response = await door.client.request(method, path)
    assert response.status_code == status
    assert response.json()["error"]["code"] == code
    assert response.headers["x-content-type-options"] == "nosniff"
