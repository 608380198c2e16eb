"""How a link ends and begins again: governance closes, everything is unwound, and a new channel can carry a new link."""

import pytest

from harness import Chain
from mesh_faults import double_vote, downtime, evidence_for
from mesh_rig import Link, MeshRig, account, pair, refused
from meshsec_core.ibc.channel import ChannelCloseInit
from meshsec_core.modules.slashing import Unjail
from meshsec_core.security.mesh.consumer.governance import CloseLink, OpenLink, SetMaxCap
from meshsec_core.security.mesh.consumer.state import CLOSING, LinkParams
from meshsec_core.security.mesh.packets import CONSUMER_PORT, PROVIDER_PORT
from meshsec_core.security.mesh.provider.lending import StakeRemote, Unstake, WithdrawUnbonded
from meshsec_core.security.mesh.provider.payout import WithdrawRewards
from meshsec_core.security.mesh.provider.vault import Bond, Unbond
from meshsec_core.security.mesh.ranges import Range


def start(**more: object) -> tuple[MeshRig, Link]:
    """Alice lends 500 to one validator and 300 to another, bob 200."""
    rig, link = pair(alice=1_000, bob=1_000, **more)  # type: ignore[arg-type]
    osmo = link.provider
    first, second = StakeRemote(link.lent, link.validator(0), 500), StakeRemote(link.lent, link.validator(1), 300)
    osmo.send("alice", Bond(1_000), first, second)
    osmo.send("bob", Bond(1_000), StakeRemote(link.lent, link.validator(0), 200))
    rig.settle()
    return rig, link


def govern(chain: Chain, msg: object) -> None:
    chain.send(chain.ctx.module_account("gov"), msg)  # type: ignore[arg-type]


def phases(link: Link) -> tuple[str, str]:
    """Return the phase at the provider, then at the consumer."""
    return (
        link.provider.query("mesh/provider/link", link=link.lent).phase,
        link.consumer.query("mesh/consumer/link", link=link.link).phase,
    )


def close(rig: MeshRig, link: Link) -> None:
    """Let the consumer's governance close the link, and bring the news home."""
    govern(link.consumer, CloseLink(link.link))
    rig.settle()
    assert phases(link) == ("open", "closed")
    rig.close_other_end(link.provider, PROVIDER_PORT, link.lent)


def test_closing_sends_all_power_and_all_stake_home_and_then_closes_by_itself() -> None:
    rig, link = start()
    osmo, juno = link.provider, link.consumer
    assert link.virtual() == 1_000
    govern(juno, CloseLink(link.link))
    assert phases(link) == ("open", "closing")
    juno.block()
    assert link.virtual() == 0
    rig.settle()
    assert phases(link) == ("open", "closed")
    assert CLOSING.get(juno.state).links == ()
    rig.close_other_end(osmo, PROVIDER_PORT, link.lent)
    assert phases(link) == ("closed", "closed")
    for user, lent in (("alice", 800), ("bob", 200)):
        assert account(osmo, user).liens[link.lent].range == Range.of(lent)
        osmo.send(user, WithdrawUnbonded(link.lent), Unbond(1_000))
        assert osmo.balance(user) == 1_000
    rig.settle()


def test_while_a_link_closes_nothing_new_is_lent_and_its_cap_cannot_rise() -> None:
    rig, link = start()
    govern(link.consumer, CloseLink(link.link))
    with refused(link.consumer, "mesh/link-not-open"):
        govern(link.consumer, SetMaxCap(link.link, 5))
    with refused(link.consumer, "mesh/link-not-open"):
        govern(link.consumer, CloseLink(link.link))
    link.provider.send("bob", StakeRemote(link.lent, link.validator(2), 100))
    rig.settle()
    assert link.range("bob", 2) == Range()
    assert phases(link)[1] == "closed"


def test_a_slash_while_a_link_closes_costs_what_it_costs() -> None:
    rig, link = start()
    govern(link.consumer, CloseLink(link.link))
    downtime(link.consumer, 0)
    rig.settle()
    assert [account(link.provider, user).collateral for user in ("alice", "bob")] == [950, 980]
    assert phases(link)[1] == "closed"


def test_a_closed_link_is_opened_again_on_a_new_channel_once_governance_admits_the_provider_again() -> None:
    rig, link = start()
    osmo, juno = link.provider, link.consumer
    close(rig, link)
    with pytest.raises(AssertionError, match="mesh/not-admitted"):
        rig.link("osmo", "juno")
    govern(juno, OpenLink("osmo-1", LinkParams(max_cap=10**9, reward_seconds=0)))  # type: ignore[arg-type]
    downtime(juno, 2)
    again = rig.link("osmo", "juno")
    assert (again.lent, again.link) != (link.lent, link.link)
    rig.relay()
    known = {each.validator: each.state for each in osmo.query("mesh/provider/validators", consumer=again.lent)}
    assert [known[link.validator(index)] for index in (0, 1, 2)] == ["active", "active", "unknown"]
    osmo.send("alice", WithdrawUnbonded(link.lent), StakeRemote(again.lent, again.validator(0), 1_000))
    rig.settle()
    assert (again.virtual(), link.virtual()) == (1_000, 0)
    with refused(osmo, "mesh/link-not-open"):
        osmo.send("alice", StakeRemote(link.lent, link.validator(0), 1))


def test_no_second_link_while_the_first_one_closes() -> None:
    rig, link = start()
    govern(link.consumer, CloseLink(link.link))
    with refused(link.consumer, "mesh/already-linked"):
        govern(link.consumer, OpenLink("osmo-1", LinkParams(max_cap=1)))  # type: ignore[arg-type]
    rig.settle()


def test_rewards_of_a_closed_link_are_paid_over_the_link_that_follows_it() -> None:
    rig, link = start(genesis={"mint": {"inflation_bps": 100_000}})
    rig.advance(30 * 86_400)
    rig.settle()
    osmo, juno = link.provider, link.consumer
    earned = link.rewards("alice", 0)
    assert earned > 0
    close(rig, link)
    earned = link.rewards("alice", 0)
    with refused(osmo, "mesh/link-not-open"):
        osmo.send("alice", WithdrawRewards(link.lent, link.validator(0), juno.address("fresh")))
    govern(juno, OpenLink("osmo-1", LinkParams(max_cap=10**9)))  # type: ignore[arg-type]
    rig.link("osmo", "juno")
    rig.relay()
    osmo.send("alice", WithdrawRewards(link.lent, link.validator(0), juno.address("fresh")))
    rig.check(settled=False)
    rig.settle()
    assert (juno.balance("fresh"), link.rewards("alice", 0)) == (earned, 0)


def test_a_provider_stops_lending_by_its_own_governance_and_closes_when_nothing_is_lent() -> None:
    """Users keep their rights and their duties: stake leaves by unbonding, and is slashable until then."""
    rig, link = start()
    osmo, juno = link.provider, link.consumer
    govern(osmo, CloseLink(link.lent))
    assert phases(link) == ("closing", "open")
    with refused(osmo, "mesh/link-not-open"):
        osmo.send("alice", StakeRemote(link.lent, link.validator(0), 1))
    with refused(osmo, "mesh/not-unwound"):
        osmo.send("alice", ChannelCloseInit(PROVIDER_PORT, link.lent))
    downtime(juno, 0)
    rig.settle()
    for user, index, amount in (("alice", 0, 450), ("alice", 1, 300), ("bob", 0, 180)):
        osmo.send(user, Unstake(link.lent, link.validator(index), amount))
    rig.settle()
    assert link.virtual() == 0
    osmo.send("bob", ChannelCloseInit(PROVIDER_PORT, link.lent))
    rig.close_other_end(juno, CONSUMER_PORT, link.link)
    assert phases(link) == ("closed", "closed")
    rig.settle()


def test_a_consumer_that_closes_its_end_under_the_users_feet_frees_all_they_lent() -> None:
    """A hostile consumer: it answers nothing and closes. Nothing of it can be owed any more."""
    rig, link = start()
    osmo = link.provider
    osmo.send("alice", StakeRemote(link.lent, link.validator(2), 100), Unstake(link.lent, link.validator(0), 50))
    rig.collect()
    rig.close_other_end(osmo, PROVIDER_PORT, link.lent)
    assert account(osmo, "alice").liens[link.lent].range == Range(800, 900)
    osmo.send("alice", WithdrawUnbonded(link.lent))
    assert (account(osmo, "alice").free, account(osmo, "alice").liens) == (Range.of(1_000), {})
    osmo.check_laws()
    rig.flights = [flight for flight in rig.flights if flight.source is osmo]
    for flight in list(rig.flights):
        rig.advance(601)
        rig.time_out(flight)
    osmo.check_laws()
    assert account(osmo, "alice").free == Range.of(1_000)


def test_a_provider_that_closes_its_end_early_takes_its_power_along() -> None:
    rig, link = start()
    juno = link.consumer
    rig.close_other_end(juno, CONSUMER_PORT, link.link)
    assert (link.virtual(), juno.query("mesh/consumer/requests", link=link.link)) == (0, ())
    juno.check_laws()
    juno.blocks(3)
    juno.check_laws()


def test_a_fault_is_still_charged_to_what_was_unbonding_when_the_link_closed() -> None:
    rig, link = start()
    osmo = link.provider
    proof = evidence_for(link, double_vote(link.consumer, 0))
    osmo.send("alice", Unstake(link.lent, link.validator(0), 500))
    rig.settle()
    close(rig, link)
    osmo.send("bob", proof)
    assert [account(osmo, user).collateral for user in ("alice", "bob")] == [950, 1_000]
    assert not rig.collect()
    osmo.check_laws()


@pytest.mark.parametrize("how", ["the cap rises", "the link opens again"])
def test_who_is_jailed_before_the_full_report_and_unjailed_after_it_in_one_block_can_be_lent_to(how: str) -> None:
    """The validator never leaves the active set, so that nothing but its release from jail is news."""
    rules = {"double_sign_slash_bps": 1_000, "downtime_slash_bps": 1_000, "jail_time": 0}
    rig, link = pair(alice=1_000, genesis={"slashing": rules})
    osmo, juno = link.provider, link.consumer
    if how == "the cap rises":
        govern(juno, SetMaxCap(link.link, 0))
        rig.settle()
    else:
        close(rig, link)
    downtime(juno, 0)
    if how == "the cap rises":
        govern(juno, SetMaxCap(link.link, 10**9))
    else:
        govern(juno, OpenLink(osmo.ctx.chain_id, LinkParams(max_cap=10**9)))
        link = rig.link("osmo", "juno")
    juno.send("val-0", Unjail())
    rig.settle()
    osmo.send("alice", Bond(100), StakeRemote(link.lent, link.validator(0), 100))
    rig.settle()
    assert link.virtual(0) == 100
