"""Evidence of a double vote: the published list of TestVerifyDoubleVotingEvidence, and what the validator set adds to it."""

import msgspec
import pytest

from meshsec_core.consensus.evidence import is_expired, make_duplicate_vote, verify_double_vote, verify_duplicate_vote
from meshsec_core.kernel.crypto import address_of, verify
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.proto import decode, encode
from meshsec_core.kernel.wire.tendermint import (
    PREVOTE,
    PROPOSAL,
    BlockId,
    DuplicateVoteEvidence,
    PartSetHeader,
    decode_evidence,
    encode_evidence,
)
from signing import CHAIN, KEYS, NO_BLOCK, START, key_of, key_set, named_block, signed_vote

SET = key_set(3, 2, 1)
LESSER, GREATER = named_block("a"), named_block("b")
TIME = START + 5 * SECOND
OFFENDER = SET.validators[1]

Evidence = DuplicateVoteEvidence


def evidence_of(first: BlockId = LESSER, second: BlockId = GREATER, **changes: int) -> Evidence:
    votes = (signed_vote(SET, 1, block, **changes) for block in (first, second))
    return make_duplicate_vote(*votes, SET, TIME)


def changed(evidence: Evidence, side: str, **changes: object) -> Evidence:
    return msgspec.structs.replace(evidence, **{side: msgspec.structs.replace(getattr(evidence, side), **changes)})


def refusal_by_key(evidence: Evidence, chain: str = CHAIN, public_key: bytes = OFFENDER.public_key) -> str | None:
    try:
        verify_double_vote(evidence, chain, public_key, verify)
    except Rejected as error:
        return error.code
    return None


def refusal_by_set(evidence: Evidence, time: int = TIME) -> str | None:
    try:
        verify_duplicate_vote(evidence, CHAIN, SET, time, verify)
    except Rejected as error:
        return error.code
    return None


def test_two_votes_for_different_blocks_are_evidence() -> None:
    evidence = evidence_of()

    assert refusal_by_key(evidence) is None
    assert refusal_by_set(evidence) is None
    assert (evidence.validator_power, evidence.total_power, evidence.time) == (2, 6, TIME)


def test_a_missing_key_or_another_s_key_accuses_nobody() -> None:
    assert refusal_by_key(evidence_of(), public_key=b"") == "evidence/wrong-key"
    assert refusal_by_key(evidence_of(), public_key=SET.validators[0].public_key) == "evidence/wrong-key"


def test_a_forged_address_accuses_nobody() -> None:
    victim = SET.validators[0]
    evidence = changed(changed(evidence_of(), "vote_a", address=victim.address), "vote_b", address=victim.address)

    assert refusal_by_key(evidence, public_key=OFFENDER.public_key) == "evidence/wrong-key"
    assert refusal_by_key(evidence, public_key=victim.public_key) == "evidence/bad-signature"
    assert refusal_by_set(msgspec.structs.replace(evidence, validator_power=3)) == "evidence/bad-signature"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"height": 6}, "evidence/different-steps"),
        ({"round": 1}, "evidence/different-steps"),
        ({"kind": PREVOTE}, "evidence/different-steps"),
        ({"address": SET.validators[0].address}, "evidence/different-validators"),
        ({"block_id": LESSER}, "evidence/same-block"),
        ({"kind": PROPOSAL}, "evidence/malformed"),
        ({"height": 0}, "evidence/malformed"),
        ({"round": -1}, "evidence/malformed"),
        ({"block_id": BlockId(b"b" * 32)}, "evidence/malformed"),
    ],
)
def test_votes_that_do_not_conflict_are_no_evidence(changes: dict[str, object], code: str) -> None:
    assert refusal_by_key(changed(evidence_of(), "vote_b", **changes)) == code


def test_votes_of_another_chain_are_no_evidence_on_this_one() -> None:
    evidence = evidence_of()
    assert refusal_by_key(evidence, chain="other-1") == "evidence/bad-signature"

    for side, block in (("vote_a", LESSER), ("vote_b", GREATER)):
        elsewhere = signed_vote(SET, 1, block, "other-1")
        assert refusal_by_key(msgspec.structs.replace(evidence, **{side: elsewhere})) == "evidence/bad-signature"


@pytest.mark.parametrize("side", ["vote_a", "vote_b"])
@pytest.mark.parametrize("changes", [{"signature": b"\x01" * 64}, {"signature": b""}, {"time": START}])
def test_a_vote_that_the_validator_did_not_sign_is_no_evidence(side: str, changes: dict[str, object]) -> None:
    assert refusal_by_key(changed(evidence_of(), side, **changes)) == "evidence/bad-signature"


def test_a_validator_may_be_guilty_of_the_first_block() -> None:
    assert refusal_by_set(evidence_of(height=1)) is None


def test_prevotes_conflict_too() -> None:
    assert refusal_by_set(evidence_of(kind=PREVOTE)) is None


def test_a_vote_for_nil_and_one_for_a_block_conflict_and_nil_comes_first() -> None:
    evidence = evidence_of(GREATER, NO_BLOCK)

    assert evidence.vote_a.block_id == NO_BLOCK
    assert refusal_by_set(evidence) is None


def test_the_same_header_cut_into_different_parts_is_two_blocks() -> None:
    other = BlockId(LESSER.hash, PartSetHeader(2, LESSER.parts.hash))

    assert refusal_by_set(evidence_of(LESSER, other)) is None


def test_one_fault_has_one_proof_whoever_finds_it() -> None:
    first, second = signed_vote(SET, 1, LESSER), signed_vote(SET, 1, GREATER)

    assert make_duplicate_vote(first, second, SET, TIME) == make_duplicate_vote(second, first, SET, TIME)
    turned = evidence_of()
    turned = msgspec.structs.replace(turned, vote_a=turned.vote_b, vote_b=turned.vote_a)
    assert refusal_by_key(turned) == "evidence/wrong-order"


def test_one_vote_signed_twice_at_different_times_is_no_fault() -> None:
    with pytest.raises(Rejected) as error:
        make_duplicate_vote(signed_vote(SET, 1, LESSER), signed_vote(SET, 1, LESSER, time=START), SET, TIME)
    assert error.value.code == "evidence/same-block"


def test_powers_and_time_are_those_of_the_height_of_the_fault() -> None:
    evidence = evidence_of()

    assert refusal_by_set(msgspec.structs.replace(evidence, validator_power=3)) == "evidence/wrong-power"
    assert refusal_by_set(msgspec.structs.replace(evidence, total_power=7)) == "evidence/wrong-power"
    assert refusal_by_set(msgspec.structs.replace(evidence, time=TIME + 1)) == "evidence/wrong-time"
    assert refusal_by_set(evidence, time=TIME + 1) == "evidence/wrong-time"


def test_a_stranger_to_the_set_cannot_be_accused_there() -> None:
    stranger = KEYS[7]
    larger = key_set(1, 1, 1, 1, 1, 1, 1, 1)
    votes = [signed_vote(larger, larger.index_of(address_of(stranger.public_key)), block) for block in (LESSER, GREATER)]
    evidence = make_duplicate_vote(*votes, larger, TIME)

    assert key_of(evidence.vote_a.address) is stranger
    assert refusal_by_set(evidence) == "evidence/not-a-validator"
    with pytest.raises(Rejected) as error:
        make_duplicate_vote(*votes, SET, TIME)
    assert error.value.code == "evidence/not-a-validator"


def test_evidence_travels_and_still_holds() -> None:
    evidence = evidence_of()

    assert refusal_by_set(decode(DuplicateVoteEvidence, encode(evidence))) is None
    assert decode_evidence(encode_evidence(evidence)) == evidence


@pytest.mark.parametrize(
    ("blocks", "age", "expired"),
    [(100, 1000, False), (101, 1000, False), (100, 1001, False), (101, 1001, True)],
)
def test_evidence_expires_beyond_both_ages(blocks: int, age: int, expired: bool) -> None:
    assert is_expired(7, TIME, 7 + blocks, TIME + age, max_age=1000, max_age_blocks=100) is expired
