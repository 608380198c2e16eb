"""One simulated chain: what a process would be, without the process, its clock or its disk."""

import heapq
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from meshsec_core.app import Forgery
from meshsec_core.kernel.crypto import MemoVerifier
from meshsec_core.kernel.errors import InvariantViolated
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.tendermint import Evidence
from meshsec_core.replica.branch import branch_of, keys_of
from meshsec_core.replica.drive import Left, carry_out, drive
from meshsec_core.replica.events import Committed, Effect, Fire, Halted, SetTimer, Tick, Timer
from meshsec_core.replica.replica import Replica
from meshsec_core.replica.storage import MemoryStorage, PowerCut, Table, Write
from meshsec_core.runtime.genesis import Genesis
from meshsec_node.aliases import Aliases
from meshsec_sdk.mesh_file import ChainSpec, MeshSpec, consensus_keys
from meshsec_sdk.models import load_models

PATIENCE = 10 * SECOND
"""Logical time after which an attempt to make a block is given up until the next one."""


class Crash(Exception):
    """A simulated power cut, in the middle of whatever the chain was doing."""


class FallibleStorage:
    """An image in memory with a power cut on demand, before a batch of which nothing is written."""

    def __init__(self, image: MemoryStorage) -> None:
        self.image = image
        self.cut: PowerCut | None = None

    def get(self, table: Table, key: bytes) -> bytes | None:
        """Return a row's value, or None."""
        return self.image.get(table, key)

    def scan(self, table: Table, after: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, value) with keys greater than `after`, ascending."""
        return self.image.scan(table, after)

    def apply(self, writes: Sequence[Write]) -> None:
        """Write all rows, or lose power before the first."""
        if self.cut is not None and self.cut.strikes(writes):
            self.cut = None
            raise Crash
        self.image.apply(writes)


class SimChain:
    """One simulated chain: what a process would be, without the process."""

    def __init__(
        self,
        spec: ChainSpec,
        genesis: Genesis,
        mesh: MeshSpec,
        image: MemoryStorage | None = None,
        validators: Collection[str] | None = None,
    ) -> None:
        """Start a chain, or go on from an image.

        Args:
            spec: of the chain.
            genesis: of the chain.
            mesh: whose names mean something here.
            image: what is durable already.
            validators: who is hosted; all by default.

        Raises:
            Rejected: `dev/unknown-validator`.
        """
        self.spec = spec
        keys = consensus_keys(spec)
        self._keys = keys if validators is None else keys_of(keys, validators)
        self.development = True
        self.block_mode = "manual"
        self.aliases = Aliases(spec.names, {chain.name: chain.names for chain in mesh.chains})
        self.storage = FallibleStorage(image or MemoryStorage())
        self._genesis = genesis
        self._mesh = mesh
        self.base: int | None = None
        """Of a branch, the last height that it has in common with its chain."""
        self.branches: dict[str, SimChain] = {}
        """Other futures of this chain, by name."""
        self._timers: list[tuple[int, int, Timer]] = []
        self._order = 0
        self.now = genesis.time
        """Logical time of the last attempt to make a block, nanoseconds."""
        self.replica = self._open()

    # what views ask of a node

    def submit(self, raw: bytes) -> bytes:
        """Let a transaction wait for a block."""
        return self.replica.submit(raw)

    def accuse(self, evidence: Evidence) -> None:
        """Let evidence wait for a block."""
        carry_out(self.replica, self.storage, self.replica.accuse(evidence), 0)

    def reasons(self) -> list[str]:
        """Return why the chain is not ready."""
        return self.replica.reasons()

    def fault(self, kind: str, validator: str | None, parameters: Mapping[str, Any]) -> None:
        """Make a validator misbehave."""
        self.replica.fault(kind, validator, parameters)

    def partition(self, groups: Sequence[Sequence[str]]) -> None:
        """Let messages pass only inside groups of validators."""
        self._carry_out(self.replica.partition(groups))

    def heal(self, validator: str | None = None) -> None:
        """End faults; everybody hears what was missed. Without a validator branches end too."""
        if validator is None:
            self.storage.cut = None
        self._carry_out(self.replica.heal(validator))
        if validator is None:
            self.branches.clear()

    # the driver

    def make_block(self, now: int) -> bool:
        """Run consensus until a block is committed; return False if none is within `PATIENCE`, and go on from there next time.

        Raises:
            InvariantViolated: the chain halted on a bug of ours.
        """
        self.now = now
        target = self.replica.height + 1
        try:
            self._note(drive(self.replica, self.storage, Tick(), now), now)
            while self.replica.height < target and self._timers and self._timers[0][0] <= now + PATIENCE:
                due, _, timer = heapq.heappop(self._timers)
                self._note(drive(self.replica, self.storage, Fire(timer), max(now, due)), max(now, due))
        except Crash:
            self.restart()
        return self.replica.height >= target

    def _carry_out(self, effects: Sequence[Effect]) -> None:
        try:
            self._note(carry_out(self.replica, self.storage, effects, self.now), self.now)
        except Crash:
            self.restart()

    def fork(self, name: str, validators: Collection[str], *, late: bool = False) -> None:
        """Begin a branch behind the last block.

        Raises:
            Rejected: `dev/unknown-validator`.
        """
        image = branch_of(self.storage, self.replica.tip, late=late)
        branch = self.branches[name] = SimChain(self.spec, self._genesis, self._mesh, image, validators)
        branch.base, branch.now = self.replica.height, self.now

    def end_fork(self, name: str) -> None:
        """Forget a branch."""
        del self.branches[name]

    def forge(self, forgery: Forgery) -> None:
        """Let the next block of a branch begin with a forged state."""
        self.replica.app.forge(forgery)

    def restart(self, image: MemoryStorage | None = None) -> None:
        """Throw every live object away, branches too, and reopen from the stored image, or from another."""
        self.branches.clear()
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
        models = load_models(self._genesis.models)
        return Replica.open(self._genesis, self._keys, self.storage, verify=MemoVerifier(), models=models)
