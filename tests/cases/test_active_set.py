"""Who signs, since when, and with which power."""

import pytest

from harness import SELF_BOND, Chain
from meshsec_core.kernel.crypto import address_of
from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.modules.bank import BANK
from meshsec_core.modules.staking import state as staking
from meshsec_core.modules.staking.history import HISTORY, power_at
from meshsec_core.modules.staking.module import STAKING, Delegate, Redelegate, Undelegate
from meshsec_core.modules.staking.state import Status
from meshsec_core.modules.staking.validator import jail, tombstone, unjail

DAY = 24 * 3600 * SECOND
UNBONDING = 21 * DAY


@pytest.fixture
def chain() -> Chain:
    return Chain((BANK, STAKING), balances={"alice": 1_000})


def active(chain: Chain) -> dict[str, int]:
    return {str(member.operator): member.power for member in staking.active_set(chain.state)}


def test_a_block_in_which_nothing_changes_writes_nothing(chain: Chain) -> None:
    chain.block()
    before = chain.snapshot()

    chain.blocks(3)

    assert chain.snapshot() == before
    assert staking.PENDING.path + "/active-set" not in before


def test_a_jailed_validator_leaves_and_an_unjailed_one_comes_back(chain: Chain) -> None:
    first = chain.validator(0)
    jail(chain.ctx, first)
    chain.end()
    assert first not in active(chain)
    assert staking.bonded_tokens(chain.state) == 3 * SELF_BOND
    chain.check_laws()

    chain.block(DAY)
    unjail(chain.ctx, first)
    chain.end()
    assert active(chain)[first] == SELF_BOND
    record = staking.get_validator(chain.state, first)
    assert (record.status, record.unbonding_time, record.unbonding_height) == (Status.BONDED, 0, 0)
    chain.block(UNBONDING)
    chain.end()
    assert staking.get_validator(chain.state, first).status is Status.BONDED
    chain.check_laws()


def test_a_tombstoned_validator_never_comes_back_and_takes_no_stake(chain: Chain) -> None:
    first, second = chain.validator(0), chain.validator(1)
    chain.send("alice", Delegate(first, 10), Delegate(second, 10))
    tombstone(chain.ctx, first, 1, chain.ctx.time)
    chain.block()

    with pytest.raises(Rejected) as refusal:
        unjail(chain.ctx, first)
    assert refusal.value.code == "staking/tombstoned"
    for msg in (Delegate(first, 1), Redelegate(second, first, 1)):
        with pytest.raises(Rejected) as refusal:
            chain.send("alice", msg)
        assert refusal.value.code == "staking/tombstoned"
    chain.send("alice", Redelegate(first, second, 10))
    chain.check_laws()


def test_who_is_not_jailed_cannot_be_unjailed(chain: Chain) -> None:
    with pytest.raises(Rejected) as refusal:
        unjail(chain.ctx, chain.validator(0))
    assert refusal.value.code == "staking/not-jailed"


def test_jailing_twice_says_so_once(chain: Chain) -> None:
    jail(chain.ctx, chain.validator(0))
    jail(chain.ctx, chain.validator(0))

    assert [event.type for event in chain.ctx.events].count("staking/jail") == 1


def test_the_last_set_stays_while_nobody_may_sign(chain: Chain) -> None:
    """Or one message could halt the chain for ever."""
    before = active(chain)
    for index in range(4):
        jail(chain.ctx, chain.validator(index))
    events = chain.end()

    assert active(chain) == before
    assert [event.type for event in events] == ["staking/no-candidates"]
    chain.check_laws()
    chain.block()
    unjail(chain.ctx, chain.validator(2))
    chain.end()
    assert active(chain) == {chain.validator(2): SELF_BOND}
    chain.check_laws()


def test_equal_powers_are_ordered_by_operator() -> None:
    chain = Chain((BANK, STAKING), validators=6, modules_genesis={"staking": {"max_validators": 4}})

    assert list(active(chain)) == sorted(chain.validator(index) for index in range(6))[:4]


def test_a_validator_is_known_by_its_consensus_address(chain: Chain) -> None:
    assert staking.by_consensus_address(chain.state, address_of(chain.consensus_key(3).public_key)) == chain.validator(3)
    assert staking.by_consensus_address(chain.state, b"\x01" * 20) is None


def test_active_powers_carry_consensus_keys_strongest_first() -> None:
    chain = Chain((BANK, STAKING), validators=(5, 7, 6))

    keys = {chain.consensus_key(index).public_key: index for index in range(3)}
    assert [(keys[key], power) for key, power in staking.active_powers(chain.state)] == [(1, 7), (2, 6), (0, 5)]


def test_a_change_of_power_signs_two_heights_later(chain: Chain) -> None:
    first = chain.validator(0)
    chain.blocks(4)
    assert chain.ctx.height == 5
    chain.send("alice", Delegate(first, 5))
    chain.block()

    chain.blocks(5)
    chain.send("alice", Undelegate(first, 2))
    chain.block()
    assert [power_at(chain.state, first, height) for height in (0, 1, 6, 7, 8, 12, 13, 10**6)] == [
        SELF_BOND,
        SELF_BOND,
        SELF_BOND,
        SELF_BOND + 5,
        SELF_BOND + 5,
        SELF_BOND + 5,
        SELF_BOND + 3,
        SELF_BOND + 3,
    ]


def test_a_validator_outside_of_the_set_had_no_power(chain: Chain) -> None:
    first = chain.validator(0)
    jail(chain.ctx, first)
    chain.blocks(6)
    unjail(chain.ctx, first)
    chain.blocks(6)

    assert [power_at(chain.state, first, height) > 0 for height in (2, 3, 8, 9)] == [True, False, False, True]
    assert power_at(chain.state, chain.validator(7), 3) == 0


def test_past_powers_are_found_however_far_back(chain: Chain) -> None:
    first = chain.validator(0)
    for _ in range(40):
        chain.send("alice", Delegate(first, 1))
        chain.block()

    assert [power_at(chain.state, first, height) - SELF_BOND for height in range(43)] == [0, 0, 0, *range(1, 41)]


def test_past_powers_are_forgotten_when_both_limits_of_evidence_have_passed() -> None:
    """Given a limit of 50 blocks and 21 days
    When only one of them has passed nothing goes; when both have, what covers the younger heights stays
    """
    chain = Chain((BANK, STAKING), balances={"alice": 1_000}, modules_genesis={"staking": {"evidence_age_blocks": 50}})
    first = chain.validator(0)

    def change() -> list[int]:
        chain.send("alice", Delegate(first, 1))
        chain.block()
        return [int(height) for (height,), _ in HISTORY.items(chain.state, first)]

    change()
    assert change() == [0, 3, 4]
    chain.blocks(51)
    assert change() == [0, 3, 4, 56]
    chain.block(UNBONDING + SECOND)
    assert change() == [4, 56, 58]
    chain.blocks(10)
    assert change() == [4, 56, 58, 69]
    chain.blocks(60)
    assert change() == [56, 58, 69, 130]
    assert power_at(chain.state, first, 60) == SELF_BOND + 4


@pytest.mark.parametrize("params", [{"unbonding_time": 0}, {"max_validators": 0}, {"power_reduction": 0}, {"max_entries": 0}])
def test_rules_that_cannot_work_are_refused(params: dict[str, int]) -> None:
    with pytest.raises(Rejected) as refusal:
        Chain((BANK, STAKING), modules_genesis={"staking": params})
    assert refusal.value.code == "staking/bad-params"


def test_unknown_rules_are_refused() -> None:
    with pytest.raises(Rejected) as refusal:
        Chain((BANK, STAKING), modules_genesis={"staking": {"unbonding": 5}})
    assert refusal.value.code == "codec/malformed"


def test_laws_notice_stake_without_coins_and_coins_without_stake(chain: Chain) -> None:
    record = staking.get_validator(chain.state, chain.validator(0))
    staking.VALIDATORS.put(chain.state, record.operator, staking.msgspec.structs.replace(record, tokens=record.tokens + 1))

    with pytest.raises(InvariantViolated):
        chain.check_laws()
