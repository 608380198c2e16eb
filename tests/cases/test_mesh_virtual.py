"""Virtual stake: requests, epochs, caps, prices, unwinding (case list, section E, F and the decisions)."""

from typing import Any

import pytest
from msgspec.structs import replace

from harness import Chain
from mesh_faults import double_sign, double_vote, downtime, evidence_for
from mesh_rig import E18, Link, MeshRig, account, pair, refused, star, terms
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import Address, ChainId, Denom
from meshsec_core.modules import bank
from meshsec_core.modules.staking.module import Delegate
from meshsec_core.security.mesh.consumer import requests
from meshsec_core.security.mesh.consumer.agenda import has_work
from meshsec_core.security.mesh.consumer.governance import OpenLink, SetLinkParams, SetMaxCap, SetPriceFeed
from meshsec_core.security.mesh.consumer.state import DEBTS, REQUESTS, Epochs, LinkParams
from meshsec_core.security.mesh.packets import Burn, BurnRow, Coin, Short, Stake, Unstake
from meshsec_core.security.mesh.provider.lending import StakeRemote
from meshsec_core.security.mesh.provider.lending import Unstake as AskBack
from meshsec_core.security.mesh.provider.vault import Bond
from meshsec_core.security.mesh.ranges import Range


def start(*stakes: int, amount: int = 10_000, **of_link: Any) -> tuple[MeshRig, Link]:
    """Let alice lend to validators 0, 1, …"""
    rig, link = pair(alice=amount, consumer_terms=of_link)
    link.provider.send("alice", Bond(amount))
    for index, stake in enumerate(stakes):
        link.provider.send("alice", StakeRemote(link.lent, link.validator(index), stake))
    rig.relay()
    return rig, link


def govern(link: Link, msg: Any) -> None:
    link.consumer.send(link.consumer.ctx.module_account("gov"), msg)


def virtual(link: Link, *indexes: int) -> tuple[int, ...]:
    return tuple(link.virtual(index) for index in indexes)


def moves(chain: Chain) -> list[int]:
    """Return all changes of virtual stake so far, in order; those of one epoch go by operator."""
    return [int(dict(event.attributes)["change"]) for event in chain.events if event.type == "mesh/virtual-stake"]


def test_c_stake_requests_are_valued_at_the_epoch() -> None:
    rig, link = start(1_000, 4_000, price_e18=E18 // 2, discount_bps=4_000)
    link.provider.send("alice", AskBack(link.lent, link.validator(1), 2_000))
    rig.relay()
    assert virtual(link, 0, 1) == (0, 0)
    rig.settle()
    assert virtual(link, 0, 1) == (300, 600)


def test_c_burn_what_is_gone_on_the_provider_goes_at_the_epoch() -> None:
    rig, link = start(1_000, 4_000, price_e18=E18 // 2, discount_bps=4_000)
    rig.block()
    row = BurnRow(link.provider.address("alice"), link.validator(1), 2_000)
    assert requests.on_burn(link.consumer.ctx, link.link, Burn(Denom("uosmo"), (row,))) == Short()
    rig.block()
    assert virtual(link, 0, 1) == (300, 600)


@pytest.mark.parametrize(("cap", "given"), [(10, (5,)), (10, (6, 4))])
def test_vs_2_vs_3_requests_within_the_cap_are_bonded_whole(cap: int, given: tuple[int, ...]) -> None:
    rig, link = start(*given, max_cap=cap)
    rig.settle()
    assert virtual(link, *range(len(given))) == given


def test_vs_4_vs_doc_over_the_cap_power_is_scaled_and_stake_is_not() -> None:
    """Caps cap power, not security: what is above the cap stays lent and slashable."""
    rig, link = start(80, 120, max_cap=100)
    rig.settle()
    assert virtual(link, 0, 1) == (40, 60)
    assert account(link.provider, "alice").liens[link.lent].range == Range.of(200)
    downtime(link.consumer, 0)
    rig.settle()
    assert (link.range("alice", 0), account(link.provider, "alice").collateral) == (Range.of(72), 9_992)
    assert virtual(link, 0, 1) == (37, 62)  # 72 and 120 of 192, within 100


def test_vs_5_and_m_del_unbonding_burns_what_was_minted() -> None:
    rig, link = start(5, max_cap=10)
    supply = bank.supply(link.consumer.state, link.consumer.ctx.denom)
    rig.block()
    assert bank.supply(link.consumer.state, link.consumer.ctx.denom) == supply + 5
    link.provider.send("alice", AskBack(link.lent, link.validator(0), 5))
    rig.settle()
    assert (virtual(link, 0), bank.supply(link.consumer.state, link.consumer.ctx.denom)) == ((0,), supply)


def test_unbonds_come_before_bonds_within_a_cap() -> None:
    rig, link = start(100, max_cap=100)
    rig.block()
    link.provider.send("alice", AskBack(link.lent, link.validator(0), 100), StakeRemote(link.lent, link.validator(1), 100))
    link.provider.send("alice", StakeRemote(link.lent, link.validator(2), 50))
    rig.settle()
    assert (moves(link.consumer)[:2], sorted(moves(link.consumer)[2:])) == ([100, -100], [33, 66])
    assert virtual(link, 0, 1, 2) == (0, 66, 33)


def test_vs_10_a_slash_is_not_bonded_again_while_the_provider_has_not_answered() -> None:
    rig, link = start(10, 20)
    rig.block()
    downtime(link.consumer, 0)
    rig.block(3)
    assert (virtual(link, 0, 1), moves(link.consumer)) == ((9, 20), [20, 10])
    assert REQUESTS.get(link.consumer.state, link.link, link.validator(0)).tokens == 10
    rig.settle()
    assert (virtual(link, 0, 1), moves(link.consumer)) == ((9, 20), [20, 10])
    assert REQUESTS.get(link.consumer.state, link.link, link.validator(0)).tokens == 9


def test_vs_11_stake_that_is_still_to_be_bonded_is_bonded_to_a_jailed_validator() -> None:
    rig, link = start(10)
    rig.block()
    link.provider.send("alice", StakeRemote(link.lent, link.validator(0), 20))
    rig.relay()
    downtime(link.consumer, 0)
    rig.block()
    assert virtual(link, 0) == (29,)
    rig.settle()


def test_slashes_of_one_validator_add_up() -> None:
    """The reference applies the last one only."""
    rig, link = start(1_000)
    rig.block()
    for height in (2, 1):
        downtime(link.consumer, 0, height=height)
    rig.settle()
    assert (virtual(link, 0), link.range("alice", 0)) == ((810,), Range.of(810))


def test_vs_15_vs_16_all_virtual_stake_leaves_a_tombstoned_validator() -> None:
    rig, link = start(10)
    rig.block()
    link.provider.send("alice", StakeRemote(link.lent, link.validator(0), 20))
    rig.relay()
    double_sign(link.consumer, 0)
    rig.block()
    assert (virtual(link, 0), moves(link.consumer)) == ((0,), [10, -9])
    rig.settle()
    assert moves(link.consumer) == [10, -9]
    link.provider.send("alice", AskBack(link.lent, link.validator(0), 30))
    rig.settle()
    assert link.stake("alice", 0).unbonds[0].release_at <= link.provider.ctx.time


def test_a_price_move_re_prices_the_whole_stake_and_never_blocks_unstaking() -> None:
    rig, link = start(1_000, price_e18=E18)
    rig.settle()
    govern(link, SetPriceFeed(link.link, E18 * 3))
    rig.settle()
    assert virtual(link, 0) == (3_000,)
    link.provider.send("alice", AskBack(link.lent, link.validator(0), 1_000))
    govern(link, SetPriceFeed(link.link, E18 // 7))
    rig.settle()
    assert (virtual(link, 0), link.stake("alice", 0).unbonding) == ((0,), 1_000)


def test_a_slash_converts_back_at_the_rate_of_the_epoch_that_bonded() -> None:
    rig, link = start(1_000, price_e18=2 * E18)
    rig.settle()
    govern(link, SetLinkParams(link.link, epochs=Epochs(blocks=1_000)))
    rig.block()
    govern(link, SetPriceFeed(link.link, E18))
    downtime(link.consumer, 0)
    rig.block(2)
    rig.relay()
    assert link.range("alice", 0) == Range.of(900)


def test_a_change_of_the_share_cap_and_of_native_stake_shapes_power() -> None:
    rig, link = start(1_000_000, amount=1_000_000, share_cap_bps=1_000)
    rig.settle()
    assert link.virtual() == 400_000
    bank.mint(link.consumer.ctx, link.consumer.address("dave"), link.consumer.ctx.denom, 100_000)
    link.consumer.send("dave", Delegate(link.validator(1), 100_000))
    rig.settle()
    assert link.virtual() == 410_000


def floored(**of_links: Any) -> tuple[MeshRig, list[Link]]:
    """Two providers of juno, which keeps 80 % of its power local; of the first 2,000,000 are lent, of the other 1,000,000."""
    return capped(floor_bps=8_000, **of_links)


def capped(floor_bps: int = 0, **of_links: Any) -> tuple[MeshRig, list[Link]]:
    """The same with another floor."""
    rig = MeshRig()
    for name in ("osmo", "axelar"):
        rig.add(name, genesis={"mesh/provider": {"local_slash_bps": 1_000}}, alice=2_000_000)
    links = {"osmo-1": terms(**of_links), "axelar-1": terms(**of_links)}
    rig.add("juno", genesis={"mesh/consumer": {"links": links, "local_floor_bps": floor_bps}}, alice=1)
    opened = [rig.link(name, "juno") for name in ("osmo", "axelar")]
    rig.relay()
    for link, amount in zip(opened, (2_000_000, 1_000_000), strict=True):
        link.provider.send("alice", Bond(amount), StakeRemote(link.lent, link.validator(0), amount))
    rig.settle()
    return rig, opened


@pytest.mark.parametrize("first", [0, 1])
def test_what_one_link_delegates_is_no_reason_for_another_to_measure_its_caps_again(first: int) -> None:
    """Given two providers whose caps are parts of the native stake
    When one of them asks a little back and the epoch has passed
    Then nothing is due: virtual stake is not native
    """
    rig, links = capped(share_cap_bps=9_000)
    juno, link = links[0].consumer, links[first]
    before = link.virtual()
    link.provider.send("alice", AskBack(link.lent, link.validator(0), 500))
    rig.relay()
    rig.block()
    assert (link.virtual() - before, has_work(juno.state)) == (-500, False)


def test_a_floor_for_local_power_binds_all_links_together() -> None:
    """Native 4,000,000 and a floor of 80 %: all virtual stake together is at most 1,000,000."""
    _, opened = floored()
    assert [link.virtual() for link in opened] == [666_666, 333_333]


def test_a_burn_that_comes_after_the_provider_has_said_what_is_left_is_not_taken_off_that_again() -> None:
    """Alice asks 5 of 100 back, the consumer sends everything home, and its validator is found guilty, which costs 10. The
    provider lets 85 go and says that 5 are left. The burn of 10 comes later, the unstake never: 5 must be asked for again.
    """
    rig, link = start(100)
    rig.settle()
    link.provider.send("alice", AskBack(link.lent, link.validator(0), 5))
    govern(link, SetMaxCap(link.link, 0))
    rig.block()
    link.provider.send("carol", evidence_for(link, double_vote(link.consumer, 0)))
    home = rig.flight("internal_unstake")
    rig.receive(home)
    rig.acknowledge(home)
    rig.receive(rig.flight("burn"))
    rig.advance(100_000)
    rig.time_out(rig.flight("unstake"))
    rig.settle()
    assert link.stake("alice", 0).bonded == 0
    assert link.consumer.query("mesh/consumer/delegations", link=link.link) == ()
    assert list(REQUESTS.items(link.consumer.state, link.link)) == []


@pytest.mark.parametrize("cap", ["share_cap_bps", "validator_cap_bps"])
def test_caps_that_are_parts_of_native_stake_follow_it_at_the_next_epoch_though_no_reward_is_due(cap: str) -> None:
    rig, link = start(1_000_000, amount=1_000_000, reward_seconds=3_600, **{cap: 1_000})
    rig.settle()
    juno = link.consumer
    assert (link.virtual(), has_work(juno.state)) == (400_000, False)
    bank.mint(juno.ctx, juno.address("dave"), juno.ctx.denom, 100_000)
    juno.send("dave", Delegate(link.validator(1), 100_000))
    assert has_work(juno.state)
    rig.block()
    assert (link.virtual(), has_work(juno.state)) == (410_000, False)
    downtime(juno, 1)  # 1,100,000 are no longer bonded
    rig.block(2)
    assert link.virtual() == 300_000


def test_who_leaves_room_under_a_floor_for_local_power_leaves_it_to_the_others_at_the_next_epoch() -> None:
    """Native 4,000,000 and a floor of 80 %, as above, with rewards once an hour; axelar takes everything back."""
    rig, (osmo, axelar) = floored(reward_seconds=3_600)
    assert (osmo.virtual(), axelar.virtual()) == (666_666, 333_333)
    axelar.provider.send("alice", AskBack(axelar.lent, axelar.validator(0), 1_000_000))
    rig.settle()
    assert (osmo.virtual(), axelar.virtual()) == (1_000_000, 0)


def test_m_sch_an_epoch_comes_at_its_boundary_and_not_before() -> None:
    rig, link = start(epochs={"blocks": 10, "offset": 3})
    link.provider.send("alice", StakeRemote(link.lent, link.validator(0), 100))
    rig.relay()
    seen = []
    for _ in range(25):
        rig.block()
        seen.append((link.consumer.ctx.height - 1, link.virtual()))
    first = next(height for height, amount in seen if amount)
    assert (first % 10, has_work(link.consumer.state)) == (3, False)


def test_epochs_may_go_by_time() -> None:
    rig, link = start(epochs={"seconds": 3_600})
    link.provider.send("alice", StakeRemote(link.lent, link.validator(0), 100))
    rig.relay()
    rig.block(5)
    assert (link.virtual(), has_work(link.consumer.state)) == (0, True)
    rig.advance(3_600)
    rig.block()
    assert link.virtual() == 100


def test_an_idle_block_writes_nothing() -> None:
    rig, link = start(100, reward_seconds=3_600)
    rig.settle()
    for chain in rig.chains.values():
        before = chain.snapshot()
        chain.block()
        changed = {key for key, value in chain.snapshot().items() if before.get(key) != value}
        assert not [key for key in changed if key.startswith("mesh/")]
    assert not has_work(link.consumer.state)


def test_zero_cap_all_power_goes_and_every_delegation_comes_home_to_the_unit() -> None:
    """The reference loses a unit by converting twice."""
    rig, link = start(50_000_001, 7, amount=60_000_000, price_e18=E18 // 3, discount_bps=777)
    rig.settle()
    govern(link, SetMaxCap(link.link, 0))
    rig.block()
    govern(link, SetPriceFeed(link.link, E18 // 2))
    rig.block()
    assert link.virtual() == 0
    assert [flight.kind for flight in rig.collect()] == ["internal_unstake"] * 2
    rig.settle()
    assert [link.stake("alice", index).unbonding for index in (0, 1)] == [50_000_001, 7]
    assert [entry.release_at <= link.provider.ctx.time for entry in link.stake("alice", 0).unbonds] == [True]
    assert link.consumer.query("mesh/consumer/delegations", link=link.link) == ()
    link.provider.send("alice", StakeRemote(link.lent, link.validator(0), 1))
    rig.settle()
    assert link.range("alice", 0) == Range()


def test_when_a_cap_rises_from_zero_the_provider_gets_a_full_report() -> None:
    rig, link = start()
    govern(link, SetMaxCap(link.link, 0))
    rig.settle()
    downtime(link.consumer, 2)
    double_sign(link.consumer, 3)
    rig.settle()
    govern(link, SetMaxCap(link.link, 100))
    rig.settle()
    states = {each.validator: each.state for each in link.provider.query("mesh/provider/validators", consumer=link.lent)}
    assert [states[link.validator(index)] for index in range(4)] == ["active", "active", "jailed", "tombstoned"]


def test_a_burn_that_overtakes_its_stake_is_debt_until_the_stake_comes() -> None:
    _, link = start()
    ctx, alice, validator = link.consumer.ctx, Address("osmo1alice"), link.validator(0)
    burn = Burn(
        Denom("uosmo"), (BurnRow(alice, validator, 60), BurnRow(Address("a/b"), validator, 5), BurnRow(alice, validator, -5))
    )
    assert requests.on_burn(ctx, link.link, burn) == Short((BurnRow(alice, validator, 60),))
    requests.on_stake(ctx, link.link, Stake(alice, validator, Coin(Denom("uosmo"), 40), 1))
    assert DEBTS.get(ctx.store, link.link, validator, alice) == 20
    assert REQUESTS.get(ctx.store, link.link, validator).tokens == 0
    requests.on_stake(ctx, link.link, Stake(alice, validator, Coin(Denom("uosmo"), 50), 2))
    assert (DEBTS.get(ctx.store, link.link, validator, alice), REQUESTS.get(ctx.store, link.link, validator).tokens) == (0, 30)


def test_a_provider_cannot_unstake_what_was_never_staked() -> None:
    _, link = start(100)
    packet = Unstake(link.provider.address("alice"), link.validator(0), Coin(Denom("uosmo"), 101), 9)
    with refused(link.consumer, "mesh/insufficient-bond"), link.consumer.ctx.branch() as branch:
        requests.on_unstake(branch, link.link, packet)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"validator": "junovaloper1nobody"}, "staking/unknown-validator"),
        ({"delegator": "a/b"}, "mesh/bad-name"),
        ({"stake": Coin(Denom("uosmo"), 0)}, "mesh/bad-amount"),
        ({"stake": Coin(Denom("uosmo"), 2**128)}, "mesh/bad-amount"),
    ],
)
def test_stake_that_makes_no_sense_is_refused(changes: dict[str, Any], code: str) -> None:
    _, link = start()
    packet = replace(Stake(Address("osmo1a"), link.validator(0), Coin(Denom("uosmo"), 1), 1), **changes)
    with refused(link.consumer, code), link.consumer.ctx.branch() as branch:
        requests.on_stake(branch, link.link, packet)


def test_stake_for_a_tombstoned_validator_is_refused() -> None:
    _, link = start()
    double_sign(link.consumer, 0)
    packet = Stake(Address("osmo1a"), link.validator(0), Coin(Denom("uosmo"), 1), 1)
    with refused(link.consumer, "mesh/validator-tombstoned"), link.consumer.ctx.branch() as branch:
        requests.on_stake(branch, link.link, packet)


@pytest.mark.parametrize(
    "msg",
    [
        lambda link: SetMaxCap(link, 1),
        lambda link: SetPriceFeed(link, 1),
        lambda link: SetLinkParams(link, discount_bps=1),
        lambda link: OpenLink("axelar-1", LinkParams()),  # type: ignore[arg-type]
    ],
)
def test_only_governance_changes_terms(msg: Any) -> None:
    _, link = start()
    with refused(link.consumer, "gov/unauthorized"):
        link.consumer.send("alice", msg(link.link))


@pytest.mark.parametrize(
    ("msg", "code"),
    [
        (lambda link: SetMaxCap(link, -1), "mesh/bad-params"),
        (lambda link: SetMaxCap(link, 2**56 + 1), "mesh/bad-params"),
        (lambda link: SetPriceFeed(link, 0), "mesh/invalid-price"),
        (lambda link: SetLinkParams(link, discount_bps=10_000), "mesh/invalid-discount"),
        (lambda link: SetLinkParams(link, epochs=Epochs(blocks=0)), "mesh/bad-params"),
        (lambda link: SetLinkParams(link, reward_seconds=-1), "mesh/bad-params"),
        (lambda link: SetLinkParams(link, share_cap_bps=-1), "mesh/bad-params"),
        (lambda link: SetMaxCap("channel-9", 1), "mesh/unknown-link"),  # type: ignore[arg-type]
        (lambda link: OpenLink("osmo-1", LinkParams()), "mesh/already-linked"),  # type: ignore[arg-type]
        (lambda link: OpenLink("axelar\u202e-1", LinkParams()), "mesh/bad-params"),  # type: ignore[arg-type]
        (lambda link: OpenLink("", LinkParams()), "mesh/bad-params"),  # type: ignore[arg-type]
    ],
)
def test_terms_that_no_link_can_have_are_refused(msg: Any, code: str) -> None:
    _, link = start()
    with refused(link.consumer, code):
        govern(link, msg(link.link))


def test_m_cap_all_caps_together_stay_within_what_the_genesis_allows() -> None:
    """Of 100 in all osmo has 60 and axelar, which is admitted and not linked, 30."""
    rig = MeshRig()
    rig.add("osmo")
    links = {"osmo-1": terms(max_cap=60), "axelar-1": terms(max_cap=30)}
    juno = rig.add("juno", genesis={"mesh/consumer": {"links": links, "total_max_cap": 100}})
    link = rig.link("osmo", "juno")
    with refused(juno, "mesh/total-cap-exceeded"):
        govern(link, SetMaxCap(link.link, 71))
    govern(link, SetMaxCap(link.link, 70))
    with refused(juno, "mesh/total-cap-exceeded"):
        govern(link, OpenLink(ChainId("akash-1"), LinkParams(max_cap=1)))
    govern(link, SetMaxCap(link.link, 0))
    govern(link, OpenLink(ChainId("akash-1"), LinkParams(max_cap=70)))
    with refused(juno, "mesh/total-cap-exceeded"):
        govern(link, SetMaxCap(link.link, 1))
    with pytest.raises(Rejected):
        MeshRig().add("akash", genesis={"mesh/consumer": {"links": links, "total_max_cap": 89}})


def test_terms_that_are_left_out_stay() -> None:
    _, link = start(price_e18=7 * E18, max_cap=70)
    govern(link, SetLinkParams(link.link, discount_bps=77))
    found = link.consumer.query("mesh/consumer/link", link=link.link).params
    assert (found.price_e18, found.max_cap, found.discount_bps) == (7 * E18, 70, 77)
    raw = codec.encode(SetLinkParams(link.link, discount_bps=77))
    assert codec.decode(raw, SetLinkParams) == SetLinkParams(link.link, discount_bps=77)


def test_several_consumers_share_one_collateral() -> None:
    rig, links = star("juno", "axelar", "akash", alice=100)
    osmo = rig.chains["osmo"]
    osmo.send("alice", Bond(100))
    for link in links:
        osmo.send("alice", StakeRemote(link.lent, link.validator(0), 100))
    rig.settle()
    assert ([link.virtual() for link in links], account(osmo, "alice").free) == ([100, 100, 100], Range())


def test_a_loss_under_a_cap_is_scaled_up_to_all_stake_and_rounds_down() -> None:
    """67 of 100 are power. A tenth of them is 6.7: 7 are lost, which stand for 10.4 of the 100; the lien would bear 20."""
    rig, link = pair(alice=100, consumer_terms={"max_cap": 67}, provider_terms={"double_sign_bps": 2_000})
    link.provider.send("alice", Bond(100), StakeRemote(link.lent, link.validator(0), 100))
    rig.settle()
    assert virtual(link, 0) == (67,)
    downtime(link.consumer, 0)
    assert virtual(link, 0) == (60,)
    rig.settle()
    assert link.range("alice", 0) == Range.of(90)
