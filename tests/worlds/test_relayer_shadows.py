"""What a relayer must get right although it shows only now and then: shuffled answers, half-known histories, leftovers."""

from typing import Any

import msgspec
import pytest

from meshsec_core.ibc.channel import CHANNELS, ChannelOpenInit
from meshsec_core.ibc.client import CLIENTS, CONSENSUS_STATES, CreateClient, get_client
from meshsec_core.ibc.connection import CONNECTIONS, ConnectionOpenInit
from meshsec_core.ibc.transfer import Transfer
from meshsec_core.kernel.types import SECOND, Denom
from meshsec_core.kernel.wire.ibc import STATE_OPEN, voucher_denom
from meshsec_relayer.engine.boundary import Pause, Resume
from meshsec_relayer.store import MemoryStore
from relay_rig import MESH, ORDERED_PROBE, UNORDERED_PROBE, Pair, heard, messages_of, packet_names, say, transfer


def submitted(rig: Pair, chain: str, kind: str) -> int:
    """Return how many messages of a kind are in a chain's blocks."""
    return sum(msgs.count(kind) for msgs in messages_of(rig, chain))


@pytest.mark.parametrize("seed", range(6))
def test_the_order_in_which_answers_come_does_not_matter(seed: int) -> None:
    """Given an ordered channel and several transactions under way at once, whose proofs arrive in any order."""
    rig = Pair((ORDERED_PROBE,), max_batch_messages=2)
    rig.shuffle(seed)
    rig.settle()
    say(rig, *(b"%d" % number for number in range(1, 10)))
    rig.settle()
    assert heard(rig, "juno", "received") == b"1:1 2:2 3:3 4:4 5:5 6:6 7:7 8:8 9:9 "
    assert packet_names(rig.courier) == []
    assert rig.refusals("osmosis") + rig.refusals("juno") == []


def test_packets_that_time_out_on_their_way_together_cost_one_refusal() -> None:
    rig = Pair((UNORDERED_PROBE,))
    rig.settle()
    say(rig, b"a", b"b", b"c", seconds=30)
    rig.mine(1, seconds=60)  # the headers of these blocks do not know of the minute yet: their votes do
    rig.settle()
    assert rig.refusals("juno") == ["ibc/timeout-elapsed"]
    assert heard(rig, "osmosis", "timed-out").count(b":") == 3


def test_an_answer_that_was_brought_back_long_ago_is_not_brought_back_again() -> None:
    """Given a cursor behind the answer on juno, and one past its acknowledgement on osmosis."""
    rig = Pair()
    rig.settle()
    transfer(rig, 5)
    rig.settle()
    image = rig.store.load()
    assert image is not None
    cursors = {"osmosis": rig.nodes["osmosis"].replica.height + 1, "juno": 1}
    rig.store.save(msgspec.structs.replace(image, cursors=cursors))
    before = submitted(rig, "osmosis", "ibc/Acknowledgement")
    rig.restart()
    rig.settle()
    assert packet_names(rig.courier) == []
    assert submitted(rig, "osmosis", "ibc/Acknowledgement") == before == 1


def test_evidence_that_could_not_be_told_before_a_kill_is_told_after_it() -> None:
    rig = Pair(MESH, mesh=True)
    rig.settle()
    rig.courier.order(Pause())
    rig.nodes["juno"].replica.fault("double-sign", "val-0")
    for _ in range(50):
        rig.mine()
        rig.courier.run_once(rig.now)
    rig.restart()
    rig.courier.order(Resume())
    rig.settle()
    assert submitted(rig, "osmosis", "mesh/SubmitEvidence") == 1


def test_a_fault_that_another_relayer_has_told_already_is_let_rest() -> None:
    rig = Pair(MESH, mesh=True)
    rig.settle()
    rig.nodes["juno"].replica.fault("double-sign", "val-0")
    rig.mine(4)
    rig.settle()
    rig.settle(rig.hire(MemoryStore(), id="second"))
    assert submitted(rig, "osmosis", "mesh/SubmitEvidence") == 2
    assert rig.refusals("osmosis") == ["mesh/fault-charged"]


def test_packets_of_a_path_that_could_not_open_again_survive_a_second_kill() -> None:
    """Given a packet to a chain that is away, so that its path does not open again, and fifty blocks from kill to kill."""
    rig = Pair(chains="triangle")
    rig.settle()
    channel = rig.courier.engine.paths["osmosis-axelar"].image.channels[0]
    rig.dead.add("axelar")
    message = Transfer(channel.channel_a, Denom("uosmo"), 9, rig.address("axelar", "bob"))
    assert rig.send("osmosis", "alice", message)["code"] == ""
    rig.restart()
    for _ in range(50):
        rig.mine()
        rig.courier.run_once(rig.now)
    rig.restart()
    rig.dead.clear()
    rig.settle()
    assert rig.balance("axelar", "bob", voucher_denom(f"transfer/{channel.channel_b}/uosmo")) == 9


def test_a_strangers_client_with_other_rules_is_not_used() -> None:
    """Given a client of juno that lives for an hour, and a connection and a channel that a stranger has proposed over it."""
    rig = Pair()
    rig.settle()
    reader = rig.nodes["osmosis"].replica.state
    ours = get_client(reader, "07-tendermint-0")
    consensus = CONSENSUS_STATES.get(reader, "07-tendermint-0", ours.latest_height)
    short = msgspec.structs.replace(ours, trusting_period=3_600 * SECOND)

    fresh = Pair()
    fresh.nodes["juno"] = rig.nodes["juno"]
    fresh.now = rig.now
    fresh.courier = fresh.hire(MemoryStore())
    fresh.mine(1)
    assert fresh.send("osmosis", "alice", CreateClient(CLIENTS.encode(short), CONSENSUS_STATES.encode(consensus)))["code"] == ""
    assert fresh.send("osmosis", "alice", ConnectionOpenInit("07-tendermint-0", "07-tendermint-0"))["code"] == ""
    proposal = ChannelOpenInit("transfer", "ORDER_UNORDERED", "connection-0", "transfer", "ics20-1")
    assert fresh.send("osmosis", "alice", proposal)["code"] == ""
    fresh.settle()
    assert fresh.courier.engine.paths["osmosis-juno"].image.client_a == "07-tendermint-1"
    assert fresh.courier.engine.paths["osmosis-juno"].image.connection_a == "connection-1"
    assert fresh.courier.engine.paths["osmosis-juno"].image.channels[0].channel_a == "channel-1"


@pytest.mark.parametrize("steps", range(1, 8))
def test_a_handshake_that_another_relayer_left_half_way_is_continued(steps: int) -> None:
    rig = Pair()
    for _ in range(200):
        rig.courier.run_once(rig.now)
        if submitted(rig, "osmosis", "ibc/UpdateClient") + submitted(rig, "juno", "ibc/UpdateClient") >= steps:
            break
        rig.mine()
    rig.mine(2)
    rig.courier = rig.hire(MemoryStore(), id="second")
    rig.settle()
    for chain in ("osmosis", "juno"):
        reader = rig.nodes[chain].replica.state
        assert CONNECTIONS.get(reader, "connection-0").state == STATE_OPEN
        assert CHANNELS.get(reader, "transfer", "channel-0").state == STATE_OPEN
        assert CONNECTIONS.find(reader, "connection-1") is None
        assert CHANNELS.find(reader, "transfer", "channel-1") is None
        assert CLIENTS.find(reader, "07-tendermint-1") is None


def test_numbers_of_requests_are_never_used_again_even_after_a_chain_went_back() -> None:
    """Else an answer from before could be taken for one that was asked for after."""
    rig = Pair()
    seen: list[int] = []
    handle = rig.courier.engine.handle

    def watched(event: Any) -> Any:
        effects = handle(event)
        seen.extend(effect.number for effect in effects if hasattr(effect, "number"))
        return effects

    rig.courier.engine.handle = watched  # type: ignore[method-assign]
    rig.settle()
    rig.forges = lambda _chain, path, answer: (answer[0], answer[1] | {"generation": "1"}) if path == "/v1/status" else answer
    for _ in range(4):
        rig.mine()
        rig.courier.run_once(rig.now)
    assert len(seen) > 100
    assert len(seen) == len(set(seen))
