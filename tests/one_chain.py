"""One simulated chain under test, with its clock: consensus and application without a relayer."""

from meshsec.world.sim_chain import SimChain
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.tendermint import Commit, Vote
from meshsec_core.modules import bank
from meshsec_core.modules.bank import Send
from meshsec_core.replica.events import Deliver
from meshsec_core.replica.history import read_log
from meshsec_core.replica.replica import Replica
from meshsec_core.replica.storage import Table
from meshsec_core.runtime.module import Msg
from meshsec_core.runtime.tx import make_tx
from meshsec_sdk import names
from meshsec_sdk.mesh_file import MeshSpec, genesis_of, topology

PAIR = topology("pair")
START = genesis_of(PAIR, "osmosis").time


class Rig:
    """A chain and its clock."""

    def __init__(self, mesh: MeshSpec = PAIR) -> None:
        self.chain = SimChain(mesh.chain("osmosis"), genesis_of(mesh, "osmosis"), mesh)
        self.now = START

    @property
    def replica(self) -> Replica:
        return self.chain.replica

    def blocks(self, count: int) -> None:
        for _ in range(count):
            self.now += SECOND
            assert self.chain.make_block(self.now), self.chain.reasons()

    def send(self, amount: int, sequence: int) -> bytes:
        bob = names.address("bob", self.chain.spec.names)
        return self.submit(Send(bob, self.replica.genesis.denom, amount), sequence)

    def submit(self, msg: Msg, sequence: int) -> bytes:
        genesis = self.replica.genesis
        key = names.key_of("alice", "osmosis")
        return self.replica.submit(make_tx(key, genesis.prefix, genesis.chain_id, sequence, (msg,)))

    def bobs(self) -> int:
        return bank.balance(self.replica.state, names.address("bob", self.chain.spec.names), self.replica.genesis.denom)

    def committed(self, height: int) -> Commit:
        """The commit seen for a block."""
        found = self.replica.commit(height)
        assert found is not None
        return found.commit

    def signed(self, height: int) -> dict[str, int]:
        """Validator to its flag in the commit seen for a block."""
        names_of = {voter.address: voter.name for voter in self.replica.voters}
        members = self.replica.validators_at(height)
        assert members is not None
        flags = (signature.flag for signature in self.committed(height).signatures)
        return {names_of[address]: flag for address, flag in zip(members.roster.addresses, flags, strict=True)}

    def votes_logged(self) -> list[Vote]:
        """Every vote of the height in progress that became durable."""
        waves = [read_log(raw) for _, raw in self.chain.storage.scan(Table.WAL)]
        return [vote for wave in waves if isinstance(wave, Deliver) for vote in wave.votes]
