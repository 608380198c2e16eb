"""Coins move, are created, destroyed and locked; refused moves leave no trace."""

import pytest

from harness import Chain
from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.kernel.types import Denom
from meshsec_core.modules import bank
from meshsec_core.modules.bank import BALANCES, BANK, MAX_AMOUNT, SUPPLIES, Coins, Send, Supply
from meshsec_core.modules.staking.module import STAKING, Delegate, Undelegate

UOSMO = Denom("uosmo")
VOUCHER = Denom("ibc/" + "A1" * 32)


@pytest.fixture
def chain() -> Chain:
    return Chain((BANK, STAKING), balances={"alice": {"uosmo": 100, VOUCHER: 7}, "bob": 5})


def refused(chain: Chain, signer: str, msg: Send) -> str:
    before = chain.snapshot()
    with pytest.raises(Rejected) as refusal:
        chain.send(signer, msg)
    assert chain.snapshot() == before
    return refusal.value.code


def test_a_transfer_moves_exactly_the_amount(chain: Chain) -> None:
    chain.send("alice", Send(chain.address("bob"), UOSMO, 30))

    assert (chain.balance("alice"), chain.balance("bob")) == (70, 35)
    chain.check_laws()


def test_all_of_a_balance_can_be_sent_and_leaves_no_row(chain: Chain) -> None:
    chain.send("alice", Send(chain.address("bob"), VOUCHER, 7))

    assert bank.balances(chain.state, chain.address("alice")) == {UOSMO: 100}
    assert not BALANCES.has(chain.state, chain.address("alice"), VOUCHER)
    assert bank.balances(chain.state, chain.address("bob")) == {VOUCHER: 7, UOSMO: 5}
    chain.check_laws()


def test_a_transfer_to_oneself_changes_nothing(chain: Chain) -> None:
    before = chain.snapshot()

    chain.send("alice", Send(chain.address("alice"), UOSMO, 100))

    assert chain.snapshot() == before


def test_one_unit_more_than_the_balance_is_refused_even_to_oneself(chain: Chain) -> None:
    assert refused(chain, "alice", Send(chain.address("bob"), UOSMO, 101)) == "bank/insufficient-funds"
    assert refused(chain, "alice", Send(chain.address("alice"), UOSMO, 101)) == "bank/insufficient-funds"
    assert refused(chain, "alice", Send(chain.address("bob"), Denom("unknown"), 1)) == "bank/insufficient-funds"


@pytest.mark.parametrize("amount", [0, -1, -(10**40), MAX_AMOUNT + 1, 10**4000])
def test_what_is_no_amount_is_refused(chain: Chain, amount: int) -> None:
    assert refused(chain, "alice", Send(chain.address("bob"), UOSMO, amount)) == "bank/bad-amount"


def test_a_transfer_goes_only_to_an_address_of_this_chain(chain: Chain) -> None:
    other = Chain((BANK, STAKING), prefix="juno", denom="ujuno")

    assert refused(chain, "alice", Send(other.address("bob"), UOSMO, 1)) == "crypto/bad-address"
    assert refused(chain, "alice", Send(chain.address("bob")[:-1] + "q", UOSMO, 1)) == "crypto/bad-address"


def test_users_cannot_pay_into_an_account_that_a_module_accounts_for(chain: Chain) -> None:
    assert refused(chain, "alice", Send(chain.ctx.module_account("staking"), UOSMO, 1)) == "bank/reserved-account"


def test_only_mint_and_burn_change_the_supply(chain: Chain) -> None:
    alice = chain.address("alice")
    before = bank.supply(chain.state, UOSMO)

    bank.mint(chain.ctx, alice, UOSMO, 11)
    assert (bank.supply(chain.state, UOSMO), chain.balance("alice")) == (before + 11, 111)
    bank.burn(chain.ctx, alice, UOSMO, 111)
    assert (bank.supply(chain.state, UOSMO), chain.balance("alice")) == (before - 100, 0)
    chain.check_laws()


def test_a_supply_that_is_burned_up_leaves_no_row(chain: Chain) -> None:
    bank.burn(chain.ctx, chain.address("alice"), VOUCHER, 7)

    assert not SUPPLIES.has(chain.state, VOUCHER)
    chain.check_laws()


def test_a_supply_stays_below_two_to_the_128(chain: Chain) -> None:
    before = bank.supply(chain.state, UOSMO)

    with pytest.raises(Rejected) as refusal, chain.ctx.branch() as branch:
        bank.mint(branch, chain.address("alice"), UOSMO, MAX_AMOUNT - before + 1)
    assert refusal.value.code == "bank/supply-too-large"
    bank.mint(chain.ctx, chain.address("alice"), UOSMO, MAX_AMOUNT - before)
    assert bank.supply(chain.state, UOSMO) == MAX_AMOUNT


def test_more_than_is_held_cannot_be_burned(chain: Chain) -> None:
    with pytest.raises(Rejected) as refusal:
        bank.burn(chain.ctx, chain.address("bob"), UOSMO, 6)

    assert refusal.value.code == "bank/insufficient-funds"
    assert refusal.value.facts == {"address": chain.address("bob"), "denom": UOSMO, "needed": 6, "available": 5, "held": 5}


def test_locked_coins_can_be_staked_but_not_sent_and_come_back_locked() -> None:
    """Given alice holds 100 of which 100 are locked
    When she stakes 100, undelegates 30 and the coins come back
    Then she holds 30 and can send none of them, but can stake them again
    """
    chain = Chain(
        (BANK, STAKING),
        balances={"alice": 100},
        modules_genesis={
            "bank": {"locks": {Chain((BANK,), validators=0).address("alice"): {"uosmo": 100}}},
            "staking": {"unbonding_time": 1},
        },
    )
    alice, validator = chain.address("alice"), chain.validator(0)

    assert refused(chain, "alice", Send(chain.address("bob"), UOSMO, 1)) == "bank/insufficient-funds"
    chain.send("alice", Delegate(validator, 100))
    chain.send("alice", Undelegate(validator, 30))
    chain.blocks(2)

    assert chain.balance("alice") == 30
    assert bank.spendable(chain.state, alice, UOSMO) == 0
    assert refused(chain, "alice", Send(chain.address("bob"), UOSMO, 1)) == "bank/insufficient-funds"
    chain.send("alice", Delegate(validator, 30))


def test_locked_coins_are_bonded_first_and_free_coins_come_back_first(chain: Chain) -> None:
    alice, pool = chain.address("alice"), chain.address("pool")
    bank.lock(chain.ctx, alice, UOSMO, 60)

    assert bank.spendable(chain.state, alice, UOSMO) == 40
    bank.bond(chain.ctx, alice, pool, UOSMO, 50)
    assert bank.spendable(chain.state, alice, UOSMO) == 40
    bank.bond(chain.ctx, alice, pool, UOSMO, 30)
    assert bank.spendable(chain.state, alice, UOSMO) == 20
    bank.unbond(chain.ctx, pool, alice, UOSMO, 25)
    assert (chain.balance("alice"), bank.spendable(chain.state, alice, UOSMO)) == (45, 40)
    bank.unbond(chain.ctx, pool, alice, UOSMO, 55)
    assert (chain.balance("alice"), bank.spendable(chain.state, alice, UOSMO)) == (100, 40)


def test_more_than_is_free_cannot_be_locked(chain: Chain) -> None:
    alice = chain.address("alice")
    bank.lock(chain.ctx, alice, UOSMO, 60)

    with pytest.raises(Rejected) as refusal:
        bank.lock(chain.ctx, alice, UOSMO, 41)
    assert refusal.value.code == "bank/insufficient-funds"


def test_locked_coins_cannot_be_burned(chain: Chain) -> None:
    bank.lock(chain.ctx, chain.address("alice"), UOSMO, 60)

    with pytest.raises(Rejected) as refusal:
        bank.burn(chain.ctx, chain.address("alice"), UOSMO, 41)
    assert refusal.value.code == "bank/insufficient-funds"


def test_readers_see_balances_and_supplies(chain: Chain) -> None:
    alice = chain.address("alice")
    bank.lock(chain.ctx, alice, UOSMO, 60)

    assert chain.query("bank/balances", address=alice) == Coins(alice, {UOSMO: 100, VOUCHER: 7}, {UOSMO: 40, VOUCHER: 7})
    assert chain.query("bank/supply", denom=VOUCHER) == Supply(VOUCHER, 7)
    assert chain.query("bank/supply", denom="unknown") == Supply(Denom("unknown"), 0)


@pytest.mark.parametrize("amount", [99, 101])
def test_the_law_notices_a_coin_that_is_lost_or_made_up(chain: Chain, amount: int) -> None:
    BALANCES.put(chain.state, chain.address("alice"), UOSMO, amount)

    with pytest.raises(InvariantViolated):
        chain.check_laws()


def test_a_message_that_fails_takes_the_whole_transaction_with_it(chain: Chain) -> None:
    before = chain.snapshot()
    bob = chain.address("bob")

    with pytest.raises(Rejected):
        chain.send("alice", Send(bob, UOSMO, 1), Send(bob, UOSMO, 100))
    assert chain.snapshot() == before
