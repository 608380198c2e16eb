"""A relayer with a mountain of work behind it and a chain that fails it beside it still carries what is new at once."""

from collections.abc import Callable
from typing import Any

import pytest

from meshsec_core.ibc.transfer import Transfer
from meshsec_core.kernel.types import Denom
from meshsec_relayer.engine.boundary import Clear, Filter, Hold, Release
from meshsec_relayer.store import MemoryStore
from relay_rig import ORDERED_PROBE, Pair, heard, packet_names, say, transfer

BACKLOG = 600
BATCH = 10
"""Messages in a transaction: 600 packets take 15 blocks even if a lane fills all its places in each."""


def pile_up(rig: Pair) -> None:
    """Send packets that nobody carries."""
    message = Transfer("channel-0", Denom("uosmo"), 1, rig.address("juno", "bob"))
    for _ in range(BACKLOG // 100):
        assert rig.send("osmosis", "alice", *[message] * 100)["code"] == ""


def blocks_to_arrive(rig: Pair) -> int:
    """Send one packet and return how many blocks of juno pass until it has arrived; look once per block."""
    sequence = transfer(rig).rpartition(":")[2]
    for blocks in range(1, 60):
        rig.courier.run_once(rig.now)
        rig.mine()
        if any(event["packet_sequence"] == sequence for event in rig.events("juno", "recv_packet")):
            return blocks
    raise AssertionError("it never arrived")


def by_restart(rig: Pair) -> None:
    rig.courier = rig.hire(MemoryStore())
    pile_up(rig)
    rig.mine(2)
    while not rig.courier.engine.paths["osmosis-juno"].ready:
        rig.courier.run_once(rig.now)


def by_clear(rig: Pair) -> None:
    rig.courier.order(Hold(Filter(kind="transfer")))
    pile_up(rig)
    rig.settle()
    rig.courier.order(Clear())
    rig.courier.order(Release())


@pytest.mark.parametrize("begin", [by_restart, by_clear], ids=["found-at-start", "by-clear"])
def test_what_is_new_goes_before_a_backlog_and_the_backlog_goes_on(begin: Callable[[Pair], None]) -> None:
    rig = Pair(max_batch_messages=BATCH)
    rig.settle()
    begin(rig)
    for _ in range(3):
        before = len(rig.events("juno", "recv_packet"))
        assert blocks_to_arrive(rig) <= 4
        assert before + BATCH < len(rig.events("juno", "recv_packet")) < BACKLOG
    rig.settle()
    assert packet_names(rig.courier) == []
    assert len(rig.events("osmosis", "acknowledge_packet")) == BACKLOG + 3
    assert rig.refusals("juno") + rig.refusals("osmosis") == []


def test_a_backlog_of_an_ordered_channel_keeps_its_order_before_what_is_new() -> None:
    rig = Pair((ORDERED_PROBE,), max_batch_messages=BATCH)
    rig.settle()
    rig.courier = rig.hire(MemoryStore())
    say(rig, *(b"%d" % number for number in range(1, 41)))
    rig.mine(2)
    while not rig.courier.engine.paths["osmosis-juno"].ready:
        rig.courier.run_once(rig.now)
    say(rig, b"41")
    rig.settle()
    assert heard(rig, "juno", "received").split() == [b"%d:%d" % (number, number) for number in range(1, 42)]
    assert rig.refusals("juno") == []


def dead(rig: Pair) -> None:
    rig.dead.add("axelar")


def halted(rig: Pair) -> None:
    """No quorum: axelar answers, but makes no block and takes no transaction."""
    rig.dead.add("axelar")

    def refuse(chain: str, path: str, answer: tuple[int, Any]) -> tuple[int, Any]:
        halted = (503, {"code": "node/halted", "message": "", "facts": {}})
        return halted if (chain, path) == ("axelar", "/v1/txs") else answer

    rig.forges = refuse


def silent_about_proofs(rig: Pair) -> None:
    rig.loses = lambda chain, path: chain == "axelar" and path == "/v1/state"


@pytest.mark.parametrize("fail", [dead, halted, silent_about_proofs])
def test_a_chain_that_fails_in_the_middle_delays_no_packet_between_the_others(fail: Callable[[Pair], None]) -> None:
    """Given packets under way between axelar and both others, in both directions, when axelar fails."""
    rig = Pair(chains="triangle")
    rig.settle()
    usual = blocks_to_arrive(rig)
    for a, b in (("osmosis", "axelar"), ("axelar", "juno"), ("juno", "axelar")):
        path = next(path for path in rig.courier.engine.paths.values() if {path.a.name, path.b.name} == {a, b})
        channel = path.image.channels[0].channel_a if path.a.name == a else path.image.channels[0].channel_b
        coin = {"osmosis": "uosmo", "axelar": "uaxl", "juno": "ujuno"}[a]
        assert rig.send(a, "alice", Transfer(channel, Denom(coin), 5, rig.address(b, "bob")))["code"] == ""
    rig.courier.run_once(rig.now)
    fail(rig)
    assert [blocks_to_arrive(rig) for _ in range(3)] == [usual] * 3
    rig.dead.clear()
    rig.loses = lambda _chain, _path: False
    rig.forges = lambda _chain, _path, answer: answer
    rig.settle()
    assert packet_names(rig.courier) == []
