"""Votes and proposals before they are counted: shape, membership, turn and signature; and how a tally counts."""

import msgspec
import pytest

from machines import NIL, A, B
from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.consensus.votes import MAX_ROUND, Tally, check_proposal, check_vote, choice_of, is_blocking, is_quorum
from meshsec_core.kernel.crypto import verify
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.hashes import proposal_sign_bytes
from meshsec_core.kernel.wire.tendermint import PREVOTE, PROPOSAL, BlockId, PartSetHeader, Proposal, Vote
from signing import CHAIN, NO_BLOCK, START, key_of, key_set, named_block, signed_vote

SET = key_set(1, 1, 1, 1)
BLOCK = named_block("block")


def refusal(vote: Vote, chain: str = CHAIN) -> str | None:
    try:
        check_vote(vote, chain, SET, verify)
    except Rejected as error:
        return error.code
    return None


def signed_proposal(
    proposer: int, *, number: int = 0, pol_round: int = -1, block_id: BlockId = BLOCK, height: int = 5, chain: str = CHAIN
) -> Proposal:
    plain = Proposal(height, number, pol_round, block_id, START)
    key = key_of(SET.validators[proposer].address)
    return msgspec.structs.replace(plain, signature=key.sign(proposal_sign_bytes(chain, plain)))


def proposal_refusal(proposal: Proposal, validators: ValidatorSet = SET) -> str | None:
    try:
        check_proposal(proposal, CHAIN, validators, verify)
    except Rejected as error:
        return error.code
    return None


@pytest.mark.parametrize("block", [BLOCK, NO_BLOCK])
@pytest.mark.parametrize("kind", [1, 2])
def test_a_signed_vote_of_a_member_counts(kind: int, block: BlockId) -> None:
    assert refusal(signed_vote(SET, 2, block, kind=kind)) is None


@pytest.mark.parametrize(("index", "changes"), [(0, {"height": 1}), (3, {"round": MAX_ROUND})])
def test_the_first_height_the_last_round_and_both_ends_of_the_set_count(index: int, changes: dict[str, int]) -> None:
    assert refusal(signed_vote(SET, index, BLOCK, **changes)) is None


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kind": PROPOSAL}, "consensus/malformed"),
        ({"height": 0}, "consensus/malformed"),
        ({"round": -1}, "consensus/malformed"),
        ({"round": MAX_ROUND + 1}, "consensus/malformed"),
        ({"block_id": BlockId(b"b" * 32)}, "consensus/malformed"),
        ({"block_id": BlockId(b"", PartSetHeader(1, b"b" * 32))}, "consensus/malformed"),
        ({"block_id": BlockId(b"b" * 32, PartSetHeader(0, b"b" * 32))}, "consensus/malformed"),
        ({"block_id": BlockId(b"b" * 32, PartSetHeader(1, b"b" * 31))}, "consensus/malformed"),
        ({"index": 1}, "consensus/not-a-validator"),
        ({"index": 4}, "consensus/not-a-validator"),
        ({"index": -2}, "consensus/not-a-validator"),
        ({"index": -1, "address": SET.validators[3].address}, "consensus/not-a-validator"),
        ({"address": SET.validators[1].address}, "consensus/not-a-validator"),
        ({"kind": PREVOTE}, "consensus/bad-signature"),
        ({"height": 6}, "consensus/bad-signature"),
        ({"round": 1}, "consensus/bad-signature"),
        ({"time": START}, "consensus/bad-signature"),
        ({"block_id": NO_BLOCK}, "consensus/bad-signature"),
        ({"signature": b""}, "consensus/bad-signature"),
    ],
)
def test_a_changed_vote_does_not_count(changes: dict[str, object], code: str) -> None:
    assert refusal(msgspec.structs.replace(signed_vote(SET, 2, BLOCK), **changes)) == code


def test_a_vote_for_another_chain_does_not_count() -> None:
    assert refusal(signed_vote(SET, 2, BLOCK), "other-1") == "consensus/bad-signature"


@pytest.mark.parametrize(("number", "pol_round"), [(0, -1), (1, -1), (1, 0), (3, 2), (6, 0)])
def test_the_proposer_of_the_round_may_propose(number: int, pol_round: int) -> None:
    for position in range(4):
        proposal = signed_proposal(position, number=number, pol_round=pol_round)
        assert proposal_refusal(proposal) == (None if position == number % 4 else "consensus/bad-signature")


def test_the_first_height_and_the_last_round_may_be_proposed_in() -> None:
    assert proposal_refusal(signed_proposal(0, height=1)) is None
    assert proposal_refusal(signed_proposal(MAX_ROUND % 4, number=MAX_ROUND)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"height": 0},
        {"number": -1},
        {"number": MAX_ROUND + 1},
        {"number": 1, "pol_round": 1},
        {"pol_round": 0},
        {"pol_round": -2},
        {"block_id": NO_BLOCK},
        {"block_id": BlockId(b"b" * 31, PartSetHeader(1, b"b" * 32))},
    ],
)
def test_a_malformed_proposal_is_refused(changes: dict[str, object]) -> None:
    assert proposal_refusal(signed_proposal(0, **changes)) == "consensus/malformed"


def test_a_changed_proposal_is_refused() -> None:
    proposal = signed_proposal(1, number=1)

    for changes in ({"pol_round": 0}, {"height": 6}, {"block_id": named_block("other")}, {"time": START + 1}):
        assert proposal_refusal(msgspec.structs.replace(proposal, **changes)) == "consensus/bad-signature"
    assert proposal_refusal(signed_proposal(0, chain="other-1")) == "consensus/bad-signature"


@pytest.mark.parametrize(
    ("power", "total", "quorum", "blocking"), [(2, 3, False, True), (3, 4, True, True), (1, 3, False, False)]
)
def test_exactly_two_thirds_are_no_quorum_and_exactly_one_third_blocks_nothing(
    power: int, total: int, quorum: bool, blocking: bool
) -> None:
    assert (is_quorum(power, total), is_blocking(power, total)) == (quorum, blocking)


def test_the_zero_block_id_is_nil() -> None:
    assert choice_of(NO_BLOCK) is None
    assert choice_of(BLOCK) == BLOCK


def test_a_tally_knows_the_power_behind_each_choice_and_of_all_who_voted() -> None:
    tally = Tally().add(0, 5, A).add(1, 3, NIL).add(2, 2, A)

    assert (tally.behind(A), tally.behind(NIL), tally.behind(B), tally.power) == (7, 3, 0, 10)


def test_who_votes_for_several_counts_for_each_but_once_among_the_voters() -> None:
    tally = Tally().add(0, 5, A).add(0, 5, B).add(0, 5, NIL).add(0, 5, B)

    assert (tally.behind(A), tally.behind(B), tally.behind(NIL), tally.power) == (5, 5, 5, 5)
    assert tally.votes == {0: A}
    assert tally.others == {0: (B, NIL)}


def test_counting_leaves_the_tally_it_started_from_alone() -> None:
    first = Tally().add(0, 5, A)
    first.add(1, 5, A)
    first.add(0, 5, B)

    assert first == Tally({0: A}, {A: 5}, 5, {})
    assert first.add(0, 5, A) is first
