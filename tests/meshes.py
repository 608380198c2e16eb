"""What tests of whole meshes share: transfers, channels by where they lead, and the state that no accident may change."""

from collections import Counter
from collections.abc import Collection
from typing import Any

from meshsec.world.base import World
from meshsec.world.chain import Branch, Chain, Receipt
from meshsec.world.laws import hold_all
from meshsec.world.sim import SimWorld
from meshsec_core.kernel import codec
from meshsec_core.kernel.store.overlay import Reader
from meshsec_sdk.names import chain_name

LASTING = (
    "bank/",
    "transfer/",
    "ibc/acks/",
    "ibc/channelEnds/",
    "ibc/commitments/",
    "ibc/connections/",
    "ibc/next",
    "ibc/receipts/",
    "mesh/vaults/",
    "mesh/consumer/",
)
"""State that says who has what and what was agreed; the rest depends on when blocks were made and who relayed."""

ALL = ("auth/", "bank/", "distribution/", "ibc/", "mesh/", "mint/", "slashing/", "staking/", "transfer/")


def channel(world: World, here: str, there: str, port: str = "transfer") -> Any:
    """The view of the one channel from a port of one chain to another chain."""
    found = [
        end
        for end in world.chain(here).query("ibc", "channels")
        if end["port_id"] == port and end["chain_id"] == chain_name(there).chain_id
    ]
    assert len(found) == 1, found
    return found[0]


def transfer(world: World, source: str, target: str, amount: int, denom: str = "", **more: Any) -> Receipt:
    """Let alice send coins to bob on another chain; `more` are fields of the message, or its `sender`."""
    message = {
        "@type": "transfer/Transfer",
        "channel": channel(world, source, target)["channel_id"],
        "denom": denom or world.chain(source).names.denom,
        "amount": str(amount),
        "receiver": world.chain(target).user("bob").address,
    }
    sender = more.pop("sender", "alice")
    return world.chain(source).send(sender, {**message, **more})


def supply(chain: Chain, denom: str) -> int:
    """How much of a denomination exists on a chain."""
    return int(chain.query("bank", "supply", denom=denom)["amount"])


def held(chain: Chain) -> dict[tuple[str, str], int]:
    """(channel, denomination) to what is held in escrow, where it is anything."""
    return {(found["channel"], found["denom"]): int(found["amount"]) for found in chain.query("transfer", "escrows")}


def refusals(world: SimWorld) -> list[tuple[str, str]]:
    """(chain, code) of all transactions without effect."""
    found = []
    for name, node in world.nodes.items():
        results = (node.replica.results(height) for height in range(1, node.replica.height + 1))
        found += [(name, receipt.code) for each in results if each for receipt in each.receipts if receipt.code]
    return found


def state(chain: Chain, world: SimWorld, prefixes: tuple[str, ...] = LASTING) -> dict[str, bytes]:
    """The latest state of a chain under some prefixes."""
    reader = world.nodes[chain.name].replica.state
    return {path: value for prefix in prefixes for path, value in reader.scan(prefix)}


def ledgers(world: SimWorld) -> dict[str, dict[str, bytes]]:
    """The lasting state of all chains."""
    return {name: state(chain, world) for name, chain in world.chains.items()}


def supplies(reader: Reader) -> Counter[str]:
    """Denomination to how much of it exists."""
    prefix = "bank/supply/"
    return Counter({path.removeprefix(prefix): codec.load(raw, int) for path, raw in reader.scan(prefix)})


class Watched(SimWorld):
    """A mesh on which every law that always holds is checked at every block.

    Laws across chains rest on light clients that are told the truth: they are checked until a chain forks.
    """

    forked = False

    def fork(self, chain: str, validators: Collection[str], name: str = "fork", *, late: bool = False) -> Branch:
        self.forked = True
        return super().fork(chain, validators, name, late=late)

    def mine(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            before = {name: (node.replica.height, supplies(node.replica.state)) for name, node in self.nodes.items()}
            super().mine()
            self.check_what_always_holds()
            for name, (height, known) in before.items():
                self.check_supplies(name, height, known)

    def check_supplies(self, chain: str, height: int, known: Counter[str]) -> None:
        """Law 6: coins appear and disappear only where an event says that they were minted or burned."""
        replica = self.nodes[chain].replica
        for number in range(height + 1, replica.height + 1):
            results = replica.results(number)
            assert results is not None
            for event in results.events:
                if event.type in ("bank/mint", "bank/burn"):
                    said = dict(event.attributes)
                    known[said["denom"]] += int(said["amount"]) * (1 if event.type == "bank/mint" else -1)
        assert +known == supplies(replica.state), f"{chain} after {height}"

    def check_what_always_holds(self) -> None:
        views = {node.replica.genesis.chain_id: node.replica.view() for node in self.nodes.values()}
        hold_all(self.spec, views, lambda law: law.always and not self.forked)
