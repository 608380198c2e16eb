"""A fault that reaches very many users is charged at once and settled over blocks; nobody escapes meanwhile."""

from collections.abc import Callable

import pytest

from harness import Chain
from mesh_faults import double_vote, downtime, evidence_for, identity
from mesh_rig import Link, MeshRig, account, refused, star
from meshsec_core.kernel.types import ONE_E18, SECOND
from meshsec_core.modules.slashing import Unjail
from meshsec_core.security.mesh.consumer.governance import SetMaxCap
from meshsec_core.security.mesh.consumer.state import REQUESTS
from meshsec_core.security.mesh.model import MESH
from meshsec_core.security.mesh.provider import sweep
from meshsec_core.security.mesh.provider.lending import StakeRemote, Unstake, WithdrawUnbonded
from meshsec_core.security.mesh.provider.local import StakeLocal
from meshsec_core.security.mesh.provider.payout import WithdrawRewards
from meshsec_core.security.mesh.provider.policy import SetRewardPolicy
from meshsec_core.security.mesh.provider.state import FAULTS, POOLS, SWEEPS, Authority, Fault, FaultKind, Sweep, Sweeps
from meshsec_core.security.mesh.provider.vault import Bond, Unbond
from meshsec_core.security.mesh.ranges import Range
from meshsec_core.security.mesh.rewards import Pool, Split

USERS = tuple(f"user-{index}" for index in range(7))


@pytest.fixture
def two_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "USERS_PER_BLOCK", 2)


def start(users: tuple[str, ...] = USERS) -> tuple[MeshRig, Link, Link]:
    """Let everybody bond 200, stake 190 at home, and lend 150 to one chain and 100 to another."""
    rig, (x, y) = star("juno", "axelar", jail_time=0, **dict.fromkeys(users, 1_000))
    osmo = rig.chains["osmo"]
    for user in users:
        osmo.send(user, Bond(200), StakeLocal(osmo.validator(0), 190))
        osmo.send(user, StakeRemote(x.lent, x.validator(0), 150), StakeRemote(y.lent, y.validator(1), 100))
    rig.settle()
    return rig, x, y


def collaterals(osmo: Chain) -> list[int]:
    return [account(osmo, user).collateral for user in USERS]


def prove(link: Link) -> None:
    link.provider.send(USERS[0], evidence_for(link, double_vote(link.consumer, 0)))


def report(link: Link) -> None:
    downtime(link.consumer, 0)
    link.consumer.block()


@pytest.mark.usefixtures("two_a_block")
@pytest.mark.parametrize("charge", [prove, report])
def test_a_bounded_number_of_users_pays_in_every_block_and_all_in_the_end(charge: Callable[[Link], None]) -> None:
    rig, x, y = start()
    osmo = rig.chains["osmo"]
    charge(x)
    rig.relay()
    assert collaterals(osmo) == [200] * 7
    assert MESH.has_work(osmo.state)
    paid = []
    while osmo.query("mesh/provider/sweeps"):
        osmo.block()
        rig.check(settled=False)
        paid.append(collaterals(osmo).count(185))
    assert paid == [2, 4, 6, 7]
    rig.settle()
    (slashed,) = osmo.query("mesh/provider/slashes", consumer=x.lent)
    assert slashed.fault.amount == 7 * 15
    told = [dict(event.attributes)["amount"] for event in osmo.events if event.type == "mesh/fault-settled"]
    assert told == ["105"]
    assert (x.virtual(0), y.virtual(1)) == (7 * 135, 7 * 100)
    requested = REQUESTS.get(x.consumer.state, x.link, x.validator(0))
    assert (requested.tokens, requested.reported) == (7 * 135, 0)


@pytest.mark.usefixtures("two_a_block")
def test_who_acts_pays_first_and_is_not_charged_twice() -> None:
    rig, x, _ = start()
    osmo = rig.chains["osmo"]
    prove(x)
    last = max(USERS, key=osmo.address)
    with refused(osmo, "mesh/claims-locked"):
        osmo.send(last, Unbond(10))
    osmo.send(last, Bond(1))
    assert (account(osmo, last).collateral, x.range(last, 0)) == (186, Range.of(135))
    osmo.block()
    first = min(USERS, key=osmo.address)
    assert account(osmo, first).collateral == 185
    osmo.send(first, Bond(1))
    osmo.blocks(4)
    assert (account(osmo, first).collateral, account(osmo, last).collateral) == (186, 186)
    rig.settle()
    (slashed,) = osmo.query("mesh/provider/slashes", consumer=x.lent)
    assert slashed.fault.amount == 7 * 15  # what was paid out of turn is counted too


@pytest.mark.usefixtures("two_a_block")
def test_who_lends_after_the_fault_pays_nothing_for_it() -> None:
    rig, x, _ = start()
    osmo = rig.chains["osmo"]
    newcomer = max(USERS, key=osmo.address)  # the sweep would come to them last
    osmo.send(newcomer, Unstake(x.lent, x.validator(0), 150))
    rig.settle()
    rig.advance(100)
    osmo.send(newcomer, WithdrawUnbonded(x.lent))
    report(x)
    rig.relay(lambda flight: flight.kind == "valset_update")
    x.consumer.send("val-0", Unjail())
    rig.block()
    rig.relay()
    assert len(osmo.query("mesh/provider/sweeps")) == 1
    osmo.send(newcomer, StakeRemote(x.lent, x.validator(0), 100))
    rig.settle()
    assert (account(osmo, newcomer).collateral, x.range(newcomer, 0)) == (200, Range.of(100))
    assert sorted(collaterals(osmo)) == [*[185] * 6, 200]


@pytest.mark.usefixtures("two_a_block")
def test_an_unbond_that_would_mature_before_its_user_s_turn_pays_all_the_same() -> None:
    rig, x, _ = start()
    osmo = rig.chains["osmo"]
    last = max(USERS, key=osmo.address)
    proof = evidence_for(x, double_vote(x.consumer, 0))
    osmo.send(last, Unstake(x.lent, x.validator(0), 150))
    rig.relay()
    osmo.send(USERS[0], proof)
    osmo.block(100 * SECOND)
    assert account(osmo, last).collateral == 200
    osmo.send(last, WithdrawUnbonded(x.lent))
    assert (account(osmo, last).collateral, x.lent in account(osmo, last).liens) == (185, False)
    rig.settle()


@pytest.mark.usefixtures("two_a_block")
def test_an_answer_that_arrives_for_a_user_lets_them_pay_first() -> None:
    rig, x, _ = start()
    osmo = rig.chains["osmo"]
    last = max(USERS, key=osmo.address)
    osmo.send(last, Unstake(x.lent, x.validator(0), 150))
    flight = rig.flight("unstake")
    prove(x)
    rig.receive(flight)
    rig.acknowledge(flight)
    assert (x.stake(last, 0).unbonding, account(osmo, last).collateral) == (135, 185)
    rig.settle()


@pytest.mark.usefixtures("two_a_block")
def test_the_bound_of_a_block_holds_over_all_faults_and_they_are_settled_in_their_order() -> None:
    rig, x, y = start()
    osmo = rig.chains["osmo"]
    prove(x)
    osmo.send(USERS[0], evidence_for(y, double_vote(y.consumer, 1)))
    collateral = sum(collaterals(osmo))
    losses = []
    while osmo.query("mesh/provider/sweeps"):
        osmo.block()
        losses.append(collateral - sum(collaterals(osmo)))
        collateral -= losses[-1]
    assert losses == [30, 30, 30, 15 + 10, 20, 20, 20, 0]  # a full block does not know yet that it was the last
    rig.settle()


@pytest.mark.usefixtures("two_a_block")
def test_a_fault_that_few_pay_for_waits_only_behind_one_of_the_same_validator() -> None:
    rig, x, y = start()
    osmo = rig.chains["osmo"]
    osmo.send(USERS[0], StakeRemote(y.lent, y.validator(2), 10))
    rig.settle()
    prove(x)

    osmo.send(USERS[1], evidence_for(y, double_vote(y.consumer, 2)))
    assert len(osmo.query("mesh/provider/sweeps")) == 1
    assert account(osmo, USERS[0]).collateral == 200 - 15 - 1
    rig.settle()


@pytest.mark.usefixtures("two_a_block")
def test_the_part_that_a_slash_is_counts_what_is_on_its_way_and_not_what_an_earlier_fault_has_still_to_take() -> None:
    """Given 1,050 on a validator, of which a fault will take a tenth; and 700 on one of another chain
    Then the next slash of 105 is a ninth of the 945 that will be left; elsewhere nothing has changed
    """
    rig, x, y = start()
    osmo = rig.chains["osmo"]

    def part(link: Link, index: int, amount: int) -> int:
        return sweep.effective_ratio(osmo.ctx, link.lent, link.validator(index), amount)

    assert (part(x, 0, 105), part(y, 1, 70)) == (ONE_E18 // 10, ONE_E18 // 10)
    assert (part(x, 0, 1_050), part(x, 0, 1_051), part(x, 1, 1)) == (ONE_E18, ONE_E18, 0)
    prove(x)
    assert (part(x, 0, 105), part(y, 1, 70)) == (ONE_E18 // 9, ONE_E18 // 10)
    osmo.send(USERS[0], StakeRemote(y.lent, y.validator(1), 1), StakeRemote(x.lent, x.validator(2), 1))
    assert (part(y, 1, 70), part(x, 2, 1)) == (70 * ONE_E18 // 701, ONE_E18)
    rig.settle()


def outcome(per_block: int, monkeypatch: pytest.MonkeyPatch) -> tuple[object, ...]:
    """Let two validators of two chains fail at once; return what everybody has in the end."""
    monkeypatch.setattr(sweep, "USERS_PER_BLOCK", per_block)
    rig, x, y = start()
    osmo = rig.chains["osmo"]
    prove(x)
    osmo.send(USERS[3], Bond(7), StakeRemote(y.lent, y.validator(0), 3))
    osmo.send(USERS[0], evidence_for(y, double_vote(y.consumer, 1)))
    osmo.send(USERS[5], Unstake(y.lent, y.validator(1), 20))
    rig.settle()
    accounts = [account(osmo, user) for user in USERS]
    return accounts, [x.range(user, 0) for user in USERS], [y.range(user, 1) for user in USERS], y.virtual(0)


def test_spreading_a_slash_costs_everybody_what_it_costs_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = outcome(1_000, monkeypatch)
    assert [outcome(few, monkeypatch) for few in (1, 3, 6)] == [at_once] * 3


def test_what_a_waiting_fault_has_still_to_take_rounds_down() -> None:
    """A third of 100 is 33 and not 34: a loss of 33 is one of 67, less than a half."""
    _, x, _ = start(())
    osmo, validator = x.provider, x.validator(0)
    fault = Fault(FaultKind.DOWNTIME, 1, 1, 1, 1, Authority.PACKET, 0)
    POOLS.put(osmo.state, x.lent, validator, Pool(total=100))
    SWEEPS.put(osmo.state, Sweeps((Sweep(x.lent, validator, fault, 0, ONE_E18 // 3, 3_333, 33),)))
    assert sweep.effective_ratio(osmo.ctx, x.lent, validator, 33) == 33 * ONE_E18 // 67


@pytest.mark.usefixtures("two_a_block")
def test_a_fault_that_reaches_no_more_than_a_block_settles_is_settled_at_once() -> None:
    rig, x, _ = start(USERS[:2])
    prove(x)
    assert not MESH.has_work(x.provider.state)
    assert [account(x.provider, user).collateral for user in USERS[:2]] == [185, 185]
    rig.settle()


@pytest.mark.usefixtures("two_a_block")
def test_a_second_fault_waits_behind_the_first_even_if_few_are_left_to_pay() -> None:
    """Given three users, of whom one has only to withdraw, when the validator is down, and then shown to have signed twice
    Then both faults wait; who is left pays 15 of 150, then 13 of 135 (13.5: a share rounds down)
    """
    rig, x, _ = start(USERS[:3])
    osmo, leaver = x.provider, USERS[2]
    osmo.send(leaver, Unstake(x.lent, x.validator(0), 150))
    rig.settle()
    rig.advance(100)
    proof = evidence_for(x, double_vote(x.consumer, 0))
    report(x)
    rig.relay(lambda flight: flight.kind == "valset_update")
    osmo.send(leaver, WithdrawUnbonded(x.lent))
    osmo.send(USERS[0], proof)
    assert len(osmo.query("mesh/provider/sweeps")) == 2
    rig.settle()
    assert [account(osmo, user).collateral for user in USERS[:3]] == [172, 172, 200]


@pytest.mark.usefixtures("two_a_block")
def test_who_had_only_a_reward_left_and_lends_after_the_fault_pays_nothing_for_it() -> None:
    rig, x, _ = start()
    osmo, juno = x.provider, x.consumer
    newcomer = max(USERS, key=osmo.address)  # the sweep would come to them last
    x.earn(1_050)
    rig.advance(10)
    rig.settle()
    osmo.send(newcomer, Unstake(x.lent, x.validator(0), 150))
    rig.settle()
    rig.advance(100)
    osmo.send(newcomer, WithdrawUnbonded(x.lent))
    assert (x.rewards(newcomer, 0), x.lent in account(osmo, newcomer).liens) == (150, False)
    report(x)
    rig.relay(lambda flight: flight.kind == "valset_update")
    juno.send("val-0", Unjail())
    rig.block()
    rig.relay()
    assert len(osmo.query("mesh/provider/sweeps")) == 1
    osmo.send(newcomer, StakeRemote(x.lent, x.validator(0), 100))
    rig.settle()
    assert (account(osmo, newcomer).collateral, x.range(newcomer, 0)) == (200, Range.of(100))
    assert sorted(collaterals(osmo)) == [*[185] * 6, 200]


def test_faults_are_numbered_and_named_once_each() -> None:
    rig, x, _ = start(USERS[:1])
    height = x.consumer.ctx.height
    report(x)
    rig.settle()
    x.consumer.send("val-0", Unjail())
    rig.settle()
    prove(x)
    named = [name for (_, _, name), _ in FAULTS.items(x.provider.state)]
    assert named == ["double-sign", f"downtime-{height}"]
    assert (POOLS.get(x.provider.state, x.lent, x.validator(0)).faults, x.stake(USERS[0], 0).faults) == (2, 2)
    rig.settle()


@pytest.mark.usefixtures("two_a_block")
@pytest.mark.parametrize("answer", ["stake", "transfer_rewards", "internal_unstake"])
def test_whatever_arrives_for_a_user_lets_them_pay_first(answer: str) -> None:
    rig, x, _ = start()
    osmo, juno = x.provider, x.consumer
    last = max(USERS, key=osmo.address)
    if answer == "stake":
        osmo.send(last, StakeRemote(x.lent, x.validator(1), 1))
    if answer == "transfer_rewards":
        x.earn(1_050)
        rig.advance(10)
        rig.settle()
        osmo.send(last, WithdrawRewards(x.lent, x.validator(0), juno.address("somebody")))
    prove(x)
    if answer == "internal_unstake":
        juno.send(juno.ctx.module_account("gov"), SetMaxCap(x.link, 0))
        juno.block()
    assert account(osmo, last).collateral == 200
    rig.relay(lambda flight: flight.kind == answer)
    assert account(osmo, last).collateral == 185
    rig.settle()


@pytest.mark.usefixtures("two_a_block")
def test_a_loss_of_local_stake_comes_after_what_waits() -> None:
    """The fault that waits takes a tenth of 150 first, then the fault here a tenth of 190: 200 - 15 - 19 is left."""
    rig, x, _ = start()
    osmo = x.provider
    prove(x)
    downtime(osmo, 0)
    assert collaterals(osmo) == [166] * 7
    assert [x.range(user, 0) for user in USERS] == [Range.of(135)] * 7
    rig.settle()
    assert collaterals(osmo) == [166] * 7


@pytest.mark.usefixtures("two_a_block")
def test_an_operator_who_lends_pays_before_it_is_credited_with_its_part_of_rewards() -> None:
    rig, x, _ = start((*USERS, "val-2"))
    osmo, juno = x.provider, x.consumer
    osmo.send("val-2", identity(x, 2, 0), SetRewardPolicy(x.lent, x.validator(0), Split.LARGER))
    rig.advance(100)
    x.earn(1_000)
    prove(x)
    juno.block(10 * SECOND)
    assert account(osmo, "val-2").collateral == 200
    rig.relay()
    assert (account(osmo, "val-2").collateral, x.rewards("val-2", 0)) == (185, 100 + 112)  # an eighth of 900 is 112.5
    rig.settle()
