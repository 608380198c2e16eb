"""Transactions are read once: when they are let in, again when a proposal holds them, and when a block executes them."""

from meshsec_core.kernel.crypto import sha256
from meshsec_core.kernel.errors import Rejected
from meshsec_core.runtime.module import Machine
from meshsec_core.runtime.tx import ReadTx, read_tx

MOST_TXS = 20_000
MOST_BYTES = 16 * 1_048_576
"""How many transactions are remembered as read, and how many bytes of them: what they are read into takes a multiple."""


class Reader:
    """Remembers what transactions were read into until they are forgotten, or all of them once there are too many."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._found: dict[bytes, tuple[ReadTx | Rejected, int]] = {}
        self._bytes = 0

    def __len__(self) -> int:
        """Return how many transactions are remembered."""
        return len(self._found)

    @property
    def size(self) -> int:
        """Return how many bytes of transactions are remembered."""
        return self._bytes

    def read(self, raw: bytes) -> ReadTx:
        """Read a transaction.

        Raises:
            Rejected: see `read_tx`.
        """
        key = sha256(raw)
        if key not in self._found:
            self._bytes += len(raw)
            if len(self._found) > MOST_TXS or self._bytes > MOST_BYTES:
                self._found.clear()
                self._bytes = len(raw)
            try:
                self._found[key] = read_tx(raw, self._machine), len(raw)
            except Rejected as refusal:
                self._found[key] = refusal, len(raw)
        found, _ = self._found[key]
        if isinstance(found, Rejected):
            raise found
        return found

    def forget(self, tx_hash: bytes) -> None:
        """Forget one transaction, by its hash."""
        self._bytes -= self._found.pop(tx_hash, (None, 0))[1]
