"""What the ingress counts, in a registry of its own so that several can live in one process."""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

LATENCY_BUCKETS_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
UNKNOWN_GATEWAY = "unknown"
ACCEPTED = "accepted"


class Accepted:
    """What one gateway's stored callbacks add up to. Plain numbers: the library's counters lock for each addition."""

    __slots__ = ("body_bytes", "buckets", "gateway", "requests", "waited_seconds")

    def __init__(self, gateway: str) -> None:
        self.gateway = gateway
        self.requests = 0
        self.body_bytes = 0
        self.waited_seconds = 0.0
        self.buckets = [0] * (len(LATENCY_BUCKETS_SECONDS) + 1)

    def count(self, size_bytes: int, waited_seconds: float) -> None:
        """Add a callback. Only the event loop's thread may."""
        self.requests += 1
        self.body_bytes += size_bytes
        self.waited_seconds += waited_seconds
        self.buckets[bisect_left(LATENCY_BUCKETS_SECONDS, waited_seconds)] += 1


class IngressMetrics(Collector):
    """Requests by gateway and outcome, requests in flight, time to the broker's acknowledgement, and bytes taken.

    Callers only pass names of registered gateways, or UNKNOWN_GATEWAY: labels that strangers choose would never end.
    """

    def __init__(self, in_flight: Callable[[], float]) -> None:
        self._in_flight = in_flight
        self._accepted: dict[str, Accepted] = {}
        self._refused: dict[tuple[str, str], int] = {}
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(self)

    def refused(self, gateway: str, outcome: str) -> None:
        """Count a callback that was not taken."""
        self._refused[gateway, outcome] = self._refused.get((gateway, outcome), 0) + 1

    def accepted(self, gateway: str) -> Accepted:
        """Return the sums of a gateway's stored callbacks, to be added to."""
        return self._accepted.setdefault(gateway, Accepted(gateway))

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterable[Metric]:
        """The present figures, for the registry."""
        requests = CounterMetricFamily(
            "paystream_ingress_requests", "Callbacks by what became of them.", labels=("gateway", "outcome")
        )
        body_bytes = CounterMetricFamily(
            "paystream_ingress_body_bytes", "Bytes of bodies stored on Kafka.", labels=("gateway",)
        )
        for (gateway, outcome), count in self._refused.items():
            requests.add_metric((gateway, outcome), count)
        for accepted in self._accepted.values():
            requests.add_metric((accepted.gateway, ACCEPTED), accepted.requests)
            body_bytes.add_metric((accepted.gateway,), accepted.body_bytes)
        in_flight = GaugeMetricFamily("paystream_ingress_in_flight", "Callbacks being taken now.", self._in_flight())
        return requests, body_bytes, self._acknowledgement(), in_flight

    def _acknowledgement(self) -> HistogramMetricFamily:
        """How long callbacks of all gateways waited for the broker."""
        totals = [sum(counts) for counts in zip(*(each.buckets for each in self._accepted.values()), strict=True)]
        bounds = (*map(str, LATENCY_BUCKETS_SECONDS), "+Inf")
        return HistogramMetricFamily(
            "paystream_ingress_acknowledgement_seconds",
            "Time from handing a callback to the producer to the broker's acknowledgement.",
            buckets=list(zip(bounds, accumulate(totals or [0] * len(bounds)), strict=True)),
            sum_value=sum(each.waited_seconds for each in self._accepted.values()),
        )
