"""What a lying partner can do: the rows of docs/hostile-partners.md that have no test elsewhere, and that each row has one."""

import re

from mesh_rig import Link, MeshRig, account, pair
from meshsec_core.kernel.types import SECOND, Address, Denom
from meshsec_core.security.mesh.consumer import requests
from meshsec_core.security.mesh.packets import (
    MAX_AMOUNT,
    Burn,
    Coin,
    InternalUnstake,
    Reduced,
    Released,
    Slashed,
    Stake,
    ValsetUpdate,
)
from meshsec_core.security.mesh.provider import reports
from meshsec_core.security.mesh.provider.lending import StakeRemote, Unstake, WithdrawUnbonded
from meshsec_core.security.mesh.provider.vault import Bond, Unbond
from meshsec_core.security.mesh.ranges import Range
from support import TESTS

ROW = re.compile(r"\| `(test_\w+)` \|$", re.MULTILINE)


def lent(amount: int = 100, **of_link: int) -> tuple[MeshRig, Link]:
    rig, link = pair(alice=1_000, bob=1_000, consumer_terms=of_link)
    link.provider.send("alice", Bond(1_000), StakeRemote(link.lent, link.validator(0), amount))
    rig.settle()
    return rig, link


def lie(link: Link, height: int, amount: int) -> None:
    """Report downtime that never was, as a proven packet would say it."""
    entry = Slashed(link.validator(0), height, link.consumer.ctx.time, 1, Coin(Denom("uosmo"), amount), 10_000, "downtime")
    told = link.consumer.ctx
    packet = ValsetUpdate(told.height + height, told.time, told.denom, 1_000, 1_000, 100 * SECOND, slashed=(entry,))
    with link.provider.ctx.branch() as branch:
        reports.on_valset_update(branch, link.lent, packet)


def test_every_row_of_the_table_names_a_test_that_exists() -> None:
    rows = ROW.findall((TESTS.parent / "docs" / "hostile-partners.md").read_text())
    tests = {name for file in TESTS.rglob("test_*.py") for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)}
    assert len(rows) > 20
    assert [row for row in rows if row not in tests] == []


def test_invented_downtime_costs_at_most_its_ratio_each_time_and_nobody_is_kept() -> None:
    rig, link = lent()
    osmo = link.provider
    for height, left in ((1, 990), (2, 981), (3, 973)):
        lie(link, height, MAX_AMOUNT)
        assert account(osmo, "alice").collateral == left
        lie(link, height, MAX_AMOUNT)
        assert account(osmo, "alice").collateral == left
    osmo.send("alice", Unstake(link.lent, link.validator(0), link.range("alice", 0).low))
    rig.relay()
    rig.advance(100)
    osmo.send("alice", WithdrawUnbonded(link.lent), Unbond(973))
    assert (account(osmo, "alice").collateral, osmo.balance("alice")) == (0, 973)
    osmo.check_laws()


def test_a_consumer_sends_home_no_more_than_was_lent() -> None:
    _, link = lent()
    osmo = link.provider
    for user, validator, released in (("alice", 0, 100), ("alice", 0, 0), ("bob", 0, 0), ("alice", 1, 0)):
        packet = InternalUnstake(
            osmo.address(user), link.validator(validator), Coin(Denom("ujuno"), MAX_AMOUNT), Coin(Denom("uosmo"), MAX_AMOUNT)
        )
        with osmo.ctx.branch() as branch:
            assert reports.on_internal_unstake(branch, link.lent, packet) == Released(released, 0)
    assert (link.range("alice", 0), link.stake("alice", 0).unbonding) == (Range(), 100)
    osmo.check_laws()


def test_a_provider_that_stakes_without_limit_gets_no_power_above_its_caps() -> None:
    rig, link = lent(100, max_cap=500)
    juno = link.consumer
    for number in range(3):
        packet = Stake(Address("osmo1nobody"), link.validator(1), Coin(Denom("uosmo"), MAX_AMOUNT), number)
        requests.on_stake(juno.ctx, link.link, packet)
    rig.block(3)
    assert link.virtual() <= 500
    assert link.virtual(1) == 499
    juno.check_laws()


def test_a_provider_that_claims_to_have_settled_everything_moves_no_power_above_its_caps() -> None:
    rig, link = lent(100, max_cap=50)
    juno = link.consumer
    claims = tuple(Reduced(link.validator(index), amount) for index in (0, 1) for amount in (MAX_AMOUNT, -5))
    requests.on_burn(juno.ctx, link.link, Burn(Denom("uosmo"), (), claims))
    rig.block(2)
    assert link.virtual() == 50
    juno.check_laws()


def test_a_packet_that_is_delivered_twice_has_one_effect() -> None:
    rig, link = lent()
    link.provider.send("alice", StakeRemote(link.lent, link.validator(1), 40))
    flight = rig.flight("stake")
    answer = rig.receive(flight)
    assert rig.receive(flight) == answer
    rig.settle()
    assert link.virtual() == 140
