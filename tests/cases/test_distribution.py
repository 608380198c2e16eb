"""Rewards go to those who staked, for the time that they did, and add up to what came in."""

import pytest

from harness import Chain
from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.modules import bank, distribution
from meshsec_core.modules.auth import AUTH
from meshsec_core.modules.bank import BANK
from meshsec_core.modules.distribution import DISTRIBUTION, WithdrawCommission, WithdrawRewards
from meshsec_core.modules.mint import MINT
from meshsec_core.modules.slashing import SLASHING
from meshsec_core.modules.staking.module import STAKING, CreateValidator, Delegate, Redelegate, Undelegate
from meshsec_core.modules.staking.slash import Fault, slash
from meshsec_core.modules.staking.state import delegation_value
from meshsec_core.modules.staking.validator import jail, unjail
from meshsec_core.runtime.module import View

MODULES = (AUTH, BANK, STAKING, SLASHING, MINT, DISTRIBUTION)
DAY = 24 * 3600 * SECOND


def chain_of(*bonds: int, commission_bps: int = 0, inflation_bps: int = 0) -> Chain:
    return Chain(
        MODULES,
        validators=bonds,
        balances={"alice": 10_000, "bob": 10_000, "payer": 10**12},
        modules_genesis={"staking": {"commission_bps": commission_bps}, "mint": {"inflation_bps": inflation_bps}},
    )


def earn(chain: Chain, amount: int) -> None:
    """Let fees of that amount come in."""
    bank.send(chain.ctx, chain.address("payer"), chain.ctx.module_account("fees"), chain.machine.denom, amount)


def withdraw(chain: Chain, name: str, index: int) -> int:
    before = chain.balance(name)
    chain.send(name, WithdrawRewards(chain.validator(index)))
    return chain.balance(name) - before


def commission(chain: Chain, index: int) -> int:
    before = chain.balance(f"val-{index}")
    chain.send(f"val-{index}", WithdrawCommission())
    return chain.balance(f"val-{index}") - before


def cut(chain: Chain, index: int, tokens: int) -> None:
    """Slash a validator's own tokens by an exact amount, for a fault at this height."""
    slash(chain.ctx, chain.validator(index), Fault("downtime", chain.ctx.height, 0, tokens, 10_000))


def test_fees_are_shared_by_stake_and_operators_keep_their_commission() -> None:
    """Given val-0 with 600 of its own and alice's 200, val-1 with 200, commission 10 %
    When 1,000 come in
    Then val-0's tokens earn 800: 80 commission, 540 to its operator, 180 to alice; val-1 earns 20 and 180
    """
    chain = chain_of(600, 200, commission_bps=1_000)
    chain.send("alice", Delegate(chain.validator(0), 200))
    chain.block()
    earn(chain, 1_000)

    assert withdraw(chain, "alice", 0) == 180
    assert (withdraw(chain, "val-0", 0), commission(chain, 0)) == (540, 80)
    assert (withdraw(chain, "val-1", 1), commission(chain, 1)) == (180, 20)
    assert chain.balance(chain.ctx.module_account("distribution")) == 0
    chain.check_laws()


def test_nothing_is_paid_twice() -> None:
    chain = chain_of(600, 400)
    earn(chain, 1_000)

    assert [withdraw(chain, "val-0", 0) for _ in range(3)] == [600, 0, 0]
    assert [commission(chain, 0) for _ in range(2)] == [0, 0]


def test_who_comes_later_earns_nothing_of_what_came_before() -> None:
    chain = chain_of(100, 100)
    earn(chain, 200)
    chain.send("alice", Delegate(chain.validator(0), 200))
    chain.block()
    earn(chain, 400)

    assert withdraw(chain, "alice", 0) == 200
    assert withdraw(chain, "val-0", 0) == 200
    assert withdraw(chain, "val-1", 1) == 200
    chain.check_laws()


def test_what_was_earned_stays_owed_after_the_stake_has_left() -> None:
    chain = chain_of(100, 100)
    chain.send("alice", Delegate(chain.validator(0), 200))
    chain.block()
    earn(chain, 400)
    chain.send("alice", Undelegate(chain.validator(0), 200))
    chain.block()
    earn(chain, 400)

    assert chain.query("distribution/rewards", delegator=chain.address("alice")) == {chain.validator(0): 200}
    assert withdraw(chain, "alice", 0) == 200
    assert chain.query("distribution/rewards", delegator=chain.address("alice")) == {}
    assert withdraw(chain, "alice", 0) == 0
    chain.check_laws()


def test_moved_stake_earns_where_it_is() -> None:
    chain = chain_of(100, 300)
    chain.send("alice", Delegate(chain.validator(0), 100))
    chain.block()
    earn(chain, 500)
    chain.send("alice", Redelegate(chain.validator(0), chain.validator(1), 100))
    chain.block()
    earn(chain, 500)

    assert (withdraw(chain, "alice", 0), withdraw(chain, "alice", 1)) == (100, 100)
    assert (withdraw(chain, "val-0", 0), withdraw(chain, "val-1", 1)) == (200, 600)
    chain.check_laws()


def test_each_stake_earns_by_what_it_was_worth_from_cut_to_cut() -> None:
    """Given alice with 100 of val-0's 200, val-1 with 200
    When 400 come in, val-0 loses half, 300 come in, it loses half again, and 250 come in
    Then alice earns 100 on 100, 50 on 50 and 25 on 25, whenever she withdraws
    """
    early, late = chain_of(100, 200), chain_of(100, 200)
    for chain in (early, late):
        chain.send("alice", Delegate(chain.validator(0), 100))
        chain.block()
        earn(chain, 400)
        if chain is early:
            assert withdraw(chain, "alice", 0) == 100
        cut(chain, 0, 100)
        chain.block()
        earn(chain, 300)
        if chain is early:
            assert withdraw(chain, "alice", 0) == 50
        cut(chain, 0, 50)
        chain.block()
        earn(chain, 250)
        chain.check_laws()

    assert withdraw(early, "alice", 0) == 25
    assert withdraw(late, "alice", 0) == 175
    assert delegation_value(late.state, late.address("alice"), late.validator(0)) == 25
    assert withdraw(late, "val-1", 1) == 200 + 200 + 200


def test_who_does_not_sign_does_not_earn() -> None:
    chain = chain_of(100, 300)
    earn(chain, 400)
    jail(chain.ctx, chain.validator(0))
    chain.block()
    earn(chain, 300)
    unjail(chain.ctx, chain.validator(0))
    chain.block()
    earn(chain, 400)

    assert (withdraw(chain, "val-0", 0), withdraw(chain, "val-1", 1)) == (200, 900)
    chain.check_laws()


def test_a_validator_earns_from_the_block_that_bonds_it() -> None:
    chain = chain_of(100, 100)
    earn(chain, 200)
    chain.send("alice", CreateValidator("late", chain.consensus_key(5).public_key, 0, 200))
    earn(chain, 200)
    chain.block()
    earn(chain, 400)

    late = staking_id(chain, "alice")
    chain.send("alice", WithdrawRewards(late))
    assert chain.balance("alice") == 10_000 - 200 + 200
    assert withdraw(chain, "val-0", 0) == 300
    chain.check_laws()


def staking_id(chain: Chain, name: str) -> distribution.ValidatorId:
    return distribution.staking.operated_by(chain.prefix, chain.address(name))


def test_withdrawing_often_gains_nothing_and_loses_nothing() -> None:
    """Three equal stakes and fees of 1 at a time: a third each time is never rounded up, and never forgotten."""
    chain = chain_of(1, 1, 1)
    paid = 0
    for fees in range(1, 31):
        earn(chain, 1)
        paid += withdraw(chain, "val-0", 0)
        assert paid == fees // 3
        chain.check_laws()

    assert [withdraw(chain, "val-1", 1), withdraw(chain, "val-2", 2)] == [10, 10]
    assert chain.balance(chain.ctx.module_account("distribution")) == 0


def test_settling_often_gains_an_operator_nothing() -> None:
    """Fees of 1 among seven tokens, three of which pay 33.33 % commission, settled 300 times; laws hold to 10^-18 units."""
    chain = chain_of(3, 4, commission_bps=3_333)
    kept = 0
    for _ in range(300):
        earn(chain, 1)
        kept += commission(chain, 0)
        chain.check_laws()

    assert kept == 300 * 3 * 3_333 // (7 * 10_000) == 42


def test_commission_is_rounded_down_in_the_eighteenth_digit() -> None:
    """A third is 333,333,333,333,333,333 points, and 33.33 % of that ends in …999.9."""
    chain = chain_of(1, 2, commission_bps=3_333)
    earn(chain, 1)
    chain.send("val-0", WithdrawRewards(chain.validator(0)))

    earned = distribution.EARNED.get(chain.state, chain.validator(0))
    assert (earned.commission_e18, earned.per_token_e18) == (111_099_999_999_999_999, 222_233_333_333_333_334)


def test_commission_counts_what_the_tokens_earned_before_they_were_cut() -> None:
    chain = chain_of(200, 200, commission_bps=1_000)
    earn(chain, 400)
    cut(chain, 0, 100)

    assert commission(chain, 0) == 20
    assert withdraw(chain, "val-0", 0) == 180
    chain.check_laws()


def test_the_fraction_that_a_leaver_cannot_be_paid_is_shared_again() -> None:
    """Alice has 1 of 3 tokens and leaves after 100 came in: she is paid 33, and her third of a unit goes to the two that stay."""
    chain = chain_of(1, 1)
    chain.send("alice", Delegate(chain.validator(0), 1))
    chain.block()
    earn(chain, 100)
    chain.send("alice", Undelegate(chain.validator(0), 1))
    chain.block()

    assert withdraw(chain, "alice", 0) == 33
    chain.check_laws()
    earn(chain, 1)
    assert [withdraw(chain, f"val-{index}", index) for index in range(2)] == [34, 34]
    assert chain.balance(chain.ctx.module_account("distribution")) == 0
    chain.check_laws()


def test_fees_wait_for_stake_in_the_community_pool_if_nobody_has_any() -> None:
    chain = Chain(
        MODULES, validators=0, balances={"alice": 10_000, "payer": 1_000}, modules_genesis={"mint": {"inflation_bps": 0}}
    )
    earn(chain, 50)

    chain.send("alice", CreateValidator("first", chain.consensus_key(5).public_key, 0, 200))
    chain.block()
    earn(chain, 70)
    chain.send("alice", WithdrawRewards(staking_id(chain, "alice")))

    assert chain.query("distribution/community-pool") == {"uosmo": 50}
    assert chain.balance("alice") == 10_000 - 200 + 70
    chain.check_laws()


def test_inflation_reaches_delegators() -> None:
    chain = chain_of(600_000, 400_000, inflation_bps=700)
    chain.send("alice", Delegate(chain.validator(0), 10_000))
    chain.block(365 * DAY)

    minted = chain.balance(chain.ctx.module_account("fees"))
    assert minted > 0
    assert withdraw(chain, "alice", 0) == minted * 10_000 // 1_010_000
    chain.check_laws()


def test_a_look_at_rewards_changes_nothing_and_shows_what_a_withdrawal_pays() -> None:
    chain = chain_of(600, 400, commission_bps=1_000)
    earn(chain, 1_000)
    before = chain.snapshot()

    owner = chain.address("val-0")
    assert chain.query("distribution/rewards", delegator=owner) == {chain.validator(0): 540}
    assert chain.query("distribution/commission", validator=chain.validator(0)) == 60
    assert chain.snapshot() == before
    assert withdraw(chain, "val-0", 0) == 540


def test_an_empty_block_moves_no_fees() -> None:
    chain = chain_of(600, 400)
    chain.block()
    earn(chain, 1_000)
    before = chain.snapshot()

    chain.blocks(3)

    assert chain.snapshot() == before


def test_only_operators_have_commission() -> None:
    chain = chain_of(600, 400)

    with pytest.raises(Rejected) as refusal:
        chain.send("alice", WithdrawCommission())
    assert refusal.value.code == "staking/unknown-validator"
    with pytest.raises(Rejected) as refusal:
        chain.send("alice", WithdrawRewards(staking_id(chain, "alice")))
    assert refusal.value.code == "staking/unknown-validator"


def test_who_never_staked_is_owed_nothing() -> None:
    chain = chain_of(600, 400)
    earn(chain, 1_000)

    assert withdraw(chain, "bob", 0) == 0


@pytest.mark.parametrize("difference", [-1, 1])
def test_the_law_notices_a_unit_too_few_and_a_unit_too_many(difference: int) -> None:
    chain = chain_of(600, 400)
    earn(chain, 1_000)
    chain.send("val-0", WithdrawRewards(chain.validator(0)))
    account = chain.ctx.module_account("distribution")
    bank.BALANCES.put(chain.state, account, chain.machine.denom, chain.balance(account) + difference)

    with pytest.raises(InvariantViolated):
        distribution.solvent(View(chain.state, chain.machine, chain.ctx.height, chain.ctx.time))
