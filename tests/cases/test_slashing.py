"""Double signs and downtime: proven, counted, charged once."""

from collections.abc import Callable

import msgspec
import pytest

from harness import SELF_BOND, Chain
from meshsec_core.kernel.crypto import address_of
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.hashes import vote_sign_bytes
from meshsec_core.kernel.wire.tendermint import (
    PRECOMMIT,
    BlockId,
    DuplicateVoteEvidence,
    PartSetHeader,
    Vote,
    encode_evidence,
)
from meshsec_core.modules import slashing
from meshsec_core.modules.bank import BANK
from meshsec_core.modules.slashing import SLASHING, Missed, Signing, SlashingParams, SubmitEvidence, Unjail
from meshsec_core.modules.staking import state as staking
from meshsec_core.modules.staking.module import STAKING, CreateValidator, Delegate
from meshsec_core.modules.staking.signals import ValidatorSlashed
from meshsec_core.modules.staking.state import Status
from meshsec_core.runtime.module import Misbehaviour, Module, Msg

DAY = 24 * 3600 * SECOND
UNBONDING = 21 * DAY


@pytest.fixture
def heard() -> list[ValidatorSlashed]:
    """What the chain's other modules hear of slashes."""
    return []


@pytest.fixture
def chain(heard: list[ValidatorSlashed]) -> Chain:
    listener: Module[None] = Module("listener", hooks={ValidatorSlashed: lambda ctx, slashed: heard.append(slashed)})
    return Chain((BANK, STAKING, SLASHING, listener), balances={"alice": 10_000, "bob": 10_000})


def refused(chain: Chain, signer: str, msg: Msg) -> str:
    before = chain.snapshot()
    with pytest.raises(Rejected) as refusal:
        chain.send(signer, msg)
    assert chain.snapshot() == before
    return refusal.value.code


def record(chain: Chain, index: int) -> staking.Validator:
    return staking.get_validator(chain.state, chain.validator(index))


def equivocation(chain: Chain, index: int, height: int) -> Misbehaviour:
    address = address_of(chain.consensus_key(index).public_key)
    return Misbehaviour("duplicate-vote", address, height, chain.ctx.time, SELF_BOND, 4 * SELF_BOND)


def test_a_double_sign_in_a_block_slashes_jails_and_tombstones_once(chain: Chain, heard: list[ValidatorSlashed]) -> None:
    chain.blocks(5)
    proof = equivocation(chain, 0, 4)

    chain.block(misbehaviour=(proof, proof))
    chain.block(misbehaviour=(proof,))

    first = record(chain, 0)
    assert (first.tokens, first.jailed, first.tombstoned, first.status) == (950_000, True, True, Status.UNBONDING)
    assert len(heard) == 1
    slashed = heard[0]
    assert (slashed.reason, slashed.height, slashed.time, slashed.power) == ("double-sign", 4, proof.time, SELF_BOND)
    assert refused(chain, "val-0", Unjail()) == "staking/tombstoned"
    chain.check_laws()


def test_evidence_against_a_stranger_is_ignored(chain: Chain) -> None:
    chain.block()
    before = chain.snapshot()

    chain.block(misbehaviour=(Misbehaviour("duplicate-vote", b"\x07" * 20, 1, chain.ctx.time, 5, 9),))

    assert chain.snapshot() == before


def signed_vote(chain: Chain, index: int, height: int, block: bytes, chain_id: str = "osmo-1") -> Vote:
    key = chain.consensus_key(index)
    block_id = BlockId(block * 32, PartSetHeader(1, block * 32))
    time = chain.ctx.time
    signature = key.sign(vote_sign_bytes(chain_id, PRECOMMIT, height, 0, block_id, time))
    return Vote(PRECOMMIT, height, 0, block_id, time, address_of(key.public_key), index, signature)


def evidence(chain: Chain, index: int = 0, height: int = 1, chain_id: str = "osmo-1") -> DuplicateVoteEvidence:
    first, second = (signed_vote(chain, index, height, block, chain_id) for block in (b"\x01", b"\x02"))
    return DuplicateVoteEvidence(first, second, 4 * SELF_BOND, SELF_BOND, chain.ctx.time)


def submitted(proof: DuplicateVoteEvidence) -> SubmitEvidence:
    return SubmitEvidence(encode_evidence(proof))


def test_anyone_can_prove_a_double_sign(chain: Chain) -> None:
    chain.blocks(3)

    chain.send("bob", submitted(evidence(chain, height=3)))

    assert (record(chain, 0).tokens, record(chain, 0).tombstoned) == (950_000, True)
    assert refused(chain, "bob", submitted(evidence(chain, height=2))) == "slashing/already-tombstoned"
    chain.block(misbehaviour=(equivocation(chain, 0, 2),))
    assert record(chain, 0).tokens == 950_000
    chain.check_laws()


def break_first(proof: DuplicateVoteEvidence) -> DuplicateVoteEvidence:
    return msgspec.structs.replace(proof, vote_a=msgspec.structs.replace(proof.vote_a, signature=bytes(64)))


def break_second(proof: DuplicateVoteEvidence) -> DuplicateVoteEvidence:
    return msgspec.structs.replace(proof, vote_b=msgspec.structs.replace(proof.vote_b, signature=bytes(64)))


def other_height(proof: DuplicateVoteEvidence) -> DuplicateVoteEvidence:
    return msgspec.structs.replace(proof, vote_b=msgspec.structs.replace(proof.vote_b, height=2))


def same_vote(proof: DuplicateVoteEvidence) -> DuplicateVoteEvidence:
    return msgspec.structs.replace(proof, vote_b=proof.vote_a)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (break_first, "evidence/bad-signature"),
        (break_second, "evidence/bad-signature"),
        (other_height, "evidence/different-steps"),
        (same_vote, "evidence/same-block"),
    ],
)
def test_nobody_is_framed(chain: Chain, spoil: Callable[[DuplicateVoteEvidence], DuplicateVoteEvidence], code: str) -> None:
    assert refused(chain, "bob", submitted(spoil(evidence(chain)))) == code


def test_votes_of_another_chain_prove_nothing_here(chain: Chain) -> None:
    assert refused(chain, "bob", submitted(evidence(chain, chain_id="juno-1"))) == "evidence/bad-signature"


def test_votes_of_a_stranger_prove_nothing(chain: Chain) -> None:
    assert refused(chain, "bob", submitted(evidence(chain, index=7))) == "staking/unknown-validator"


def test_bytes_that_are_no_evidence_are_refused(chain: Chain) -> None:
    assert refused(chain, "bob", SubmitEvidence(b"\xff\xff")).startswith("wire/")


def test_a_vote_of_a_height_that_is_still_to_come_is_refused(chain: Chain) -> None:
    assert refused(chain, "bob", submitted(evidence(chain, height=2))) == "slashing/evidence-from-future"


def test_a_vote_from_outside_of_the_set_costs_nothing(chain: Chain) -> None:
    """Its power begins two heights after the block that bonds it."""
    chain.send("alice", CreateValidator("late", chain.consensus_key(5).public_key, 0, 1_000))
    chain.blocks(2)

    assert refused(chain, "bob", submitted(evidence(chain, index=5, height=2))) == "slashing/not-in-set"
    chain.send("bob", submitted(evidence(chain, index=5, height=3)))
    late = staking.get_validator(chain.state, staking.operated_by("osmo", chain.address("alice")))
    assert (late.tokens, late.tombstoned) == (950, True)


def test_only_power_at_the_time_of_the_vote_counts(chain: Chain, heard: list[ValidatorSlashed]) -> None:
    chain.blocks(2)
    chain.send("alice", Delegate(chain.validator(0), 10_000))
    chain.blocks(4)

    chain.send("bob", submitted(evidence(chain, height=4)))

    assert heard[-1].power == SELF_BOND
    assert record(chain, 0).tokens == SELF_BOND + 10_000 - 50_000


def test_evidence_is_refused_once_both_limits_have_passed() -> None:
    """Given a limit of 20 blocks and 21 days
    When only one of them has passed, a double sign is still charged; when both have, no more
    """

    def after(blocks: int, days: int) -> str:
        chain = Chain((BANK, STAKING, SLASHING), modules_genesis={"staking": {"evidence_age_blocks": 20}})
        proof = submitted(evidence(chain))
        chain.block(days * DAY)
        chain.blocks(blocks)
        try:
            chain.send("val-1", proof)
        except Rejected as refusal:
            return refusal.code
        return "charged"

    assert after(blocks=19, days=30) == "charged"
    assert after(blocks=60, days=20) == "charged"
    assert after(blocks=20, days=30) == "slashing/evidence-too-old"


def test_the_time_of_evidence_must_be_that_of_its_height(chain: Chain) -> None:
    """Within a 512th of the unbonding time, which is all that is remembered."""
    chain.block(3 * DAY)
    proof = evidence(chain, height=chain.ctx.height)

    early, late = (msgspec.structs.replace(proof, time=proof.time + shift * UNBONDING // 512) for shift in (-1, 1))
    assert refused(chain, "bob", submitted(early)) == "slashing/wrong-evidence-time"
    assert refused(chain, "bob", submitted(late)) == "slashing/wrong-evidence-time"
    chain.send("bob", submitted(proof))


def test_marks_of_past_times_are_few(chain: Chain) -> None:
    """One per step at most, and no more of them than evidence can be old."""
    chain.blocks(100)
    assert len(list(slashing.MARKS.items(chain.state))) == 1

    short = Chain((BANK, STAKING, SLASHING), modules_genesis={"staking": {"evidence_age_blocks": 10, "unbonding_time": 5_120}})
    for _ in range(300):
        short.block(40)
    assert 128 <= len(list(slashing.MARKS.items(short.state))) <= 131


def test_a_validator_that_has_left_for_good_is_only_tombstoned(chain: Chain) -> None:
    first = chain.validator(0)
    proof = equivocation(chain, 0, 1)
    slashing.jail(chain.ctx, first)
    chain.block()
    chain.block(UNBONDING)
    chain.block()
    assert record(chain, 0).status is Status.UNBONDED

    chain.block(misbehaviour=(proof,))

    assert (record(chain, 0).tokens, record(chain, 0).tombstoned) == (SELF_BOND, True)


# Downtime


def test_who_misses_one_more_than_half_of_the_window_is_slashed_and_jailed(chain: Chain, heard: list[ValidatorSlashed]) -> None:
    chain.blocks(50, absent=[0])
    assert not record(chain, 0).jailed
    assert chain.query("slashing/signing", validator=chain.validator(0)) == Signing(chain.validator(0), 50, 50, 0)

    chain.block(absent=[0])

    first = record(chain, 0)
    assert (first.tokens, first.jailed, first.tombstoned) == (990_000, True, False)
    slashed = heard[0]
    assert (slashed.reason, slashed.height, slashed.power, slashed.fraction_bps) == ("downtime", 51, SELF_BOND, 100)
    until = chain.ctx.time + 600 * SECOND
    assert chain.query("slashing/signing", validator=chain.validator(0)) == Signing(chain.validator(0), 0, 50, until)
    chain.check_laws()


def test_the_part_of_the_window_that_must_be_signed_is_rounded_up() -> None:
    """Half of 5 is 3: who misses 3 is jailed, who misses 2 is not."""
    assert SlashingParams(window=5).max_missed == 2
    assert SlashingParams(window=100).max_missed == 50
    assert SlashingParams(window=100, min_signed_bps=10_000).max_missed == 0


def test_absences_beyond_the_window_are_forgotten(chain: Chain) -> None:
    chain.blocks(50, absent=[0])
    chain.blocks(50)
    chain.blocks(50, absent=[0])

    assert not record(chain, 0).jailed
    chain.check_laws()


def test_a_block_that_all_have_signed_writes_nothing(chain: Chain) -> None:
    chain.blocks(3, absent=[1])
    before = chain.snapshot()

    chain.blocks(40)

    assert chain.snapshot() == before


def test_counting_starts_afresh_after_jail(chain: Chain) -> None:
    chain.blocks(51, absent=[0])
    chain.block(600 * SECOND)
    chain.send("val-0", Unjail())
    chain.blocks(3)

    chain.blocks(50, absent=[0])
    assert not record(chain, 0).jailed
    chain.block(absent=[0])
    assert record(chain, 0).jailed


def test_unjailing_waits_for_the_jail_time_and_for_the_operator(chain: Chain) -> None:
    chain.blocks(51, absent=[0])
    chain.block(600 * SECOND - 1)
    assert refused(chain, "val-0", Unjail()) == "slashing/still-jailed"

    chain.block(1)
    assert refused(chain, "alice", Unjail()) == "staking/unknown-validator"
    assert refused(chain, "val-1", Unjail()) == "staking/not-jailed"
    chain.send("val-0", Unjail())
    chain.end()
    assert record(chain, 0).status is Status.BONDED
    chain.check_laws()


def test_a_jailed_validator_is_not_charged_for_the_blocks_until_it_has_left(chain: Chain) -> None:
    chain.blocks(51, absent=[0])
    tokens = record(chain, 0).tokens

    chain.blocks(5, absent=[0])

    assert record(chain, 0).tokens == tokens
    assert not slashing.MISSED.has(chain.state, chain.validator(0))


def test_ranges_of_absences_count_what_is_in_the_window() -> None:
    missed = Missed(())
    for height in (1, 2, 3, 7, 8, 10):
        missed = missed.add(height, 100)

    assert missed.ranges == ((1, 3), (7, 8), (10, 10))
    assert [missed.count(10, window) for window in (1, 2, 3, 4, 8, 9, 10)] == [1, 1, 2, 3, 4, 5, 6]
    assert missed.add(11, 3).ranges == ((10, 11),)
    assert missed.add(13, 6).ranges == ((7, 8), (10, 10), (13, 13))


@pytest.mark.parametrize("params", [{"window": 0}, {"min_signed_bps": 10_001}, {"double_sign_slash_bps": -1}, {"jail_time": -1}])
def test_rules_that_cannot_work_are_refused(params: dict[str, int]) -> None:
    with pytest.raises(Rejected) as refusal:
        Chain((BANK, STAKING, SLASHING), modules_genesis={"slashing": params})
    assert refusal.value.code == "slashing/bad-params"
