"""Whatever a user signs is refused or takes effect: nothing else ever happens to a chain."""

import json
import re
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostile import Hostile
from meshsec import SimWorld
from meshsec.verbs import registry
from meshsec.world.sim_chain import SimChain
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.store.overlay import BAD_PATH
from meshsec_core.kernel.types import SECOND, Address
from meshsec_core.runtime.law import hold_alone
from meshsec_core.runtime.module import Msg
from meshsec_core.runtime.tx import make_tx
from meshsec_node.views.local import LocalTransport
from meshsec_sdk import names
from meshsec_sdk.mesh_file import genesis_of, topology

MESH = topology("pair")
KEY = names.key_of("alice", "osmosis")
ALICE = Address(names.address("alice", MESH.chain("osmosis").names))
KINDS = {name: verb.message for name, verb in registry().items() if verb.message is not None}
GENESIS = genesis_of(MESH, "osmosis")


def lived() -> SimWorld:
    """Let two chains lend to each other, trade, unbond and punish, and leave packets on their way."""
    world = SimWorld(MESH)
    osmosis, juno = world.chains["osmosis"], world.chains["juno"]
    far = world.now + 10**6 * SECOND
    for here, there, user in ((osmosis, juno, "alice"), (juno, osmosis, "bob")):
        here.send(user, {"@type": "mesh/Bond", "amount": "9000000"})
        here.send(user, {"@type": "mesh/StakeLocal", "validator": "val-1", "amount": "3000000"})
        here.send(user, {"@type": "staking/Delegate", "validator": "val-0", "amount": "700000"})
        here.send(user, {"@type": "staking/Undelegate", "validator": "val-0", "amount": "1000"})
        stake = {"consumer": there.name, "validator": f"{there.name}/val-0"}
        here.send(user, {"@type": "mesh/StakeRemote", **stake, "amount": "500000"})
        world.settle()
        here.send(user, {"@type": "mesh/Unstake", **stake, "amount": "1000"})
        coins = {"denom": here.names.denom, "amount": "77", "timeout_timestamp": str(far)}
        there_address = names.address(user, there.names)
        here.send(user, {"@type": "transfer/Transfer", "channel": channel(world, here.name), **coins, "receiver": there_address})
    world.fault("double-sign", "osmosis/val-3")
    world.mine(3)
    return world


def channel(world: SimWorld, chain: str) -> str:
    """Return the channel for transfers."""
    prefix = "ibc/channelEnds/ports/transfer/channels/"
    return next(path for path, _ in world.nodes[chain].replica.view().store.scan(prefix)).removeprefix(prefix)


def messages(node: SimChain) -> list[Msg]:
    """Return all messages of a chain's blocks, of each kind the last few."""
    found: dict[type[Msg], list[Msg]] = {}
    for height in range(1, node.replica.height + 1):
        block = node.replica.block(height)
        for raw in () if block is None else block.txs:
            for msg in node.replica.app.reader.read(raw).msgs:
                found.setdefault(type(msg), []).append(msg)
    return [msg for each in found.values() for msg in each[-4:]]


class Ground:
    """A chain with a past, what is worth sending to it, and what becomes of it if nobody sends anything."""

    def __init__(self) -> None:
        world = lived()
        self._start = world.snapshot()
        self.node = world.nodes["osmosis"]
        users = [names.address(user, chain.names) for user in ("alice", "bob") for chain in MESH.chains]
        validators = [names.validator_id(chain.names, f"val-{index}") for chain in MESH.chains for index in (0, 1, 3)]
        channels = [path.rsplit("/", 1)[1] for path, _ in self.node.replica.view().store.scan("ibc/channelEnds")]
        named = ["uosmo", "ujuno", "connection-0", "07-tendermint-0", "osmosis-1", "juno-1"]
        seen = [msg for node in world.nodes.values() for msg in messages(node)]
        self.hostile = Hostile(seen, [*users, *validators, *channels, *named])
        idle = self.chain()
        self.blocks(idle)
        self.idle = state(idle)

    def chain(self) -> SimChain:
        """Return the chain as it was, sharing nothing with others."""
        return SimChain(MESH.chain("osmosis"), GENESIS, MESH, self._start.chains["osmosis"].copy())

    def blocks(self, node: SimChain) -> None:
        """Make two blocks, in the second of which everything that waited has been included."""
        for block in (1, 2):
            assert node.make_block(self._start.now + block * SECOND)


@cache
def ground() -> Ground:
    """Return the one that all tests share."""
    return Ground()


def state(node: SimChain) -> dict[str, bytes]:
    """Return all that a chain keeps, but for the sequences of those who sent something."""
    return {path: value for path, value in node.replica.view().store.scan("") if not path.startswith("auth/")}


def submit(node: SimChain, msg: Msg) -> bytes | None:
    """Sign and submit a message; return its transaction's hash, or None if it may not even wait."""
    try:
        return node.submit(make_tx(KEY, "osmo", GENESIS.chain_id, node.replica.next_sequence(ALICE), (msg,)))
    except Rejected as refusal:
        known(refusal.code)
        return None


def known(code: str) -> str:
    """Return a code, which must look like one; handlers refuse a text before it stands in a path."""
    assert re.fullmatch(r"[a-z0-9-]+/[a-z0-9-]+", code)
    assert code != BAD_PATH
    return code


@pytest.mark.parametrize("tag", sorted(KINDS))
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_any_message_is_refused_without_a_trace_or_keeps_every_law(tag: str, data: st.DataObject) -> None:
    node = ground().chain()
    sent = [submit(node, msg) for msg in data.draw(st.lists(ground().hostile.of(KINDS[tag]), min_size=1, max_size=3))]
    ground().blocks(node)
    receipts = [node.replica.receipt(tx_hash) for tx_hash in sent if tx_hash is not None]
    assert None not in receipts
    codes = [receipt.code and known(receipt.code) for receipt in receipts if receipt is not None]
    assert "" in codes or state(node) == ground().idle
    hold_alone(node.replica.view())


def shapes() -> st.SearchStrategy[Any]:
    """Make what might stand where a message is expected."""
    free = ground().hostile.json
    typed = st.sampled_from(sorted(KINDS)).flatmap(
        lambda tag: st.dictionaries(st.sampled_from((*KINDS[tag].__struct_fields__, "x")), free, max_size=4).map(
            lambda fields: {"@type": tag, **fields}
        )
    )
    return free | typed


@settings(max_examples=150, deadline=None)
@given(path=st.sampled_from(("/v1/simulate", "/v1/txs", "/v1/txs/batch")), data=st.data())
def test_a_body_of_any_shape_is_answered_in_the_one_shape_and_changes_nothing(path: str, data: st.DataObject) -> None:
    transport = LocalTransport(ground().node)
    msgs, other = data.draw(st.lists(shapes(), max_size=2)), data.draw(ground().hostile.json)
    for body in ({"from": "alice", "msgs": msgs}, {"from": other, "msgs": other}, {"txs": msgs}, other):
        status, answer = transport.post(path, json.dumps(body).encode())
        assert status in (200, 202) or (400 <= status < 500 and sorted(answer) == ["code", "facts", "message"]), answer
    assert ground().node.replica.waiting == 0
