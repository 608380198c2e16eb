"""Light-client verification: from a header that is trusted to one that is not, by signatures and time alone.

Exactly three outcomes: the header is accepted; it is refused with `light/insufficient-trust`, which a header in between may cure;
or it is refused for good. Time is an argument. Only signatures for the block count, and checking stops as soon as they suffice.

Source: cometbft v0.38 light/verifier.go, types/validation.go; ICS-07; tendermint-rs light-client-verifier for the verdicts.
"""

import msgspec

from meshsec_core.consensus.commits import check_shape
from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.consensus.votes import is_quorum
from meshsec_core.kernel.crypto import ADDRESS_BYTES, Verify
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.hashes import header_hash, vote_sign_bytes
from meshsec_core.kernel.wire.ibc import Fraction
from meshsec_core.kernel.wire.tendermint import BLOCK_PROTOCOL, FLAG_COMMIT, PRECOMMIT, Commit, Header, SignedHeader

MALFORMED = "light/malformed"
BAD_TRUST_LEVEL = "light/bad-trust-level"
WRONG_CHAIN = "light/wrong-chain"
EXPIRED = "light/expired"
FROM_THE_FUTURE = "light/from-the-future"
NOT_INCREASING_HEIGHT = "light/not-increasing-height"
NOT_INCREASING_TIME = "light/not-increasing-time"
WRONG_COMMIT = "light/wrong-commit"
WRONG_VALIDATORS = "light/wrong-validators"
WRONG_TRUSTED_VALIDATORS = "light/wrong-trusted-validators"
UNANNOUNCED_VALIDATORS = "light/unannounced-validators"
WRONG_SIGNER = "light/wrong-signer"
DUPLICATE_SIGNER = "light/duplicate-signer"
BAD_SIGNATURE = "light/bad-signature"
INSUFFICIENT_TRUST = "light/insufficient-trust"
"""The one refusal that a relayer answers by verifying a header in between."""
INSUFFICIENT_POWER = "light/insufficient-power"

MAX_CHAIN_ID = 50
HASH_BYTES = 32
_HASH_OR_NONE = frozenset({0, HASH_BYTES})


class TrustedState(msgspec.Struct, frozen=True):
    """What is kept of a verified header."""

    height: int
    time: int
    next_validators_hash: bytes


class Untrusted(msgspec.Struct, frozen=True):
    """A header to verify, with the set that is said to have signed it."""

    signed_header: SignedHeader
    validators: ValidatorSet


class Rules(msgspec.Struct, frozen=True):
    """How a client judges."""

    chain_id: str
    trusting_period: int
    """Nanoseconds for which a verified header is trusted; shorter than the unbonding period."""
    max_clock_drift: int
    """Nanoseconds by which a header may lie ahead of `now`."""
    trust_level: Fraction = Fraction(1, 3)
    """The part of the trusted next set that must have signed (strictly more), from 1/3 to 1."""


_Seen = set[tuple[bytes, int]]
"""Signatures found good: public key and position."""


def verify(
    trusted: TrustedState, untrusted: Untrusted, trusted_next: ValidatorSet, rules: Rules, now: int, check: Verify
) -> None:
    """Verify a header from a trusted one: the next height by its announced set, a later one by overlap.

    Args:
        trusted_next: the set that `trusted` announced for its next height.
        now: nanoseconds; on a chain, its own block time.
        check: verifies one signature.

    Raises:
        Rejected: as `verify_adjacent` and `verify_skipping`.
    """
    if untrusted.signed_header.header.height == trusted.height + 1:
        verify_adjacent(trusted, untrusted, rules, now, check)
    else:
        verify_skipping(trusted, untrusted, trusted_next, rules, now, check)


def verify_adjacent(trusted: TrustedState, untrusted: Untrusted, rules: Rules, now: int, check: Verify) -> None:
    """Verify the header of the next height: its set is the one announced, and more than two thirds of it signed.

    Raises:
        Rejected: `light/expired`, `light/malformed`, `light/wrong-chain`, `light/wrong-commit`, `light/not-increasing-height`,
            `light/not-increasing-time`, `light/from-the-future`, `light/wrong-validators`, `light/unannounced-validators`,
            `light/wrong-signer`, `light/bad-signature`, `light/insufficient-power`.
    """
    _check_trusted(trusted, rules, now)
    _check_successor(trusted, untrusted, rules, now)
    header = untrusted.signed_header.header
    if header.height != trusted.height + 1:
        raise Rejected(NOT_INCREASING_HEIGHT, trusted=trusted.height, found=header.height)
    if header.validators_hash != trusted.next_validators_hash:
        raise Rejected(UNANNOUNCED_VALIDATORS, height=header.height)
    _check_quorum(untrusted, rules.chain_id, check, set())


def verify_skipping(
    trusted: TrustedState, untrusted: Untrusted, trusted_next: ValidatorSet, rules: Rules, now: int, check: Verify
) -> None:
    """Verify a later header: enough of the trusted next set signed it, and more than two thirds of its own.

    Raises:
        Rejected: as `verify_adjacent` except `light/unannounced-validators`, and `light/wrong-trusted-validators`,
            `light/bad-trust-level`, `light/duplicate-signer`, `light/insufficient-trust`.
    """
    _check_trusted(trusted, rules, now)
    _check_successor(trusted, untrusted, rules, now)
    seen: _Seen = set()
    _check_overlap(trusted, untrusted, trusted_next, rules, (check, seen))
    _check_quorum(untrusted, rules.chain_id, check, seen)


def verify_conflicting(
    trusted: TrustedState, untrusted: Untrusted, trusted_next: ValidatorSet, rules: Rules, now: int, check: Verify
) -> None:
    """Verify one of two headers that are shown as misbehaviour: signatures and trust as in skipping, but any height and time.

    Raises:
        Rejected: as `verify_skipping`, without the codes of height and time.
    """
    _check_trusted(trusted, rules, now)
    _check_header(untrusted, rules.chain_id)
    seen: _Seen = set()
    _check_overlap(trusted, untrusted, trusted_next, rules, (check, seen))
    _check_quorum(untrusted, rules.chain_id, check, seen)


def verify_whole(untrusted: Untrusted, chain_id: str, check: Verify) -> None:
    """Verify a header by its own set alone, and every signature for it, also those that are not needed: evidence accuses by them.

    Raises:
        Rejected: `light/malformed`, `light/wrong-chain`, `light/wrong-commit`, `light/wrong-validators`, `light/wrong-signer`,
            `light/bad-signature`, `light/insufficient-power`.
    """
    _check_header(untrusted, chain_id)
    seen: _Seen = set()
    _check_quorum(untrusted, chain_id, check, seen)
    roster, commit = untrusted.validators.roster, untrusted.signed_header.commit
    for position, signature in enumerate(commit.signatures):
        if signature.flag != FLAG_COMMIT:
            continue
        if signature.address != roster.addresses[position]:
            raise Rejected(WRONG_SIGNER, position=position, address=signature.address.hex())
        _check_signature(commit, position, roster.public_keys[position], chain_id, (check, seen))


def check_trust_level(level: Fraction) -> None:
    """Check that a trust level lies between 1/3 and 1.

    Raises:
        Rejected: `light/bad-trust-level`.
    """
    if level.denominator <= 0 or 3 * level.numerator < level.denominator or level.numerator > level.denominator:
        raise Rejected(BAD_TRUST_LEVEL, numerator=level.numerator, denominator=level.denominator)


def is_expired(time: int, trusting_period: int, now: int) -> bool:
    """Tell whether a header of a given time is trusted no more; the last instant of the period is too late."""
    return time + trusting_period <= now


def _check_trusted(trusted: TrustedState, rules: Rules, now: int) -> None:
    if is_expired(trusted.time, rules.trusting_period, now):
        raise Rejected(EXPIRED, trusted_time=trusted.time, now=now)


def _check_successor(trusted: TrustedState, untrusted: Untrusted, rules: Rules, now: int) -> None:
    _check_header(untrusted, rules.chain_id)
    header = untrusted.signed_header.header
    if header.height <= trusted.height:
        raise Rejected(NOT_INCREASING_HEIGHT, trusted=trusted.height, found=header.height)
    if header.time <= trusted.time:
        raise Rejected(NOT_INCREASING_TIME, trusted=trusted.time, found=header.time)
    if header.time >= now + rules.max_clock_drift:
        raise Rejected(FROM_THE_FUTURE, time=header.time, now=now)


def _check_header(untrusted: Untrusted, chain_id: str) -> None:
    header, commit = untrusted.signed_header.header, untrusted.signed_header.commit
    _check_shape(header, commit)
    if header.chain_id != chain_id:
        raise Rejected(WRONG_CHAIN, expected=chain_id, found=header.chain_id)
    if commit.height != header.height or commit.block_id.hash != header_hash(header):
        raise Rejected(WRONG_COMMIT, height=header.height)
    if header.validators_hash != untrusted.validators.hash:
        raise Rejected(WRONG_VALIDATORS, height=header.height)


def _check_shape(header: Header, commit: Commit) -> None:
    hashes = (
        header.last_block_id.hash,
        header.last_block_id.parts.hash,
        header.last_commit_hash,
        header.data_hash,
        header.validators_hash,
        header.next_validators_hash,
        header.consensus_hash,
        header.last_results_hash,
        header.evidence_hash,
    )
    good = (
        header.version_block == BLOCK_PROTOCOL
        and len(header.chain_id) <= MAX_CHAIN_ID
        and header.height > 0
        and len(header.proposer_address) == ADDRESS_BYTES
        and _HASH_OR_NONE.issuperset(map(len, hashes))
    )
    if not good:
        raise Rejected(MALFORMED, height=header.height)
    try:
        check_shape(commit)
    except Rejected as error:
        raise Rejected(MALFORMED, **error.facts) from None


def _check_overlap(
    trusted: TrustedState, untrusted: Untrusted, trusted_next: ValidatorSet, rules: Rules, checks: tuple[Verify, _Seen]
) -> None:
    level = rules.trust_level
    check_trust_level(level)
    if trusted_next.hash != trusted.next_validators_hash:
        raise Rejected(WRONG_TRUSTED_VALIDATORS, height=trusted.height)
    check, seen = checks
    roster, commit = trusted_next.roster, untrusted.signed_header.commit
    needed = roster.total_power * level.numerator // level.denominator  # down; strictly more is asked
    power, counted = 0, set[bytes]()
    for position, signature in enumerate(commit.signatures):
        index = roster.index.get(signature.address) if signature.flag == FLAG_COMMIT else None
        if index is None:
            continue
        if signature.address in counted:
            raise Rejected(DUPLICATE_SIGNER, address=signature.address.hex())
        counted.add(signature.address)
        _check_signature(commit, position, roster.public_keys[index], rules.chain_id, (check, seen))
        power += roster.powers[index]
        if power > needed:
            return
    raise Rejected(INSUFFICIENT_TRUST, power=power, needed_above=needed)


def _check_quorum(untrusted: Untrusted, chain_id: str, check: Verify, seen: _Seen) -> None:
    roster, commit = untrusted.validators.roster, untrusted.signed_header.commit
    if len(commit.signatures) != len(roster.powers):
        raise Rejected(MALFORMED, validators=len(roster.powers), signatures=len(commit.signatures))
    power = 0
    for position, signature in enumerate(commit.signatures):
        if signature.flag != FLAG_COMMIT:
            continue
        if signature.address != roster.addresses[position]:
            raise Rejected(WRONG_SIGNER, position=position, address=signature.address.hex())
        _check_signature(commit, position, roster.public_keys[position], chain_id, (check, seen))
        power += roster.powers[position]
        if is_quorum(power, roster.total_power):
            return
    raise Rejected(INSUFFICIENT_POWER, power=power, total_power=roster.total_power)


def _check_signature(commit: Commit, position: int, public_key: bytes, chain_id: str, checks: tuple[Verify, _Seen]) -> None:
    check, seen = checks
    if (public_key, position) in seen:
        return
    signature = commit.signatures[position]
    signed = vote_sign_bytes(chain_id, PRECOMMIT, commit.height, commit.round, commit.block_id, signature.time)
    if not check(public_key, signed, signature.signature):
        raise Rejected(BAD_SIGNATURE, position=position, address=signature.address.hex())
    seen.add((public_key, position))
