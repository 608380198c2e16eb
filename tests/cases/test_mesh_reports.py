"""Reports of the consumer's validators and what a provider makes of them, wrong ones included (case list, sections C3 and G)."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from harness import Chain
from mesh_faults import double_sign, downtime
from mesh_rig import Link, MeshRig, account, pair, star
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND, ValidatorId
from meshsec_core.modules.slashing import Unjail
from meshsec_core.modules.staking.module import Delegate, Undelegate
from meshsec_core.security.mesh.history import State
from meshsec_core.security.mesh.packets import Applied, Coin, Named, Reduced, Refusal, Slashed, ValsetUpdate
from meshsec_core.security.mesh.provider import reports
from meshsec_core.security.mesh.provider.lending import StakeRemote, Unstake
from meshsec_core.security.mesh.provider.vault import Bond
from meshsec_core.security.mesh.ranges import Range

LISTS = ("additions", "removals", "updated", "jailed", "unjailed", "tombstoned", "slashed")


def sent_reports(chain: Chain, since: int) -> list[dict[str, Any]]:
    """Return the lists with content of every report that was sent after an event."""
    found = []
    for event in chain.events[since:]:
        if event.type == "send_packet":
            packet = json.loads(bytes.fromhex(dict(event.attributes)["packet_data_hex"]))
            if packet["@type"] == "valset_update":
                found.append({name: packet[name] for name in LISTS if packet[name]})
    return found


def known(link: Link) -> dict[int, State]:
    """Return what the provider takes the consumer's validators for, by index."""
    found = link.provider.query("mesh/provider/validators", consumer=link.lent)
    states = {each.validator: each.state for each in found}
    return {index: states[link.validator(index)] for index in range(len(link.consumer.bonds)) if link.validator(index) in states}


def apply(link: Link, **lists: Any) -> Applied:
    """Hand the provider a report as if the consumer had sent it."""
    packet = ValsetUpdate(
        height=lists.pop("height", link.consumer.ctx.height),
        time=link.consumer.ctx.time,
        denom=link.consumer.ctx.denom,
        double_sign_bps=1_000,
        downtime_bps=1_000,
        unbonding_time=100 * SECOND,
        **lists,
    )
    with link.provider.ctx.branch() as branch:
        applied = reports.on_valset_update(branch, link.lent, packet)
    link.provider.events.extend(branch.events)
    return applied


def slashed(link: Link, index: int, amount: int, **changes: Any) -> Slashed:
    entry = Slashed(
        validator=link.validator(index),
        infraction_height=link.consumer.ctx.height,
        infraction_time=link.consumer.ctx.time,
        power=1,
        slash_amount=Coin(link.provider.ctx.denom, amount),
        slash_ratio_bps=1_000,
        reason="downtime",
    )
    return replace(entry, **changes)


def lent(amount: int = 100, *, answered: bool = True) -> tuple[MeshRig, Link]:
    rig, link = pair(alice=1_000, bob=1_000)
    link.provider.send("alice", Bond(1_000), StakeRemote(link.lent, link.validator(0), amount))
    if answered:
        rig.settle()
    return rig, link


def test_xv_1_the_first_report_names_all_bonded_validators_with_their_keys() -> None:
    rig, link = pair()
    found = link.provider.query("mesh/provider/validators", consumer=link.lent)
    keys = {link.validator(index): link.consumer.consensus_key(index).public_key for index in range(4)}
    assert {each.validator: each.public_key for each in found} == keys
    assert known(link) == dict.fromkeys(range(4), State.ACTIVE)
    rules = link.provider.query("mesh/provider/link", link=link.lent).rules
    assert (rules.denom, rules.double_sign_bps, rules.downtime_bps) == ("ujuno", 1_000, 1_000)
    rig.settle()


@pytest.mark.parametrize("answered", [True, False])
def test_xv_2_xv_3_xv_4_a_slash_reaches_stake_whether_its_packet_is_answered_or_not(answered: bool) -> None:
    rig, link = lent(answered=answered)
    before = account(link.provider, "alice").collateral
    assert apply(link, slashed=(slashed(link, 0, 10),), jailed=(link.validator(0),)).slashed == (
        (Reduced(link.validator(0), 10),) if answered else ()
    )
    assert before - account(link.provider, "alice").collateral == 10
    assert link.range("alice", 0) == (Range.of(90) if answered else Range(0, 90))
    assert known(link)[0] is State.JAILED
    rig.check(settled=False)


def test_xv_6_a_stranger_can_be_tombstoned_and_a_later_addition_changes_nothing() -> None:
    _, link = lent()
    carl = ValidatorId("junovaloper1carl")
    assert apply(link, tombstoned=(carl,), height=50) == Applied()
    assert apply(link, additions=(Named(carl, b"c" * 32),), height=60) == Applied()
    states = {each.validator: each.state for each in link.provider.query("mesh/provider/validators", consumer=link.lent)}
    assert states[carl] is State.TOMBSTONED


def test_one_bad_entry_is_named_in_the_answer_and_never_loses_the_others() -> None:
    _, link = lent()
    answer = apply(
        link,
        additions=(Named(ValidatorId("x/y"), b"k" * 32), Named(ValidatorId("junovaloper1new"), b"short")),
        slashed=(
            slashed(link, 3, 5, infraction_height=0),
            slashed(link, 0, 10, slash_ratio_bps=10_001),
            slashed(link, 0, 10, reason="being-late"),
            slashed(link, 0, 10),
            slashed(link, 0, 10),
        ),
        jailed=(link.validator(1), ValidatorId("")),
        height=link.consumer.ctx.height + 1,
    )
    assert answer == Applied(
        (Reduced(link.validator(0), 10),),
        (
            Refusal(link.validator(3), "mesh/not-active-at-infraction"),
            Refusal(link.validator(0), "mesh/bad-report"),
            Refusal(link.validator(0), "mesh/bad-report"),
            Refusal(link.validator(0), "mesh/fault-charged"),
            Refusal(ValidatorId("x/y"), "mesh/bad-name"),
            Refusal(ValidatorId("junovaloper1new"), "mesh/bad-key"),
            Refusal(ValidatorId(""), "mesh/bad-name"),
        ),
    )
    assert (known(link)[1], link.range("alice", 0)) == (State.JAILED, Range.of(90))


@pytest.mark.parametrize("field", ["height", "time", "unbonding_time", "double_sign_bps"])
def test_a_report_with_absurd_numbers_is_refused_whole(field: str) -> None:
    _, link = lent()
    packet = ValsetUpdate(5, 5, link.consumer.ctx.denom, 1_000, 1_000, 5)
    for number in (-1, 2**63):
        with pytest.raises(Rejected) as refusal:
            reports.on_valset_update(link.provider.ctx, link.lent, replace(packet, **{field: number}))
        assert refusal.value.code == "mesh/bad-report"


def test_the_bound_of_a_frozen_ratio_rounds_down_for_the_users() -> None:
    _, link = lent(995)
    apply(link, slashed=(slashed(link, 0, 10**30),))
    assert account(link.provider, "alice").collateral == 901  # 99.5


def test_an_effective_ratio_is_truncated_as_in_the_reference() -> None:
    """10 of 300 is a ratio of 0.033…3, and 300 times that is 9.99…9."""
    _, link = lent(300)
    apply(link, slashed=(slashed(link, 0, 10),))
    assert link.range("alice", 0) == Range.of(291)


@pytest.mark.parametrize(("amount", "kept"), [(10**30, 900), (101, 900), (99, 901), (1, 999)])
def test_a_report_never_slashes_more_than_the_frozen_ratio(amount: int, kept: int) -> None:
    """The lien was made at 10 %: whatever a consumer says, 100 of 1,000 is the most."""
    _, link = lent(1_000)
    apply(link, slashed=(slashed(link, 0, amount),))
    assert account(link.provider, "alice").collateral == kept


def test_shares_of_a_slash_round_down_for_the_users() -> None:
    """10 of 300: a ratio of 0.0333…, truncated; 100 lose 3, 200 lose 6."""
    rig, link = lent()
    link.provider.send("bob", Bond(1_000), StakeRemote(link.lent, link.validator(0), 200))
    rig.settle()
    apply(link, slashed=(slashed(link, 0, 10),))
    assert (link.range("alice", 0), link.range("bob", 0)) == (Range.of(97), Range.of(194))


def test_an_older_report_changes_no_rules() -> None:
    _, link = lent()
    packet = ValsetUpdate(1, 1, link.consumer.ctx.denom, 9_000, 9_000, 1)
    reports.on_valset_update(link.provider.ctx, link.lent, packet)
    assert link.provider.query("mesh/provider/link", link=link.lent).rules.double_sign_bps == 1_000


def test_rules_that_become_harsher_stop_new_stake_and_show_it() -> None:
    rig, link = lent()
    juno = link.consumer
    juno.ctx.store.set("slashing/params", codec.encode(replace(juno.query("slashing/params"), double_sign_slash_bps=1_001)))
    downtime(juno, 3)
    rig.settle()
    assert link.provider.query("mesh/provider/link", link=link.lent).takes_stake is False
    with pytest.raises(Rejected) as refusal:
        link.provider.send("alice", StakeRemote(link.lent, link.validator(0), 1))
    assert refusal.value.code == "mesh/ratio-too-low"
    link.provider.send("alice", Unstake(link.lent, link.validator(0), 1))


def five(reserve: int) -> tuple[MeshRig, Link]:
    """Start a consumer with five places and six validators, the last of which has `reserve` tokens."""
    rig, link = pair(validators=(1_000, 1_000, 1_000, 1_000, 1_000, reserve), genesis={"staking": {"max_validators": 5}})
    rig.settle()
    return rig, link


def test_e2e_vals_every_transition_is_one_report() -> None:
    rig, link = five(950)
    juno = link.consumer
    start = len(juno.events)
    juno.send("alice", Delegate(link.validator(0), 1))

    def told() -> list[dict[str, Any]]:
        nonlocal start
        rig.settle()
        said, start = sent_reports(juno, start), len(juno.events)
        return [{key: sorted(ids(value)) for key, value in each.items()} for each in said]

    def ids(entries: list[Any]) -> list[str]:
        return [each["validator"] if isinstance(each, dict) else each for each in entries]

    told()
    downtime(juno, 0)
    (said,) = told()
    assert (said["jailed"], said["removals"], said["slashed"], len(said["additions"])) == (*[[link.validator(0)]] * 3, 1)
    assert known(link)[0] is State.JAILED
    juno.send("val-0", Unjail())
    assert told() == [{"unjailed": [link.validator(0)]}]
    juno.send("alice", Delegate(link.validator(0), 500))
    (entered,) = told()
    assert entered["additions"] == [link.validator(0)]
    assert known(link)[0] is State.ACTIVE
    double_sign(juno, 0)
    (said,) = told()
    names = ("jailed", "tombstoned", "slashed", "removals")
    assert [said[name] for name in names] == [[link.validator(0)]] * 4
    assert known(link)[0] is State.TOMBSTONED


def test_of_a_thing_and_its_opposite_in_one_report_the_present_decides() -> None:
    rig, link = pair(genesis={"slashing": {"jail_time": 0}})
    juno = link.consumer
    rig.settle()
    since = len(juno.events)
    downtime(juno, 0)
    juno.send("val-0", Unjail())
    rig.settle()
    (said,) = sent_reports(juno, since)
    assert said.keys() == {"unjailed", "slashed", "additions"}
    assert known(link)[0] is State.ACTIVE


def test_a_validator_that_leaves_the_set_is_unbonded_and_releases_at_once() -> None:
    rig, link = pair(validators=(1_000, 1_000, 1_000, 999), genesis={"staking": {"max_validators": 3}}, alice=1_000)
    link.consumer.send("val-0", Undelegate(link.validator(0), 900))
    rig.settle()
    assert known(link) == {0: State.UNBONDED, 1: State.ACTIVE, 2: State.ACTIVE, 3: State.ACTIVE}


def test_reports_of_one_consumer_say_nothing_about_another() -> None:
    rig, (x, y) = star("juno", "axelar", alice=1_000)
    downtime(x.consumer, 0)
    rig.settle()
    assert (known(x)[0], known(y)[0]) == (State.JAILED, State.ACTIVE)


def test_crdt_3_validators_are_listed_by_pages_with_their_state() -> None:
    _, link = pair(validators=1)
    names = [ValidatorId(f"junovaloper1x{index:02d}") for index in range(20)]
    apply(link, additions=tuple(Named(name, bytes([index]) * 32) for index, name in enumerate(names)), height=123)
    fallen = tuple(names[index] for index in (19, 17, 12, 11, 7, 4, 3))
    apply(link, tombstoned=fallen, height=124)

    def active(limit: str, start_after: str = "") -> list[ValidatorId]:
        query = link.provider.query
        found = query("mesh/provider/validators", consumer=link.lent, state="active", limit=limit, start_after=start_after)
        return [each.validator for each in found if each.validator in names]

    everybody = active("100")
    assert everybody == [name for name in names if name not in fallen]
    first = active("7", "junovaloper1x")
    second = active("7", first[-1])
    assert (first, second, active("7", everybody[-1])) == (everybody[:7], everybody[7:], [])
