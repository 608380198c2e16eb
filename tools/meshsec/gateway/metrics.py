"""What Prometheus may ask of a gateway."""

from collections.abc import Sized

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, generate_latest


class Metrics:
    """Counters of one gateway process.

    Args:
        streams: the merged streams that are being read.
    """

    def __init__(self, streams: Sized) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        Gauge("gateway_streams", "Merged event streams that are being read.", registry=self._registry).set_function(
            lambda: len(streams)
        )
        self._proxied = Counter("gateway_proxied", "Requests handed on.", ("kind", "name", "status"), registry=self._registry)

    def proxied(self, kind: str, name: str, status: int) -> None:
        """Count a request that a chain or relayer has answered, or not: then the gateway's own status."""
        self._proxied.labels(kind, name, str(status)).inc()

    def text(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self._registry)
