"""One simulated chain: what a process would be, without the process, its clock or its disk."""

import heapq
from collections.abc import Iterator, Sequence

from meshsec_core.kernel.crypto import MemoVerifier
from meshsec_core.kernel.errors import InvariantViolated
from meshsec_core.replica.drive import Left, carry_out, drive
from meshsec_core.replica.events import Committed, Fire, Halted, SetTimer, Tick, Timer
from meshsec_core.replica.replica import Replica
from meshsec_core.replica.storage import MemoryStorage, Table, Write
from meshsec_core.runtime.genesis import Genesis
from meshsec_node.aliases import Aliases
from meshsec_sdk.mesh_file import ChainSpec, MeshSpec, consensus_keys
from meshsec_sdk.models import load_models


class Crash(Exception):
    """A simulated power cut, in the middle of whatever the chain was doing."""


class FallibleStorage:
    """An image in memory with a power cut on demand: before the `n`-th batch from now, nothing of which is written."""

    def __init__(self, image: MemoryStorage) -> None:
        self.image = image
        self.batches_left: int | None = None

    def get(self, table: Table, key: bytes) -> bytes | None:
        """Return a row's value, or None."""
        return self.image.get(table, key)

    def scan(self, table: Table, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, value) with keys greater than `after`, ascending."""
        return self.image.scan(table, after)

    def apply(self, writes: Sequence[Write]) -> None:
        """Write all rows, or lose power before the first."""
        if self.batches_left is not None:
            self.batches_left -= 1
            if self.batches_left < 0:
                self.batches_left = None
                raise Crash
        self.image.apply(writes)


class SimChain:
    """One simulated chain: what a process would be, without the process."""

    def __init__(self, spec: ChainSpec, genesis: Genesis, mesh: MeshSpec, image: MemoryStorage | None = None) -> None:
        self.spec = spec
        self.development = True
        self.block_mode = "manual"
        self.aliases = Aliases(spec.names, {chain.name: chain.names for chain in mesh.chains})
        self.storage = FallibleStorage(image or MemoryStorage())
        self._genesis = genesis
        self._timers: list[tuple[int, int, Timer]] = []
        self._order = 0
        self.replica = self._open()

    # what views ask of a node

    def submit(self, raw: bytes) -> bytes:
        """Let a transaction wait for a block."""
        return self.replica.submit(raw)

    def reasons(self) -> list[str]:
        """Return why the chain is not ready."""
        if self.replica.halted is not None:
            return [self.replica.halted]
        power, total = self.replica.voting_power()
        if 3 * power > 2 * total:
            return []
        return [f"validators with {power} of {total} power are up; more than two thirds are needed"]

    # the driver

    def make_block(self, now: int) -> bool:
        """Run consensus until a block is committed; return False if it cannot be, for want of voters.

        Raises:
            InvariantViolated: the chain halted on a bug of ours.
        """
        target = self.replica.height + 1
        try:
            self._note(drive(self.replica, self.storage, Tick(), now), now)
            while self.replica.height < target and self._timers:
                due, _, timer = heapq.heappop(self._timers)
                self._note(drive(self.replica, self.storage, Fire(timer), max(now, due)), max(now, due))
        except Crash:
            self.restart()
        return self.replica.height >= target

    def heal(self, validator: str | None, now: int) -> None:
        """End faults; whoever was down catches up."""
        self._note(carry_out(self.replica, self.storage, self.replica.heal(validator), now), now)

    def restart(self, image: MemoryStorage | None = None) -> None:
        """Throw every live object away and reopen from the stored image, or from another."""
        self.storage = FallibleStorage(image or self.storage.image.copy())
        self._timers.clear()
        self.replica = self._open()

    def _note(self, left: list[Left], now: int) -> None:
        for effect in left:
            match effect:
                case SetTimer(timer, after):
                    self._order += 1
                    heapq.heappush(self._timers, (now + after, self._order, timer))
                case Halted(reason):
                    raise InvariantViolated(f"{self.spec.name} halted: {reason}")
                case Committed():
                    self._timers.clear()

    def _open(self) -> Replica:
        keys = consensus_keys(self.spec)
        return Replica.open(self._genesis, keys, self.storage, verify=MemoVerifier(), models=load_models(self._genesis.models))
