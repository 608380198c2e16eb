"""Transactions that wait for a block, first come first served.

The application's check state already holds the sequence and fee of every waiting transaction, so a gap or a repeat is refused at
the door. After each block those that were included leave, and the rest are checked again on the new state.
"""

from meshsec_core.app import App
from meshsec_core.kernel.crypto import sha256
from meshsec_core.kernel.errors import Rejected
from meshsec_core.runtime.tx import TOO_LARGE

FULL = "mempool/full"
KNOWN = "mempool/known"

CAPACITY = 20_000
"""Most transactions that wait; a further one is refused until a block makes room."""
CAPACITY_BYTES = 64 * 1_048_576
"""Most bytes that wait."""


class Mempool:
    """Waiting transactions by hash, in order of arrival."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._waiting: dict[bytes, bytes] = {}
        self._bytes = 0

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    def __contains__(self, tx_hash: bytes) -> bool:
        """Tell whether a transaction waits."""
        return tx_hash in self._waiting

    def add(self, raw: bytes) -> bytes:
        """Check a transaction and let it wait; return its hash.

        Raises:
            Rejected: `tx/too-large` for one that fits no block, `mempool/full`, `mempool/known`, or what `App.check_tx`
                refuses.
        """
        if len(raw) > self._app.genesis.max_bytes:
            raise Rejected(TOO_LARGE, bytes=len(raw), limit=self._app.genesis.max_bytes)
        if len(self._waiting) >= CAPACITY or self._bytes + len(raw) > CAPACITY_BYTES:
            raise Rejected(FULL, capacity=CAPACITY, bytes=CAPACITY_BYTES)
        tx_hash = sha256(raw)
        if tx_hash in self._waiting:
            raise Rejected(KNOWN, hash=tx_hash.hex())
        self._app.check_tx(raw)
        self._waiting[tx_hash] = raw
        self._bytes += len(raw)
        return tx_hash

    def waiting(self) -> tuple[bytes, ...]:
        """Return the transactions in order of arrival."""
        return tuple(self._waiting.values())

    def update(self, included: tuple[bytes, ...]) -> None:
        """Forget what a block included, and what the new state refuses."""
        for raw in included:
            self._forget(sha256(raw))
        for tx_hash, raw in list(self._waiting.items()):
            try:
                self._app.check_tx(raw, again=True)
            except Rejected:
                self._forget(tx_hash)

    def _forget(self, tx_hash: bytes) -> None:
        self._bytes -= len(self._waiting.pop(tx_hash, b""))
