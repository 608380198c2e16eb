"""What Prometheus may ask of a chain process. Every process has its own registry."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from meshsec_core.app import OK, Results

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)


class Metrics:
    """Counters of one chain process."""

    def __init__(self, chain_id: str) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        names = ("chain_id",)
        self.height = Gauge("meshsec_height", "Height of the last block.", names, registry=self._registry).labels(chain_id)
        self.waiting = Gauge("meshsec_waiting_txs", "Mempool size.", names, registry=self._registry).labels(chain_id)
        self.ready = Gauge("meshsec_ready", "1 while the chain makes blocks.", names, registry=self._registry).labels(chain_id)
        self._chain_id = chain_id
        self._keys = Gauge("meshsec_state_keys", "Keys of each store.", ("chain_id", "store"), registry=self._registry)
        self._seconds = Histogram(
            "meshsec_block_seconds",
            "From the start of a height to its decision.",
            names,
            registry=self._registry,
            buckets=_SECONDS,
        ).labels(chain_id)
        txs = Counter("meshsec_txs", "Committed transactions.", ("chain_id", "result"), registry=self._registry)
        self._taken, self._refused = txs.labels(chain_id, "ok"), txs.labels(chain_id, "refused")

    def committed(self, results: Results, seconds: float) -> None:
        """Count a block that took so many seconds."""
        refused = sum(receipt.code != OK for receipt in results.receipts)
        self.height.set(results.height)
        self._seconds.observe(seconds)
        self._refused.inc(refused)
        self._taken.inc(len(results.receipts) - refused)

    def holds(self, keys: Mapping[str, int]) -> None:
        """Take in how many keys every store has."""
        for store, number in keys.items():
            self._keys.labels(self._chain_id, store).set(number)

    def text(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self._registry)
