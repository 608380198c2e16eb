"""A relayer may be killed at any moment, lose answers and its memory, and have company: nothing happens twice."""

from random import Random

import pytest

from meshsec_core.ibc.channel import CHANNELS
from meshsec_core.ibc.client import CLIENTS
from meshsec_core.ibc.connection import CONNECTIONS
from meshsec_core.ibc.transfer import Transfer
from meshsec_core.kernel.types import Denom
from meshsec_relayer.engine import reports
from meshsec_relayer.store import MemoryStore
from relay_rig import (
    VOUCHER,
    Pair,
    packet_names,
    transfer,
    waits_for,
)

DAY = 24 * 3_600


@pytest.fixture
def open_pair() -> Pair:
    found = Pair()
    found.settle()
    return found


@pytest.mark.parametrize("after", [53, 61, 67, 83])
def test_a_relayer_that_is_killed_again_and_again_opens_one_channel_and_carries_each_packet_once(after: int) -> None:
    """Given a relayer that dies after every `after` requests and starts again from its durable image."""
    rig = Pair()
    died = _settle_with_deaths(rig, after)
    packets = [transfer(rig, amount) for amount in (1, 10, 100)]
    died += _settle_with_deaths(rig, after)
    assert died >= 1
    assert len(packets) == 3
    assert rig.balance("juno", "bob", VOUCHER) == 111
    assert len(rig.events("juno", "write_acknowledgement")) == 3
    assert len(rig.events("osmosis", "acknowledge_packet")) == 3
    for chain in ("osmosis", "juno"):
        reader = rig.nodes[chain].replica.state
        assert CONNECTIONS.find(reader, "connection-1") is None
        assert CHANNELS.find(reader, "transfer", "channel-1") is None
        assert CLIENTS.find(reader, "07-tendermint-1") is None


class Killed(Exception):
    pass


def _settle_with_deaths(rig: Pair, after: int) -> int:
    """Settle with a relayer that dies at every `after`-th answer; return how often it died."""
    died = 0
    for _ in range(200):
        end = len(rig.requests) + after

        def power_cut(_chain: str, _path: str, end: int = end) -> bool:
            if len(rig.requests) >= end:
                raise Killed
            return False

        rig.loses = power_cut
        try:
            rig.settle()
        except Killed:
            died += 1
            rig.loses = lambda _chain, _path: False
            rig.restart()
            continue
        rig.loses = lambda _chain, _path: False
        return died
    raise AssertionError("it never settles")


@pytest.mark.parametrize("seed", range(4))
def test_answers_that_get_lost_delay_but_repeat_nothing(seed: int) -> None:
    """Given that half of all submissions are heard but not answered, and now and then another answer is lost."""
    rig, chance = Pair(), Random(seed)
    rig.loses = lambda _chain, path: chance.random() < (0.5 if path == "/v1/txs" else 0.02)
    rig.settle(patience=400)
    transfer(rig, 7)
    rig.settle(patience=400)
    assert rig.balance("juno", "bob", VOUCHER) == 7
    assert len(rig.events("osmosis", "acknowledge_packet")) == 1
    for chain in ("osmosis", "juno"):
        assert CHANNELS.find(rig.nodes[chain].replica.state, "transfer", "channel-1") is None
    assert rig.refusals("osmosis") + rig.refusals("juno") == []


def test_a_relayer_without_its_image_finds_what_is_open_and_what_is_under_way(open_pair: Pair) -> None:
    rig = open_pair
    transfer(rig, 5)
    rig.store = MemoryStore()
    rig.courier = rig.hire()
    rig.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 5
    assert CONNECTIONS.find(rig.nodes["juno"].replica.state, "connection-1") is None


def test_a_relayer_that_comes_back_reads_only_what_is_new(open_pair: Pair) -> None:
    rig = open_pair
    rig.mine(60)
    rig.settle()
    rig.restart()
    rig.requests.clear()
    rig.settle()
    blocks = [path for _, path in rig.requests if path.startswith("/v1/blocks/")]
    assert len(blocks) <= 2 * 20


def test_two_relayers_on_one_path_do_no_harm(open_pair: Pair) -> None:
    rig = open_pair
    other = rig.hire(MemoryStore(), id="second")
    for _ in range(4):
        rig.courier.run_once(rig.now)
        other.run_once(rig.now)
        rig.mine()
    for amount in (1, 2, 4):
        transfer(rig, amount)
        for _ in range(12):
            rig.courier.run_once(rig.now)
            other.run_once(rig.now)
            rig.mine()
    rig.settle()
    rig.settle(other)
    assert rig.balance("juno", "bob", VOUCHER) == 7
    assert len(rig.events("osmosis", "acknowledge_packet")) == 3
    assert packet_names(rig.courier) == packet_names(other) == []
    assert rig.refusals("osmosis") + rig.refusals("juno") == []


def test_an_idle_relayer_updates_no_client_until_a_refresh_is_due(open_pair: Pair) -> None:
    """Else two chains that make blocks only when there is something to do would mine each other for ever."""
    rig = open_pair
    rig.mine(30)
    rig.settle()
    updates = len(rig.events("juno", "update_client")), len(rig.events("osmosis", "update_client"))
    rig.mine(2, seconds=4 * DAY // 2)
    rig.settle()
    assert (len(rig.events("juno", "update_client")), len(rig.events("osmosis", "update_client"))) == updates
    rig.mine(2, seconds=DAY)
    rig.settle()
    assert (len(rig.events("juno", "update_client")), len(rig.events("osmosis", "update_client"))) == (
        updates[0] + 1,
        updates[1] + 1,
    )


def test_clients_survive_months_in_jumps_of_half_a_trusting_period(open_pair: Pair) -> None:
    rig = open_pair
    for _ in range(6):
        rig.mine(1, seconds=7 * DAY)
        rig.mine(1)
        rig.settle()
    transfer(rig)
    rig.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 1_000


def test_a_client_that_has_expired_is_said_to_and_nothing_is_opened_beside_it(open_pair: Pair) -> None:
    rig = open_pair
    packet = transfer(rig)
    rig.mine(1, seconds=15 * DAY)
    rig.mine(2)
    receipt = rig.send("osmosis", "alice", Transfer("channel-0", Denom("uosmo"), 1, rig.address("juno", "bob")))
    assert receipt["code"] == "ibc/client-not-active"
    rig.restart()
    rig.settle(patience=10)
    expired = [f"osmosis-juno: client 07-tendermint-0 on {chain}: relayer/client-expired" for chain in ("osmosis", "juno")]
    assert reports.reasons(rig.courier.engine) == expired
    assert waits_for(rig, packet) == "client 07-tendermint-0 on osmosis to be recovered by governance: relayer/client-expired"
    assert CLIENTS.find(rig.nodes["juno"].replica.state, "07-tendermint-1") is None


def test_a_dead_chain_is_said_to_be_and_comes_back(open_pair: Pair) -> None:
    rig = open_pair
    rig.dead.add("juno")
    packet = transfer(rig)
    for _ in range(5):
        rig.mine()
        rig.courier.run_once(rig.now)
    assert waits_for(rig, packet) == "juno: relayer/unreachable (chain=juno)"
    assert not rig.courier.engine.idle
    rig.dead.clear()
    rig.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 1_000


def test_a_chain_that_crashes_with_the_relayers_transaction_in_its_mempool_gets_it_again(open_pair: Pair) -> None:
    rig = open_pair
    transfer(rig)
    rig.mine(1, ("osmosis",))
    rig.courier.run_once(rig.now)
    assert rig.nodes["juno"].replica.waiting == 1
    rig.nodes["juno"].restart()
    assert rig.nodes["juno"].replica.waiting == 0
    rig.settle()
    assert rig.balance("juno", "bob", VOUCHER) == 1_000


def test_equal_histories_give_equal_requests_and_equal_chains() -> None:
    def history() -> tuple[list[tuple[str, str]], list[bytes], bytes]:
        rig = Pair()
        rig.settle()
        transfer(rig)
        rig.settle()
        return rig.requests, [node.replica.tip.app_hash for node in rig.nodes.values()], rig.store.raw

    assert history() == history()
