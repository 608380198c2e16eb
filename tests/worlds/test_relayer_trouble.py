"""A relayer among chains and nodes that fail it: what is wrong with one packet, path or chain must not stop the others."""

from random import Random
from typing import Any

import pytest

from meshsec_core.ibc.transfer import Transfer
from meshsec_core.kernel.types import SECOND, ChainId, Denom
from meshsec_core.modules.bank import Send
from meshsec_core.runtime.tx import make_tx
from meshsec_node.views.local import LocalTransport
from meshsec_relayer.engine import reports
from meshsec_relayer.engine.boundary import Clear
from meshsec_sdk import names
from relay_rig import ORDERED_PROBE, UNORDERED_PROBE, Pair, heard, packet_names, say


def _channel(rig: Pair, path: str) -> str:
    """Return osmosis' transfer channel on a path."""
    return rig.courier.engine.paths[path].image.channels[0].channel_a


def spoil(rig: Pair, sequence: int) -> None:
    """Let osmosis' node serve a broken proof of one packet."""

    def forge(chain: str, path: str, answer: tuple[int, Any]) -> tuple[int, Any]:
        if chain != "osmosis" or path != "/v1/state":
            return answer
        return answer[0], answer[1] | {"entries": [bent(entry) for entry in answer[1]["entries"]]}

    def bent(entry: dict[str, Any]) -> dict[str, Any]:
        proof: str | None = entry.get("proof")
        if proof is None or not entry["path"].endswith(f"/commitments/ports/probe/channels/channel-0/sequences/{sequence}"):
            return entry
        return entry | {"proof": proof[:40] + ("B" if proof[40] == "A" else "A") + proof[41:]}

    rig.forges = forge


def test_a_packet_with_a_bad_proof_is_set_apart_and_the_others_arrive() -> None:
    rig = Pair((UNORDERED_PROBE,))
    rig.settle()
    spoil(rig, 3)
    say(rig, *(b"%d" % number for number in range(1, 8)))
    rig.settle()
    assert sorted(heard(rig, "juno", "received").split()) == [b"1:1", b"2:2", b"4:4", b"5:5", b"6:6", b"7:7"]
    assert packet_names(rig.courier) == ["osmosis:probe:channel-0:3"]
    told = reports.trace(rig.courier.engine, "osmosis:probe:channel-0:3").packet
    assert told.attempts == 8
    assert told.waits_for.startswith("given up after 8 attempts: ")

    rig.forges = lambda _chain, _path, answer: answer
    rig.settle()
    assert len(heard(rig, "juno", "received").split()) == 6
    rig.courier.order(Clear())
    rig.settle()
    assert sorted(heard(rig, "juno", "received").split())[2] == b"3:3"
    assert packet_names(rig.courier) == []


def test_on_an_ordered_channel_those_behind_a_bad_packet_wait_and_then_all_arrive_in_order() -> None:
    rig = Pair((ORDERED_PROBE,))
    rig.settle()
    spoil(rig, 2)
    say(rig, b"a", b"b", b"c")
    rig.settle()
    assert heard(rig, "juno", "received").split() == [b"1:a"]
    rig.forges = lambda _chain, _path, answer: answer
    rig.courier.order(Clear())
    rig.settle()
    assert heard(rig, "juno", "received").split() == [b"1:a", b"2:b", b"3:c"]


def test_rests_between_attempts_grow_so_that_a_bad_packet_costs_little() -> None:
    rig = Pair((UNORDERED_PROBE,))
    rig.settle()
    spoil(rig, 1)
    start = rig.now
    say(rig, b"bad")
    rig.settle()
    assert len(rig.refusals("juno")) == 8
    assert rig.now - start > 60 * SECOND


def test_a_chain_that_never_answers_does_not_stall_the_path_between_the_others() -> None:
    rig = Pair(chains="triangle")
    rig.dead.add("axelar")
    for _ in range(40):
        rig.courier.run_once(rig.now)
        rig.mine()
    paths = rig.courier.engine.paths
    assert {name: path.ready for name, path in paths.items()} == {
        "osmosis-juno": True,
        "osmosis-axelar": False,
        "juno-axelar": False,
    }
    message = Transfer(_channel(rig, "osmosis-juno"), Denom("uosmo"), 5, rig.address("juno", "bob"))
    assert rig.send("osmosis", "alice", message)["code"] == ""
    for _ in range(10):
        rig.courier.run_once(rig.now)
        rig.mine()
    assert len(rig.events("osmosis", "acknowledge_packet")) == 1

    rig.dead.clear()
    rig.settle()
    assert all(path.ready for path in paths.values())


def test_a_chain_that_dies_with_packets_under_way_does_not_stall_the_others() -> None:
    rig = Pair(chains="triangle")
    rig.settle()
    axelar, juno = (
        Transfer(_channel(rig, f"osmosis-{chain}"), Denom("uosmo"), 5, rig.address(chain, "bob")) for chain in ("axelar", "juno")
    )
    rig.dead.add("axelar")
    assert rig.send("osmosis", "alice", axelar, juno)["code"] == ""
    for _ in range(12):
        rig.courier.run_once(rig.now)
        rig.mine()
    assert len(rig.events("osmosis", "acknowledge_packet")) == 1
    rig.dead.clear()
    rig.settle()
    assert len(rig.events("osmosis", "acknowledge_packet")) == 2


def test_a_node_of_another_chain_is_not_believed() -> None:
    rig = Pair()
    rig.settle()

    def swap(chain: str, path: str, answer: tuple[int, Any]) -> tuple[int, Any]:
        return (answer[0], answer[1] | {"chain_id": "other-1"}) if (chain, path) == ("juno", "/v1/status") else answer

    rig.forges = swap
    rig.courier.run_once(rig.now)
    assert rig.courier.engine.chains["juno"].problem == "relayer/wrong-chain (found=other-1, expected=juno-1)"
    assert not rig.courier.engine.idle
    rig.forges = lambda _chain, _path, answer: answer
    rig.settle()


def test_answers_of_any_shape_are_survived() -> None:
    rig = Pair()
    rubbish: list[Any] = [None, [], "text", {}, {"height": "x"}, {"height": {"deep": []}}, {"code": 5}]
    chance = Random(1)

    def forge(_chain: str, _path: str, answer: tuple[int, Any]) -> tuple[int, Any]:
        return (answer[0], chance.choice(rubbish)) if chance.random() < 0.05 else answer

    rig.forges = forge
    rig.settle(patience=400)
    message = Transfer("channel-0", Denom("uosmo"), 5, rig.address("juno", "bob"))
    assert rig.send("osmosis", "alice", message)["code"] == ""
    rig.settle(patience=400)
    assert len(rig.events("osmosis", "acknowledge_packet")) == 1


@pytest.mark.parametrize("generation", ["1", "0"])
def test_chains_that_go_back_in_time_make_the_relayer_look_afresh(generation: str) -> None:
    """Given chains that are brought back to before their channel opened, in another generation or only lower."""
    rig = Pair()
    images = {name: node.storage.image.copy() for name, node in rig.nodes.items()}
    rig.settle()
    before = rig.courier.engine.chains["juno"].height
    for name, node in rig.nodes.items():
        node.storage.image = images[name].copy()
        node.restart()

    def forge(_chain: str, path: str, answer: tuple[int, Any]) -> tuple[int, Any]:
        return (answer[0], answer[1] | {"generation": generation}) if path == "/v1/status" else answer

    rig.forges = forge
    rig.courier.run_once(rig.now)
    rig.courier.run_once(rig.now)
    assert rig.courier.engine.chains["juno"].height < before
    rig.settle()
    message = Transfer("channel-0", Denom("uosmo"), 5, rig.address("juno", "bob"))
    assert rig.send("osmosis", "alice", message)["code"] == ""
    rig.settle()
    assert len(rig.events("osmosis", "acknowledge_packet")) == 1


def test_a_store_of_chains_that_have_been_started_anew_is_seen_through() -> None:
    rig = Pair()
    rig.settle()
    rig.mine(30)
    rig.settle()
    old = rig.store
    rig = Pair()
    rig.store = old
    rig.restart()
    rig.settle()
    assert rig.courier.engine.chains["juno"].height < 40
    assert rig.courier.engine.paths["osmosis-juno"].ready


@pytest.mark.parametrize("seed", range(4))
def test_a_stranger_who_signs_with_the_relayers_key_at_the_same_time_delays_packets_and_loses_none(seed: int) -> None:
    rig = Pair((UNORDERED_PROBE,))
    rig.settle()
    chance, key = Random(seed), names.development_key(names.relayer_path("main"))
    written: list[str] = []

    def race(chain: str, path: str, answer: tuple[int, Any]) -> tuple[int, Any]:
        spelled = names.chain_name(chain)
        mine = names.address(names.relayer_path("main"), spelled)
        if path in ("/v1/txs", f"/v1/accounts/{mine}") and chance.random() < 0.6:
            node = LocalTransport(rig.nodes[chain])
            sequence = int(node.get(f"/v1/accounts/{mine}")[1]["next_sequence"])
            coin = Send(rig.address(chain, "carol"), spelled.denom, 1)
            raw = make_tx(key, spelled.prefix, ChainId(spelled.chain_id), sequence, (coin,))
            assert node.post("/v1/txs", raw)[0] == 202
            written.append(chain)
        return answer

    before = {chain: rig.balance(chain, "carol", names.chain_name(chain).denom) for chain in rig.nodes}
    rig.forges = race
    for number in range(1, 13):
        say(rig, b"%d" % number)
        rig.mine()
        rig.settle()
    rig.forges = lambda _chain, _path, answer: answer
    rig.courier.order(Clear())
    rig.settle()
    everything = [b"%d:%d" % (number, number) for number in range(1, 13)]
    assert sorted(heard(rig, "juno", "received").split()) == sorted(everything)
    answers = [b"%d:ok:%d" % (number, number) for number in range(1, 13)]
    assert sorted(heard(rig, "osmosis", "acknowledged").split()) == sorted(answers)
    assert packet_names(rig.courier) == []
    gained = {chain: rig.balance(chain, "carol", names.chain_name(chain).denom) - had for chain, had in before.items()}
    assert gained == {chain: written.count(chain) for chain in rig.nodes}
    assert min(gained.values()) > 5
