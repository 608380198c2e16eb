"""The vault through public messages: bond, lend, ask back, withdraw. Ids are those of the case list (section B, D)."""

import pytest

from harness import Chain
from mesh_rig import Link, account, pair, refused, star
from meshsec_core.kernel.types import LinkId, ValidatorId
from meshsec_core.modules.bank import Send
from meshsec_core.modules.staking import state as staking
from meshsec_core.modules.staking.module import Undelegate
from meshsec_core.security.mesh.account import Lien
from meshsec_core.security.mesh.history import State
from meshsec_core.security.mesh.provider.lending import Leave, StakeRemote, Unstake, WithdrawUnbonded
from meshsec_core.security.mesh.provider.local import ReleaseLocal, Restake, StakeLocal, UnstakeLocal, WithdrawLocalRewards
from meshsec_core.security.mesh.provider.local_stake import sub_account
from meshsec_core.security.mesh.provider.vault import Bond, Unbond
from meshsec_core.security.mesh.ranges import Range


def vault_coins(chain: Chain) -> int:
    return chain.balance(chain.ctx.module_account("mesh/vault"))


def bonded_and_free(chain: Chain, user: str = "alice") -> tuple[int, Range]:
    held = account(chain, user)
    return held.collateral, held.free


def test_v_bond_collateral_goes_in_and_what_is_free_comes_out() -> None:
    rig, _ = pair(alice=300)
    osmo = rig.chains["osmo"]
    osmo.send("alice", Bond(100))
    assert bonded_and_free(osmo) == (100, Range.of(100))
    osmo.send("alice", Bond(150))
    assert (bonded_and_free(osmo), osmo.balance("alice"), vault_coins(osmo)) == ((250, Range.of(250)), 50, 250)
    osmo.send("alice", Unbond(200))
    assert (bonded_and_free(osmo), osmo.balance("alice"), vault_coins(osmo)) == ((50, Range.of(50)), 250, 50)
    osmo.send("alice", Unbond(20))
    assert (bonded_and_free(osmo), osmo.balance("alice")) == ((30, Range.of(30)), 270)
    with refused(osmo, "mesh/claims-locked"):
        osmo.send("alice", Unbond(100))
    with refused(osmo, "bank/insufficient-funds"):
        osmo.send("alice", Bond(271))
    told = [(event.type, dict(event.attributes)["amount"]) for event in osmo.events if event.type in ("mesh/bond", "mesh/unbond")]
    assert told == [("mesh/bond", "100"), ("mesh/bond", "150"), ("mesh/unbond", "200"), ("mesh/unbond", "20")]


@pytest.mark.parametrize("amount", [0, -1, 2**128])
def test_amounts_that_are_none_are_refused_by_every_message(amount: int) -> None:
    rig, link = pair(alice=300)
    osmo = rig.chains["osmo"]
    osmo.send("alice", Bond(100))
    for msg in (
        Bond(amount),
        Unbond(amount),
        StakeLocal(osmo.validator(0), amount),
        UnstakeLocal(osmo.validator(0), amount),
        StakeRemote(link.lent, link.validator(0), amount),
        Unstake(link.lent, link.validator(0), amount),
        Leave(link.lent, link.validator(0), amount),
        Restake(osmo.validator(0), amount),
    ):
        with refused(osmo, "bank/bad-amount"):
            osmo.send("alice", msg)


def test_v_local_local_stake_is_a_lien_on_coins_that_have_left_the_vault() -> None:
    rig, _ = pair(alice=300)
    osmo = rig.chains["osmo"]
    validator = osmo.validator(0)
    osmo.send("alice", Bond(300))
    osmo.send("alice", StakeLocal(validator, 100))
    assert (bonded_and_free(osmo), vault_coins(osmo)) == ((300, Range.of(200)), 200)
    assert account(osmo, "alice").liens == {"local": Lien(Range.of(100), 1_000)}
    osmo.send("alice", StakeLocal(validator, 150))
    assert (bonded_and_free(osmo), vault_coins(osmo)) == ((300, Range.of(50)), 50)
    with refused(osmo, "mesh/insufficient-balance"):
        osmo.send("alice", StakeLocal(validator, 150))
    with refused(osmo, "mesh/claims-locked"):
        osmo.send("alice", Unbond(100))
    for left in (200, 100):
        osmo.send("alice", UnstakeLocal(validator, 50 if left == 200 else 100))
        rig.advance(21 * 86_400 + 1)
        rig.block()
        osmo.send("alice", ReleaseLocal())
        held = account(osmo, "alice")
        left = 200 if left == 200 else 100
        assert (held.liens["local"].range, held.free, vault_coins(osmo)) == (Range.of(left), Range.of(300 - left), 300 - left)
    rig.settle()


def test_v_cross_remote_stake_claims_collateral_before_the_consumer_has_answered() -> None:
    rig, link = pair(alice=300)
    osmo, validator = rig.chains["osmo"], link.validator(0)
    osmo.send("alice", Bond(300))
    osmo.send("alice", StakeRemote(link.lent, validator, 100))
    assert (bonded_and_free(osmo), account(osmo, "alice").liens[link.lent].range) == ((300, Range(200, 300)), Range(0, 100))
    with refused(osmo, "mesh/claims-locked"):
        osmo.send("alice", Unbond(201))
    rig.relay()
    assert bonded_and_free(osmo) == (300, Range.of(200))
    osmo.send("alice", StakeRemote(link.lent, validator, 150))
    assert (account(osmo, "alice").free, account(osmo, "alice").liens[link.lent].range) == (Range(50, 200), Range(100, 250))
    rig.relay()
    with refused(osmo, "mesh/insufficient-balance"):
        osmo.send("alice", StakeRemote(link.lent, validator, 150))
    with refused(osmo, "mesh/claims-locked"):
        osmo.send("alice", Unbond(100))
    osmo.send("alice", Unstake(link.lent, validator, 50))
    assert (link.range("alice", 0), account(osmo, "alice").free) == (Range(200, 250), Range.of(50))
    rig.relay()
    assert (link.range("alice", 0), link.stake("alice", 0).unbonding) == (Range.of(200), 50)
    assert account(osmo, "alice").free == Range.of(50)
    rig.advance(99)
    osmo.send("alice", WithdrawUnbonded(link.lent))
    assert account(osmo, "alice").free == Range.of(50)
    rig.advance(1)
    osmo.send("alice", WithdrawUnbonded(link.lent))
    assert (account(osmo, "alice").free, account(osmo, "alice").liens[link.lent].range) == (Range.of(100), Range.of(200))
    osmo.send("alice", Unstake(link.lent, validator, 100))
    rig.relay()
    rig.advance(100)
    osmo.send("alice", WithdrawUnbonded(link.lent))
    assert (account(osmo, "alice").free, link.range("alice", 0)) == (Range.of(200), Range.of(100))
    with refused(osmo, "mesh/not-enough-stake"):
        osmo.send("alice", Unstake(link.lent, validator, 300))
    assert vault_coins(osmo) == 300
    rig.settle()


def test_v_nolocal_nothing_but_a_packet_under_way_claims_collateral_that_is_not_staked_at_home() -> None:
    """Local staking is part of every chain here, so its absence cannot be refused: the rest of the case holds."""
    rig, link = pair(alice=300)
    osmo = rig.chains["osmo"]
    osmo.send("alice", Bond(300), StakeRemote(link.lent, link.validator(0), 100))
    assert bonded_and_free(osmo) == (300, Range(200, 300))
    assert list(account(osmo, "alice").liens) == [link.lent]


def test_v_rollback_a_stake_that_times_out_leaves_no_claim() -> None:
    rig, link = pair(alice=300)
    osmo = rig.chains["osmo"]
    osmo.send("alice", Bond(300))
    osmo.send("alice", StakeRemote(link.lent, link.validator(0), 100))
    rig.advance(600)
    rig.relay()
    assert (bonded_and_free(osmo), account(osmo, "alice").liens) == ((300, Range.of(300)), {})
    assert osmo.query("mesh/provider/in-flight", user=osmo.address("alice"), consumer=link.lent) == ()
    rig.settle()
    assert link.virtual() == 0


def test_v_txs_transactions_of_two_users_are_answered_on_their_own() -> None:
    rig, link = pair(alice=300, bob=300)
    osmo, validator = rig.chains["osmo"], link.validator(0)
    for user in ("alice", "bob"):
        osmo.send(user, Bond(300))
        osmo.send(user, StakeRemote(link.lent, validator, 100))
    osmo.send("bob", StakeRemote(link.lent, validator, 50))
    first, second, third = rig.collect()
    for flight in (third, first):
        rig.receive(flight)
        rig.acknowledge(flight)
    assert (link.range("alice", 0), link.range("bob", 0)) == (Range.of(100), Range(50, 150))
    rig.check(settled=False)
    rig.advance(600)
    rig.time_out(second)
    assert (link.range("bob", 0), account(osmo, "bob").free) == (Range.of(50), Range.of(250))
    rig.settle()
    assert link.virtual(0) == 150


def test_v_multi_liens_overlap_but_what_can_be_slashed_adds_up() -> None:
    rig, (x, y) = star("juno", "axelar", ratios={"juno": 6_000, "axelar": 6_000}, alice=1_000)
    osmo = rig.chains["osmo"]

    def lend(link: Link, amount: int) -> None:
        osmo.send("alice", StakeRemote(link.lent, link.validator(0), amount))
        rig.relay()

    osmo.send("alice", Bond(1_000))
    osmo.send("alice", StakeLocal(osmo.validator(0), 300))
    lend(x, 200)
    lend(y, 100)
    held = account(osmo, "alice")
    assert (held.free, [held.liens[key].range.value for key in (x.lent, y.lent, "local")]) == (Range.of(700), [200, 100, 300])
    lend(x, 200)
    lend(y, 400)
    held = account(osmo, "alice")
    assert (held.free, held.slashable) == (Range.of(430), Range.of(570))
    lend(x, 500)
    assert account(osmo, "alice").liens[x.lent].range == Range.of(900)
    with refused(osmo, "mesh/insufficient-balance"):
        osmo.send("alice", StakeRemote(y.lent, y.validator(0), 400))
    rig.settle()


def test_v_users_all_accounts_are_listed_by_pages() -> None:
    rig, _ = pair(alice=300, bob=300)
    osmo = rig.chains["osmo"]
    assert osmo.query("mesh/provider/vaults") == ()
    osmo.send("alice", Bond(100))
    osmo.send("bob", Bond(200))
    osmo.send("alice", Unbond(50))
    osmo.send("bob", Unbond(200))
    listed = {each.user: (each.collateral, each.free) for each in osmo.query("mesh/provider/vaults")}
    assert listed == {osmo.address("alice"): (50, Range.of(50)), osmo.address("bob"): (0, Range())}
    (held,) = osmo.query("mesh/provider/vaults", with_collateral="true")
    assert held.user == osmo.address("alice")
    (first,) = osmo.query("mesh/provider/vaults", limit="1")
    (second,) = osmo.query("mesh/provider/vaults", limit="1", start_after=first.user)
    assert {first.user, second.user} == set(listed)


def test_one_lien_per_link_holds_the_stake_on_all_its_validators() -> None:
    rig, link = pair(alice=300)
    osmo = rig.chains["osmo"]
    osmo.send("alice", Bond(300))
    osmo.send("alice", StakeRemote(link.lent, link.validator(0), 60), StakeRemote(link.lent, link.validator(1), 80))
    assert account(osmo, "alice").liens == {link.lent: Lien(Range(0, 140), 1_000)}
    rig.settle()
    assert account(osmo, "alice").liens == {link.lent: Lien(Range.of(140), 1_000)}


def test_each_release_matures_on_its_own_time() -> None:
    """The reference keeps an immediate release behind an older one that is not ripe."""
    rig, link = pair(alice=300, validators=(1_000, 1_000, 1_000, 999), genesis={"staking": {"max_validators": 3}})
    osmo, juno = rig.chains["osmo"], rig.chains["juno"]
    osmo.send("alice", Bond(300))
    osmo.send("alice", StakeRemote(link.lent, link.validator(0), 100))
    rig.settle()
    osmo.send("alice", Unstake(link.lent, link.validator(0), 30))
    rig.relay()
    juno.send("val-0", *leave(juno, 0))
    rig.settle()
    assert known(osmo, link)[link.validator(0)] is State.UNBONDED
    osmo.send("alice", Unstake(link.lent, link.validator(0), 50))
    rig.relay()
    osmo.send("alice", WithdrawUnbonded(link.lent))
    assert account(osmo, "alice").liens[link.lent].range == Range.of(50)
    assert [entry.amount for entry in link.stake("alice", 0).unbonds] == [30]


def known(osmo: Chain, link: Link) -> dict[ValidatorId, State]:
    """Return what the provider knows of the consumer's validators."""
    return {each.validator: each.state for each in osmo.query("mesh/provider/validators", consumer=link.lent)}


def leave(chain: Chain, index: int) -> tuple[Undelegate, ...]:
    """Return the messages by which a validator's operator takes its self-bond away."""
    value = staking.delegation_value(chain.state, chain.address(f"val-{index}"), chain.validator(index))
    return (Undelegate(chain.validator(index), value),)


def test_stake_remote_is_refused_where_it_cannot_count() -> None:
    rig, link = pair(alice=300)
    osmo = rig.chains["osmo"]
    osmo.send("alice", Bond(300))
    with refused(osmo, "mesh/unknown-link"):
        osmo.send("alice", StakeRemote(LinkId("channel-9"), link.validator(0), 10))
    with refused(osmo, "mesh/validator-not-active"):
        osmo.send("alice", StakeRemote(link.lent, ValidatorId("BAD-VALIDATOR"), 10))
    with refused(osmo, "mesh/insufficient-balance"):
        osmo.send("bob", StakeRemote(link.lent, link.validator(0), 10))


def test_until_the_first_report_nothing_can_be_lent() -> None:
    rig, (link,) = star("juno", alice=300)
    osmo = rig.chains["osmo"]
    osmo.send("alice", Bond(300))
    fresh = rig.add("axelar", genesis={"mesh/consumer": {"links": {"osmo-1": {"max_cap": "100"}}}}, alice=1)
    late = rig.link("osmo", "axelar")
    assert fresh is late.consumer
    with refused(osmo, "mesh/link-not-synced"):
        osmo.send("alice", StakeRemote(late.lent, late.validator(0), 10))
    rig.relay()
    osmo.send("alice", StakeRemote(late.lent, late.validator(0), 10), StakeRemote(link.lent, link.validator(0), 10))


def test_a_link_whose_ratio_is_below_what_the_consumer_slashes_takes_no_stake() -> None:
    rig, (link,) = star("juno", ratios={"juno": 999}, alice=300)
    osmo = rig.chains["osmo"]
    osmo.send("alice", Bond(300))
    assert osmo.query("mesh/provider/link", link=link.lent).takes_stake is False
    with refused(osmo, "mesh/ratio-too-low"):
        osmo.send("alice", StakeRemote(link.lent, link.validator(0), 10))


def test_n_recv_every_user_stakes_from_a_sub_account_of_their_own() -> None:
    rig, _ = pair(alice=300, bob=300)
    osmo = rig.chains["osmo"]
    validator = osmo.validator(0)
    for user, amount in (("alice", 100), ("alice", 50), ("bob", 10)):
        osmo.send(user, Bond(amount), StakeLocal(validator, amount))
    accounts = [sub_account(osmo.prefix, osmo.address(user)) for user in ("alice", "bob")]
    assert [staking.delegation_value(osmo.state, each, validator) for each in accounts] == [150, 10]
    assert accounts[0] != accounts[1]
    with refused(osmo, "bank/reserved-account"):
        osmo.send("bob", Send(accounts[0], osmo.machine.denom, 1))


def test_p_rew_local_rewards_go_straight_to_the_user() -> None:
    rig, _ = pair(alice=200_000_000, genesis={"mint": {"inflation_bps": 700}})
    osmo = rig.chains["osmo"]
    osmo.send("alice", Bond(200_000_000), StakeLocal(osmo.validator(0), 100_000_000))
    rig.advance(86_400)
    before = vault_coins(osmo)
    osmo.send("alice", WithdrawLocalRewards(osmo.validator(0)))
    assert osmo.balance("alice") > 0
    assert (vault_coins(osmo), account(osmo, "alice").collateral) == (before, 200_000_000)
    osmo.send("alice", ReleaseLocal())
    assert account(osmo, "alice").liens["local"].range == Range.of(100_000_000)
    rig.check(settled=False)
