"""Single validators that misbehave: what each fault does, and what it cannot do."""

from collections import deque

import pytest
from msgspec.structs import replace

from meshsec_core.consensus.votes import NO_BLOCK
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.hashes import vote_sign_bytes
from meshsec_core.kernel.wire.tendermint import FLAG_ABSENT, FLAG_COMMIT, PRECOMMIT, PREVOTE
from meshsec_core.modules.staking.state import get_validator
from meshsec_core.replica.events import Deliver, Fire, Persist, SetTimer, Tick, Timer
from meshsec_core.replica.faults import FAULTS, parameters, read_fault
from meshsec_core.replica.storage import PowerCut, Table
from meshsec_sdk import names
from one_chain import Rig

NAMES = ("val-0", "val-1", "val-2", "val-3")
MILLISECOND = SECOND // 1_000


def proposer_of(rig: Rig) -> str:
    """Who proposes the next block in round 0."""
    turn = rig.replica.tip.validators.proposer.address
    return next(voter.name for voter in rig.replica.voters if voter.address == turn)


def test_a_flapping_validator_is_absent_and_present_in_turns() -> None:
    rig = Rig()
    rig.blocks(2)
    rig.replica.fault("flap", "val-1", {"blocks": 2})
    rig.blocks(8)
    assert [rig.signed(height)["val-1"] for height in range(3, 11)] == [FLAG_ABSENT, FLAG_ABSENT, FLAG_COMMIT, FLAG_COMMIT] * 2
    assert {rig.committed(height).round for height in range(3, 11)} <= {0, 1}


@pytest.mark.parametrize("name", NAMES)
def test_a_slow_validators_votes_come_too_late_and_are_there_again_after_heal(name: str) -> None:
    rig = Rig()
    rig.blocks(2)
    rig.replica.fault("slow", name, {"delay": 500 * MILLISECOND})
    rig.blocks(8)
    late = [rig.signed(height)[name] for height in range(3, 11)]
    assert late == [FLAG_ABSENT] * 8
    assert [rig.committed(height).round for height in range(3, 11)].count(1) == 2
    rig.chain.heal(name)
    rig.blocks(1)
    assert rig.signed(11) == dict.fromkeys(NAMES, FLAG_COMMIT)


def test_where_slow_votes_are_needed_a_block_waits_for_them() -> None:
    """Given two of four validators are 2 s late
    Then a block that an honest one proposes takes their prevote and their precommit: 4 s of logical time
    """
    rig = Rig()
    rig.blocks(2)
    slow = [name for name in NAMES if name != proposer_of(rig)][:2]
    for name in slow:
        rig.replica.fault("slow", name, {"delay": 2 * SECOND})
    rig.blocks(1)
    assert rig.committed(3).round == 0
    assert max(signature.time for signature in rig.committed(3).signatures) - rig.now == 2 * SECOND
    assert rig.chain.reasons() == []


def test_a_slow_validator_hears_itself_at_once() -> None:
    rig = Rig()
    rig.blocks(2)
    for name in NAMES:
        rig.replica.fault("slow", name, {"delay": 3_600 * SECOND})
    assert not rig.chain.make_block(rig.now + SECOND)
    prevoted = {vote.address: vote.block_id.hash for vote in rig.votes_logged()}
    turn = rig.replica.tip.validators.proposer.address
    assert {address for address, block in prevoted.items() if block} == {turn}
    assert len(prevoted) == 4


def test_a_validator_that_is_silenced_in_the_middle_of_a_height_says_and_hears_no_more() -> None:
    """Given the votes of one of two halves are an hour away
    When both others are silenced and the votes arrive
    Then the height stands still until they are healed
    """
    rig = Rig()
    rig.blocks(2)
    for name in ("val-0", "val-1"):
        rig.replica.fault("slow", name, {"delay": 3_600 * SECOND})
    rig.chain.make_block(rig.now + SECOND)
    said = len(rig.votes_logged())
    for name in ("val-2", "val-3"):
        rig.replica.fault("down", name)
    for name in ("val-0", "val-1"):
        rig.chain.heal(name)
    silent = [voter.address for voter in rig.replica.voters if voter.name in ("val-2", "val-3")]
    assert [vote for vote in rig.votes_logged()[said:] if vote.address in silent] == []
    assert rig.replica.height == 2
    rig.chain.heal()
    rig.now += 20 * SECOND
    rig.blocks(1)


def test_a_chain_says_that_a_phase_of_flapping_will_halt_it_before_it_tries() -> None:
    """Given one validator flaps, two blocks down and two up, and in its up phase another goes down
    Then the chain is ready for two blocks and for no third one
    """
    rig = Rig()
    rig.blocks(2)
    rig.replica.fault("flap", "val-0", {"blocks": 2})
    rig.blocks(2)
    rig.replica.fault("down", "val-1")
    assert rig.chain.reasons() == []
    rig.blocks(2)
    (reason,) = rig.chain.reasons()
    assert reason.endswith("; down: val-0 (1000000000), val-1 (1000000000)")
    assert not rig.chain.make_block(rig.now + SECOND)


def test_what_a_slow_validator_said_arrives_when_it_heals() -> None:
    rig = Rig()
    rig.blocks(2)
    for name in ("val-0", "val-1"):
        rig.replica.fault("slow", name, {"delay": 3_600 * SECOND})
    assert not rig.chain.make_block(rig.now + SECOND)
    rig.chain.heal()
    assert rig.replica.height == 3


@pytest.mark.parametrize("vote", ["precommit", "prevote"])
def test_two_votes_in_one_step_are_evidence_and_cost_five_percent_once(vote: str) -> None:
    rig = Rig()
    rig.blocks(2)
    operator = names.validator_id(rig.chain.spec.names, "val-2")
    before = get_validator(rig.replica.state, operator)
    rig.replica.fault("double-sign", "val-2", {"vote": vote})
    rig.blocks(4)
    after = get_validator(rig.replica.state, operator)
    assert (after.tombstoned, after.tokens) == (True, before.tokens - before.tokens * 500 // 10_000)
    rig.blocks(4)
    assert get_validator(rig.replica.state, operator).tokens == after.tokens


def test_of_two_proposals_every_other_validator_hears_the_second_one_first() -> None:
    rig = Rig()
    rig.blocks(2)
    rig.replica.fault("double-sign", proposer_of(rig), {"vote": "proposal"})
    rig.chain.storage.cut = PowerCut(3)
    rig.chain.make_block(rig.now + SECOND)
    prevoted = [vote.block_id for vote in rig.votes_logged() if vote.kind == PREVOTE and vote.round == 0]
    assert sorted(prevoted.count(block) for block in prevoted) == [2, 2, 2, 2]


def test_two_proposals_cost_a_round_once_and_nothing_else() -> None:
    rig = Rig()
    rig.blocks(2)
    rig.replica.fault("double-sign", proposer_of(rig), {"vote": "proposal"})
    rig.blocks(9)
    assert [rig.committed(height).round for height in range(3, 12)] == [1] + [0] * 8
    assert len(rig.replica.tip.validators) == 4
    assert not list(rig.chain.storage.scan(Table.EVIDENCE))


def test_a_wrong_app_hash_is_answered_with_nil_and_the_next_round_goes_on() -> None:
    rig = Rig()
    rig.blocks(2)
    liar = proposer_of(rig)
    rig.replica.fault("bad-app-hash", liar)
    rig.blocks(4)
    assert [rig.committed(height).round for height in range(3, 7)].count(1) == 1
    assert rig.committed(3).round == 1
    assert rig.signed(3) == dict.fromkeys(NAMES, FLAG_COMMIT)


def test_a_chain_of_liars_about_the_state_ends_its_attempt_says_why_and_recovers() -> None:
    rig = Rig()
    rig.blocks(2)
    for name in NAMES:
        rig.replica.fault("bad-app-hash", name)
    assert not rig.chain.make_block(rig.now + SECOND)
    (reason,) = rig.chain.reasons()
    assert reason.startswith("height 3 is in round ")
    rig.chain.heal()
    rig.now += 20 * SECOND
    rig.blocks(1)


def test_a_censors_blocks_leave_an_account_out_and_others_take_it_in() -> None:
    rig = Rig()
    rig.blocks(2)
    censor = proposer_of(rig)
    rig.replica.fault("censor", censor, {"address": names.address("alice", rig.chain.spec.names)})
    tx_hash = rig.send(5, 0)
    rig.blocks(1)
    assert rig.committed(3).round == 0
    assert rig.replica.receipt(tx_hash) is None
    rig.blocks(1)
    assert rig.replica.receipt(tx_hash) is not None


def test_a_chain_whose_validators_all_shun_what_waits_rests_after_a_turn_of_each_until_more_comes() -> None:
    rig = Rig()
    rig.blocks(4)
    for name in NAMES:
        rig.replica.fault("censor", name, {"address": names.address("alice", rig.chain.spec.names)})
    assert not rig.replica.has_work
    tx_hash = rig.send(5, 0)
    for _ in NAMES:
        assert rig.replica.has_work
        rig.blocks(1)
    assert not rig.replica.has_work
    rig.send(5, 1)
    assert rig.replica.has_work
    rig.blocks(4)
    assert not rig.replica.has_work
    rig.chain.heal()
    rig.blocks(1)
    assert rig.replica.receipt(tx_hash) is not None


def test_a_censor_lets_everybody_elses_transactions_pass() -> None:
    rig = Rig()
    rig.blocks(2)
    rig.replica.fault("censor", proposer_of(rig), {"address": names.address("bob", rig.chain.spec.names)})
    tx_hash = rig.send(5, 0)
    rig.blocks(1)
    assert rig.replica.receipt(tx_hash) is not None


@pytest.mark.parametrize("shift", [90 * SECOND, -90 * SECOND])
def test_a_clock_of_less_than_half_does_not_move_the_time_of_blocks(shift: int) -> None:
    rig, honest = Rig(), Rig()
    for each in (rig, honest):
        each.blocks(2)
    rig.replica.fault("clock-skew", "val-0", {"shift": shift})
    for each in (rig, honest):
        each.blocks(6)
    times = [[each.replica.block(height).header.time for height in range(1, 9)] for each in (rig, honest)]
    assert times[0] == times[1]
    spread = {signature.time for signature in rig.committed(6).signatures}
    assert len(spread) == 2
    assert (max(spread) - min(spread) == 90 * SECOND) == (shift > 0)


def test_clocks_of_more_than_half_of_the_power_move_the_time_of_blocks() -> None:
    rig = Rig()
    rig.blocks(2)
    for name in ("val-0", "val-1", "val-2"):
        rig.replica.fault("clock-skew", name, {"shift": 90 * SECOND})
    rig.blocks(3)
    assert rig.replica.tip.time == rig.now - SECOND + 90 * SECOND


def test_an_amnesiac_holds_no_lock_after_its_precommit() -> None:
    """Given one of four validators forgets
    When every validator has precommitted and none has heard the precommits
    Then the three honest ones are locked on the block, and the fourth has no lock and nothing to propose again
    """
    rig = Rig()
    rig.blocks(2)
    rig.replica.fault("amnesia", "val-3")
    now = rig.now + SECOND
    effects = deque(rig.replica.handle(Tick(), now))
    while not any(vote.kind == PRECOMMIT for effect in effects if isinstance(effect, Deliver) for vote in effect.votes):
        match effects.popleft():
            case Persist() as rows:
                rig.chain.storage.apply(rows.writes)
            case Deliver() as wave:
                effects.extend(rig.replica.handle(wave, now))
            case _:
                pass
    states = {voter.name: voter.state for voter in rig.replica.voters if voter.state is not None}
    assert {name: state.locked_round for name, state in states.items()} == {"val-0": 0, "val-1": 0, "val-2": 0, "val-3": -1}
    assert {name: state.valid_block is None for name, state in states.items() if name == "val-3"} == {"val-3": True}


def test_an_amnesiac_votes_for_another_block_in_a_later_round_and_those_who_remember_do_not() -> None:
    """Given everybody precommitted a block in round 0, and an adversary with three of the keys shows precommits for nil instead
    When it is the amnesiac's turn in round 1
    Then it proposes and prevotes another block, and the honest ones, who are locked, prevote nil
    """
    rig = Rig()
    rig.blocks(2)
    members = rig.replica.tip.validators
    forgetful = next(voter for voter in rig.replica.voters if voter.address == members.at_round(1).proposer.address)
    rig.replica.fault("amnesia", forgetful.name)
    now = rig.now + SECOND

    def answer(event: Tick | Deliver | Fire) -> tuple[list[Deliver], list[Timer]]:
        effects = rig.replica.handle(event, now)
        return [found for found in effects if isinstance(found, Deliver)], [
            found.timer for found in effects if isinstance(found, SetTimer)
        ]

    (proposal,), _ = answer(Tick())
    (prevotes,), _ = answer(proposal)
    (precommits,), _ = answer(prevotes)
    assert {vote.block_id for vote in precommits.votes} == {proposal.proposals[0].proposal.block_id}
    nil = [replace(vote, block_id=NO_BLOCK) for vote in precommits.votes[:3]]
    keys = {voter.address: voter.key for voter in rig.replica.voters}
    signed = tuple(
        replace(vote, signature=keys[vote.address].sign(vote_sign_bytes("osmosis-1", PRECOMMIT, 3, 0, None, vote.time)))
        for vote in nil
    )
    _, patience = answer(Deliver((), signed))
    said = [wave for timer in patience for wave in answer(Fire(timer))[0]]
    (again,) = [wave for wave in said if wave.proposals]
    (prevotes,), _ = answer(again)
    other = again.proposals[0].proposal.block_id
    assert (again.proposals[0].proposal.round, other == proposal.proposals[0].proposal.block_id) == (1, False)
    assert {vote.address: vote.block_id for vote in prevotes.votes} == {
        voter.address: other if voter is forgetful else NO_BLOCK for voter in rig.replica.voters
    }


def test_a_restart_heals_every_fault_and_nobody_honest_signs_twice() -> None:
    """Given a height in which a slow validator's votes were not heard and two are cut off
    When power fails and the chain comes back
    Then it decides, everybody is honest again, and no evidence exists
    """
    rig = Rig()
    rig.blocks(2)
    rig.replica.fault("slow", "val-0", {"delay": SECOND})
    rig.chain.partition([["val-2", "val-3"]])
    assert not rig.chain.make_block(rig.now + SECOND)
    rig.chain.restart()
    rig.now += 2 * SECOND
    rig.blocks(3)
    assert rig.chain.reasons() == []
    assert rig.signed(rig.replica.height) == dict.fromkeys(NAMES, FLAG_COMMIT)
    assert not list(rig.chain.storage.scan(Table.EVIDENCE))


BAD = {
    "sneeze": ({}, "dev/unknown-fault"),
    "down": ({"blocks": 3}, "dev/bad-fault"),
    "flap": ({"blocks": 0}, "dev/bad-fault"),
    "slow": ({}, "dev/bad-fault"),
    "double-sign": ({"vote": "twice"}, "dev/bad-fault"),
    "censor": ({"address": 5}, "dev/bad-fault"),
    "clock-skew": ({"shift": 10**20}, "dev/bad-fault"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_fault_that_nobody_can_read_is_refused_with_what_is_known_and_changes_nothing(kind: str) -> None:
    given, code = BAD[kind]
    rig = Rig()
    before = [voter.conduct for voter in rig.replica.voters]
    with pytest.raises(Rejected) as refusal:
        rig.replica.fault(kind, "val-0", given)
    assert refusal.value.code == code
    known = {"sneeze": list(FAULTS)}.get(kind, [item.name for item in parameters(kind)] if kind in FAULTS else [])
    assert all(name in refusal.value.facts.get("known", "") + refusal.value.facts.get("takes", "") for name in known)
    assert [voter.conduct for voter in rig.replica.voters] == before


def test_every_kind_says_what_it_does_and_what_it_takes() -> None:
    for kind, found in FAULTS.items():
        assert (found.__doc__ or "").count(".") >= 2, kind
        assert all(item.help for item in parameters(kind)), kind
    assert read_fault("flap", {"blocks": "3"}) == FAULTS["flap"](3)
