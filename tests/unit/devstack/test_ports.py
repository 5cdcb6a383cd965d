import socket

import pytest

from devstack.errors import StackFailed
from devstack.ports import FIRST_PORT, LAST_PORT, LOOPBACK, accepts_connections, chosen_port, free_port, is_free


def test_free_ports_are_free_different_and_below_the_range_of_outgoing_connections() -> None:
    ports = [free_port() for _ in range(20)]

    assert len(set(ports)) == 20
    assert all(FIRST_PORT <= port < LAST_PORT for port in ports)
    assert all(is_free(port) for port in ports)


def test_a_port_with_a_listener_is_not_free_and_accepts_connections() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]

        assert not is_free(port)
        assert accepts_connections(port)

    assert is_free(port)
    assert not accepts_connections(port)


def test_a_fixed_port_is_taken_as_it_is() -> None:
    port = free_port()

    assert chosen_port(port, "Kafka") == port


def test_a_fixed_port_in_use_is_refused_with_its_number_and_purpose() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]

        with pytest.raises(StackFailed, match=rf"Port {port}, asked for Kafka, is in use"):
            chosen_port(port, "Kafka")
