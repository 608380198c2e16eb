"""Blocks full of lies, and what became of them: each refused by a code, and the chain where it would be without them."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from byzantine.front import ATTACKERS, Front, Lie
from byzantine.handshakes import answer_ends, open_ends
from byzantine.lies import KINDS
from byzantine.mutants import damaged
from meshes import channel
from meshsec.mesh import Bond, StakeRemote
from meshsec.world.sim import SimWorld
from meshsec.world.sim_chain import SimChain
from meshsec_core.ibc.transfer import Transfer
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND, Denom
from meshsec_core.runtime.module import Msg
from meshsec_core.runtime.tx import ReadTx, make_tx
from meshsec_sdk import names
from meshsec_sdk.mesh_file import genesis_of

FAMILIES = ("auth", "codec", "crypto", "ibc", "light", "mesh", "proof", "transfer", "tx", "validators", "wire")
"""First parts of the codes that a lie may be refused with."""
DAMAGED = "a damaged transaction"
NO_OP = "no effect"
BLOCK_BYTES = 900_000
PAIR = ("osmosis", "juno")


@dataclass
class Siege:
    """A mesh whose honest relayer keeps working while somebody else submits lies to both chains."""

    seed: int
    world: SimWorld = field(default_factory=lambda: SimWorld("pair"))
    tally: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(kind, code) to how many lies ended so."""
    sent: Counter[str] = field(default_factory=Counter)
    """Chain to coins that honest users have sent from it, with time enough to arrive."""

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)
        self.fronts = [Front(self.world, source, target, self.chance) for source, target in (PAIR, PAIR[::-1])]
        for chain in PAIR:
            self.world.chain(chain).user("carol").send(Bond(50_000_000))
        self.world.settle()
        self.channels = {
            front.target.name: channel(self.world, front.target.name, front.source.name)["channel_id"] for front in self.fronts
        }
        for front in self.fronts:
            open_ends(front)
        self.world.mine(2)
        for front in self.fronts:
            assert front.say(front.news(), sender="bob") == ""
        for front in self.fronts:
            answer_ends(front)

    def hold(self, lies: int) -> None:
        """Submit at least so many lies, in rounds: honest traffic, lies alone, lies beside an honest relayer at work."""
        while self.tally.total() < lies:
            self._traffic()
            self.world.mine(2)
            for front in self.fronts:
                front.look()
                assert front.say(front.news(), sender="bob") == ""  # an honest stranger, who delivers nothing
            self.world.mine(2)
            self.storm(180)
            for _ in range(2):
                self.storm(60, beside_honest=True)
            if self.chance.random() < 0.5:
                self.world.relay()

    def _traffic(self) -> None:
        for here, there in (PAIR, PAIR[::-1]):
            for _ in range(3):
                amount = self.chance.randrange(1, 1_000)
                self._transfer(here, there, amount)
                self.sent[here] += amount
            self._transfer(here, there, 7, self.world.now + self.chance.randrange(2, 12) * SECOND)
            self.world.chain(here).user("carol").send(StakeRemote(there, f"{there}/val-1", self.chance.randrange(1, 9)))

    def _transfer(self, here: str, there: str, amount: int, timeout: int = 0) -> None:
        source, receiver = self.world.chain(here), self.world.chain(there).user("bob").address
        denom = Denom(source.names.denom)
        source.user("alice").send(Transfer(self.channels[here], denom, amount, receiver, timeout_timestamp=timeout))

    # one block of lies on each chain

    def storm(self, each: int, *, beside_honest: bool = False, kinds: Mapping[str, Lie] = KINDS) -> None:
        """Submit lies to each chain, make a block, and judge it."""
        for front in self.fronts:
            front.look()
            front.alone = not beside_honest
        images = {name: node.storage.image.copy() for name, node in self.world.nodes.items()}
        honest_first = beside_honest and self.chance.random() < 0.5
        if honest_first:
            self._relay_once()
        waiting = [(front, self._submit(front, each, kinds)) for front in self.fronts]
        if beside_honest and not honest_first:
            self._relay_once()
        self.world.mine()
        for front, submitted in waiting:
            self._judge(front, submitted)
            self._compare(front, images[front.target.name], submitted)

    def _relay_once(self) -> None:
        for courier in self.world.couriers.values():
            courier.run_once(self.world.now)

    def _submit(self, front: Front, each: int, kinds: Mapping[str, Lie]) -> dict[bytes, str]:
        """Let lies wait for the next block; return the kind of each by its transaction's hash."""
        submitted: dict[bytes, str] = {}
        chain, size, turns = front.target.names, 0, list(kinds)
        for number in range(each):
            kind = turns[(number + self.seed) % len(turns)]
            msgs = _lie(kinds[kind], front)
            if msgs is None:
                continue
            sender = self.chance.choice(ATTACKERS)
            key, address = names.key_of(sender, front.target.name), names.address(sender, chain)
            raw = make_tx(key, chain.prefix, chain.chain_id, front.to_node.replica.next_sequence(address), msgs)
            size += len(raw)
            if size > BLOCK_BYTES:
                break
            if number % 20 == 0:
                self._at_the_door(front.to_node, DAMAGED, damaged(self.chance, raw))
            tx_hash = self._at_the_door(front.to_node, kind, raw)
            if tx_hash is not None:
                submitted[tx_hash] = kind
        return submitted

    def _at_the_door(self, node: SimChain, kind: str, raw: bytes) -> bytes | None:
        try:
            return node.submit(raw)
        except Rejected as refusal:
            self._count(kind, refusal.code)
            return None

    def _judge(self, front: Front, kinds: dict[bytes, str]) -> None:
        for tx_hash, kind in kinds.items():
            receipt = front.to_node.replica.receipt(tx_hash)
            assert receipt is not None, kind
            self._count(kind, receipt.code or NO_OP)

    def _count(self, kind: str, code: str) -> None:
        family = code.partition("/")[0]
        assert code == NO_OP or (re.fullmatch(r"[a-z]+/[a-z0-9-]+", code) and family in FAMILIES), (kind, code)
        self.tally[kind, code] += 1

    def _compare(self, front: Front, image: object, kinds: dict[bytes, str]) -> None:
        """Make the same block from the same past without the lies: all that may differ is how often the liars have signed."""
        node = front.to_node
        genesis = genesis_of(self.world.spec, node.spec.name)
        twin = SimChain(node.spec, genesis, self.world.spec, image)  # type: ignore[arg-type]
        block = node.replica.block(node.replica.height)
        assert block is not None
        honest = [raw for raw in block.txs if twin.replica.app.reader.read(raw).hash not in kinds]
        for raw in honest:
            twin.submit(raw)
        assert twin.make_block(self.world.now)
        assert twin.replica.height == node.replica.height
        found, expected = front.everything(), front.everything(twin)
        changed = [path for path in {**found, **expected} if found.get(path) != expected.get(path)]
        believed = [
            (kinds[read.hash], read.msgs)
            for read in map(node.replica.app.reader.read, block.txs)
            if self._took(node, read, kinds)
        ]
        assert not changed, (self.seed, changed, believed)

    def _took(self, node: SimChain, read: ReadTx, kinds: dict[bytes, str]) -> bool:
        receipt = node.replica.receipt(read.hash)
        return read.hash in kinds and receipt is not None and not receipt.code


def _lie(lie: Lie, front: Front) -> tuple[Msg, ...] | None:
    try:
        return lie(front)
    except Rejected:  # it has no spelling
        return None


def told(tally: Counter[tuple[str, str]]) -> str:
    """Spell what was tried and what became of it."""
    lines = []
    for kind in dict.fromkeys((*KINDS, DAMAGED)):
        codes = sorted(((code, count) for (of, code), count in tally.items() if of == kind), key=lambda found: -found[1])
        lines.append(f"{sum(count for _, count in codes):>6}  {kind}: {', '.join(f'{code} {count}' for code, count in codes)}")
    return "\n".join((f"{tally.total()} hostile submissions", *lines))
