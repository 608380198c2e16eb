"""Epochs of virtual stake: what the reference's contract and chain module are tested for (case list, sections E and F)."""

from typing import Any

import pytest

from harness import Chain
from mesh_faults import double_sign, downtime
from mesh_rig import Link, MeshRig, account, pair, terms
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import Denom
from meshsec_core.modules.slashing import Unjail
from meshsec_core.modules.staking.module import Delegate
from meshsec_core.security.mesh.consumer import collect, requests
from meshsec_core.security.mesh.packets import Burn, BurnRow, Short
from meshsec_core.security.mesh.provider.lending import StakeRemote, Unstake
from meshsec_core.security.mesh.provider.vault import Bond


def start(*stakes: int, genesis: Any = None, **of_link: Any) -> tuple[MeshRig, Link]:
    """Let alice lend to validators 0, 1, … of a consumer whose link has these terms."""
    rig, link = pair(alice=10_000, genesis=genesis, consumer_terms={"max_cap": 100, **of_link})
    link.provider.send("alice", Bond(10_000))
    for index, stake in enumerate(stakes):
        link.provider.send("alice", StakeRemote(link.lent, link.validator(index), stake))
    rig.relay()
    return rig, link


def virtual(link: Link, *indexes: int) -> tuple[int, ...]:
    return tuple(link.virtual(index) for index in indexes)


def burn(link: Link, *rows: tuple[int, int]) -> Short:
    """Hand the consumer a burn of alice's stakes (validator, amount)."""
    alice = link.provider.address("alice")
    entries = tuple(BurnRow(alice, link.validator(index), amount) for index, amount in rows)
    return requests.on_burn(link.consumer.ctx, link.link, Burn(Denom("uosmo"), entries))


def test_vs_1_with_a_cap_of_zero_nothing_is_bonded() -> None:
    rig, link = start(5, max_cap=0)
    rig.settle()
    assert (link.virtual(), account(link.provider, "alice").liens) == (0, {})


def test_vs_6_a_burn_of_all_unbonds_all() -> None:
    rig, link = start(5, max_cap=10)
    rig.block()
    assert burn(link, (0, 5)) == Short()
    rig.block()
    assert virtual(link, 0) == (0,)


def test_vs_7_a_burn_of_several_validators_takes_what_its_rows_say() -> None:
    """The reference says a sum and lets the consumer share it out; a row here names its stake."""
    rig, link = start(5, 10)
    rig.block()
    assert burn(link, (0, 2), (1, 7)) == Short()
    rig.block()
    assert virtual(link, 0, 1) == (3, 3)


def test_vs_8_a_burn_of_everything_leaves_nothing() -> None:
    rig, link = start(5, 10)
    rig.block()
    burn(link, (0, 5), (1, 10))
    rig.block()
    assert virtual(link, 0, 1) == (0, 0)


def test_vs_9_a_burn_of_more_than_there_is_is_never_refused_and_leaves_a_debt() -> None:
    """The reference refuses it, and both chains disagree ever after."""
    rig, link = start(5, 10)
    rig.block()
    assert burn(link, (0, 8), (1, 12)).short == tuple(
        BurnRow(link.provider.address("alice"), link.validator(index), missing) for index, missing in ((0, 3), (1, 2))
    )
    rig.block()
    assert virtual(link, 0, 1) == (0, 0)


def test_vs_12_and_vs_16_stake_that_is_leaving_when_its_validator_falls_leaves_less_its_loss() -> None:
    rig, link = start(10, 20)
    rig.block()
    for index in (0, 1):
        link.provider.send("alice", Unstake(link.lent, link.validator(index), (10, 20)[index]))
    rig.relay()
    downtime(link.consumer, 0)
    double_sign(link.consumer, 1)
    rig.block()
    assert virtual(link, 0, 1) == (0, 0)
    rig.settle()


def test_vs_13_an_inactive_validator_is_not_asked_for_rewards_until_it_is_active_again() -> None:
    rig, link = start(5, max_cap=10, genesis={"mint": {"inflation_bps": 100_000, "interval": 1}})
    juno = link.consumer
    rig.block()

    def asked() -> bool:
        before = len(juno.events)
        rig.advance(10)
        return any(event.type == "distribution/withdraw-rewards" for event in juno.events[before:])

    assert asked()
    downtime(juno, 0, 0)
    rig.settle()
    assert not asked()
    rig.advance(601)
    juno.send("val-0", Unjail())
    rig.block(2)
    assert asked()


def collected(link: Link, *amounts: int) -> None:
    """Let the link have collected rewards of validators 0, 1, …"""
    for index, amount in enumerate(amounts):
        if amount:
            link.earn(amount, index)


@pytest.mark.parametrize(
    ("amounts", "credited"),
    [
        pytest.param((10, 20, 30), (10, 20, 30), id="VS-R1"),
        pytest.param((0, 0, 0), (0, 0, 0), id="VS-R3"),
        pytest.param((20, 0, 10), (20, 0, 10), id="VS-R4"),
        pytest.param((20, 10, 0), (20, 10, 0), id="VS-R5"),
    ],
)
def test_vs_r1_vs_r3_vs_r4_vs_r5_one_batch_tells_of_all_rewards_but_those_of_nothing(
    amounts: tuple[int, ...], credited: tuple[int, ...]
) -> None:
    rig, link = start(5, 5, 5)
    rig.settle()
    collected(link, *amounts)
    rig.advance(10)
    rig.settle()
    assert tuple(link.rewards("alice", index) for index in range(3)) == credited


def test_vs_r2_every_batch_tells_only_of_what_is_new() -> None:
    rig, link = start(5, 5)
    rig.settle()
    for amounts, credited in (((20, 30), (20, 30)), ((0, 30), (20, 60))):
        collected(link, *amounts)
        rig.advance(10)
        rig.settle()
        assert tuple(link.rewards("alice", index) for index in range(2)) == credited


def test_c_rew_a_batch_is_told_exactly_what_was_collected() -> None:
    """The reference hands over coins and amounts apart and must compare them; here the batch itself says what was sent."""
    rig, link = start(5, 5)
    rig.settle()
    collected(link, 33, 53)
    rig.advance(10)
    rig.settle()
    view = link.consumer.query("mesh/consumer/link", link=link.link)
    assert (view.rewards_sent, view.rewards_waiting) == (86, 0)
    assert sum(link.rewards("alice", index) for index in range(2)) == 86


# the chain module


def test_m_rec_each_delegator_s_part_is_on_record_and_goes_when_it_is_nothing() -> None:
    rig, link = start(1)
    (record,) = link.consumer.query("mesh/consumer/delegations", link=link.link)
    assert (record.validator, record.delegator, record.tokens) == (link.validator(0), link.provider.address("alice"), 1)
    link.provider.send("alice", Unstake(link.lent, link.validator(0), 1))
    rig.relay()
    assert link.consumer.query("mesh/consumer/delegations", link=link.link) == ()


def test_m_qry_cap_delegated_and_slash_ratios_are_shown() -> None:
    rig, link = start(456, max_cap=1_230)
    rig.settle()
    view = link.consumer.query("mesh/consumer/link", link=link.link)
    assert (view.params.max_cap, view.virtual) == (1_230, 456)
    rules = Chain(link.consumer.machine.modules).query("slashing/params")
    assert (rules.downtime_slash_bps, rules.double_sign_slash_bps) == (100, 500)


def test_m_val_everything_that_happens_to_validators_in_a_block_is_one_report() -> None:
    """0 is jailed, 1 comes back from jail without a place, 2 is tombstoned, 4 takes a place."""
    rig, link = pair(
        validators=(1_000, 1_000, 1_000, 1_000, 900),
        genesis={"staking": {"max_validators": 4}, "slashing": {"jail_time": 0, "downtime_slash_bps": 1_000}},
        alice=1_000,
    )
    juno = link.consumer
    juno.send("alice", Delegate(juno.validator(4), 50))
    downtime(juno, 1)
    rig.settle()
    juno.send("alice", Delegate(juno.validator(4), 500))
    downtime(juno, 0)
    double_sign(juno, 2)
    rig.block()
    juno.send("val-1", Unjail())
    rig.settle()
    said = [dict(event.attributes)["changes"] for event in link.provider.events if event.type == "mesh/valset-update"]
    assert said[-2:] == ["2 removed, 2 jailed, 1 tombstoned, 2 slashed", "1 added, 1 unjailed"]


def test_m_end_epochs_of_two_links_run_in_one_block_and_one_that_fails_leaves_the_other_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = MeshRig()
    shared = {"slashing": {"double_sign_slash_bps": 1_000, "downtime_slash_bps": 1_000}}
    for name in ("osmo", "axelar"):
        rig.add(name, genesis=shared, alice=1_000)
    borrowing = {"links": {"osmo-1": terms(max_cap=100), "axelar-1": terms(max_cap=100)}}
    juno = rig.add("juno", genesis={**shared, "mesh/consumer": borrowing}, alice=1_000)
    links = (rig.link("osmo", "juno"), rig.link("axelar", "juno"))
    rig.relay()
    for link in links:
        link.provider.send("alice", Bond(100), StakeRemote(link.lent, link.validator(0), 50))
    rig.relay()
    whole = collect.collect_due

    def broken(ctx: Any, link: Any, held: Any) -> None:
        if link == links[0].link:
            raise Rejected("mesh/made-to-fail")
        whole(ctx, link, held)

    with monkeypatch.context() as patch:
        patch.setattr(collect, "collect_due", broken)
        juno.block()
    assert [link.virtual() for link in links] == [0, 50]
    failed = [dict(event.attributes) for event in juno.events if event.type == "mesh/epoch-failed"]
    assert failed == [{"link": links[0].link, "code": "mesh/made-to-fail"}]
    rig.settle()
    assert [link.virtual() for link in links] == [50, 50]
