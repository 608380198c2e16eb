"""The last unit: amounts that meet a limit exactly, and what is found, cut or shared when it does."""

from typing import Any

import pytest

from mesh_faults import downtime
from mesh_rig import Link, MeshRig, account, pair, star
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import Denom
from meshsec_core.security.mesh.account import Account, Cut, Lien
from meshsec_core.security.mesh.burn import distribute_burn
from meshsec_core.security.mesh.consumer import collect, requests, unwind
from meshsec_core.security.mesh.consumer.governance import SetMaxCap
from meshsec_core.security.mesh.consumer.state import REQUESTS
from meshsec_core.security.mesh.packets import PROVIDER_PORT, Burn, BurnRow
from meshsec_core.security.mesh.provider.lending import StakeRemote
from meshsec_core.security.mesh.provider.vault import Bond
from meshsec_core.security.mesh.ranges import Range


def lien(amount: int, ratio_bps: int) -> Lien:
    return Lien(Range.of(amount), ratio_bps)


# accounts, ranges and burns, number by number


def test_a_slash_that_leaves_as_much_as_can_be_slashed_cuts_nothing_more() -> None:
    """Two liens of 50 at a half each can cost 50, and 50 is what is left."""
    before = Account(100, {"a": lien(100, 5_000), "b": lien(100, 5_000)})
    after, cuts = before.slash("a", 50, 0)
    assert after == Account(50, {"a": lien(50, 5_000), "b": lien(50, 5_000)})
    assert cuts == (Cut("b", pending=0, settled=50),)


def test_a_slash_that_leaves_a_ten_thousandth_too_little_cuts_on() -> None:
    """Liens of 1 at 50 % and 50.01 % can cost 1.0001, of 1 that is left: both give way by 1."""
    before = Account(2, {"a": lien(2, 5_000), "b": lien(1, 5_001)})
    after, cuts = before.slash("a", 1, 0)
    assert (after, cuts) == (Account(1), (Cut("a", pending=0, settled=1), Cut("b", pending=0, settled=1)))


def test_a_range_may_reach_its_limits_and_not_pass_them() -> None:
    assert Range(0, 2_000).prepare_add(1_500, 3_500) == Range(0, 3_500)
    assert Range.of(3_000).prepare_sub(2_000, 1_000) == Range(1_000, 3_000)
    for act, arguments, code in (
        (Range(0, 2_000).prepare_add, (1_500, 3_499), "mesh/overflow"),
        (Range.of(3_000).prepare_sub, (2_000, 1_001), "mesh/underflow"),
    ):
        with pytest.raises(Rejected) as refusal:
            act(*arguments)
        assert refusal.value.code == code


def test_the_remainder_of_a_burn_goes_to_a_stake_that_it_takes_whole() -> None:
    """Shares of 3 leave 2 that the stake of 1 cannot give: not to a and b by one each, but to b, which has just 2 more."""
    assert distribute_burn((("a", 4), ("b", 5), ("c", 1)), 9) == {"a": 3, "b": 5, "c": 1}


def test_a_burn_names_only_stakes_that_burn() -> None:
    assert distribute_burn((("a", 10), ("b", 10)), 1) == {"a": 1}


# burns on several links


def test_a_closed_link_is_told_of_no_cut_and_the_others_are() -> None:
    rig, (closed, struck, other) = star("juno", "axelar", "akash", alice=100)
    osmo = rig.chains["osmo"]
    osmo.send("alice", Bond(100))
    for link in (closed, struck, other):
        osmo.send("alice", StakeRemote(link.lent, link.validator(0), 100))
    rig.settle()
    rig.close_other_end(osmo, PROVIDER_PORT, closed.lent)
    heard = len(osmo.events)
    downtime(struck.consumer, 0)
    rig.block()
    rig.relay()
    rig.block()
    rig.relay()
    assert [each.range for each in account(osmo, "alice").liens.values()] == [Range.of(90)] * 3
    assert (struck.virtual(), other.virtual()) == (90, 90)
    assert "mesh/packet-kept" not in {event.type for event in osmo.events[heard:]}


def test_a_cut_of_what_is_in_flight_is_told_as_what_it_takes() -> None:
    rig, (struck, other) = star("juno", "axelar", alice=100)
    osmo = rig.chains["osmo"]
    osmo.send("alice", Bond(100), StakeRemote(struck.lent, struck.validator(0), 100))
    rig.settle()
    osmo.send("alice", StakeRemote(other.lent, other.validator(0), 100))
    downtime(struck.consumer, 0)
    rig.block()
    rig.relay(lambda flight: flight.kind == "valset_update")
    told = [dict(event.attributes) for event in osmo.events if event.type == "mesh/cut"]
    assert told == [{"user": osmo.address("alice"), "link": other.lent, "amount": "10"}]
    rig.settle()
    assert (struck.virtual(), other.virtual()) == (90, 90)


# epochs


def lend(*amounts: int, users: tuple[str, ...] = ("alice",), **of_pair: Any) -> tuple[MeshRig, Link]:
    """Let every user lend to validators 0, 1, …"""
    rig, link = pair(**of_pair, **dict.fromkeys(users, 1_000_000))
    for user in users:
        link.provider.send(user, Bond(1_000_000))
        for index, amount in enumerate(amounts):
            link.provider.send(user, StakeRemote(link.lent, link.validator(index), amount))
    rig.settle()
    return rig, link


def test_a_floor_of_one_half_lets_in_as_much_as_is_native_and_not_one_more() -> None:
    floor = {"mesh/consumer": {"local_floor_bps": 5_000, "links": {"osmo-1": {"max_cap": 10**12, "reward_seconds": 0}}}}
    rig = MeshRig()
    rig.add("osmo", alice=1_000)
    juno = rig.add("juno", genesis=floor, validators=(10, 10, 10, 10), alice=1_000)
    link = rig.link("osmo", "juno")
    rig.relay()
    link.provider.send("alice", Bond(1_000), StakeRemote(link.lent, link.validator(0), 40))
    rig.settle()
    assert link.virtual() == 40
    link.provider.send("alice", StakeRemote(link.lent, link.validator(0), 1))
    rig.settle()
    assert (link.virtual(), REQUESTS.get(juno.state, link.link, link.validator(0)).tokens) == (40, 41)


def test_a_burn_of_more_than_a_reported_slash_leaves_asks_for_nothing() -> None:
    """Of 10 a slash has taken 1, which is not answered; a burn of all 10 leaves nothing to hold, and not less."""
    rig, link = lend(10)
    juno = link.consumer
    downtime(juno, 0)
    row = BurnRow(link.provider.address("alice"), link.validator(0), 10)
    requests.on_burn(juno.ctx, link.link, Burn(Denom("uosmo"), (row,)))
    request = REQUESTS.get(juno.state, link.link, link.validator(0))
    assert (request.tokens, request.reported, link.virtual(0)) == (0, 1, 9)
    juno.block()
    assert link.virtual(0) == 0
    left = REQUESTS.get(juno.state, link.link, link.validator(0))
    assert (left.tokens, left.bonded, left.reported) == (0, 0, 1)
    rig.relay()
    assert REQUESTS.find(juno.state, link.link, link.validator(0)) is None


def test_what_one_validator_refuses_costs_the_others_nothing_and_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    rig, link = lend(1, 1, consumer_terms={"reward_seconds": 3_600})  # nothing but the refusal asks for an epoch
    juno, whole = link.consumer, collect.collect_one
    link.provider.send("alice", *(StakeRemote(link.lent, link.validator(index), 9) for index in (0, 1)))
    rig.relay()

    def refuses(ctx: Any, name: Any, validator: Any) -> None:
        if validator == link.validator(0):
            raise Rejected("mesh/made-to-fail")
        whole(ctx, name, validator)

    with monkeypatch.context() as patch:
        patch.setattr(collect, "collect_one", refuses)
        patch.setattr(collect, "collect_due", lambda ctx, name, held: None)
        juno.block()
    assert (link.virtual(0), link.virtual(1)) == (1, 10)
    told = [dict(event.attributes) for event in juno.events if event.type == "mesh/virtual-stake-refused"]
    assert told == [{"link": link.link, "validator": link.validator(0), "change": "9", "code": "mesh/made-to-fail"}]
    juno.block()
    assert (link.virtual(0), link.virtual(1)) == (10, 10)
    rig.settle()


def test_an_epoch_sends_a_bounded_number_of_delegations_home_and_the_next_ones_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    rig, link = lend(10, users=("alice", "bob", "carol", "dave", "erin"))
    juno = link.consumer
    monkeypatch.setattr(unwind, "MOST_PER_EPOCH", 2)
    juno.send(juno.ctx.module_account("gov"), SetMaxCap(link.link, 0))
    asked = []
    for _ in range(4):
        juno.block()
        asked.append(sum(flight.kind == "internal_unstake" for flight in rig.collect()))
    assert asked == [2, 4, 5, 5]
    rig.settle()
