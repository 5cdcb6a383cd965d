import base64
from pathlib import Path

from bootstrap.settings import IngressSettings
from devstack.kafka import MAX_MESSAGE_BYTES, new_cluster_id, node_properties, render_properties


def test_a_node_is_broker_and_controller_on_the_loopback_interface() -> None:
    properties = node_properties(21_000, 21_001, Path("/data/kafka"))

    assert properties["process.roles"] == "broker,controller"
    assert properties["listeners"] == "PLAINTEXT://127.0.0.1:21000,CONTROLLER://127.0.0.1:21001"
    assert properties["advertised.listeners"] == "PLAINTEXT://127.0.0.1:21000"
    assert properties["controller.quorum.voters"] == "1@127.0.0.1:21001"
    assert properties["log.dirs"] == "/data/kafka"


def test_clients_are_sent_to_a_proxy_that_stands_before_the_broker() -> None:
    properties = node_properties(21_000, 21_001, Path("/data/kafka"), 21_002)

    assert properties["listeners"].startswith("PLAINTEXT://127.0.0.1:21000,")
    assert properties["advertised.listeners"] == "PLAINTEXT://127.0.0.1:21002"


def test_one_node_keeps_one_copy_and_creates_no_topic_by_accident() -> None:
    properties = node_properties(21_000, 21_001, Path("/data/kafka"))

    assert {value for name, value in properties.items() if name.endswith("replication.factor")} == {"1"}
    assert {value for name, value in properties.items() if name.endswith("min.isr")} == {"1"}
    assert properties["auto.create.topics.enable"] == "false"
    assert properties["group.initial.rebalance.delay.ms"] == "0"


def test_the_largest_callback_fits_into_a_record() -> None:
    ingress = IngressSettings()

    assert ingress.max_body_bytes + ingress.max_header_bytes < MAX_MESSAGE_BYTES


def test_properties_are_written_one_a_line_with_java_escapes() -> None:
    text = render_properties({"node.id": "1", "log.dirs": "/tmp/münze\\x"})  # noqa: S108 - never opened

    assert text == "node.id=1\nlog.dirs=/tmp/m\\u00fcnze\\\\x\n"


def test_cluster_ids_are_sixteen_random_bytes_that_no_tool_takes_for_an_option() -> None:
    ids = {new_cluster_id() for _ in range(300)}

    assert len(ids) == 300
    assert all(len(base64.urlsafe_b64decode(f"{each}==")) == 16 for each in ids)
    assert not any(each.startswith("-") for each in ids)
