"""Proof that validators signed a block which conflicts with the chain, well enough to fool a light client.

Three kinds, told apart by what the conflicting header says of the state: a *lunatic* one says what no honest execution gives, so
all of the common set who signed it are guilty; in an *equivocation* the same round decided two blocks, so who signed both is
guilty; in an *amnesia* another round did, and the signatures alone do not tell who broke a lock: nobody is punished.

Laws: every signature that accuses somebody is verified; the guilty, their powers and the time are computed from this chain alone
and must be stated exactly so; one conflicting block and common height is one fault, whoever collected its signatures.

Source: cometbft v0.38 evidence/verify.go, types/evidence.go, light/detector.go.
"""

from enum import StrEnum

from meshsec_core.consensus import light
from meshsec_core.consensus.evidence import (
    INSUFFICIENT_TRUST,
    MALFORMED,
    SAME_BLOCK,
    WRONG_POWER,
    WRONG_TIME,
)
from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.kernel.crypto import Verify
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.hashes import header_hash
from meshsec_core.kernel.wire.tendermint import (
    FLAG_COMMIT,
    Header,
    LightBlock,
    LightClientAttackEvidence,
    SignedHeader,
    Validator,
)

BAD_BLOCK = "evidence/bad-conflicting-block"
FORGED_STATE = "evidence/forged-state"
ORDERLY_TIME = "evidence/orderly-time"
WRONG_GUILTY = "evidence/wrong-guilty"


class Attack(StrEnum):
    """How a light client was to be fooled."""

    LUNATIC = "lunatic"
    EQUIVOCATION = "equivocation"
    AMNESIA = "amnesia"


def kind_of(conflicting: SignedHeader, trusted: SignedHeader) -> Attack:
    """Tell what kind of attack a block is, by the header and commit that this chain has at its height."""
    if _forges_state(conflicting.header, trusted.header):
        return Attack.LUNATIC
    return Attack.EQUIVOCATION if conflicting.commit.round == trusted.commit.round else Attack.AMNESIA


def make_light_client_attack(conflicting: LightBlock, trusted: LightBlock, common: LightBlock) -> LightClientAttackEvidence:
    """Make evidence of a block that conflicts with the chain.

    Args:
        conflicting: what somebody was shown.
        trusted: what the chain has at that height, or its latest below it.
        common: the last height on which both agree.

    Raises:
        Rejected: a `validators/…` code if the common set is none.
    """
    lunatic = kind_of(conflicting.signed_header, trusted.signed_header) is Attack.LUNATIC
    ground = common if lunatic else trusted  # the height at which the guilty had their power
    header, validators = ground.signed_header.header, ValidatorSet.from_wire(ground.validators)
    guilty = _guilty(conflicting, trusted.signed_header, validators)
    return LightClientAttackEvidence(conflicting, header.height, guilty, validators.total_power, header.time)


def verify_light_client_attack(
    evidence: LightClientAttackEvidence, common: Header, validators: ValidatorSet, trusted: SignedHeader, verify: Verify
) -> None:
    """Check evidence against what this chain has.

    Args:
        common: this chain's header of the common height.
        validators: the set of the common height.
        trusted: this chain's header of the conflicting height, or its latest if that height is not reached.

    Raises:
        Rejected: `evidence/malformed`, `evidence/bad-conflicting-block` with the reason, `evidence/wrong-time`,
            `evidence/insufficient-trust`, `evidence/forged-state` (a forged state at the common height itself),
            `evidence/wrong-power`, `evidence/orderly-time` (a block ahead of the chain that is not older than its latest),
            `evidence/same-block`, `evidence/wrong-guilty`.
    """
    conflicting = evidence.conflicting_block.signed_header
    header = conflicting.header
    if evidence.total_power <= 0 or not 0 < evidence.common_height <= header.height:
        raise Rejected(MALFORMED, common_height=evidence.common_height, height=header.height)
    if evidence.time != common.time:
        raise Rejected(WRONG_TIME, expected=common.time, found=evidence.time)
    _check_signed(evidence.conflicting_block, trusted.header.chain_id, verify)
    if common.height != header.height:
        _check_overlap(conflicting, validators)
    elif _forges_state(header, trusted.header):
        raise Rejected(FORGED_STATE, height=header.height)
    if evidence.total_power != validators.total_power:
        raise Rejected(WRONG_POWER, total_power=validators.total_power)
    if header.height > trusted.header.height and header.time > trusted.header.time:
        raise Rejected(ORDERLY_TIME, height=header.height, latest=trusted.header.height)
    if header_hash(header) == header_hash(trusted.header):
        raise Rejected(SAME_BLOCK, hash=header_hash(header).hex())
    expected = _guilty(evidence.conflicting_block, trusted, validators)
    stated = [(item.address, item.public_key, item.power) for item in evidence.byzantine_validators]
    if stated != [(item.address, item.public_key, item.power) for item in expected]:
        raise Rejected(WRONG_GUILTY, expected=",".join(item.address.hex() for item in expected))


def signed_both(first: LightBlock, second: LightBlock, chain_id: str, verify: Verify) -> tuple[Validator, ...]:
    """Return who signed two different blocks of one height, for whoever cannot tell which of the two is the chain's.

    Whichever it is, they are guilty: of two states one is none, and one round decides once. Signatures of different rounds for
    the same state prove nothing about who broke a lock, so an amnesia names nobody.

    Raises:
        Rejected: `evidence/malformed` for different heights, `evidence/same-block`, `evidence/bad-conflicting-block` with the
            reason if a block is not signed by two thirds of its own set or carries a signature that is none.
    """
    one, other = first.signed_header, second.signed_header
    if one.header.height != other.header.height:
        raise Rejected(MALFORMED, height=one.header.height, other=other.header.height)
    if header_hash(one.header) == header_hash(other.header):
        raise Rejected(SAME_BLOCK, hash=header_hash(one.header).hex())
    for block in (first, second):
        _check_signed(block, chain_id, verify)
    if kind_of(one, other) is Attack.AMNESIA:
        return ()
    also = {(member.address, member.public_key) for member in _signers(other, ValidatorSet.from_wire(second.validators))}
    ours = _signers(one, ValidatorSet.from_wire(first.validators))
    return tuple(member for member in ours if (member.address, member.public_key) in also)


def _forges_state(conflicting: Header, trusted: Header) -> bool:
    return (
        conflicting.validators_hash != trusted.validators_hash
        or conflicting.next_validators_hash != trusted.next_validators_hash
        or conflicting.consensus_hash != trusted.consensus_hash
        or conflicting.app_hash != trusted.app_hash
        or conflicting.last_results_hash != trusted.last_results_hash
    )


def _check_signed(block: LightBlock, chain_id: str, verify: Verify) -> None:
    """Check every signature for a block: one that is not checked could accuse somebody who signed nothing."""
    try:
        untrusted = light.Untrusted(block.signed_header, ValidatorSet.from_wire(block.validators))
        light.verify_whole(untrusted, chain_id, verify)
    except Rejected as refusal:
        raise Rejected(BAD_BLOCK, reason=refusal.code) from None


def _check_overlap(conflicting: SignedHeader, validators: ValidatorSet) -> None:
    needed = validators.total_power // 3  # down; strictly more is asked
    power = sum(member.power for member in _signers(conflicting, validators))
    if power <= needed:
        raise Rejected(INSUFFICIENT_TRUST, power=power, needed_above=needed)


def _signers(signed: SignedHeader, validators: ValidatorSet) -> list[Validator]:
    """Return the members of a set who signed for a block, in the set's order: most power first, then by address."""
    named = {signature.address for signature in signed.commit.signatures if signature.flag == FLAG_COMMIT}
    return [member for member in validators.validators if member.address in named]


def _guilty(block: LightBlock, trusted: SignedHeader, validators: ValidatorSet) -> tuple[Validator, ...]:
    """Return who is guilty; `validators` is the set of the common height."""
    conflicting = block.signed_header
    match kind_of(conflicting, trusted):
        case Attack.LUNATIC:
            return tuple(_signers(conflicting, validators))
        case Attack.EQUIVOCATION:
            also = {signature.address for signature in trusted.commit.signatures if signature.flag == FLAG_COMMIT}
            return tuple(item for item in _signers(conflicting, ValidatorSet.from_wire(block.validators)) if item.address in also)
        case Attack.AMNESIA:
            return ()
