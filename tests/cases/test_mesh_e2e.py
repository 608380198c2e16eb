"""The reference's end-to-end numbers, and stake that crosses in both directions. Ids are those of the case list (section G)."""

from collections.abc import Mapping

import pytest

from harness import Chain
from mesh_faults import double_sign, downtime
from mesh_rig import E18, Link, MeshRig, account, pair
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND, ValidatorId
from meshsec_core.modules import bank
from meshsec_core.modules.staking import state as staking
from meshsec_core.security.mesh.provider.lending import StakeRemote, Unstake, WithdrawUnbonded
from meshsec_core.security.mesh.provider.local import StakeLocal
from meshsec_core.security.mesh.provider.payout import WithdrawRewards
from meshsec_core.security.mesh.provider.vault import Bond, Unbond
from meshsec_core.security.mesh.ranges import Range

M = 1_000_000
THREE_WEEKS = 1_814_400


def start(lending: Mapping[str, object] | None = None, **more: object) -> tuple[MeshRig, Link]:
    """Start the reference's pair: price 0.5, discount 0.1, ratios 0.2, chain fractions 0.1, power per 10^6 tokens."""
    return pair(
        alice=200 * M,
        consumer_terms={"price_e18": E18 // 2, "discount_bps": 1_000, "max_cap": 1_000 * M},
        provider_terms={
            "double_sign_bps": 2_000,
            "downtime_bps": 1_000,
            "unbonding_time": THREE_WEEKS * SECOND,
            **(lending or {}),
        },
        local_slash_bps=2_000,
        genesis={"staking": {"power_reduction": M}, **more},
    )


def figures(osmo: Chain) -> tuple[int, int, int, int]:
    """Return collateral, max lien, slashable and free."""
    held = account(osmo, "alice")
    return held.collateral, held.max_lien.value, held.slashable.value, held.free.value


def validator_tokens(chain: Chain, index: int) -> int:
    return staking.get_validator(chain.state, chain.validator(index)).tokens


def test_e2e_mvp_stake_crosses_counts_earns_and_comes_home() -> None:
    rig, link = start(mint={"inflation_bps": 700})
    osmo, juno = rig.chains["osmo"], rig.chains["juno"]
    known = osmo.query("mesh/provider/validators", consumer=link.lent)
    assert [each.validator for each in known if each.state == "active"] == sorted(juno.validator(index) for index in range(4))
    osmo.send("alice", Bond(100 * M))
    assert account(osmo, "alice").free == Range.of(100 * M)
    osmo.send("alice", StakeLocal(osmo.validator(0), 30 * M))
    assert account(osmo, "alice").free == Range.of(70 * M)
    with pytest.raises(Rejected) as refusal:
        osmo.send("alice", StakeRemote(link.lent, ValidatorId("BAD-VALIDATOR"), 80 * M))
    assert (refusal.value.code, account(osmo, "alice").free) == ("mesh/validator-not-active", Range.of(70 * M))
    osmo.send("alice", StakeRemote(link.lent, juno.validator(0), 80 * M))
    rig.relay()
    assert (account(osmo, "alice").free, link.range("alice", 0)) == (Range.of(20 * M), Range.of(80 * M))
    assert link.virtual() == 0
    rig.block()
    assert link.virtual() == 36 * M
    osmo.send("alice", Unstake(link.lent, juno.validator(0), 30 * M))
    rig.relay()
    stake = link.stake("alice", 0)
    assert (stake.range, [entry.amount for entry in stake.unbonds]) == (Range.of(50 * M), [30 * M])
    rig.settle()
    assert (link.virtual(), account(osmo, "alice").free) == (22_500_000, Range.of(20 * M))
    rig.advance(THREE_WEEKS + 60)
    rig.settle()
    osmo.send("alice", WithdrawUnbonded(link.lent))
    assert account(osmo, "alice").free == Range.of(50 * M)
    before = osmo.balance("alice")
    osmo.send("alice", Unbond(30 * M))
    assert (account(osmo, "alice").free, osmo.balance("alice") - before) == (Range.of(20 * M), 30 * M)
    rig.advance(86_400)
    rig.settle()
    shown = link.rewards("alice", 0)
    assert shown > 0
    osmo.send("alice", WithdrawRewards(link.lent, juno.validator(0), juno.address("fresh")))
    rig.relay()
    assert juno.balance("fresh") == shown
    rig.check(settled=False)


def test_e2e_vest_locked_coins_can_be_bonded_and_come_back_locked() -> None:
    rig, _ = start()
    osmo = rig.chains["osmo"]
    bank.lock(osmo.ctx, osmo.address("alice"), osmo.ctx.denom, 200 * M)
    osmo.send("alice", Bond(200 * M))
    with pytest.raises(Rejected) as refusal:
        osmo.send("alice", Bond(1))
    assert refusal.value.code == "bank/insufficient-funds"
    osmo.send("alice", Unbond(30 * M))
    assert osmo.balance("alice") == 30 * M
    with pytest.raises(Rejected) as refusal:
        osmo.send("alice", bank.Send(osmo.address("bob"), osmo.ctx.denom, 1))
    assert refusal.value.code == "bank/insufficient-funds"


def test_e2e_slash_1_a_consumer_s_slash_is_converted_back_to_the_unit() -> None:
    rig, link = start()
    osmo, juno = rig.chains["osmo"], rig.chains["juno"]
    osmo.send("alice", Bond(200 * M), StakeLocal(osmo.validator(0), 190 * M))
    for index, amount in ((0, 100 * M), (1, 50 * M)):
        osmo.send("alice", StakeRemote(link.lent, juno.validator(index), amount))
    rig.settle()
    assert figures(osmo) == (200 * M, 190 * M, 68 * M, 10 * M)
    assert (link.virtual(0), link.virtual(1)) == (45 * M, 22_500_000)
    assert (validator_tokens(juno, 0), validator_tokens(juno, 1)) == (46 * M, 23_500_000)
    downtime(juno, 0)
    assert validator_tokens(juno, 0) == 41_400_000
    assert link.virtual(0) == 40_500_000
    rig.settle()
    assert figures(osmo) == (190_000_001, 190 * M, 66_000_001, 1)
    assert link.range("alice", 0) == Range.of(90_000_001)
    (slashed,) = osmo.query("mesh/provider/slashes", consumer=link.lent)
    assert (slashed.fault.amount, slashed.fault.kind, slashed.fault.by) == (9_999_999, "downtime", "packet")
    assert link.virtual(0) == 40_500_000


def test_e2e_slash_2_what_backed_the_slashed_stake_burns_at_home() -> None:
    rig, link = start()
    osmo, juno = rig.chains["osmo"], rig.chains["juno"]
    osmo.send("alice", Bond(200 * M), StakeLocal(osmo.validator(0), 200 * M))
    osmo.send("alice", StakeRemote(link.lent, juno.validator(0), 200 * M))
    rig.settle()
    assert figures(osmo) == (200 * M, 200 * M, 80 * M, 0)
    assert (link.virtual(0), validator_tokens(juno, 0)) == (90 * M, 91 * M)
    supply = bank.supply(osmo.state, osmo.ctx.denom)
    downtime(juno, 0)
    assert validator_tokens(juno, 0) == 81_900_000
    rig.settle()
    assert figures(osmo) == (180_000_001, 180_000_001, 72_000_001, 0)
    assert supply - bank.supply(osmo.state, osmo.ctx.denom) == 19_999_999
    assert validator_tokens(osmo, 0) == 181_000_001


def test_e2e_slash_3_a_slash_goes_by_whole_power_and_the_part_that_is_lent() -> None:
    """68.5 M tokens have a power of 68: 6.8 M are slashed, of which 67.5 / 68.5 are alice's."""
    rig, link = start()
    osmo, juno = rig.chains["osmo"], rig.chains["juno"]
    osmo.send("alice", Bond(200 * M), StakeLocal(osmo.validator(0), 190 * M))
    osmo.send("alice", StakeRemote(link.lent, juno.validator(0), 150 * M))
    rig.settle()
    assert (link.virtual(0), validator_tokens(juno, 0)) == (67_500_000, 68_500_000)
    downtime(juno, 0)
    assert (link.virtual(0), validator_tokens(juno, 0)) == (67_500_000 - 6_700_730, 61_700_000)
    rig.settle()
    lost = 14_890_510  # 6_700_730 × 2 ÷ 0.9, as a part of 150 M truncated to 18 digits
    assert figures(osmo) == (200 * M - lost, 200 * M - lost, 64_043_796, 0)
    assert link.range("alice", 0) == Range.of(150 * M - lost)


def test_e2e_tomb_a_report_slashes_once_and_all_virtual_stake_leaves() -> None:
    rig, link = start(lending={"slash_authority": "packet"})
    osmo, juno = rig.chains["osmo"], rig.chains["juno"]
    osmo.send("alice", Bond(200 * M))
    for index, amount in ((0, 100 * M), (1, 50 * M)):
        osmo.send("alice", StakeRemote(link.lent, juno.validator(index), amount))
    rig.settle()
    double_sign(juno, 0)
    rig.settle()
    assert (link.virtual(0), link.virtual(1)) == (0, 22_500_000)
    assert account(osmo, "alice").collateral == 190_000_001
    osmo.send("alice", Unstake(link.lent, juno.validator(0), 90_000_001))
    rig.relay()
    osmo.send("alice", WithdrawUnbonded(link.lent))
    assert account(osmo, "alice").liens[link.lent].range == Range.of(50 * M)
    rig.settle()


def test_e2e_prov_a_fault_at_home_costs_local_stake() -> None:
    rig, _ = start()
    osmo = rig.chains["osmo"]
    osmo.send("alice", Bond(200 * M), StakeLocal(osmo.validator(0), 100 * M), StakeLocal(osmo.validator(1), 50 * M))
    rig.settle()
    assert figures(osmo) == (200 * M, 150 * M, 30 * M, 50 * M)
    downtime(osmo, 0)
    assert validator_tokens(osmo, 0) == 90_900_000
    rig.settle()
    assert figures(osmo) == (190 * M, 140 * M, 28 * M, 50 * M)


def test_e2e_2way_two_chains_secure_each_other_at_once() -> None:
    rig, there = pair(alice=100 * M, both_ways=True)
    back = rig.link("juno", "osmo")
    rig.settle()
    for link in (there, back):
        lender = link.provider
        lender.send("alice", Bond(100 * M))
        lender.send("alice", StakeLocal(lender.validator(0), 30 * M))
        assert account(lender, "alice").free == Range.of(70 * M)
        lender.send("alice", StakeRemote(link.lent, link.validator(1), 80 * M))
        rig.relay()
        assert account(lender, "alice").free == Range.of(20 * M)
        assert (link.range("alice", 1), link.stake("alice", 1).unbonds) == (Range.of(80 * M), ())
    rig.settle()
    assert [link.virtual(1) for link in (there, back)] == [80 * M, 80 * M]
    downtime(rig.chains["juno"], 1)
    rig.settle()
    assert (account(there.provider, "alice").collateral, account(back.provider, "alice").collateral) == (92 * M, 100 * M)
    assert [link.virtual(1) for link in (there, back)] == [72 * M, 80 * M]
