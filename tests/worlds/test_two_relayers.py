"""Two relayers on one path: together they carry everything once, and either of them alone carries everything."""

from typing import Any

import pytest
from msgspec.structs import replace

from forgery import frozen, lunatic, show
from meshsec_core.ibc.transfer import Transfer
from meshsec_core.kernel.types import SECOND, Denom
from meshsec_relayer.courier import Courier
from meshsec_relayer.engine.turns import PATIENCE, RUN, Turns
from meshsec_relayer.store import MemoryStore
from relay_rig import ORDERED_PROBE, VOUCHER, Pair, heard, messages_of, packet_names, say, transfer, waits_for

PEERS = ("one", "two")
RELAYS = ("ibc/RecvPacket", "ibc/Acknowledgement", "ibc/Timeout", "ibc/UpdateClient", "ibc/CreateClient", "ibc/ChannelOpenInit")


class Both:
    """A pair of chains and two relayers, each of which can be taken away."""

    def __init__(self, *channels: Any) -> None:
        self.rig = Pair(*([channels] if channels else []))
        self.rig.config = replace(self.rig.config, peers=PEERS)
        self.stores = {name: MemoryStore() for name in PEERS}
        self.alive: dict[str, Courier] = {}
        for name in PEERS:
            self.start(name)

    def start(self, name: str) -> None:
        """Bring a relayer back from what is durable."""
        self.stores[name] = MemoryStore(self.stores[name].raw)
        self.alive[name] = self.rig.hire(self.stores[name], id=name)

    def kill(self, name: str) -> None:
        del self.alive[name]

    def look(self) -> None:
        for courier in self.alive.values():
            courier.run_once(self.rig.now)
        self.rig.mine()

    def settle(self) -> None:
        for _ in range(150):
            for courier in self.alive.values():
                courier.run_once(self.rig.now)
            if all(courier.engine.idle for courier in self.alive.values()):
                return
            self.rig.mine()
        raise AssertionError("no rest")

    def told(self) -> dict[str, int]:
        """Return how many messages of each kind are in blocks."""
        found = [message for chain in self.rig.nodes for msgs in messages_of(self.rig, chain) for message in msgs]
        return {kind: found.count(kind) for kind in RELAYS}

    def redundant(self) -> int:
        counters = [courier.engine.meters.counters for courier in self.alive.values()]
        return sum(sum(found.get("packets_already_relayed_total", {}).values()) for found in counters)


@pytest.fixture
def both() -> Both:
    found = Both()
    found.settle()
    return found


def test_turns_go_round_in_runs_and_whoever_comes_later_waits_longer() -> None:
    one, two, alone, stranger = Turns("one", PEERS), Turns("two", PEERS), Turns("one"), Turns("other", PEERS)
    assert [one.wait(sequence) for sequence in (1, RUN - 1, RUN, 2 * RUN)] == [0, 0, PATIENCE, 0]
    assert [two.wait(sequence) for sequence in (1, RUN - 1, RUN, 2 * RUN)] == [PATIENCE, PATIENCE, 0, PATIENCE]
    assert (one.patience, two.patience) == (0, PATIENCE)
    assert (two.first(1), one.first(RUN)) == ("one", "two")
    assert [turns.wait(RUN) for turns in (alone, stranger)] == [alone.patience, stranger.patience] == [0, 0]


def test_two_relayers_that_start_together_open_everything_once(both: Both) -> None:
    assert both.told() | {"ibc/UpdateClient": 0} == dict.fromkeys(RELAYS, 0) | {"ibc/CreateClient": 2, "ibc/ChannelOpenInit": 1}
    assert both.rig.refusals("osmosis") + both.rig.refusals("juno") == []
    assert both.stores["one"].load().paths == both.stores["two"].load().paths  # type: ignore[union-attr]


def test_two_relayers_carry_every_packet_once(both: Both) -> None:
    rig = both.rig
    message = Transfer("channel-0", Denom("uosmo"), 1, rig.address("juno", "bob"))
    before = both.told()
    assert rig.send("osmosis", "alice", *[message] * 120)["code"] == ""
    both.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 120
    told = {kind: count - before[kind] for kind, count in both.told().items()}
    assert (told["ibc/RecvPacket"], told["ibc/Acknowledgement"]) == (120, 120)
    assert both.redundant() == 0
    shares = [sum(courier.engine.meters.counters["receive_packets_confirmed_total"].values()) for courier in both.alive.values()]
    assert shares == [70, 50]


@pytest.mark.parametrize("away", PEERS)
def test_either_of_two_relayers_alone_carries_everything(both: Both, away: str) -> None:
    rig = both.rig
    both.kill(away)
    message = Transfer("channel-0", Denom("uosmo"), 1, rig.address("juno", "bob"))
    assert rig.send("osmosis", "alice", *[message] * 120)["code"] == ""
    both.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 120
    assert all(packet_names(courier) == [] for courier in both.alive.values())


def test_a_relayer_says_whose_turn_it_is(both: Both) -> None:
    rig = both.rig
    both.kill("one")
    packet = transfer(rig)
    both.look()
    both.look()
    rig.courier = both.alive["two"]
    assert waits_for(rig, packet) == "relayer one, whose turn it is; if it does not act, this one will"


@pytest.mark.parametrize("looks", range(1, 7))
@pytest.mark.parametrize("away", PEERS)
def test_a_relayer_that_is_killed_on_the_way_leaves_nothing_undone(both: Both, looks: int, away: str) -> None:
    """Given 60 packets, of which each relayer carries some
    When one of them is killed so many blocks later, and returns when the other is done
    Then every packet arrives and is answered once
    """
    rig = both.rig
    message = Transfer("channel-0", Denom("uosmo"), 1, rig.address("juno", "bob"))
    assert rig.send("osmosis", "alice", *[message] * 60)["code"] == ""
    for _ in range(looks):
        both.look()
    both.kill(away)
    both.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 60
    assert len(rig.events("osmosis", "acknowledge_packet")) == 60
    both.start(away)
    both.settle()
    assert len(rig.events("juno", "recv_packet")) == len(rig.events("osmosis", "acknowledge_packet")) == 60
    assert all(packet_names(courier) == [] for courier in both.alive.values())


def test_two_relayers_keep_the_order_of_an_ordered_channel() -> None:
    both = Both(ORDERED_PROBE)
    both.settle()
    texts = [b"%d" % number for number in range(1, 2 * RUN + 10)]
    say(both.rig, *texts)
    both.settle()
    assert heard(both.rig, "juno", "received").split() == [b"%d:%b" % (number + 1, text) for number, text in enumerate(texts)]
    assert both.rig.refusals("juno") + both.rig.refusals("osmosis") == []


def test_two_relayers_keep_clients_alive_with_the_updates_of_one(both: Both) -> None:
    before = both.told()["ibc/UpdateClient"]
    for _ in range(6):
        both.rig.now += 5 * 24 * 3_600 * SECOND
        both.rig.mine(2)
        both.look()
        both.settle()
    assert both.told()["ibc/UpdateClient"] - before == 12


@pytest.mark.parametrize("away", PEERS)
def test_a_lie_to_a_client_is_answered_by_one_relayer_even_if_the_other_is_away(both: Both, away: str) -> None:
    rig = both.rig
    both.rig.mine(5)
    show(rig, lunatic(rig))
    both.kill(away)
    both.settle()
    assert frozen(rig)
    both.start(away)
    both.settle()
    assert rig.refusals("juno") == []


def test_a_lie_to_a_client_is_answered_once(both: Both) -> None:
    both.rig.mine(5)
    show(both.rig, lunatic(both.rig))
    both.settle()
    found = [courier.engine.meters.counters.get("client_misbehaviours_submitted_total", {}) for courier in both.alive.values()]
    assert [sum(counts.values()) for counts in found] == [1, 0]


def test_a_true_header_from_the_other_relayer_is_compared_without_delay(both: Both) -> None:
    transfer(both.rig)
    for _ in range(5):
        both.look()
    assert both.alive["two"].engine.idle
