"""Stake goes in, moves and comes out exact to the unit; the strongest sign."""

import pytest

from harness import SELF_BOND, Chain, key_of
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.modules import bank
from meshsec_core.modules.bank import BANK
from meshsec_core.modules.staking import state as staking
from meshsec_core.modules.staking.delegation import delegate, undelegate, undelegate_now
from meshsec_core.modules.staking.module import STAKING, CreateValidator, Delegate, Pool, Redelegate, Undelegate
from meshsec_core.modules.staking.slash import Fault, slash
from meshsec_core.modules.staking.state import Delegation, Status, Unbonding, delegation_value, delegations_of, unbondings_of
from meshsec_core.modules.staking.unbonding import recall
from meshsec_core.modules.staking.validator import jail
from meshsec_core.runtime.module import Msg

DAY = 24 * 3600 * SECOND
UNBONDING = 21 * DAY


@pytest.fixture
def chain() -> Chain:
    return Chain((BANK, STAKING), balances={"alice": 1_000, "bob": 1_000, "carol": 5_000_000})


def refused(chain: Chain, signer: str, msg: Msg) -> str:
    before = chain.snapshot()
    with pytest.raises(Rejected) as refusal:
        chain.send(signer, msg)
    assert chain.snapshot() == before
    return refusal.value.code


def cut(chain: Chain, index: int, tokens: int) -> None:
    """Slash a validator's own tokens by an exact amount, for a fault at this height."""
    slash(chain.ctx, chain.validator(index), Fault("downtime", chain.ctx.height, 0, tokens, 10_000))


def value(chain: Chain, name: str, index: int) -> int:
    return delegation_value(chain.state, chain.address(name), chain.validator(index))


def status(chain: Chain, index: int) -> Status:
    return staking.get_validator(chain.state, chain.validator(index)).status


def test_first_validators_are_bonded_with_their_self_bonds(chain: Chain) -> None:
    assert chain.query("staking/pool") == Pool(4 * SELF_BOND, 4 * SELF_BOND)
    assert {member.power for member in staking.active_set(chain.state)} == {SELF_BOND}
    assert value(chain, "val-2", 2) == SELF_BOND
    chain.check_laws()


def test_a_delegation_is_worth_what_was_delegated(chain: Chain) -> None:
    chain.send("alice", Delegate(chain.validator(0), 100))
    chain.send("alice", Delegate(chain.validator(0), 11))

    assert value(chain, "alice", 0) == 111
    assert chain.balance("alice") == 889
    assert chain.query("staking/delegators", validator=chain.validator(0)) == {
        chain.address("alice"): 111,
        chain.address("val-0"): SELF_BOND,
    }
    chain.check_laws()


def test_coins_come_back_when_the_unbonding_time_is_over_and_not_before(chain: Chain) -> None:
    chain.send("alice", Delegate(chain.validator(0), 100))
    chain.send("alice", Undelegate(chain.validator(0), 60))
    left = chain.ctx.time
    chain.check_laws()

    chain.block(UNBONDING - 1)
    chain.end()
    assert (chain.ctx.time, chain.balance("alice")) == (left + UNBONDING - 1, 900)
    assert unbondings_of(chain.state, chain.address("alice")) == [
        (chain.validator(0), 1, Unbonding(60, 60, 1, left, left + UNBONDING))
    ]
    chain.block(1)
    chain.end()
    assert chain.balance("alice") == 960
    assert unbondings_of(chain.state, chain.address("alice")) == []
    assert value(chain, "alice", 0) == 40
    chain.check_laws()


def test_each_entry_is_paid_on_its_own_time(chain: Chain) -> None:
    chain.send("alice", Delegate(chain.validator(0), 100))
    chain.send("alice", Undelegate(chain.validator(0), 10))
    chain.block(DAY)
    chain.send("alice", Undelegate(chain.validator(0), 20))

    chain.block(UNBONDING - DAY)
    chain.end()
    assert chain.balance("alice") == 910
    chain.block(DAY)
    chain.end()
    assert chain.balance("alice") == 930


def test_what_leaves_in_one_block_is_one_entry(chain: Chain) -> None:
    chain.send("alice", Delegate(chain.validator(0), 100))
    chain.send("alice", Undelegate(chain.validator(0), 10), Undelegate(chain.validator(0), 20))

    (entry,) = unbondings_of(chain.state, chain.address("alice"))
    assert (entry[2].initial, entry[2].balance) == (30, 30)
    chain.check_laws()


def test_more_than_it_is_worth_cannot_be_taken_back(chain: Chain) -> None:
    chain.send("alice", Delegate(chain.validator(0), 100))

    assert refused(chain, "alice", Undelegate(chain.validator(0), 101)) == "staking/insufficient-delegation"
    assert refused(chain, "alice", Redelegate(chain.validator(0), chain.validator(1), 101)) == "staking/insufficient-delegation"
    assert refused(chain, "bob", Undelegate(chain.validator(0), 1)) == "staking/insufficient-delegation"


@pytest.mark.parametrize("amount", [0, -5, 2**128])
def test_what_is_no_amount_is_refused(chain: Chain, amount: int) -> None:
    first, second = chain.validator(0), chain.validator(1)
    chain.send("alice", Delegate(first, 100))

    for msg in (Delegate(first, amount), Undelegate(first, amount), Redelegate(first, second, amount)):
        assert refused(chain, "alice", msg) == "bank/bad-amount"


def test_an_unknown_validator_is_refused(chain: Chain) -> None:
    chain.send("alice", Delegate(chain.validator(0), 100))

    assert refused(chain, "alice", Delegate(chain.validator(9), 1)) == "staking/unknown-validator"
    assert refused(chain, "alice", Undelegate(chain.validator(9), 1)) == "staking/unknown-validator"
    assert refused(chain, "alice", Redelegate(chain.validator(0), chain.validator(9), 1)) == "staking/unknown-validator"


def test_more_than_the_balance_cannot_be_staked(chain: Chain) -> None:
    assert refused(chain, "alice", Delegate(chain.validator(0), 1_001)) == "bank/insufficient-funds"


def test_a_worth_is_exact_whatever_others_do_after_a_slash(chain: Chain) -> None:
    """Given a validator whose tokens were cut by a third, so that no share price is round
    When carol stakes 1, 2, … 60 and takes 1 back after each
    Then alice's and bob's stakes are worth what they were, and carol's is exact at every step
    """
    chain.send("alice", Delegate(chain.validator(0), 1_000))
    cut(chain, 0, 333_667)
    assert value(chain, "alice", 0) == 1_000 * (1_001_000 - 333_667) // 1_001_000 == 666
    chain.send("bob", Delegate(chain.validator(0), 700))

    expected = 0
    for amount in range(1, 61):
        chain.send("carol", Delegate(chain.validator(0), amount))
        chain.send("carol", Undelegate(chain.validator(0), 1))
        expected += amount - 1
        assert value(chain, "carol", 0) == expected
        assert (value(chain, "alice", 0), value(chain, "bob", 0)) == (666, 700)
    chain.check_laws()


def test_a_cut_rounds_every_delegation_down_so_that_they_never_exceed_the_tokens() -> None:
    """Three of 1,000,001 lose a half: 500,000.5 each would be 1,500,003 with rounding up, and only 1,500,002 are left."""
    chain = Chain((BANK, STAKING), validators=(1_000_001, 1_000_000), balances={"alice": 1_000_001, "bob": 1_000_001})
    chain.send("alice", Delegate(chain.validator(0), 1_000_001))
    chain.send("bob", Delegate(chain.validator(0), 1_000_001))

    cut(chain, 0, 1_500_001)

    assert [value(chain, name, 0) for name in ("val-0", "alice", "bob")] == [500_000] * 3
    assert staking.get_validator(chain.state, chain.validator(0)).tokens == 1_500_002
    chain.check_laws()


def test_what_a_cut_leaves_over_is_burned_when_the_last_delegator_leaves() -> None:
    chain = Chain((BANK, STAKING), validators=(1_000_001, 1_000_000), balances={"alice": 1_000_001, "bob": 1_000_001})
    chain.send("alice", Delegate(chain.validator(0), 1_000_001))
    cut(chain, 0, 1_000_001)
    assert [value(chain, name, 0) for name in ("val-0", "alice")] == [500_000] * 2
    supply = bank.supply(chain.state, chain.machine.denom)

    chain.send("alice", Undelegate(chain.validator(0), 500_000))
    assert staking.get_validator(chain.state, chain.validator(0)).tokens == 500_001
    chain.send("val-0", Undelegate(chain.validator(0), 500_000))

    assert staking.get_validator(chain.state, chain.validator(0)).tokens == 0
    assert bank.supply(chain.state, chain.machine.denom) == supply - 1
    chain.check_laws()


def test_a_delegation_counts_every_cut_in_order(chain: Chain) -> None:
    """999 lose a tenth, then a tenth of what is left: 899.1 → 899, then 809.1 → 809."""
    chain.send("alice", Delegate(chain.validator(0), 999))
    cut(chain, 0, 100_099)
    cut(chain, 0, 90_090)

    assert value(chain, "alice", 0) == 999 * 900_900 // 1_000_999 * 810_810 // 900_900 == 809
    assert staking.DELEGATIONS.get(chain.state, chain.address("alice"), chain.validator(0)) == Delegation(999, 0)


def test_a_validator_that_lost_everything_can_be_staked_with_again(chain: Chain) -> None:
    chain.send("alice", Delegate(chain.validator(0), 10))
    cut(chain, 0, SELF_BOND + 10)
    assert value(chain, "alice", 0) == 0
    assert delegations_of(chain.state, chain.address("alice")) == {}

    chain.send("bob", Delegate(chain.validator(0), 7))
    assert (value(chain, "alice", 0), value(chain, "bob", 0), value(chain, "val-0", 0)) == (0, 7, 0)
    chain.check_laws()


def test_stake_that_moves_is_moved_at_once_and_bonded_all_the_while(chain: Chain) -> None:
    first, second = chain.validator(0), chain.validator(1)
    chain.send("alice", Delegate(first, 100))

    chain.send("alice", Redelegate(first, second, 70))

    assert delegations_of(chain.state, chain.address("alice")) == dict(sorted({first: 30, second: 70}.items()))
    chain.check_laws()


def test_moved_stake_does_not_move_on_while_it_answers_for_where_it_came_from(chain: Chain) -> None:
    first, second, third = (chain.validator(index) for index in range(3))
    chain.send("alice", Delegate(first, 100))
    chain.send("alice", Redelegate(first, second, 70))

    assert refused(chain, "alice", Redelegate(second, third, 1)) == "staking/transitive-redelegation"
    chain.block(UNBONDING)
    chain.block()
    chain.send("alice", Redelegate(second, third, 70))
    assert value(chain, "alice", 2) == 70
    chain.check_laws()


def test_stake_does_not_move_to_where_it_is(chain: Chain) -> None:
    chain.send("alice", Delegate(chain.validator(0), 100))

    assert refused(chain, "alice", Redelegate(chain.validator(0), chain.validator(0), 1)) == "staking/same-validator"


def test_an_unbonded_validator_pays_at_once_and_an_unbonding_one_when_it_is_unbonded(chain: Chain) -> None:
    alice, validator = chain.address("alice"), chain.validator(0)
    chain.send("alice", Delegate(validator, 100))
    jail(chain.ctx, validator)
    chain.block()
    left = chain.ctx.time - SECOND
    chain.block(5 * DAY)
    assert status(chain, 0) is Status.UNBONDING

    assert undelegate(chain.ctx, alice, validator, 30) == left + UNBONDING
    chain.block(16 * DAY)
    chain.block()
    assert (status(chain, 0), chain.balance("alice")) == (Status.UNBONDED, 930)
    assert undelegate(chain.ctx, alice, validator, 70) == chain.ctx.time
    assert chain.balance("alice") == 1_000
    chain.check_laws()


def test_moved_stake_does_not_flee_through_an_unbonded_validator(chain: Chain) -> None:
    """Given an unbonded validator, which pays at once
    When alice moves stake there from a bonded one and undelegates
    Then she waits until the stake has stopped answering for the bonded one
    """
    alice, bonded, unbonded = chain.address("alice"), chain.validator(0), chain.validator(1)
    jail(chain.ctx, unbonded)
    chain.block()
    chain.block(UNBONDING)
    chain.block()
    assert status(chain, 1) is Status.UNBONDED
    chain.send("alice", Delegate(bonded, 100))
    chain.send("alice", Redelegate(bonded, unbonded, 100))

    assert undelegate(chain.ctx, alice, unbonded, 100) == chain.ctx.time + UNBONDING


def test_stake_that_leaves_an_unbonded_validator_answers_for_nothing(chain: Chain) -> None:
    chain.send("alice", Delegate(chain.validator(0), 100))
    jail(chain.ctx, chain.validator(0))
    chain.block()
    chain.block(UNBONDING)
    chain.block()

    chain.send("alice", Redelegate(chain.validator(0), chain.validator(1), 100))
    chain.send("alice", Redelegate(chain.validator(1), chain.validator(2), 100))
    assert value(chain, "alice", 2) == 100
    chain.check_laws()


def test_a_module_takes_stake_back_at_once_and_exactly(chain: Chain) -> None:
    alice, validator = chain.address("alice"), chain.validator(0)
    delegate(chain.ctx, alice, validator, 100)
    cut(chain, 0, 333_333)
    worth = delegation_value(chain.state, alice, validator)

    assert undelegate_now(chain.ctx, alice, validator, worth - 1) == worth - 1
    assert (chain.balance("alice"), value(chain, "alice", 0)) == (900 + worth - 1, 1)
    with pytest.raises(Rejected) as refusal:
        undelegate_now(chain.ctx, alice, validator, 2)
    assert refusal.value.code == "staking/insufficient-delegation"


def test_recalled_coins_come_from_what_is_due_latest(chain: Chain) -> None:
    alice = chain.address("alice")
    chain.send("alice", Delegate(chain.validator(0), 100), Delegate(chain.validator(1), 100))
    for index, amount in ((0, 10), (1, 20), (0, 30)):
        chain.send("alice", Undelegate(chain.validator(index), amount))
        chain.block()

    assert recall(chain.ctx, alice, 45) == 45
    assert [entry.balance for _, _, entry in unbondings_of(chain.state, alice)] == [10, 5, 0]
    assert recall(chain.ctx, alice, 45) == 15
    assert recall(chain.ctx, alice, 1) == 0
    assert chain.balance("alice") == 860
    chain.check_laws()
    chain.block(UNBONDING)
    chain.block()
    assert (chain.balance("alice"), unbondings_of(chain.state, alice)) == (860, [])
    chain.check_laws()


def test_entries_are_limited_so_that_a_slash_has_an_end() -> None:
    chain = Chain((BANK, STAKING), balances={"alice": 1_000}, modules_genesis={"staking": {"max_entries": 2}})
    first, second = chain.validator(0), chain.validator(1)
    chain.send("alice", Delegate(first, 100))
    for _ in range(2):
        chain.send("alice", Undelegate(first, 1), Redelegate(first, second, 1))
        chain.block()

    assert refused(chain, "alice", Undelegate(first, 1)) == "staking/too-many-entries"
    assert refused(chain, "alice", Redelegate(first, second, 1)) == "staking/too-many-entries"
    chain.send("alice", Redelegate(first, chain.validator(2), 1))


def test_power_is_whole_stake_only() -> None:
    chain = Chain(
        (BANK, STAKING), validators=(1_999_999, 2_000_000, 999_999), modules_genesis={"staking": {"power_reduction": 10**6}}
    )

    powers = {member.operator: member.power for member in staking.active_set(chain.state)}
    assert powers == {chain.validator(0): 1, chain.validator(1): 2}
    chain.check_laws()


def test_a_new_validator_with_more_stake_displaces_the_weakest() -> None:
    chain = Chain(
        (BANK, STAKING), validators=(10, 20, 30), balances={"dave": 50}, modules_genesis={"staking": {"max_validators": 3}}
    )
    chain.send("dave", CreateValidator("dave's", key_of("dave/consensus").public_key, 500, 11))
    chain.end()

    dave = staking.operated_by("osmo", chain.address("dave"))
    assert [member.operator for member in staking.active_set(chain.state)] == [chain.validator(2), chain.validator(1), dave]
    assert status(chain, 0) is Status.UNBONDING
    chain.block()
    chain.send("dave", Undelegate(dave, 2))
    chain.end()
    assert [member.operator for member in staking.active_set(chain.state)] == [
        chain.validator(2),
        chain.validator(1),
        chain.validator(0),
    ]
    chain.check_laws()


def test_what_is_no_validator_is_refused(chain: Chain) -> None:
    key, used = key_of("dave/consensus").public_key, chain.consensus_key(0).public_key
    chain.send("bob", CreateValidator("bob's", key_of("bob/consensus").public_key, 0, 1))

    assert refused(chain, "bob", CreateValidator("again", key, 0, 1)) == "staking/validator-exists"
    assert refused(chain, "alice", CreateValidator("mine", used, 0, 1)) == "staking/key-in-use"
    assert refused(chain, "alice", CreateValidator("mine", key[:31], 0, 1)) == "staking/bad-key"
    assert refused(chain, "alice", CreateValidator("mine", key, 10_001, 1)) == "staking/bad-commission"
    assert refused(chain, "alice", CreateValidator("mine", key, -1, 1)) == "staking/bad-commission"
    assert refused(chain, "alice", CreateValidator("", key, 0, 1)) == "staking/bad-name"
    assert refused(chain, "alice", CreateValidator("n" * 71, key, 0, 1)) == "staking/bad-name"
    assert refused(chain, "alice", CreateValidator("mine", key, 0, 0)) == "bank/bad-amount"
    assert refused(chain, "alice", CreateValidator("mine", key, 0, 1_001)) == "bank/insufficient-funds"
