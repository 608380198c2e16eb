"""External staking through public messages: several users and validators of one link (case list, sections C and C3)."""

from collections.abc import Callable

import pytest

from harness import Chain
from mesh_faults import double_sign, double_vote, downtime, evidence_for
from mesh_rig import Link, MeshRig, account, pair, refused
from meshsec_core.kernel.types import ValidatorId
from meshsec_core.modules.staking import state as staking
from meshsec_core.modules.staking.module import Delegate, Undelegate
from meshsec_core.security.mesh.history import State
from meshsec_core.security.mesh.provider.lending import Leave, StakeRemote, Unstake, WithdrawUnbonded
from meshsec_core.security.mesh.provider.vault import Bond
from meshsec_core.security.mesh.ranges import Range

FULL = {"validators": (300, 300, 300, 299), "genesis": {"staking": {"max_validators": 3}}}
"""A consumer with a place less than it has validators: whoever loses its self-bond loses its place."""


def start(*stakes: tuple[str, int, int], **more: object) -> tuple[MeshRig, Link, Chain]:
    """Let alice and bob bond 300 each and lend (user, validator, amount); all is answered."""
    rig, link = pair(alice=300, bob=300, **more)  # type: ignore[arg-type]
    osmo = link.provider
    for user in ("alice", "bob"):
        osmo.send(user, Bond(300))
    lend(link, *stakes)
    rig.relay()
    return rig, link, osmo


def lend(link: Link, *stakes: tuple[str, int, int]) -> None:
    for user, index, amount in stakes:
        link.provider.send(user, StakeRemote(link.lent, link.validator(index), amount))


def ask_back(rig: MeshRig, link: Link, *parts: tuple[str, int, int]) -> None:
    for user, index, amount in parts:
        link.provider.send(user, Unstake(link.lent, link.validator(index), amount))
    rig.relay()


def held(link: Link) -> tuple[int, ...]:
    """Return alice's stakes on validators 0 and 1, then bob's."""
    return tuple(link.range(user, index).value for user in ("alice", "bob") for index in (0, 1))


def claims(link: Link) -> tuple[int, ...]:
    """Let both withdraw; return what the link still claims of alice and of bob."""
    for user in ("alice", "bob"):
        link.provider.send(user, WithdrawUnbonded(link.lent))
    liens = (account(link.provider, user).liens.get(link.lent) for user in ("alice", "bob"))
    return tuple(0 if lien is None else lien.range.value for lien in liens)


def remove(chain: Chain, index: int) -> None:
    """Let a validator's operator take the self-bond away."""
    value = staking.delegation_value(chain.state, chain.address(f"val-{index}"), chain.validator(index))
    chain.send(f"val-{index}", Undelegate(chain.validator(index), value))


def known(link: Link, index: int) -> State:
    found = link.provider.query("mesh/provider/validators", consumer=link.lent)
    return State(next(each.state for each in found if each.validator == link.validator(index)))


def test_x_stake_stakes_of_two_users_add_up_by_validator() -> None:
    _, link, osmo = start(("alice", 0, 100), ("alice", 1, 100), ("alice", 0, 100), ("bob", 0, 100), ("bob", 1, 200))
    with refused(osmo, "mesh/validator-not-active"):
        osmo.send("alice", StakeRemote(link.lent, ValidatorId("junovaloper1nobody"), 1))
    assert (held(link), claims(link)) == ((200, 100, 100, 200), (300, 300))
    assert osmo.balance(osmo.ctx.module_account("mesh/vault")) == 600


def test_x_unstake_every_part_that_leaves_waits_for_its_own_time() -> None:
    rig, link, osmo = start(("alice", 0, 200), ("alice", 1, 100), ("bob", 0, 300))
    ask_back(rig, link, ("alice", 0, 20), ("alice", 0, 30), ("bob", 0, 60))
    for user, index, amount in (("alice", 1, 110), ("bob", 0, 300), ("bob", 1, 1)):
        with refused(osmo, "mesh/not-enough-stake"):
            osmo.send(user, Unstake(link.lent, link.validator(index), amount))
    assert (held(link), claims(link)) == ((150, 100, 240, 0), (300, 300))
    rig.advance(50)
    assert claims(link) == (300, 300)
    ask_back(rig, link, ("alice", 0, 70), ("alice", 1, 90))
    assert held(link) == (80, 10, 240, 0)
    rig.advance(50)
    assert claims(link) == (250, 240)
    rig.advance(60)
    assert account(osmo, "alice").liens[link.lent].range == Range.of(250)
    assert claims(link) == (90, 240)
    rig.settle()


@pytest.mark.parametrize(("fall", "state"), [(remove, State.UNBONDED), (double_sign, State.TOMBSTONED)])
def test_x_imm_stake_leaves_at_once_from_a_validator_that_was_removed_or_tombstoned(
    fall: Callable[[Chain, int], None], state: State
) -> None:
    rig, link, _ = start(("alice", 0, 200), **FULL)
    rig.settle()
    fall(link.consumer, 0)
    rig.settle()
    assert known(link, 0) is state
    ask_back(rig, link, ("alice", 0, 200))
    assert claims(link) == (0, 0)
    rig.settle()


def test_a_jailed_validator_keeps_its_stake_for_the_unbonding_time() -> None:
    """Jail is no way out: the validator may still be proven guilty of more."""
    rig, link, _ = start(("alice", 0, 200))
    rig.settle()
    downtime(link.consumer, 0)
    rig.settle()
    ask_back(rig, link, ("alice", 0, 180))
    assert claims(link) == (180, 0)
    rig.advance(100)
    assert claims(link) == (0, 0)


def test_x_slash_a_slash_reaches_all_who_lend_to_the_validator_in_proportion() -> None:
    """20 of alice's 200 and 10 of bob's 100; what she lends to another validator is left alone."""
    rig, link, osmo = start(("alice", 0, 200), ("alice", 1, 100), ("bob", 0, 100), ("bob", 1, 200))
    rig.settle()
    downtime(link.consumer, 0)
    rig.settle()
    assert (held(link), claims(link)) == ((180, 100, 90, 200), (280, 290))
    assert [account(osmo, user).collateral for user in ("alice", "bob")] == [280, 290]
    assert osmo.balance(osmo.ctx.module_account("mesh/vault")) == 570


def test_x_sl_b_stake_in_flight_is_slashed_with_the_rest_and_arrives_less_its_part() -> None:
    rig, link, osmo = start(("alice", 0, 200), ("alice", 1, 50))
    rig.settle()
    lend(link, ("alice", 0, 50))
    flight = rig.flight("stake")
    downtime(link.consumer, 0)
    rig.block()
    rig.relay(lambda each: each is not flight)
    assert (link.range("alice", 0), account(osmo, "alice").liens[link.lent].range) == (Range(180, 230), Range(230, 280))
    rig.settle()
    assert (link.range("alice", 0), account(osmo, "alice").liens[link.lent].range) == (Range.of(230), Range.of(280))
    assert link.virtual(0) == 230


def test_xv_5_a_fault_of_a_validator_that_nobody_lends_to_costs_nothing() -> None:
    rig, link, osmo = start(("alice", 0, 100))
    rig.settle()
    double_sign(link.consumer, 1)
    rig.settle()
    assert (known(link, 1), account(osmo, "alice").collateral) == (State.TOMBSTONED, 300)


def test_xv_8_a_downtime_slash_jails_and_costs_its_part() -> None:
    rig, link, osmo = start(("alice", 0, 100))
    rig.settle()
    downtime(link.consumer, 0)
    rig.settle()
    assert (known(link, 0), account(osmo, "alice").collateral, link.range("alice", 0)) == (State.JAILED, 290, Range.of(90))


def test_xv_9_a_validator_that_leaves_the_set_is_unbonded_until_it_is_added_again() -> None:
    rig, link, _ = start(("alice", 1, 100), **FULL)
    rig.settle()
    remove(link.consumer, 0)
    rig.settle()
    assert known(link, 0) is State.UNBONDED
    link.consumer.send("alice", Delegate(link.validator(0), 300))
    rig.settle()
    assert known(link, 0) is State.ACTIVE


def test_what_leaves_unasked_answers_for_later_faults_until_it_is_free() -> None:
    """The consumer goes on counting it until it has heard of the burn."""
    rig, link = pair(alice=1_000, bob=1_000)
    osmo = link.provider
    osmo.send("alice", Bond(1_000), StakeRemote(link.lent, link.validator(0), 1_000))
    rig.settle()
    osmo.send("alice", Leave(link.lent, link.validator(0), 400))
    rig.block()
    assert link.virtual() == 1_000
    osmo.send("bob", evidence_for(link, double_vote(link.consumer, 0)))
    assert account(osmo, "alice").collateral == 900
    assert (link.range("alice", 0), link.stake("alice", 0).unbonding) == (Range.of(540), 360)
    rig.settle()
    assert link.virtual() == 540
