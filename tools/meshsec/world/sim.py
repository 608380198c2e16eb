"""A whole mesh in this process, under a virtual clock and a seed: no sockets, no threads, no waiting. Same seed, same bytes.

The relayers see what the chains' HTTP interface serves and nothing else. A crash throws every live object away and reopens from
the image that storage kept.
"""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec

from meshsec.relays import relayer_config
from meshsec.world.base import STUCK, Named, World
from meshsec.world.chain import FORK, Chain, Transport
from meshsec.world.chance import States
from meshsec.world.jumps import jumps
from meshsec.world.laws import hold_all
from meshsec.world.sim_chain import SimChain
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND, ChainId
from meshsec_core.replica.generations import compare, cross_over, marks_above
from meshsec_core.replica.storage import MemoryStorage, PowerCut
from meshsec_core.runtime.law import Law
from meshsec_node.views import txs
from meshsec_node.views.local import LocalTransport
from meshsec_relayer.courier import Courier
from meshsec_relayer.engine import reports
from meshsec_relayer.engine.boundary import Image
from meshsec_relayer.orders import read_order
from meshsec_relayer.store import MemoryStore, reborn
from meshsec_sdk.errors import TxRejected
from meshsec_sdk.mesh_file import GENESIS_TIME, MeshSpec, genesis_of, topology
from meshsec_sdk.problems import UNKNOWN_SNAPSHOT

BLOCK_TIME = SECOND
"""Virtual time between blocks."""
PATIENCE = 400
"""Blocks that a wait may take before it is called stuck."""


class Snapshot(msgspec.Struct, frozen=True):
    """Everything that a simulated mesh is, as images that later blocks do not touch."""

    name: str
    now: int
    chains: dict[str, MemoryStorage]
    waiting: dict[str, tuple[bytes, ...]]
    """Transactions that waited for a block."""
    relayers: dict[str, bytes]
    stopped: tuple[str, ...]
    """Relayers that had been taken away."""
    chances: States
    """Where each stream of random numbers stood."""


class SimWorld(World):
    """A simulated mesh.

    Args:
        mesh: a topology (`pair`, `triangle`, `star:N`, `full:N`) or a mesh description.
        seed: of `chance`; the chains themselves leave nothing to it.
        connect: open clients, connections and channels before returning.
        start: a snapshot of a world of the same mesh; this one begins there, and shares nothing with that one.
    """

    def __init__(
        self, mesh: str | MeshSpec = "pair", *, seed: int = 0, connect: bool = True, start: Snapshot | None = None
    ) -> None:
        super().__init__(topology(mesh) if isinstance(mesh, str) else mesh, seed)
        self.on_block: list[Callable[[], None]] = []
        """Called after every block of the mesh; whatever they raise ends what was being done."""
        self.now = GENESIS_TIME if start is None else start.now
        self.nodes: dict[str, SimChain] = {}
        for spec in self.spec.chains:
            image = None if start is None else start.chains[spec.name].copy()
            node = SimChain(spec, genesis_of(self.spec, spec.name), self.spec, image)
            self.nodes[spec.name] = node
            self.chains[spec.name] = Chain(self, spec.name, LocalTransport(node))
        self._config = {name: relayer_config(self.spec, name, dict.fromkeys(self.chains, "")) for name in self.spec.relayers}
        self._stores = {name: MemoryStore(b"" if start is None else start.relayers[name]) for name in self.spec.relayers}
        self._snapshots: dict[str, Snapshot] = {}
        self._told = dict.fromkeys(self.nodes, 0)
        self.couriers: dict[str, Courier] = {}
        self._gone: dict[str, bool] = {}
        for name in self.spec.relayers:
            self._start_relayer(name)
            self._gone[name] = start is not None and name in start.stopped
        if start is not None:
            self.streams.restore(start.chances)
            return
        self.mine(2)
        if connect:
            self.relay()

    # time and blocks

    def mine(self, blocks: int = 1) -> None:
        """Let virtual time pass and make every chain produce blocks; a chain without a quorum produces none."""
        for _ in range(blocks):
            self.now += BLOCK_TIME
            for node in self.nodes.values():
                for side in (node, *node.branches.values()):
                    side.make_block(self.now)
            self._tell()
            for look in self.on_block:
                look()

    def _tell(self) -> None:
        """Tell all chains what one has signed again since a revert, so that they believe in it again."""
        for name, node in self.nodes.items():
            heights = [height for height in node.replica.abandoned.again if height > self._told[name]]
            for height in sorted(heights):
                for other in self.nodes.values():
                    other.storage.image.apply(other.replica.abandoned.lift(node.replica.abandoned.again[height]))
                self._told[name] = height

    def advance_by(self, nanoseconds: int, *, keep_alive: bool = True) -> None:
        """Move the clock in jumps that keep light clients alive; a header's time lags a block, so each jump makes two."""
        for jump in jumps(nanoseconds, keep_alive=keep_alive):
            self.now += max(0, jump - 2 * BLOCK_TIME)
            self.mine(2)
            if keep_alive:
                for name in self.present():
                    self.couriers[name].run_once(self.now)
            self.mine()
        if keep_alive:
            self.relay()

    def include(self, chain: Chain, order: dict[str, Any]) -> dict[str, Any]:
        """Sign, submit, and mine until the transaction is in a block."""
        node = self._node(chain.name)
        try:
            raw = txs.compose(node, json.dumps(order).encode())
            tx_hash = txs.put(node, raw)
            for _ in range(PATIENCE):
                self.mine()
                if node.replica.receipt(tx_hash) is not None:
                    found: dict[str, Any] = chain.get(f"/v1/txs/{tx_hash.hex()}")
                    return found
                if node.reasons():
                    break
                if not node.replica.is_waiting(tx_hash):
                    txs.put(node, raw)
        except Rejected as refusal:
            raise TxRejected(refusal.code, refusal.texts) from None
        raise TxRejected("tx/not-included", {"hash": tx_hash.hex(), "reasons": "; ".join(node.reasons())})

    # relayers

    def relay(self) -> None:
        """Let the relayers work, and make the blocks they wait for, until nothing is in flight that they may move."""
        for _ in range(PATIENCE):
            working = [self.couriers[name] for name in self.present()]
            for courier in working:
                courier.run_once(self.now)
            if all(courier.engine.idle for courier in working):
                return
            self.mine()
        raise Rejected(STUCK, waits="; ".join(line for courier in working for line in _waits(courier))[:1_000])

    def relayer(self, order: str, body: dict[str, Any] | None = None, only: str | None = None) -> Any:
        """Give relayers an order and return what each then says of itself; `stop` takes them away until `start`."""
        asked, meant = body or {}, self.meant(only)
        for name in meant:
            courier = self.couriers[name]
            if order == "stop":
                self._gone[name] = True
            elif order == "start":
                self._start_relayer(name)
            elif order != "status":
                courier.order(read_order(order, asked))
        return {name: codec.plain(reports.status(self.couriers[name].engine)) for name in meant}

    def present(self) -> tuple[str, ...]:
        """Return the relayers that have not been taken away."""
        return tuple(name for name in self.couriers if not self._gone[name])

    def _start_relayer(self, name: str) -> None:
        transports = {chain: handle.transport for chain, handle in self.chains.items()}
        self._stores[name] = MemoryStore(self._stores[name].raw)
        self.couriers[name] = Courier(self._config[name], transports, self._stores[name])
        self._gone[name] = False

    # faults

    def crash(self, target: str, batch: int = 0, *, commit: bool = False) -> None:
        """Cut the power of a chain or of the relayers, and start again from the stored image."""
        kind, _, only = target.partition("/")
        if kind == "relayer":
            for name in self.meant(only or None):
                self._start_relayer(name)
        elif batch:
            self.nodes[self.own_chain(target).name].storage.cut = PowerCut(batch, commit=commit)
        else:
            self.nodes[self.own_chain(target).name].restart()
            self.forget_branches((target,))

    def reach_branch(self, origin: Chain, name: str) -> Transport:
        """Return the interface of a branch."""
        return LocalTransport(self.nodes[origin.name].branches[name])

    def logical_time(self) -> int:
        """Return the virtual time."""
        return self.now

    def wait(self, chains: tuple[str, ...]) -> None:  # noqa: ARG002
        """Make a block everywhere."""
        self.mine()

    def _node(self, name: str) -> SimChain:
        """Return a chain, or a branch by a name such as `juno~fork`."""
        origin, _, branch = name.partition(FORK)
        return self.nodes[origin].branches[branch] if branch else self.nodes[origin]

    # snapshots, laws, digest

    def snapshot(self, name: str = "") -> Snapshot:
        """Return the whole mesh as images; a name makes it known to this world."""
        taken = Snapshot(
            name,
            self.now,
            {name: node.storage.image.copy() for name, node in self.nodes.items()},
            {name: node.replica.waiting_txs() for name, node in self.nodes.items()},
            {name: store.raw for name, store in self._stores.items()},
            tuple(name for name, gone in self._gone.items() if gone),
            self.streams.save(),
        )
        if name:
            self._snapshots[name] = taken
        return taken

    def revert(self, to: Named | str) -> None:
        """Bring the whole mesh back to a snapshot, also to one of another world of the same mesh; faults and branches end."""
        if isinstance(to, Snapshot):
            snapshot = to
        else:
            name = to if isinstance(to, str) else to.name
            if name not in self._snapshots:
                raise Rejected(UNKNOWN_SNAPSHOT, name=name[:100], known=", ".join(self._snapshots))
            snapshot = self._snapshots[name]
        self.now = snapshot.now
        self.streams.restore(snapshot.chances)
        generation = self._go_back(snapshot)
        for name, raw in snapshot.relayers.items():
            image = codec.load(raw, Image) if raw else Image()
            self._stores[name] = MemoryStore(codec.encode(reborn(image, generation)))
            self._start_relayer(name)
            self._gone[name] = name in snapshot.stopped

    def _go_back(self, snapshot: Snapshot) -> int:
        """Bring all chains back; return the generation that they start."""
        images = {name: image.copy() for name, image in snapshot.chains.items()}
        branched = [
            mark
            for node in self.nodes.values()
            for branch in node.branches.values()
            for mark in marks_above(node.replica.genesis.chain_id, branch.storage, branch.base or 0)
        ]
        self.forget_branches(self.chains)
        generation = 1 + max(node.replica.generation for node in self.nodes.values())
        forks = {
            name: compare(node.replica.genesis.chain_id, node.storage.image, images[name]) for name, node in self.nodes.items()
        }
        marks = (
            [*branched, *(mark for fork in forks.values() for mark in fork.abandoned)],
            [mark for fork in forks.values() for mark in fork.revived],
        )
        for name, node in self.nodes.items():
            cross_over(node.storage.image, images[name], generation, forks[name].height, marks)
            node.restart(images[name])
            self._told[name] = forks[name].height
            for raw in snapshot.waiting[name]:
                with suppress(Rejected):
                    node.submit(raw)
        return generation

    def check_laws(self, across: Callable[[Law], bool] = lambda _: True) -> None:
        """Check every law of every chain's modules, and those across chains that are chosen."""
        views = {ChainId(self.chains[name].names.chain_id): node.replica.view() for name, node in self.nodes.items()}
        hold_all(self.spec, views, across)

    def digest(self) -> str:
        """Return a hash over all blocks and events of all chains: equal for equal seeds and inputs."""
        digest = hashlib.sha256()
        for name in sorted((*self.nodes, *self.branches)):
            replica = self._node(name).replica
            for height in range(1, replica.height + 1):
                block, results = replica.commit(height), replica.results(height)
                if block is not None and results is not None:
                    digest.update(block.commit.block_id.hash + codec.encode(results))
        return digest.hexdigest()

    def close(self) -> None:
        """Nothing runs for a simulated world."""


def _waits(courier: Courier) -> list[str]:
    """Say why a relayer does not come to rest."""
    engine = courier.engine
    packets = [f"{packet.id} waits for {packet.waits_for}" for packet in reports.packets(engine)]
    return [*reports.reasons(engine), *packets, *(f"{name}: {wait.why}" for name, wait in engine.tasks.waits())]
