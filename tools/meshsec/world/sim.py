"""A whole mesh in this process, under a virtual clock and a seed: no sockets, no threads, no waiting. Same seed, same bytes.

The relayers see what the chains' HTTP interface serves and nothing else. A crash throws every live object away and reopens from the
image that storage kept.
"""

import heapq
from collections.abc import Callable
from typing import Any

from meshsec.world.base import STUCK, Chain, World
from meshsec_core.kernel import codec
from meshsec_core.kernel.crypto import MemoVerifier, sha256
from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.replica.drive import drive
from meshsec_core.replica.events import Committed, Event, Fire, Halted, SetTimer, Tick, Timer
from meshsec_core.replica.replica import Replica
from meshsec_core.replica.storage import MemoryStorage, Table, Write
from meshsec_core.runtime.genesis import Genesis
from meshsec_core.security.models import MODELS
from meshsec_node.aliases import Aliases
from meshsec_node.views import txs
from meshsec_node.views.local import LocalTransport
from meshsec_relayer.courier import Courier
from meshsec_sdk.errors import TxRejected
from meshsec_sdk.mesh_file import GENESIS_TIME, ChainSpec, MeshSpec, consensus_keys, genesis_of, topology

BLOCK_TIME = SECOND
"""Virtual time between blocks."""
PATIENCE = 400
"""Blocks that a wait may take before it is called stuck."""


class SimWorld(World):
    """A simulated mesh.

    Args:
        mesh: a topology (`pair`, `triangle`, `star:N`, `full:N`) or a mesh description.
        seed: what chance there is comes from it; the same seed gives the same bytes.
        connect: open clients, connections and channels before returning.
    """

    def __init__(self, mesh: str | MeshSpec = "pair", *, seed: int = 0, connect: bool = True) -> None:
        super().__init__(topology(mesh) if isinstance(mesh, str) else mesh)
        self.seed = seed
        self.now = GENESIS_TIME
        self.nodes: dict[str, SimChain] = {}
        for spec in self.spec.chains:
            node = SimChain(spec, genesis_of(self.spec, spec.name), self.spec)
            self.nodes[spec.name] = node
            self.chains[spec.name] = Chain(self, spec.name, LocalTransport(node))
        self._relayers = {name: RelayerImage() for name in self.spec.relayers}
        self.couriers: dict[str, Courier] = {}
        self._start_relayers()
        self.mine(2)
        if connect:
            self.relay()

    def mine(self, blocks: int = 1) -> None:
        """Let virtual time pass and make every chain produce blocks; a chain without a quorum produces none."""
        for _ in range(blocks):
            self.now += BLOCK_TIME
            for node in self.nodes.values():
                node.make_block(self.now)

    def include(self, chain: Chain, order: dict[str, Any]) -> dict[str, Any]:
        """Sign, submit, and mine until the transaction is in a block."""
        node = self.nodes[chain.name]
        try:
            tx_hash = txs.put(node, txs.compose(node, json.dumps(order).encode()))
        except Rejected as refusal:
            raise TxRejected(refusal.code, {name: str(value) for name, value in refusal.facts.items()}) from None
        for _ in range(PATIENCE):
            self.mine()
            if node.replica.receipt(tx_hash) is not None:
                found: dict[str, Any] = chain.get(f"/v1/txs/{tx_hash.hex()}")
                return found
            if not node.replica.is_waiting(tx_hash):
                break
        raise TxRejected("tx/not-included", {"hash": tx_hash.hex(), "reasons": "; ".join(node.reasons())})
