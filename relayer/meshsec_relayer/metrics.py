"""What Prometheus may ask of a relayer; names in the style of Hermes."""

from collections import Counter
from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from meshsec_relayer.engine.engine import Engine
from meshsec_relayer.engine.meters import BUCKETS
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
        yield from self._times()
        ready = GaugeMetricFamily("relayer_ready", "1 while every chain answers and every path is open.")
        ready.add_metric([], int(is_ready(self._engine)))
        yield ready
        yield from self._chains()
        yield from self._paths()

    def _times(self) -> Iterator[Metric]:
        for name, rows in sorted(self._engine.meters.times.items()):
            labels = [label for label, _ in next(iter(rows))]
            family = HistogramMetricFamily(name, "Milliseconds since the relayer had chosen what to tell.", labels=labels)
            for key, found in rows.items():
                ends = (*map(str, BUCKETS), "+Inf")
                family.add_metric([text for _, text in key], list(zip(ends, accumulate(found.counts), strict=True)), found.total)
            yield family

    def _chains(self) -> Iterator[Metric]:
        height = GaugeMetricFamily("chain_latest_height", "Height of the last block.", labels=["chain"])
        reachable = GaugeMetricFamily("chain_reachable", "1 while the chain answers.", labels=["chain"])
        wallet = GaugeMetricFamily("wallet_balance", "Base units, when last asked.", labels=["chain", "account", "denom"])
        for name, chain in self._engine.chains.items():
            height.add_metric([name], chain.height)
            reachable.add_metric([name], int(chain.reachable))
            for denom, amount in self._engine.accounts[name].balances.items():
                wallet.add_metric([name, self._engine.accounts[name].address, denom], amount)
        yield from (height, reachable, wallet)

    def _paths(self) -> Iterator[Metric]:
        names = ["chain", "counterparty", "channel", "port"]
        size = GaugeMetricFamily("backlog_size", "Packets under way.", labels=names)
        oldest = GaugeMetricFamily("backlog_oldest_sequence", "Lowest sequence under way.", labels=names)
        latest = GaugeMetricFamily(
            "backlog_latest_update_timestamp", "Header time of the last block read, seconds.", labels=names
        )
        expiry = GaugeMetricFamily(
            "client_expiration_seconds", "Host time left before the client expires.", labels=["chain", "client"]
        )
        dead = GaugeMetricFamily("client_dead", "1 while a client is frozen or expired.", labels=["chain", "client"])
        for path in self._engine.paths.values():
            for chain in (path.a, path.b):
                for channel in path.book.served():
                    entries = path.book.entries.values()
                    waiting = [entry.packet.sequence for entry in entries if entry.source is chain and entry.channel is channel]
                    port, name = channel.ends[chain.name]
                    labels = [chain.name, path.other(chain.name).name, name, port]
                    size.add_metric(labels, len(waiting))
                    oldest.add_metric(labels, min(waiting, default=0))
                    latest.add_metric(labels, chain.time // NANOSECONDS)  # rounds down
                client = path.clients.get(chain.name)
                if client is not None:
                    expiry.add_metric([chain.name, client.id], (client.expires_at - chain.time) // NANOSECONDS)  # rounds down
                    dead.add_metric([chain.name, client.id], int(bool(client.ailment)))
        workers = GaugeMetricFamily("workers", "Conversations under way, by what they are about.", labels=["type"])
        for kind, count in Counter(map(_kind, self._engine.tasks.names())).items():
            workers.add_metric([kind], count)
        yield from (size, oldest, latest, expiry, dead, workers)


def _kind(task: str) -> str:
    part = task.partition("/")[2]
    if part in ("", "blocks"):
        return "chain" if part else "path"
    return "client" if part.endswith(("/evidence", "/witness")) else "packet" if "-to-" in part else "path"


class Metrics:
    """The registry of one relayer process."""

    def __init__(self, engine: Engine) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(EngineCollector(engine))

    def text(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self._registry)
