"""What both chains say of a stake's life: observers rebuild balances from events, so names, facts and amounts are a promise."""

from typing import Any

import pytest

from harness import Chain
from mesh_rig import Link, MeshRig, pair
from meshsec_core.kernel.types import Address
from meshsec_core.modules.staking.module import Delegate
from meshsec_core.security.mesh.consumer.governance import SetMaxCap
from meshsec_core.security.mesh.provider.lending import Leave, StakeRemote, Unstake, WithdrawUnbonded
from meshsec_core.security.mesh.provider.local import (
    ReleaseLocal,
    Restake,
    RestakeLocal,
    StakeLocal,
    UnstakeLocal,
    WithdrawLocalRewards,
)
from meshsec_core.security.mesh.provider.payout import WithdrawRewards
from meshsec_core.security.mesh.provider.vault import Bond, Unbond

Told = tuple[str, dict[str, str]]


class Listener:
    """Hears what a chain says of Mesh Security, each thing once; an epoch that says what the last one said is left out."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._at = len(chain.events)
        self._epoch: dict[str, str] = {}

    def hear(self) -> list[Told]:
        found = []
        for event in self._chain.events[self._at :]:
            facts = dict(event.attributes)
            if not event.type.startswith("mesh/") or (event.type == "mesh/epoch" and facts == self._epoch):
                continue
            if event.type == "mesh/epoch":
                self._epoch = facts
            found.append((event.type.removeprefix("mesh/"), facts))
        self._at = len(self._chain.events)
        return found


def start(**more: Any) -> tuple[MeshRig, Link, Listener, Listener]:
    rig, link = pair(alice=1_000, **more)
    link.provider.send("alice", Bond(500))
    return rig, link, Listener(link.provider), Listener(link.consumer)


def test_both_ends_tell_of_what_is_lent_and_of_what_comes_back() -> None:
    rig, link, provider, consumer = start()
    osmo, validator = link.provider, link.validator(0)
    there = {"user": osmo.address("alice"), "consumer": link.lent, "validator": validator}
    here = {"link": link.link, "delegator": osmo.address("alice"), "validator": validator}
    moved = {"link": link.link, "validator": validator}
    cap = str(10**12)

    osmo.send("alice", StakeRemote(link.lent, validator, 300))
    rig.settle()
    assert provider.hear() == [
        ("stake-remote", {**there, "amount": "300", "tx_id": "1"}),
        ("stake-committed", {**there, "amount": "300"}),
    ]
    assert consumer.hear() == [
        ("stake-requested", {**here, "amount": "300"}),
        ("virtual-stake", {**moved, "change": "300"}),
        ("epoch", {"link": link.link, "virtual": "300", "cap": cap}),
    ]

    osmo.send("alice", Unstake(link.lent, validator, 100))
    rig.settle()
    assert provider.hear() == [
        ("unstake", {**there, "amount": "100", "tx_id": "2"}),
        ("unstake-committed", {**there, "amount": "100"}),
    ]
    assert consumer.hear() == [
        ("unstake-requested", {**here, "amount": "100"}),
        ("virtual-stake", {**moved, "change": "-100"}),
        ("epoch", {"link": link.link, "virtual": "200", "cap": cap}),
    ]

    osmo.send("alice", Leave(link.lent, validator, 50))
    rig.settle()
    assert provider.hear() == [
        ("leave", {**there, "amount": "50"}),
        ("burn-answered", {"consumer": link.lent, "accepted": "True", "rows": "1"}),
    ]
    assert consumer.hear() == [
        ("burn-requested", {**here, "amount": "50", "debt": "0"}),
        ("virtual-stake", {**moved, "change": "-50"}),
        ("epoch", {"link": link.link, "virtual": "150", "cap": cap}),
    ]

    rig.advance(100)
    osmo.send("alice", WithdrawUnbonded(link.lent))
    assert provider.hear() == [("withdraw-unbonded", {"user": osmo.address("alice"), "consumer": link.lent, "amount": "150"})]


def test_what_an_answer_takes_back_is_told_with_its_amount() -> None:
    rig, link, provider, _ = start(consumer_terms={"max_cap": 0})
    there = {"user": link.provider.address("alice"), "consumer": link.lent, "validator": link.validator(0)}
    link.provider.send("alice", StakeRemote(link.lent, link.validator(0), 300))
    rig.settle()
    assert provider.hear() == [
        ("stake-remote", {**there, "amount": "300", "tx_id": "1"}),
        ("stake-rolled-back", {**there, "amount": "300"}),
    ]


def test_local_stake_tells_of_each_of_its_steps() -> None:
    _, link, provider, _ = start()
    osmo = link.provider
    user, first, second = {"user": osmo.address("alice")}, osmo.validator(0), osmo.validator(1)
    unbonding_time = osmo.query("staking/params").unbonding_time
    osmo.send("alice", StakeLocal(first, 60), RestakeLocal(first, second, 20), Delegate(first, 30), Restake(first, 30))
    osmo.send("alice", UnstakeLocal(first, 10))
    due = osmo.ctx.time + unbonding_time
    assert provider.hear() == [
        ("stake-local", {**user, "validator": first, "amount": "60"}),
        ("restake-local", {**user, "source": first, "target": second, "amount": "20"}),
        ("restake", {**user, "validator": first, "amount": "30"}),
        ("unstake-local", {**user, "validator": first, "amount": "10", "due": str(due)}),
    ]
    osmo.block(unbonding_time)
    osmo.block()
    osmo.send("alice", WithdrawLocalRewards(first), ReleaseLocal(), Unbond(5))
    assert provider.hear() == [
        ("withdraw-local-rewards", {**user, "validator": first, "amount": "0"}),
        ("release-local", {**user, "amount": "10"}),
        ("unbond", {**user, "amount": "5"}),
    ]


@pytest.mark.parametrize("arrives", [True, False])
def test_a_reward_is_told_of_from_its_collection_to_its_payment(arrives: bool) -> None:
    rig, link, provider, consumer = start()
    osmo, juno, validator = link.provider, link.consumer, link.validator(0)
    osmo.send("alice", StakeRemote(link.lent, validator, 300))
    rig.settle()
    provider.hear()
    consumer.hear()
    link.earn(60)
    rig.advance(10)
    rig.settle()
    assert consumer.hear() == [("rewards-sent", {"link": link.link, "amount": "60"})]
    assert provider.hear() == [("rewards-credited", {"consumer": link.lent, "amount": "60", "reserve": "0"})]

    payee = juno.address("somebody") if arrives else Address("junonosuchaddress")
    osmo.send("alice", WithdrawRewards(link.lent, validator, payee))
    rig.settle()
    owner = {"user": osmo.address("alice"), "consumer": link.lent}
    assert provider.hear() == [
        ("withdraw-rewards", {**owner, "validator": validator, "amount": "60", "recipient": payee}),
        ("rewards-paid" if arrives else "rewards-returned", {**owner, "amount": "60"}),
    ]
    paid = [("rewards-transferred", {"link": link.link, "recipient": payee, "amount": "60"})]
    assert consumer.hear() == (paid if arrives else [])


def test_stake_sent_home_is_told_of_by_the_provider() -> None:
    rig, link, provider, _ = start()
    osmo = link.provider
    osmo.send("alice", StakeRemote(link.lent, link.validator(0), 300))
    rig.settle()
    provider.hear()
    juno = link.consumer
    juno.send(juno.ctx.module_account("gov"), SetMaxCap(link.link, 0))
    rig.settle()
    facts = {"user": osmo.address("alice"), "consumer": link.lent, "validator": link.validator(0)}
    assert provider.hear() == [("internal-unstake", {**facts, "amount": "300"})]
