"""Power fails in the relayer at every request and in a chain before every durable write. Nothing is lost or doubled."""

from typing import Any

import pytest

from meshes import ledgers, refusals, transfer
from meshsec.world.chain import Transport
from meshsec.world.sim import SimWorld, Snapshot
from meshsec_core.replica.storage import PowerCut, Table

IN_VAIN = {"ibc/unknown-consensus-state"}
"""What a chain may refuse that has lost the client update on which a transaction rests; the relayer then says both again."""


class Killed(Exception):
    """The relayer dies here."""


class Fuse:
    """Counts the requests of a relayer and kills it at one of them, when the chain has heard it and the answer is on its way."""

    def __init__(self, at: int | None = None) -> None:
        self.requests = 0
        self.at = at

    def install(self, world: SimWorld) -> None:
        for chain in world.chains.values():
            chain.transport = Fused(chain.transport, self)
        world.crash("relayer")

    def burn(self) -> None:
        self.requests += 1
        if self.requests == self.at:
            raise Killed


class Fused:
    def __init__(self, inner: Transport, fuse: Fuse) -> None:
        self._inner = inner
        self._fuse = fuse

    def get(self, path: str) -> tuple[int, Any]:
        answer = self._inner.get(path)
        self._fuse.burn()
        return answer

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        answer = self._inner.post(path, body)
        self._fuse.burn()
        return answer


def under_way() -> Snapshot:
    """A mesh in which a transfer and a stake have been sent and nobody has looked yet."""
    world = SimWorld("pair")
    world.osmosis.send("alice", {"@type": "mesh/Bond", "amount": "100"})
    transfer(world, "osmosis", "juno", 11)
    transfer(world, "juno", "osmosis", 7)
    world.osmosis.send("alice", {"@type": "mesh/StakeRemote", "consumer": "juno", "validator": "juno/val-0", "amount": "80"})
    return world.snapshot("under way")


@pytest.mark.slow
def test_a_relayer_killed_at_any_request_ends_where_one_that_lives_does() -> None:
    """Given two transfers and a stake under way
    When the relayer is killed at its nth request, for every n, and starts again from its durable image
    Then both chains end with the same balances, channels, packets and vaults, and no transaction was in vain
    """
    start = under_way()
    straight, fuse = SimWorld("pair", start=start), Fuse()
    fuse.install(straight)
    straight.relay()
    requests = fuse.requests
    straight.settle()
    expected = ledgers(straight)
    assert requests > 30
    for at in range(1, requests + 1):
        world = SimWorld("pair", start=start)
        Fuse(at).install(world)
        with pytest.raises(Killed):
            world.relay()
        world.crash("relayer")
        world.settle()
        assert ledgers(world) == expected, at
        assert refusals(world) == [], at


def test_a_relayer_that_is_restarted_after_every_look_opens_everything_once_and_carries_everything_once() -> None:
    """Given nothing is open yet
    When the relayer never lives longer than one look at the chains
    Then it opens what one that lives opens, and carries what that one carries
    """
    straight, mortal = SimWorld("pair"), SimWorld("pair", connect=False)
    looks = relay_with_short_lives(mortal)
    assert looks > 5
    for world in (straight, mortal):
        transfer(world, "osmosis", "juno", 11)
    relay_with_short_lives(mortal)
    for world in (straight, mortal):
        world.settle()
    assert ledgers(mortal) == ledgers(straight)
    assert refusals(mortal) == []


def relay_with_short_lives(world: SimWorld) -> int:
    """Restart the relayer after every single look, until it has nothing to do; return how often it looked."""
    for looks in range(1, 200):
        (courier,) = world.couriers.values()
        courier.run_once(world.now)
        if courier.engine.idle:
            return looks
        world.crash("relayer")
        world.mine()
    raise AssertionError("it never rests")


def test_a_relayer_whose_lives_last_one_request_more_each_time_opens_everything_once() -> None:
    """Given nothing is open yet
    When the relayer's first life ends at its first request, the second at its second, and so on, until one is long enough
    Then every pair of ports has one channel, and one connection and two clients carry them all
    """
    world, fuse = SimWorld("pair", connect=False), Fuse()
    fuse.install(world)
    for life in range(1, 200):
        fuse.requests, fuse.at = 0, life
        try:
            world.relay()
        except Killed:
            world.crash("relayer")
            world.mine()
        else:
            break
    assert life > 20
    fuse.at = 0
    for chain in world.chains.values():
        assert [len(chain.query("ibc", name)) for name in ("clients", "connections", "channels")] == [1, 1, 3]
        assert {end["state"] for end in chain.query("ibc", "channels")} == {"OPEN"}
    assert refusals(world) == []


class Flickering(SimWorld):
    """A mesh without steady power: every chain lasts for three durable writes and dies at the fourth, whichever that is."""

    cuts = 0

    def mine(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            before = {name: node.storage for name, node in self.nodes.items()}
            for node in self.nodes.values():
                if node.storage.cut is None:
                    node.storage.cut = PowerCut(4)
            super().mine()
            self.cuts += sum(node.storage is not before[name] for name, node in self.nodes.items())


def test_chains_that_lose_power_again_and_again_still_open_everything_and_move_every_coin() -> None:
    """Given chains whose power fails at every fourth durable write, so in every step of consensus in turn
    When a relayer opens links and alice sends coins, lends stake and takes some back
    Then all ends as on chains that never fail, and nobody has signed twice
    """
    steady, flickering = SimWorld("pair"), Flickering("pair")
    for world in (steady, flickering):
        osmosis = world.osmosis
        transfer(world, "osmosis", "juno", 11)
        osmosis.send("alice", {"@type": "mesh/Bond", "amount": "100"})
        stake = {"consumer": "juno", "validator": "juno/val-0"}
        osmosis.send("alice", {"@type": "mesh/StakeRemote", "amount": "80", **stake})
        world.settle()
        osmosis.send("alice", {"@type": "mesh/Unstake", "amount": "30", **stake})
        world.settle()
    assert flickering.cuts > 80
    assert ledgers(flickering) == ledgers(steady)
    assert {code for _, code in refusals(flickering)} <= IN_VAIN
    for node in flickering.nodes.values():
        assert not list(node.storage.scan(Table.EVIDENCE))


@pytest.mark.slow
def test_a_chain_that_loses_power_once_anywhere_in_a_transfer_loses_nothing() -> None:
    """Given transfers and a stake under way
    When one chain loses power before its nth durable write, for every n until all is done
    Then both chains end where they would have ended
    """
    start = under_way()
    straight = SimWorld("pair", start=start)
    straight.settle()
    expected = ledgers(straight)
    for chain in straight.chains:
        batch, cut = 0, True
        while cut:
            batch += 1
            world = SimWorld("pair", start=start)
            world.crash(chain, batch)
            world.settle()
            cut = world.nodes[chain].storage.cut is None
            assert ledgers(world) == expected, (chain, batch)
            assert {code for _, code in refusals(world)} <= IN_VAIN, (chain, batch)
        assert batch > 20
