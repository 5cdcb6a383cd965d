"""What the ingress counts, in a registry of its own so that several can live in one process."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

LATENCY_BUCKETS_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
UNKNOWN_GATEWAY = "unknown"
ACCEPTED = "accepted"


class IngressMetrics:
    """Requests by gateway and outcome, requests in flight, time to the broker's acknowledgement, and bytes taken.

    Callers only pass names of registered gateways, or UNKNOWN_GATEWAY: labels that strangers choose would never end.
    """

    def __init__(self, in_flight: Callable[[], float]) -> None:
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "paystream_ingress_requests", "Callbacks by what became of them.", ("gateway", "outcome"), registry=registry
        )
        self._body_bytes = Counter(
            "paystream_ingress_body_bytes", "Bytes of bodies stored on Kafka.", ("gateway",), registry=registry
        )
        self._acknowledgement = Histogram(
            "paystream_ingress_acknowledgement_seconds",
            "Time from handing a callback to the producer to the broker's acknowledgement.",
            registry=registry,
            buckets=LATENCY_BUCKETS_SECONDS,
        )
        Gauge("paystream_ingress_in_flight", "Callbacks being taken now.", registry=registry).set_function(in_flight)
        self._registry = registry

    def refused(self, gateway: str, outcome: str) -> None:
        """Count a callback that was not taken."""
        self._requests.labels(gateway, outcome).inc()

    def accepted(self, gateway: str) -> Callable[[int, float], None]:
        """Return the function that counts the gateway's stored callbacks, by body bytes and seconds waited."""
        requests = self._requests.labels(gateway, ACCEPTED)
        body_bytes = self._body_bytes.labels(gateway)
        acknowledgement = self._acknowledgement

        def count(size_bytes: int, waited_seconds: float) -> None:
            requests.inc()
            body_bytes.inc(size_bytes)
            acknowledgement.observe(waited_seconds)

        return count

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)
