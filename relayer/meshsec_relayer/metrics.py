"""What Prometheus may ask of a relayer; names in the style of Hermes."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from meshsec_relayer.engine.engine import Engine
from meshsec_relayer.engine.reports import is_ready

NANOSECONDS = 10**9


class EngineCollector(Collector):
    """Reads an engine when it is asked."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterator[Metric]:
        """Yield every counter and the state of every chain and path."""
        for name, rows in sorted(self._engine.meters.counters.items()):
            labels = [label for label, _ in next(iter(rows))]
            family = CounterMetricFamily(
                name.removesuffix("_total"), f"Counted since the process started: {name}.", labels=labels
            )
            for key, value in rows.items():
                family.add_metric([text for _, text in key], value)
            yield family
        ready = GaugeMetricFamily("relayer_ready", "1 while every chain answers and every path is open.")
        ready.add_metric([], int(is_ready(self._engine)))
        yield ready
        yield from self._chains()
        yield from self._paths()

    def _chains(self) -> Iterator[Metric]:
        height = GaugeMetricFamily("chain_latest_height", "Height of the last block.", labels=["chain"])
        reachable = GaugeMetricFamily("chain_reachable", "1 while the chain answers.", labels=["chain"])
        for name, chain in self._engine.chains.items():
            height.add_metric([name], chain.height)
            reachable.add_metric([name], int(chain.reachable))
        yield height
        yield reachable

    def _paths(self) -> Iterator[Metric]:
        backlog = GaugeMetricFamily("backlog_size", "Packets under way.", labels=["chain", "counterparty"])
        oldest = GaugeMetricFamily("backlog_oldest_sequence", "Lowest sequence under way.", labels=["chain", "counterparty"])
        expiry = GaugeMetricFamily(
            "client_expiration_seconds", "Host time left before the client expires.", labels=["chain", "client"]
        )
        for path in self._engine.paths.values():
            for chain in (path.a, path.b):
                sequences = [entry.packet.sequence for entry in path.book.entries.values() if entry.source is chain]
                labels = [chain.name, path.other(chain.name).name]
                backlog.add_metric(labels, len(sequences))
                oldest.add_metric(labels, min(sequences, default=0))
                client = path.clients.get(chain.name)
                if client is not None:
                    expiry.add_metric([chain.name, client.id], (client.expires_at - chain.time) // NANOSECONDS)  # rounds down
        yield backlog
        yield oldest
        yield expiry


class Metrics:
    """The registry of one relayer process."""

    def __init__(self, engine: Engine) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(EngineCollector(engine))

    def text(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self._registry)
