"""Rewards of virtual stake: collected, credited by points, paid once (case list, sections C2 and E)."""

from collections.abc import Iterable

import pytest

from harness import Chain
from ibc_rig import UNBONDING_PERIOD
from mesh_faults import downtime
from mesh_rig import Link, MeshRig, account, pair, refused
from meshsec_core.kernel.types import ONE_E18, SECOND, Address
from meshsec_core.modules import bank
from meshsec_core.security.mesh.account import Account
from meshsec_core.security.mesh.consumer import collect, requests
from meshsec_core.security.mesh.consumer.state import REWARDS, SENT
from meshsec_core.security.mesh.packets import Coin, Distribute, DistributeBatch, Earned, Reward, TransferRewards
from meshsec_core.security.mesh.provider import payout
from meshsec_core.security.mesh.provider.lending import StakeRemote, Unstake, WithdrawUnbonded
from meshsec_core.security.mesh.provider.payout import WithdrawRewards
from meshsec_core.security.mesh.provider.state import RESERVES
from meshsec_core.security.mesh.provider.vault import Bond
from meshsec_core.security.mesh.rewards import Pool
from meshsec_core.security.mesh.stake import Stake


def start(*stakes: tuple[str, int, int], genesis: dict[str, object] | None = None) -> tuple[MeshRig, Link]:
    """Let users (name, validator, amount) lend."""
    rig, link = pair(alice=100_000, bob=100_000, genesis=genesis)
    for user, index, amount in stakes:
        link.provider.send(user, Bond(amount), StakeRemote(link.lent, link.validator(index), amount))
    rig.settle()
    return rig, link


def credit(link: Link, rewards: Iterable[tuple[int, int]]) -> None:
    """Credit rewards (validator, amount) as if the consumer had sent them, and let it hold the coins."""
    consumer, batch = link.consumer, tuple(Reward(link.validator(index), amount) for index, amount in rewards)
    payout.on_distribute_batch(link.provider.ctx, link.lent, DistributeBatch(batch, consumer.ctx.denom))
    fund(link, sum(reward.reward for reward in batch))


def fund(link: Link, total: int) -> None:
    consumer = link.consumer
    link.fund(total)
    SENT.put(consumer.state, link.link, SENT.get(consumer.state, link.link) + total)


def pending(link: Link) -> tuple[int, ...]:
    return tuple(link.rewards(user, index) for user in ("alice", "bob") for index in (0, 1))


def test_r_batch_rewards_go_by_what_is_lent() -> None:
    rig, link = start(("alice", 0, 200), ("alice", 1, 100), ("bob", 0, 300))
    credit(link, [(0, 50), (1, 30)])
    assert pending(link) == (20, 30, 30, 0)
    credit(link, [(0, 100), (1, 30)])
    assert pending(link) == (60, 60, 90, 0)
    rig.check()


def test_a_single_reward_is_credited_like_a_batch() -> None:
    rig, link = start(("alice", 0, 200))
    reward = Distribute(link.validator(0), Coin(link.consumer.ctx.denom, 70))
    payout.on_distribute(link.provider.ctx, link.lent, reward)
    fund(link, 70)
    assert pending(link) == (70, 0, 0, 0)
    rig.check()


def test_a_batch_in_another_denomination_is_refused() -> None:
    _, link = start(("alice", 0, 200))
    with refused(link.provider, "mesh/invalid-denom"), link.provider.ctx.branch() as branch:
        payout.on_distribute_batch(branch, link.lent, DistributeBatch((Reward(link.validator(0), 1),), link.provider.ctx.denom))
    with refused(link.provider, "mesh/bad-amount"), link.provider.ctx.branch() as branch:
        payout.on_distribute_batch(branch, link.lent, DistributeBatch((Reward(link.validator(0), 0),), link.consumer.ctx.denom))


def test_a_reward_for_a_validator_without_stake_waits_for_the_next_one() -> None:
    rig, link = start(("alice", 0, 200))
    credit(link, [(2, 40)])
    assert (pending(link), RESERVES.get(link.provider.state, link.lent)) == ((0, 0, 0, 0), 40)
    credit(link, [(3, 5), (0, 10)])
    assert (pending(link), RESERVES.get(link.provider.state, link.lent)) == ((55, 0, 0, 0), 0)
    rig.check()


def test_what_does_not_divide_is_carried_to_the_next_reward() -> None:
    pool = Pool(total=3).distribute(1)
    assert (pool.points_e18, pool.leftover_e18) == (ONE_E18 // 3, 1)
    pool = pool.distribute(1).distribute(1)
    assert (pool.points_e18, pool.leftover_e18) == (ONE_E18, 0)


def test_a_claim_pays_whole_tokens_and_keeps_the_fraction() -> None:
    stake, amount = Stake(bonded=1, accrued_e18=ONE_E18 * 5 // 2).claim()
    assert (amount, stake.accrued_e18) == (2, ONE_E18 // 2)


def test_rewards_are_paid_once_to_any_address_of_the_consumer() -> None:
    """While the payment is in flight nothing can be taken again; the reference would pay twice."""
    rig, link = start(("alice", 0, 200))
    credit(link, [(0, 50)])
    target = link.consumer.address("somebody")
    link.provider.send("alice", WithdrawRewards(link.lent, link.validator(0), target))
    assert pending(link) == (0, 0, 0, 0)
    with refused(link.provider, "mesh/no-rewards"):
        link.provider.send("alice", WithdrawRewards(link.lent, link.validator(0), target))
    flight = rig.flight("transfer_rewards")
    rig.receive(flight)
    rig.receive(flight)
    assert link.consumer.balance("somebody") == 50
    rig.settle()


@pytest.mark.parametrize("how", ["timeout", "refusal"])
def test_a_payment_that_fails_can_be_claimed_again(how: str) -> None:
    rig, link = start(("alice", 0, 200))
    credit(link, [(0, 50)])
    target = link.consumer.address("somebody") if how == "timeout" else Address("junonosuchaddress")
    link.provider.send("alice", WithdrawRewards(link.lent, link.validator(0), target))
    if how == "timeout":
        rig.advance(600)
    rig.settle()
    assert (pending(link), link.consumer.balance("somebody")) == ((50, 0, 0, 0), 0)
    link.provider.send("alice", WithdrawRewards(link.lent, link.validator(0), link.consumer.address("somebody")))
    rig.settle()
    assert (pending(link), link.consumer.balance("somebody")) == ((0, 0, 0, 0), 50)


def test_the_provider_says_how_a_payment_ended() -> None:
    rig, link = start(("alice", 0, 200))
    credit(link, [(0, 50)])
    for target in (Address("junonosuchaddress"), link.consumer.address("somebody")):
        link.provider.send("alice", WithdrawRewards(link.lent, link.validator(0), target))
        rig.settle()

    ended = ("mesh/rewards-paid", "mesh/rewards-returned")
    assert [event.type for event in link.provider.events if event.type in ended] == ["mesh/rewards-returned", "mesh/rewards-paid"]


def test_d_6_pending_rewards_never_fall_below_zero_while_an_unstake_is_in_flight() -> None:
    rig, link = start(("alice", 0, 100))
    credit(link, [(0, 100)])
    link.provider.send("alice", WithdrawRewards(link.lent, link.validator(0), link.consumer.address("somebody")))
    rig.settle()
    link.provider.send("alice", Unstake(link.lent, link.validator(0), 50))
    assert pending(link) == (0, 0, 0, 0)
    credit(link, [(0, 10)])
    assert pending(link) == (10, 0, 0, 0)
    rig.settle()


def test_who_comes_later_has_no_part_in_earlier_rewards_and_who_leaves_keeps_theirs() -> None:
    rig, link = start(("alice", 0, 100))
    credit(link, [(0, 30)])
    link.provider.send("bob", Bond(200), StakeRemote(link.lent, link.validator(0), 200))
    rig.settle()
    credit(link, [(0, 30)])
    link.provider.send("alice", Unstake(link.lent, link.validator(0), 100))
    rig.settle()
    credit(link, [(0, 30)])
    assert pending(link) == (40, 0, 50, 0)
    rig.check()


def test_who_has_nothing_left_but_a_reward_pays_for_no_fault_and_keeps_it() -> None:
    rig, link = start(("alice", 0, 100), ("bob", 0, 200))
    osmo = link.provider
    credit(link, [(0, 30)])
    osmo.send("alice", Unstake(link.lent, link.validator(0), 100))
    rig.settle()
    rig.advance(UNBONDING_PERIOD // SECOND)
    osmo.send("alice", WithdrawUnbonded(link.lent))

    downtime(link.consumer, 0, 1_000)
    rig.settle()
    assert (account(osmo, "alice"), account(osmo, "bob").collateral) == (Account(100), 180)
    assert pending(link) == (10, 0, 20, 0)


@pytest.mark.parametrize(
    ("recipient", "amount", "denom", "code"),
    [
        ("somebody", 51, "ujuno", "mesh/rewards-exceeded"),
        ("somebody", 50, "uosmo", "mesh/wrong-denom"),
        ("somebody", 0, "ujuno", "mesh/bad-amount"),
        ("", 50, "ujuno", "crypto/bad-address"),
        ("mesh/vault", 50, "ujuno", "bank/reserved-account"),
    ],
)
def test_a_provider_cannot_take_more_than_it_was_told_of(recipient: str, amount: int, denom: str, code: str) -> None:
    _, link = start()
    fund(link, 50)
    juno = link.consumer
    target = juno.ctx.module_account(recipient) if "/" in recipient else juno.address(recipient) if recipient else Address("x")
    earned = Earned(link.lent, link.link)
    packet = TransferRewards(Coin(denom, amount), target, 1, Address("osmo1x"), link.validator(0), earned)  # type: ignore[arg-type]
    with refused(juno, code), juno.ctx.branch() as branch:
        requests.on_transfer_rewards(branch, link.link, packet)


def collected(chain: Chain) -> list[str]:
    return [event.type for event in chain.events if event.type in ("mesh/rewards-sent", "mesh/rewards-credited")]


def test_vs_r_fees_and_inflation_of_virtual_stake_reach_those_who_lend() -> None:
    """Alice's virtual stake is 1 of 41 bonded tokens, and so is her part of what is minted, less a commission of 10 %."""
    rig, link = start(("alice", 0, 100_000), genesis={"mint": {"inflation_bps": 1_000}})
    juno = link.consumer
    before = bank.supply(juno.state, juno.ctx.denom)
    rig.advance(30 * 86_400)
    rig.settle()
    minted = bank.supply(juno.state, juno.ctx.denom) - before
    assert (minted, link.rewards("alice", 0)) == (35_342, 775)  # 775.8
    assert "mesh/rewards-credited" in collected(link.provider)


def test_rewards_are_collected_no_more_often_than_the_terms_say() -> None:
    rig, link = pair(
        alice=100_000, consumer_terms={"reward_seconds": 3_600}, genesis={"mint": {"inflation_bps": 1_000, "interval": 1}}
    )
    link.provider.send("alice", Bond(100_000), StakeRemote(link.lent, link.validator(0), 100_000))
    rig.settle()
    rig.advance(3_590)
    rig.settle()
    assert collected(link.consumer) == []
    rig.advance(10)
    rig.settle()
    assert collected(link.consumer) == ["mesh/rewards-sent"]


def test_rewards_that_the_provider_refuses_are_sent_again() -> None:
    rig, link = start(("alice", 0, 200))
    fund(link, 50)
    batch = DistributeBatch((Reward(link.validator(0), 50),), link.consumer.ctx.denom)
    collect.on_answered(link.consumer.ctx, link.link, batch, None)
    assert REWARDS.get(link.consumer.state, link.link, link.validator(0)) == 50
    assert SENT.get(link.consumer.state, link.link) == 0
    rig.advance(10)
    rig.settle()
    assert pending(link) == (50, 0, 0, 0)


def test_rewards_collected_when_the_last_stake_leaves_are_told_in_their_time() -> None:
    rig, link = pair(
        alice=100_000, consumer_terms={"reward_seconds": 3_600}, genesis={"mint": {"inflation_bps": 100_000, "interval": 1}}
    )
    link.provider.send("alice", Bond(100_000), StakeRemote(link.lent, link.validator(0), 100_000))
    rig.settle()
    rig.advance(1_000)
    link.provider.send("alice", Unstake(link.lent, link.validator(0), 100_000))
    rig.settle()
    assert (link.virtual(), collected(link.consumer)) == (0, [])
    rig.advance(3_600)
    rig.settle()
    assert collected(link.consumer) == ["mesh/rewards-sent"]
