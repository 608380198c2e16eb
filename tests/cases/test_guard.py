"""The double-sign guard: what a validator with a memory of one signature refuses to sign."""

import pytest

from meshsec_core.consensus.guard import STEP_PRECOMMIT, STEP_PREVOTE, STEP_PROPOSE, LastSigned, guard, time_of
from meshsec_core.kernel.crypto import PrivateKey
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.hashes import proposal_sign_bytes, vote_sign_bytes
from meshsec_core.kernel.wire.scalars import ZERO_TIME
from meshsec_core.kernel.wire.tendermint import PRECOMMIT, PREVOTE, BlockId, Proposal
from meshsec_core.replica.voter import Voter
from signing import CHAIN, START, named_block

BLOCK, OTHER = named_block("block"), named_block("other")
KINDS = {STEP_PREVOTE: PREVOTE, STEP_PRECOMMIT: PRECOMMIT}


def sign_bytes(
    height: int = 5,
    number: int = 1,
    step: int = STEP_PREVOTE,
    block: BlockId | None = BLOCK,
    time: int = START,
    chain: str = CHAIN,
) -> bytes:
    if step == STEP_PROPOSE:
        return proposal_sign_bytes(chain, Proposal(height, number, -1, block or BlockId(), time))
    return vote_sign_bytes(chain, KINDS[step], height, number, block, time)


def signed(height: int = 5, number: int = 1, step: int = STEP_PREVOTE) -> LastSigned:
    return LastSigned(height, number, step, sign_bytes(height, number, step), b"signature")


def test_a_validator_that_has_signed_nothing_may_sign_anything() -> None:
    assert guard(None, 5, 1, STEP_PREVOTE, sign_bytes()) is None


@pytest.mark.parametrize("later", [(5, 1, STEP_PRECOMMIT), (5, 2, STEP_PROPOSE), (6, 0, STEP_PROPOSE)])
def test_a_later_step_round_or_height_may_be_signed(later: tuple[int, int, int]) -> None:
    assert guard(signed(), *later, sign_bytes(*later, block=OTHER)) is None


@pytest.mark.parametrize(
    "earlier", [(5, 1, STEP_PROPOSE), (5, 0, STEP_PREVOTE), (5, 0, STEP_PRECOMMIT), (4, 1, STEP_PREVOTE), (4, 9, STEP_PRECOMMIT)]
)
def test_an_earlier_step_round_or_height_is_past(earlier: tuple[int, int, int]) -> None:
    with pytest.raises(Rejected) as error:
        guard(signed(), *earlier, sign_bytes(*earlier))
    assert error.value.code == "consensus/signed-later"


@pytest.mark.parametrize("step", [STEP_PROPOSE, STEP_PREVOTE, STEP_PRECOMMIT])
def test_another_block_in_the_same_step_is_a_double_sign(step: int) -> None:
    for block in (OTHER, None):
        with pytest.raises(Rejected) as error:
            guard(signed(step=step), 5, 1, step, sign_bytes(step=step, block=block))
        assert error.value.code == "consensus/double-sign"


@pytest.mark.parametrize("step", [STEP_PROPOSE, STEP_PREVOTE, STEP_PRECOMMIT])
@pytest.mark.parametrize("time", [START, START + 1, 0, ZERO_TIME, START + 10**12])
def test_the_same_content_at_any_time_is_answered_with_the_old_signature(step: int, time: int) -> None:
    last = signed(step=step)

    assert guard(last, 5, 1, step, sign_bytes(step=step, time=time)) is last


def test_another_chain_s_vote_is_other_content() -> None:
    with pytest.raises(Rejected) as error:
        guard(signed(), 5, 1, STEP_PREVOTE, sign_bytes(chain="other-1"))
    assert error.value.code == "consensus/double-sign"


def test_another_proof_round_is_other_content() -> None:
    last = signed(step=STEP_PROPOSE)
    reproposed = proposal_sign_bytes(CHAIN, Proposal(5, 1, 0, BLOCK, START))

    with pytest.raises(Rejected) as error:
        guard(last, 5, 1, STEP_PROPOSE, reproposed)
    assert error.value.code == "consensus/double-sign"


@pytest.mark.parametrize("step", [STEP_PROPOSE, STEP_PREVOTE, STEP_PRECOMMIT])
@pytest.mark.parametrize("time", [START, START + 123_456_789, 0, ZERO_TIME])
def test_the_time_is_read_from_what_was_signed(step: int, time: int) -> None:
    assert time_of(sign_bytes(step=step, time=time)) == time
    assert time_of(sign_bytes(step=step, time=time, block=None)) == time


@pytest.mark.parametrize("height", [0x2A00, 0x3200, 0x0800, 0x2A << 56, 0x32 << 56])
@pytest.mark.parametrize("step", [STEP_PROPOSE, STEP_PREVOTE])
def test_a_height_whose_bytes_look_like_a_tag_is_a_height(step: int, height: int) -> None:
    assert time_of(sign_bytes(height, step=step)) == START


@pytest.mark.parametrize("raw", [b"\x02\x08\x01", b"\x03\x08\x01\x0f", b"\x05\x08\x01\x0f\x2a\x00", b"\x00"])
def test_what_holds_no_time_cannot_be_compared(raw: bytes) -> None:
    with pytest.raises(Rejected) as error:
        time_of(raw)
    assert error.value.code == "consensus/not-sign-bytes"


def test_a_voter_that_is_asked_again_at_another_time_repeats_its_signature_with_the_time_it_signed() -> None:
    voter = Voter("val-0", PrivateKey(bytes(32)), None)
    first = voter.sign(5, 1, STEP_PREVOTE, sign_bytes(), START)
    again = voter.sign(5, 1, STEP_PREVOTE, sign_bytes(time=START + 1), START + 1)
    assert first == again == (START, voter.key.sign(sign_bytes()))


def test_a_voter_does_not_sign_what_its_guard_forbids() -> None:
    voter = Voter("val-0", PrivateKey(bytes(32)), None)
    voter.sign(5, 1, STEP_PREVOTE, sign_bytes(), START)
    held = voter.last
    assert voter.sign(5, 1, STEP_PREVOTE, sign_bytes(block=OTHER), START) is None
    assert voter.last == held
