"""One simulated chain: consensus, crashes and misbehaviour, without a relayer."""

import dataclasses
from collections import deque

import pytest
from msgspec.structs import replace

from meshsec_core.consensus.guard import STEP_PROPOSE
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.merkle.ics23 import verify_absence, verify_value
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.hashes import vote_sign_bytes
from meshsec_core.kernel.wire.tendermint import FLAG_ABSENT, FLAG_COMMIT, PRECOMMIT, CommitSig
from meshsec_core.modules.staking.history import UPDATE_DELAY
from meshsec_core.modules.staking.module import Delegate
from meshsec_core.modules.staking.state import get_validator
from meshsec_core.replica.chain import build_block, check_block
from meshsec_core.replica.events import Deliver, Persist, Tick
from meshsec_core.replica.height import STEPS
from meshsec_core.replica.history import read_log
from meshsec_core.replica.pool import EvidencePool
from meshsec_core.replica.replica import Replica
from meshsec_core.replica.storage import MemoryStorage, PowerCut, Table
from meshsec_sdk import names
from meshsec_sdk.mesh_file import USER_COINS, consensus_keys, genesis_of, topology
from meshsec_sdk.models import load_models
from one_chain import Rig


def test_four_validators_make_blocks_that_all_of_them_sign() -> None:
    rig = Rig()
    rig.blocks(5)
    signed = rig.replica.commit(4)
    assert signed is not None
    assert [signature.flag for signature in signed.commit.signatures] == [FLAG_COMMIT] * 4
    assert rig.replica.height == 5


def test_a_transfer_is_included_once_and_its_receipt_and_state_can_be_proven() -> None:
    rig = Rig()
    rig.blocks(1)
    before = rig.bobs()
    tx_hash = rig.send(7, 0)
    rig.blocks(2)
    receipt = rig.replica.receipt(tx_hash)
    assert receipt is not None
    assert (receipt.code, receipt.height) == ("", 2)
    assert rig.bobs() == before + 7
    path = f"bank/balances/{names.address('bob', rig.chain.spec.names)}/uosmo"
    value, proof = rig.replica.state.prove(path, 2)
    header = rig.replica.block(3)
    assert header is not None
    assert value == b'"%d"' % (before + 7)
    store, _, key = path.partition("/")
    verify_value(header.header.app_hash, store, key.encode(), value, proof)
    nothing, absence = rig.replica.state.prove(path + "x", 2)
    assert nothing is None
    verify_absence(header.header.app_hash, store, key.encode() + b"x", absence)


def test_a_block_is_due_until_a_changed_validator_set_has_signed_one() -> None:
    rig = Rig()
    rig.blocks(2)
    before = rig.replica.tip.validators.hash
    rig.submit(Delegate(names.validator_id(rig.chain.spec.names, "val-0"), 5), 0)
    while rig.replica.has_work:
        rig.blocks(1)
    header = rig.replica.block(rig.replica.height)
    assert header is not None
    assert rig.replica.height == 3 + UPDATE_DELAY
    assert header.header.validators_hash == rig.replica.tip.validators.hash != before


def test_the_same_genesis_and_inputs_give_the_same_bytes() -> None:
    first, second = Rig(), Rig()
    for rig in (first, second):
        rig.blocks(2)
        rig.send(5, 0)
        rig.blocks(3)
    assert first.replica.tip.block_id == second.replica.tip.block_id
    assert first.chain.storage.image._tables == second.chain.storage.image._tables


def test_a_chain_reopened_from_its_image_goes_on_as_if_nothing_had_happened() -> None:
    straight, broken = Rig(), Rig()
    for rig in (straight, broken):
        rig.blocks(2)
        rig.send(5, 0)
        rig.blocks(2)
    broken.chain.restart()
    for rig in (straight, broken):
        rig.send(6, 1)
        rig.blocks(2)
    assert straight.replica.tip == broken.replica.tip


@pytest.mark.parametrize("batch", range(6))
def test_power_lost_before_any_batch_loses_no_block_and_nobody_signs_twice(batch: int) -> None:
    """Given a transaction waits
    When power fails before the nth durable batch of its block, and the chain comes back
    Then it goes on, all sets stay whole, and no evidence of a double sign exists
    """
    rig = Rig()
    rig.blocks(2)
    tx_hash = rig.send(5, 0)
    hash_before = rig.replica.tip.app_hash
    rig.chain.storage.cut = PowerCut(batch + 1)
    rig.now += SECOND
    rig.chain.make_block(rig.now)
    rig.chain.storage.cut = None
    height = rig.replica.height
    assert rig.replica.tip.app_hash == hash_before or height == 3
    rig.blocks(3)
    assert rig.replica.height == height + 3
    assert not list(rig.chain.storage.scan(Table.EVIDENCE))
    included = rig.replica.receipt(tx_hash) is not None
    assert rig.bobs() == USER_COINS + (5 if included else 0)


def test_a_proposal_is_durable_before_the_first_prevote_for_it() -> None:
    """Given power fails right after the votes of a height became durable
    When the chain comes back
    Then the very same block is decided, from the log
    """
    rig, straight = Rig(), Rig()
    for each in (rig, straight):
        each.blocks(2)
        each.send(5, 0)
    straight.blocks(1)
    rig.chain.storage.cut = PowerCut(4)
    rig.now += SECOND
    assert not rig.chain.make_block(rig.now)
    assert rig.chain.make_block(rig.now + 5 * SECOND)
    assert rig.replica.tip.block_id == straight.replica.tip.block_id
    assert rig.replica.tip.commit == straight.replica.tip.commit


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_what_validators_have_said_is_known_to_their_guards_after_a_power_cut(batch: int) -> None:
    rig = Rig()
    rig.blocks(2)
    rig.chain.storage.cut = PowerCut(batch + 1)
    assert not rig.chain.make_block(rig.now + SECOND)
    logged = [read_log(raw) for _, raw in rig.chain.storage.scan(Table.WAL)]
    assert len(logged) == batch
    known = {voter.address: voter.last for voter in rig.replica.voters}
    for wave in logged:
        assert isinstance(wave, Deliver)
        said = [(message.proposer, 3, STEP_PROPOSE) for message in wave.proposals]
        said += [(vote.address, vote.height, STEPS[vote.kind]) for vote in wave.votes]
        for address, height, step in said:
            assert (known[address].height, known[address].step) >= (height, step)


def test_one_validator_of_four_may_be_down_and_is_absent_from_the_commit() -> None:
    rig = Rig()
    rig.replica.fault("down", "val-1")
    rig.blocks(8)
    signed = rig.replica.commit(8)
    assert signed is not None
    assert sorted(signature.flag for signature in signed.commit.signatures) == [FLAG_ABSENT] + [FLAG_COMMIT] * 3
    assert rig.chain.reasons() == []


def test_with_a_third_of_the_power_down_the_chain_stops_says_why_and_resumes_after_heal() -> None:
    rig = Rig()
    rig.blocks(2)
    for name in ("val-0", "val-1"):
        rig.replica.fault("down", name)
    assert not rig.chain.make_block(rig.now + SECOND)
    assert rig.chain.reasons() == [
        "only 2000000000 of 4000000000 power can vote together, more than two thirds are needed; "
        "down: val-0 (1000000000), val-1 (1000000000)"
    ]
    assert rig.replica.height == 2
    rig.now += 2 * SECOND
    rig.chain.heal()
    assert rig.replica.height == 3
    rig.blocks(2)
    assert rig.replica.height == 5


def test_a_double_sign_is_found_punished_once_and_the_validator_never_votes_again() -> None:
    rig = Rig()
    rig.blocks(2)
    operator = names.validator_id(rig.chain.spec.names, "val-2")
    before = get_validator(rig.replica.state, operator)
    rig.replica.fault("double-sign", "val-2")
    rig.blocks(3)
    after = get_validator(rig.replica.state, operator)
    assert (after.jailed, after.tombstoned) == (True, True)
    assert after.tokens == before.tokens - before.tokens * 500 // 10_000
    rig.blocks(3)
    assert get_validator(rig.replica.state, operator).tokens == after.tokens
    assert len(rig.replica.tip.validators) == 3


def test_evidence_that_a_block_carries_is_accepted_in_no_other_block() -> None:
    rig = Rig()
    rig.blocks(2)
    rig.replica.fault("double-sign", "val-2")
    rig.blocks(2)
    (evidence,) = rig.replica.block(4).evidence
    times = {height: rig.replica.results(height).time for height in (1, 2, 3, 4)}
    verify = rig.replica.machine.verify
    pool = EvidencePool(rig.chain.storage, verify, rig.replica.validators_at, times.get, rig.replica.commit)
    with pytest.raises(Rejected) as refusal:
        pool.check((evidence,), rig.replica.tip)
    assert (refusal.value.code, refusal.value.facts["reason"]) == ("consensus/bad-block", "carried before")
    fresh = EvidencePool(MemoryStorage(), verify, rig.replica.validators_at, times.get, rig.replica.commit)
    fresh.check((evidence,), rig.replica.tip)
    with pytest.raises(Rejected) as refusal:
        fresh.check((evidence, evidence), rig.replica.tip)
    assert (refusal.value.code, refusal.value.facts["reason"]) == ("consensus/bad-block", "repeated")


def test_an_equivocators_other_vote_that_comes_first_does_not_hide_the_one_that_decides() -> None:
    """Given one validator of four is down, and another precommits something else before the block
    When the block needs that validator's vote for its quorum
    Then it is decided with that vote in its commit, and the two votes become evidence
    """
    rig = Rig()
    rig.blocks(2)
    rig.replica.fault("down", "val-1")
    rig.replica.fault("double-sign", "val-2")
    now = rig.now + SECOND
    effects = deque(rig.replica.handle(Tick(), now))
    while effects:
        match effects.popleft():
            case Persist() as rows:
                rig.chain.storage.apply(rows.writes)
            case Deliver(proposals, votes):
                effects.extend(rig.replica.handle(Deliver(proposals, votes[::-1]), now))
            case _:
                pass
    assert (rig.replica.halted, rig.replica.height) == (None, 3)
    signed = rig.replica.commit(3)
    assert signed is not None
    assert sorted(signature.flag for signature in signed.commit.signatures) == [FLAG_ABSENT] + [FLAG_COMMIT] * 3
    assert len(list(rig.chain.storage.scan(Table.EVIDENCE))) == 1


def test_a_block_that_lies_about_any_field_is_not_accepted() -> None:
    rig = Rig()
    rig.blocks(3)
    before = Rig()
    before.blocks(2)
    block = rig.replica.block(3)
    assert block is not None
    tip = before.replica.tip
    verify = rig.replica.machine.verify
    check_block(tip, block, verify)
    lies = {
        "height": 4,
        "time": block.header.time + 1,
        "chain_id": "juno-1",
        "app_hash": bytes(32),
        "validators_hash": bytes(32),
        "next_validators_hash": bytes(32),
        "last_results_hash": bytes(32),
        "last_commit_hash": bytes(32),
        "data_hash": bytes(32),
        "evidence_hash": bytes(32),
        "consensus_hash": bytes(32),
        "proposer_address": bytes(20),
        "version_block": 10,
    }
    for field, lie in lies.items():
        with pytest.raises(Rejected) as refusal:
            check_block(tip, replace(block, header=replace(block.header, **{field: lie})), verify)
        assert refusal.value.code in ("consensus/bad-block",), field


def test_a_block_that_rests_on_another_commit_of_the_same_block_is_accepted_with_the_time_of_that_commit() -> None:
    """Given validators whose clocks differ, so that the median depends on whose votes a proposer has seen
    Then its block is judged by the commit it carries and not by the one seen here
    """
    rig = Rig()
    rig.blocks(3)
    tip, verify = rig.replica.tip, rig.replica.machine.verify
    seen = tip.commit
    signed = []
    for index, cast in enumerate(seen.signatures):
        time = cast.time + index * SECOND
        signed.append(replace(cast, time=time, signature=_sign_precommit(rig, index, time)))
    early = replace(seen, signatures=(signed[0], signed[1], signed[2], CommitSig()))
    late = replace(seen, signatures=(CommitSig(), signed[1], signed[2], signed[3]))
    proposer = tip.validators.proposer.address
    blocks = [build_block(dataclasses.replace(tip, commit=commit), (), (), proposer) for commit in (early, late)]
    for block in blocks:
        check_block(tip, block, verify)
    assert [block.header.time for block in blocks] == [signed[1].time, signed[2].time]


def _sign_precommit(rig: Rig, index: int, time: int) -> bytes:
    tip = rig.replica.tip
    address = tip.last_validators.roster.addresses[index]
    key = next(voter.key for voter in rig.replica.voters if voter.address == address)
    return key.sign(vote_sign_bytes(tip.chain_id, PRECOMMIT, tip.height, tip.commit.round, tip.block_id, time))


def test_a_tick_while_a_height_is_under_way_changes_nothing() -> None:
    rig = Rig()
    rig.replica.fault("down", "val-0")
    rig.replica.fault("down", "val-1")
    rig.chain.make_block(rig.now + SECOND)
    assert rig.replica.deciding
    assert rig.replica.handle(Tick(), rig.now) == []


def test_a_database_of_another_genesis_is_refused() -> None:
    rig = Rig()
    rig.blocks(1)
    other = topology("triangle")
    genesis = genesis_of(other, "juno")
    with pytest.raises(Rejected) as refusal:
        Replica.open(
            genesis,
            consensus_keys(other.chain("juno")),
            rig.chain.storage,
            verify=rig.replica.machine.verify,
            models=load_models(genesis.models),
        )
    assert refusal.value.code == "storage/other-genesis"
