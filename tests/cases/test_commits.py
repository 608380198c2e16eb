"""Commits: how they are collected from votes, when they stand, and the time they agree on."""

import msgspec
import pytest

from meshsec_core.consensus.commits import make_commit, median_time, verify_commit
from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.kernel.crypto import verify
from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.tendermint import FLAG_ABSENT, FLAG_COMMIT, FLAG_NIL, PREVOTE, BlockId, Commit, CommitSig
from signing import CHAIN, NO_BLOCK, START, key_set, named_block, signed_vote

FOUR = key_set(1, 1, 1, 1)
BLOCK, OTHER = named_block("block"), named_block("other")


def commit_of(validators: ValidatorSet, *choices: BlockId | None) -> Commit:
    """Each validator's choice by position; None says nothing."""
    votes = [signed_vote(validators, index, choice) for index, choice in enumerate(choices) if choice is not None]
    return make_commit(validators, 5, 0, BLOCK, votes)


def refusal(commit: Commit, validators: ValidatorSet = FOUR, *, block_id: BlockId = BLOCK, height: int = 5) -> str | None:
    try:
        verify_commit(CHAIN, validators, block_id, height, commit, verify)
    except Rejected as error:
        return error.code
    return None


def with_signature(commit: Commit, position: int, signature: CommitSig) -> Commit:
    signatures = list(commit.signatures)
    signatures[position] = signature
    return msgspec.structs.replace(commit, signatures=tuple(signatures))


def test_a_commit_holds_votes_for_the_block_and_for_nil_and_counts_any_other_as_absent() -> None:
    five = key_set(1, 1, 1, 1, 1)
    votes = [signed_vote(five, index, BLOCK) for index in range(4)]

    commit = make_commit(five, 5, 0, BLOCK, [*votes, signed_vote(five, 4, OTHER)])
    assert [one.flag for one in commit.signatures] == [FLAG_COMMIT] * 4 + [FLAG_ABSENT]
    commit = make_commit(five, 5, 0, BLOCK, [*votes, signed_vote(five, 4, NO_BLOCK)])
    assert [one.flag for one in commit.signatures] == [FLAG_COMMIT] * 4 + [FLAG_NIL]
    assert refusal(commit, five) is None


@pytest.mark.parametrize("others", [(NO_BLOCK, OTHER, BLOCK), (BLOCK, NO_BLOCK, OTHER), (OTHER, BLOCK, BLOCK)])
def test_of_several_votes_of_one_validator_the_one_for_the_block_counts_once(others: tuple[BlockId, ...]) -> None:
    votes = [signed_vote(FOUR, index, BLOCK) for index in (0, 1)]

    commit = make_commit(FOUR, 5, 0, BLOCK, [*votes, *(signed_vote(FOUR, 2, other) for other in others)])
    assert [one.flag for one in commit.signatures] == [FLAG_COMMIT] * 3 + [FLAG_ABSENT]


def test_a_vote_for_another_block_does_not_take_a_vote_for_nil_back() -> None:
    five = key_set(1, 1, 1, 1, 1)
    votes = [signed_vote(five, index, BLOCK) for index in range(4)]

    commit = make_commit(five, 5, 0, BLOCK, [*votes, signed_vote(five, 4, NO_BLOCK), signed_vote(five, 4, OTHER)])
    assert [one.flag for one in commit.signatures] == [FLAG_COMMIT] * 4 + [FLAG_NIL]


def test_no_commit_is_made_without_a_quorum_or_from_votes_of_another_step() -> None:
    votes = [signed_vote(FOUR, index, BLOCK) for index in range(4)]

    with pytest.raises(InvariantViolated):
        make_commit(FOUR, 5, 0, BLOCK, [*votes[:2], votes[1]])
    for changes in ({"kind": PREVOTE}, {"round": 1}, {"height": 6}):
        other = signed_vote(FOUR, 3, BLOCK, **changes)
        with pytest.raises(InvariantViolated):
            make_commit(FOUR, 5, 0, BLOCK, [*votes, other])


def test_more_than_two_thirds_of_the_power_stand_and_exactly_two_thirds_do_not() -> None:
    assert refusal(commit_of(FOUR, BLOCK, None, BLOCK, BLOCK)) is None
    three = key_set(1, 1, 1)
    two_of_three = with_signature(commit_of(three, BLOCK, BLOCK, BLOCK), 2, CommitSig())
    assert refusal(two_of_three, three) == "commit/insufficient-power"


def test_votes_for_nil_lend_no_power_but_their_signatures_are_checked() -> None:
    commit = commit_of(FOUR, BLOCK, BLOCK, BLOCK, NO_BLOCK)
    nil = commit.signatures[3]

    assert refusal(commit) is None
    assert refusal(with_signature(commit, 3, msgspec.structs.replace(nil, time=nil.time + 1))) == "commit/bad-signature"
    two = with_signature(commit, 2, CommitSig())
    assert refusal(two) == "commit/insufficient-power"


def test_a_vote_for_nil_is_no_vote_for_the_block() -> None:
    commit = commit_of(FOUR, BLOCK, BLOCK, BLOCK, NO_BLOCK)
    claimed = msgspec.structs.replace(commit.signatures[3], flag=FLAG_COMMIT)

    assert refusal(with_signature(commit, 3, claimed)) == "commit/bad-signature"


def test_every_signature_is_checked_also_behind_the_quorum() -> None:
    commit = commit_of(FOUR, BLOCK, BLOCK, BLOCK, BLOCK)

    for position in range(4):
        spoiled = msgspec.structs.replace(commit.signatures[position], signature=b"\x01" * 64)
        assert refusal(with_signature(commit, position, spoiled)) == "commit/bad-signature"


def test_a_signature_at_another_s_position_is_refused() -> None:
    commit = commit_of(FOUR, BLOCK, BLOCK, BLOCK, BLOCK)

    assert refusal(with_signature(commit, 3, commit.signatures[0])) == "commit/wrong-signer"


def test_a_commit_stands_for_its_own_block_height_round_chain_and_set_only() -> None:
    commit = commit_of(FOUR, BLOCK, BLOCK, BLOCK, BLOCK)

    assert refusal(commit, block_id=OTHER) == "commit/wrong-block"
    assert refusal(commit, height=6) == "commit/wrong-height"
    assert refusal(msgspec.structs.replace(commit, round=1)) == "commit/bad-signature"
    assert refusal(commit, key_set(1, 1, 1)) == "commit/wrong-size"
    with pytest.raises(Rejected) as error:
        verify_commit("other-1", FOUR, BLOCK, 5, commit, verify)
    assert error.value.code == "commit/bad-signature"


@pytest.mark.parametrize(
    "signature",
    [
        CommitSig(FLAG_ABSENT, b"x" * 20),
        CommitSig(FLAG_ABSENT, time=START),
        CommitSig(FLAG_ABSENT, signature=b"s" * 64),
        CommitSig(FLAG_COMMIT, b"x" * 19, START, b"s" * 64),
        CommitSig(FLAG_NIL, b"x" * 20, START, b"s" * 63),
        CommitSig(0, b"x" * 20, START, b"s" * 64),
    ],
)
def test_a_malformed_signature_is_refused(signature: CommitSig) -> None:
    commit = commit_of(FOUR, BLOCK, BLOCK, BLOCK, BLOCK)

    assert refusal(with_signature(commit, 3, signature)) == "commit/malformed"


@pytest.mark.parametrize("changes", [{"height": 0}, {"round": -1}, {"block_id": NO_BLOCK}, {"signatures": ()}])
def test_a_malformed_commit_is_refused(changes: dict[str, object]) -> None:
    commit = msgspec.structs.replace(commit_of(FOUR, BLOCK, BLOCK, BLOCK, BLOCK), **changes)

    assert refusal(commit) == "commit/malformed"


def timed(validators: ValidatorSet, *seconds: int | None, nil: tuple[int, ...] = ()) -> Commit:
    """A commit with these vote times, by position."""
    signatures = [
        CommitSig()
        if second is None
        else CommitSig(FLAG_NIL if index in nil else FLAG_COMMIT, one.address, START + second * SECOND, b"s" * 64)
        for index, (one, second) in enumerate(zip(validators.validators, seconds, strict=True))
    ]
    return Commit(5, 0, BLOCK, tuple(signatures))


@pytest.mark.parametrize(
    ("powers", "seconds", "median"),
    [
        ((1, 1, 1, 1), (4, 1, 3, 2), 2),
        ((1, 1, 1), (3, 1, 2), 1),
        ((5, 1, 1), (9, 1, 2), 9),
        ((3, 1, 1, 1), (1, 9, 9, 9), 1),
        ((4, 3, 2), (30, 20, 10), 20),
    ],
)
def test_the_median_is_weighted_by_power_and_takes_the_earlier_at_a_tie(
    powers: tuple[int, ...], seconds: tuple[int, ...], median: int
) -> None:
    validators = key_set(*powers)

    assert median_time(timed(validators, *seconds), validators) == START + median * SECOND


def test_absent_and_nil_votes_have_no_say_in_the_time() -> None:
    assert median_time(timed(FOUR, 5, 6, 7, None), FOUR) == START + 5 * SECOND
    assert median_time(timed(FOUR, 5, 6, 7, 8, nil=(1,)), FOUR) == START + 5 * SECOND


def test_a_commit_without_a_vote_for_its_block_agrees_on_no_time() -> None:
    with pytest.raises(InvariantViolated):
        median_time(timed(FOUR, 5, 6, 7, 8, nil=(0, 1, 2, 3)), FOUR)
