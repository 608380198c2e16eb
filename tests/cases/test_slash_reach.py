"""A slash costs what it should and reaches the stake that stood behind the vote, wherever it has gone."""

import pytest

from harness import SELF_BOND, Chain, key_of
from meshsec_core.kernel.crypto import address_of
from meshsec_core.kernel.errors import InvariantViolated
from meshsec_core.kernel.types import SECOND
from meshsec_core.modules import bank
from meshsec_core.modules.bank import BANK
from meshsec_core.modules.slashing import SLASHING
from meshsec_core.modules.staking import state as staking
from meshsec_core.modules.staking.module import STAKING, Delegate, Redelegate, Undelegate
from meshsec_core.modules.staking.signals import ValidatorSlashed
from meshsec_core.modules.staking.slash import Fault, loss, slash
from meshsec_core.modules.staking.state import delegation_value, unbondings_of
from meshsec_core.runtime.module import Ctx, Module

DAY = 24 * 3600 * SECOND
UNBONDING = 21 * DAY
NAMES = ("alice", "bob", "val-0")


class Ear:
    """Hears of slashes, and asks at once what they took from whom."""

    def __init__(self) -> None:
        self.slashes: list[ValidatorSlashed] = []
        self.losses: list[dict[str, int]] = []

    def hear(self, ctx: Ctx, slashed: ValidatorSlashed) -> None:
        self.slashes.append(slashed)
        self.losses.append({name: loss(ctx.store, chain_address(name), slashed) for name in NAMES})


def chain_address(name: str) -> staking.Address:
    return staking.account("osmo", address_of(key_of(name).public_key))


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def chain(ear: Ear) -> Chain:
    listener: Module[None] = Module("listener", hooks={ValidatorSlashed: ear.hear})
    return Chain((BANK, STAKING, SLASHING, listener), balances={"alice": 10_000, "bob": 10_000})


def record(chain: Chain, index: int) -> staking.Validator:
    return staking.get_validator(chain.state, chain.validator(index))


def value(chain: Chain, name: str, index: int) -> int:
    return delegation_value(chain.state, chain.address(name), chain.validator(index))


def fault(chain: Chain, height: int, power: int = SELF_BOND, fraction_bps: int = 500) -> Fault:
    return Fault("double-sign", height, chain.ctx.time, power, fraction_bps)


def test_a_fault_costs_power_times_reduction_times_fraction_rounded_down() -> None:
    """68.5M tokens are a power of 68: a tenth is 6.8M, not 6.85M; and 5 % of a power of 19 units of one token is nothing."""
    chain = Chain(
        (BANK, STAKING, SLASHING), validators=(68_500_000, 10**8), modules_genesis={"staking": {"power_reduction": 10**6}}
    )
    assert slash(chain.ctx, chain.validator(0), fault(chain, 1, power=68, fraction_bps=1_000)) == 6_800_000
    assert record(chain, 0).tokens == 61_700_000
    chain.check_laws()

    small = Chain((BANK, STAKING, SLASHING))
    assert slash(small.ctx, small.validator(0), fault(small, 1, power=19)) == 0
    assert slash(small.ctx, small.validator(0), fault(small, 1, power=39)) == 1


def test_slashed_coins_are_destroyed(chain: Chain) -> None:
    supply = bank.supply(chain.state, chain.machine.denom)

    slash(chain.ctx, chain.validator(0), fault(chain, 1))

    assert bank.supply(chain.state, chain.machine.denom) == supply - 50_000
    chain.check_laws()


def test_slashed_coins_go_to_the_community_where_the_chain_says_so() -> None:
    chain = Chain((BANK, STAKING, SLASHING), modules_genesis={"staking": {"slashed_to_community": True}})
    supply = bank.supply(chain.state, chain.machine.denom)

    slash(chain.ctx, chain.validator(0), fault(chain, 1))

    assert bank.supply(chain.state, chain.machine.denom) == supply
    assert chain.balance(chain.ctx.module_account("community")) == 50_000
    chain.check_laws()


def test_no_more_than_there_is_can_be_taken(chain: Chain) -> None:
    assert slash(chain.ctx, chain.validator(0), fault(chain, 1, power=3 * SELF_BOND, fraction_bps=10_000)) == SELF_BOND
    assert record(chain, 0).tokens == 0
    assert slash(chain.ctx, chain.validator(0), fault(chain, 1)) == 0
    chain.check_laws()


def test_a_fault_of_tomorrow_or_of_more_than_everything_is_a_bug_of_ours(chain: Chain) -> None:
    for wrong in (fault(chain, 2), fault(chain, 1, fraction_bps=10_001), fault(chain, 1, fraction_bps=-1)):
        with pytest.raises(InvariantViolated):
            slash(chain.ctx, chain.validator(0), wrong)


# Whom it reaches


def test_unbonding_coins_that_stood_behind_the_vote_pay_and_lower_what_the_validator_pays(chain: Chain, ear: Ear) -> None:
    """Given alice has 1,000 and bob 1,000 with val-0, and alice undelegates 400 at height 10
    When a vote of height 10 with power 1,002,000 turns out to be double
    Then her 400 pay 20, and the validator pays the rest of 50,100
    """
    first = chain.validator(0)
    chain.send("alice", Delegate(first, 1_000))
    chain.send("bob", Delegate(first, 1_000))
    chain.blocks(9)
    chain.send("alice", Undelegate(first, 400))
    chain.blocks(5)
    before = record(chain, 0).tokens

    assert slash(chain.ctx, first, fault(chain, 10, power=1_002_000)) == 50_100

    assert [entry.balance for _, _, entry in unbondings_of(chain.state, chain.address("alice"))] == [380]
    assert record(chain, 0).tokens == before - 50_080
    slashed, losses = ear.slashes[-1], ear.losses[-1]
    assert (slashed.unbonding_cuts, slashed.burned) == (((chain.address("alice"), 20),), 50_100)
    assert losses == {
        "alice": 20 + 600 - value(chain, "alice", 0),
        "bob": 1_000 - value(chain, "bob", 0),
        "val-0": SELF_BOND - value(chain, "val-0", 0),
    }
    assert losses == {"alice": 50, "bob": 50, "val-0": 50_000}
    chain.check_laws()


@pytest.mark.parametrize(("height", "reached"), [(9, True), (10, True), (11, True), (12, False)])
def test_stake_that_left_in_the_block_before_the_vote_still_stood_behind_it(chain: Chain, height: int, reached: bool) -> None:
    """What block 10 takes off a validator signs from 12 on: a vote of height 11 still counted it, one of 12 did not."""
    first = chain.validator(0)
    chain.send("alice", Delegate(first, 1_000))
    chain.blocks(9)
    assert chain.ctx.height == 10
    chain.send("alice", Undelegate(first, 400), Redelegate(first, chain.validator(1), 200))
    chain.blocks(5)

    slash(chain.ctx, first, fault(chain, height))

    assert unbondings_of(chain.state, chain.address("alice"))[0][2].balance == (380 if reached else 400)
    assert value(chain, "alice", 1) == (190 if reached else 200)


def test_crumbs_pay_their_part_rounded_up() -> None:
    """Forty entries of one unit would pay nothing of 5 % if each were rounded down, and those who stayed would pay for them."""
    chain = Chain((BANK, STAKING, SLASHING), balances={"alice": 1_000})
    first, second = chain.validator(0), chain.validator(1)
    chain.send("alice", Delegate(first, 1_000))
    for _ in range(40):
        chain.send("alice", Undelegate(first, 1), Redelegate(first, second, 1))
        chain.block()

    before = record(chain, 0).tokens
    slash(chain.ctx, first, fault(chain, 1))

    assert sum(entry.balance for _, _, entry in unbondings_of(chain.state, chain.address("alice"))) == 0
    assert value(chain, "alice", 1) == 0
    assert record(chain, 0).tokens == before - 50_000 + 80
    chain.check_laws()


def test_an_entry_pays_no_more_than_it_has(chain: Chain, ear: Ear) -> None:
    first = chain.validator(0)
    chain.send("alice", Delegate(first, 1_000), Undelegate(first, 1_000))
    chain.block()

    for _ in range(3):
        slash(chain.ctx, first, fault(chain, 1, fraction_bps=4_000))

    assert [cut for slashed in ear.slashes for _, cut in slashed.unbonding_cuts] == [400, 400, 200]
    chain.check_laws()


def test_redelegated_stake_pays_where_it_went(chain: Chain, ear: Ear) -> None:
    first, second = chain.validator(0), chain.validator(1)
    chain.send("alice", Delegate(first, 1_000))
    chain.blocks(3)
    chain.send("alice", Redelegate(first, second, 600))
    chain.blocks(3)

    assert slash(chain.ctx, first, fault(chain, 3)) == 50_000

    assert value(chain, "alice", 1) == 570
    assert record(chain, 1).tokens == SELF_BOND + 570
    assert record(chain, 0).tokens == SELF_BOND + 400 - 49_970
    assert ear.slashes[-1].redelegation_cuts == ((chain.address("alice"), second, 30),)
    chain.check_laws()


def test_redelegated_stake_pays_even_if_it_is_unbonding_from_where_it_went(chain: Chain, ear: Ear) -> None:
    """Given 600 moved from val-0 to val-1, 590 of them undelegated there, beside older coins that unbond from val-1
    When val-0 is slashed by 5 %
    Then the 10 that stayed pay 10, the 590 pay 20, and the older coins nothing
    """
    first, second = chain.validator(0), chain.validator(1)
    chain.send("alice", Delegate(first, 1_000), Delegate(second, 50))
    chain.send("alice", Undelegate(second, 50))
    chain.blocks(3)
    chain.send("alice", Redelegate(first, second, 600))
    chain.block()
    chain.send("alice", Undelegate(second, 590))
    chain.block()

    slash(chain.ctx, first, fault(chain, 3))

    assert value(chain, "alice", 1) == 0
    assert [entry.balance for _, _, entry in unbondings_of(chain.state, chain.address("alice"))] == [50, 570]
    assert ear.slashes[-1].redelegation_cuts == ((chain.address("alice"), second, 30),)
    chain.check_laws()


def test_stake_that_has_matured_is_out_of_reach(chain: Chain) -> None:
    first, second = chain.validator(0), chain.validator(1)
    chain.send("alice", Delegate(first, 1_000))
    chain.send("alice", Redelegate(first, second, 600), Undelegate(first, 400))
    chain.block(UNBONDING)

    slash(chain.ctx, first, fault(chain, 1))

    assert value(chain, "alice", 1) == 600
    chain.end()
    assert chain.balance("alice") == 9_400
