"""Evidence of attacks on light clients: what it takes to accuse, of whom, and what accuses nobody."""

from hashlib import sha256

import msgspec
import pytest

from attacks import AHEAD, ALL, AMNESIA, COMMON, EQUIVOCATION, LUNATIC, SET, TRUSTED, Evidence, block, evidence_of, told
from meshsec_core.consensus.attack import (
    Attack,
    kind_of,
    make_light_client_attack,
    signed_both,
    verify_light_client_attack,
)
from meshsec_core.consensus.light import Untrusted
from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.kernel.crypto import verify
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.hashes import evidence_id, header_hash
from meshsec_core.kernel.wire.tendermint import LightBlock, decode_evidence, encode_evidence
from signing import CHAIN, START, commit_header, key_set, light_block


def refusal(evidence: Evidence, trusted: LightBlock = TRUSTED, validators: ValidatorSet = SET) -> tuple[str, str] | None:
    """Return code and reason of the refusal; the chain has the two blocks and this set at the common height."""
    common = {5: COMMON, 6: TRUSTED}[evidence.common_height if evidence.common_height in (5, 6) else 5]
    try:
        verify_light_client_attack(evidence, common.signed_header.header, validators, trusted.signed_header, verify)
    except Rejected as error:
        return error.code, str(error.facts.get("reason", ""))
    return None


def changed(evidence: Evidence, **changes: object) -> Evidence:
    return msgspec.structs.replace(evidence, **changes)


def names(evidence: Evidence) -> list[int]:
    """The positions of the guilty."""
    return [SET.index_of(member.address) for member in evidence.byzantine_validators]


@pytest.mark.parametrize(
    ("conflicting", "kind", "common_height", "guilty"),
    [
        (LUNATIC, Attack.LUNATIC, 5, [0, 1, 2]),
        (EQUIVOCATION, Attack.EQUIVOCATION, 6, [0, 1, 2]),
        (AMNESIA, Attack.AMNESIA, 6, []),
    ],
    ids=("lunatic", "equivocation", "amnesia"),
)
def test_the_kind_of_an_attack_says_who_is_guilty_and_at_which_height(
    conflicting: LightBlock, kind: Attack, common_height: int, guilty: list[int]
) -> None:
    evidence = evidence_of(conflicting)

    assert kind_of(conflicting.signed_header, TRUSTED.signed_header) is kind
    assert (evidence.common_height, names(evidence), evidence.total_power) == (common_height, guilty, 100)
    assert evidence.time == START + common_height * SECOND
    assert refusal(evidence) is None
    assert decode_evidence(encode_evidence(evidence)) == evidence


@pytest.mark.parametrize("field", ["validators_hash", "next_validators_hash", "consensus_hash", "app_hash", "last_results_hash"])
def test_each_hash_that_execution_decides_makes_a_header_lunatic(field: str) -> None:
    header = msgspec.structs.replace(TRUSTED.signed_header.header, **{field: b"x" * 32})
    found = msgspec.structs.replace(TRUSTED.signed_header, header=header)
    assert kind_of(found, TRUSTED.signed_header) is Attack.LUNATIC


@pytest.mark.parametrize("field", ["data_hash", "last_commit_hash", "evidence_hash"])
def test_what_a_proposer_may_choose_makes_no_header_lunatic(field: str) -> None:
    header = msgspec.structs.replace(TRUSTED.signed_header.header, **{field: b"x" * 32})
    found = msgspec.structs.replace(TRUSTED.signed_header, header=header)
    assert kind_of(found, TRUSTED.signed_header) is Attack.EQUIVOCATION


def test_in_an_equivocation_only_who_signed_both_blocks_is_guilty() -> None:
    trusted = block(6, (1, 2, 3))
    evidence = evidence_of(EQUIVOCATION, trusted)

    assert names(evidence) == [1, 2]
    assert refusal(evidence, trusted) is None
    assert refusal(evidence, TRUSTED) == ("evidence/wrong-guilty", "")


def with_nil(found: LightBlock, signers: tuple[int, ...], nil: int) -> LightBlock:
    """The same header, signed at these positions, with a vote for nil at one."""
    return told(Untrusted(commit_header(found.signed_header.header, SET, signers, nil=(nil,)), SET))


def test_who_voted_for_nil_is_guilty_of_nothing() -> None:
    trusted = with_nil(TRUSTED, (0, 2, 3), 1)
    evidence = evidence_of(EQUIVOCATION, trusted)
    assert names(evidence) == [0, 2]
    assert refusal(evidence, trusted) is None

    for conflicting in (LUNATIC, EQUIVOCATION):
        evidence = evidence_of(with_nil(conflicting, (0, 2, 3), 1))
        assert names(evidence) == [0, 2, 3]
        assert refusal(evidence) is None


def test_the_guilty_are_stated_exactly_and_by_power() -> None:
    evidence = evidence_of(LUNATIC)
    first, second, third = evidence.byzantine_validators

    for stated in (
        (first, second),
        (first, second, third, SET.validators[3]),
        (second, first, third),
        (),
        (first, second, msgspec.structs.replace(third, power=21)),
        (first, second, SET.validators[3]),
    ):
        assert refusal(changed(evidence, byzantine_validators=stated)) == ("evidence/wrong-guilty", "")
    assert refusal(changed(evidence_of(AMNESIA), byzantine_validators=(first,))) == ("evidence/wrong-guilty", "")


def test_a_lunatic_set_of_strangers_accuses_only_members_of_the_common_set() -> None:
    """Three of the common set, with 90 of 100, sign for a set of their own making in which strangers have half the power."""
    forged = key_set(40, 30, 20, 0, 45, 45)
    signers = [position for position, member in enumerate(forged.validators) if member.power]
    conflicting = told(light_block(6, forged, signers, SET))
    evidence = evidence_of(conflicting)

    assert names(evidence) == [0, 1, 2]
    assert refusal(evidence) is None


@pytest.mark.parametrize(("signer", "other", "code"), [(40, 60, None), (34, 66, None), (33, 66, "evidence/insufficient-trust")])
def test_more_than_a_third_of_the_common_set_must_have_signed_a_lunatic_header(signer: int, other: int, code: str | None) -> None:
    """34 of 100 are more than a third, 33 of 99 are not."""
    validators = key_set(signer, other)
    common = told(light_block(5, validators, range(2), validators))
    trusted = told(light_block(6, validators, range(2), validators))
    alone = key_set(signer)
    conflicting = told(light_block(6, alone, (0,), validators))
    evidence = make_light_client_attack(conflicting, trusted, common)
    found = None
    try:
        verify_light_client_attack(evidence, common.signed_header.header, validators, trusted.signed_header, verify)
    except Rejected as error:
        found = error.code

    assert found == code


def test_a_conflicting_block_needs_more_than_two_thirds_of_its_own_set() -> None:
    assert refusal(evidence_of(block(6, (0, 2), app_hash=b"x" * 32))) == (
        "evidence/bad-conflicting-block",
        "light/insufficient-power",
    )


def test_a_signature_that_is_not_needed_accuses_nobody_unless_it_is_good() -> None:
    """Two thirds have signed; the signature of the last is copied from another of its votes."""
    whole = block(6, ALL, app_hash=b"x" * 32)
    commit = whole.signed_header.commit
    stolen = msgspec.structs.replace(commit.signatures[3], signature=TRUSTED.signed_header.commit.signatures[3].signature)
    forged = msgspec.structs.replace(commit, signatures=(*commit.signatures[:3], stolen))
    framed = msgspec.structs.replace(whole, signed_header=msgspec.structs.replace(whole.signed_header, commit=forged))

    assert refusal(evidence_of(whole)) is None
    assert refusal(evidence_of(framed)) == ("evidence/bad-conflicting-block", "light/bad-signature")


def test_what_follows_a_missing_signature_is_checked_too() -> None:
    """Given two thirds at positions 0 and 1, nothing at 2, and at 3 a signature that is bad or under another's address."""
    gapped = block(6, (0, 1, 3), app_hash=b"x" * 32)
    commit = gapped.signed_header.commit
    assert refusal(evidence_of(gapped)) is None

    for changes, reason in (
        ({"signature": bytes(64)}, "light/bad-signature"),
        ({"address": SET.validators[2].address}, "light/wrong-signer"),
    ):
        last = msgspec.structs.replace(commit.signatures[3], **changes)
        forged = msgspec.structs.replace(commit, signatures=(*commit.signatures[:3], last))
        framed = msgspec.structs.replace(gapped, signed_header=msgspec.structs.replace(gapped.signed_header, commit=forged))
        assert refusal(evidence_of(framed)) == ("evidence/bad-conflicting-block", reason)


def test_a_conflicting_block_must_be_whole() -> None:
    other_chain = block(6, ALL, chain_id="other-1", app_hash=b"x" * 32)
    no_proposer = msgspec.structs.replace(LUNATIC, validators=msgspec.structs.replace(LUNATIC.validators, proposer=None))
    other_set = msgspec.structs.replace(LUNATIC, validators=key_set(40, 30, 20, 11).to_wire())

    for found, reason in (
        (other_chain, "light/wrong-chain"),
        (no_proposer, "validators/wrong-proposer"),
        (other_set, "light/wrong-validators"),
    ):
        assert refusal(changed(evidence_of(LUNATIC), conflicting_block=found)) == ("evidence/bad-conflicting-block", reason)


def test_powers_and_time_are_those_of_the_common_height() -> None:
    evidence = evidence_of(LUNATIC)

    assert refusal(changed(evidence, total_power=101)) == ("evidence/wrong-power", "")
    assert refusal(changed(evidence, time=evidence.time + 1)) == ("evidence/wrong-time", "")
    assert refusal(changed(evidence, total_power=1)) == ("evidence/wrong-power", "")
    assert refusal(changed(evidence, total_power=0)) == ("evidence/malformed", "")


@pytest.mark.parametrize("height", [0, -1, 7])
def test_the_common_height_lies_between_one_and_that_of_the_conflicting_block(height: int) -> None:
    assert refusal(changed(evidence_of(LUNATIC), common_height=height)) == ("evidence/malformed", "")


def test_both_may_have_agreed_on_the_first_block_last() -> None:
    first = block(1)
    evidence = make_light_client_attack(LUNATIC, TRUSTED, first)

    assert evidence.common_height == 1
    verify_light_client_attack(evidence, first.signed_header.header, SET, TRUSTED.signed_header, verify)


def test_a_forged_state_is_told_from_the_height_before_it() -> None:
    """Else the guilty could be sought in the set that the forgers have chosen."""
    time = TRUSTED.signed_header.header.time
    assert refusal(changed(evidence_of(LUNATIC), common_height=6, time=time)) == ("evidence/forged-state", "")


def test_the_chain_s_own_block_conflicts_with_nothing() -> None:
    assert refusal(evidence_of(TRUSTED)) == ("evidence/same-block", "")
    assert refusal(changed(evidence_of(LUNATIC), conflicting_block=TRUSTED)) == ("evidence/same-block", "")


def test_a_block_ahead_of_the_chain_is_an_attack_only_if_it_is_not_younger_than_the_latest() -> None:
    """Else it may be an honest block that has not been seen yet."""
    late = block(9, (0, 1, 2), app_hash=b"x" * 32, time=START + 6 * SECOND + 1)

    assert names(evidence_of(AHEAD)) == [0, 1, 2]
    assert refusal(evidence_of(AHEAD)) is None
    assert refusal(evidence_of(late)) == ("evidence/orderly-time", "")


@pytest.mark.parametrize("changes", [{"app_hash": b"x" * 32}, {"data_hash": b"x" * 32}])
def test_a_conflicting_block_of_a_height_that_the_chain_has_is_an_attack_at_any_time(changes: dict[str, object]) -> None:
    assert refusal(evidence_of(block(6, (0, 1, 2), time=START + 99 * SECOND, **changes))) is None


def both(first: LightBlock, second: LightBlock) -> list[int] | tuple[str, str]:
    """The positions of who signed both, or code and reason of the refusal."""
    try:
        members = signed_both(first, second, CHAIN, verify)
    except Rejected as error:
        return error.code, str(error.facts.get("reason", ""))
    assert all(member in first.validators.validators for member in members)
    return [SET.index_of(member.address) for member in members]


def test_without_a_chain_to_compare_with_the_guilty_are_those_who_signed_both() -> None:
    forged = key_set(40, 30, 20, 0, 45, 45)
    signers = [position for position, member in enumerate(forged.validators) if member.power]

    for conflicting in (LUNATIC, EQUIVOCATION, told(light_block(6, forged, signers, SET))):
        assert both(TRUSTED, conflicting) == both(conflicting, TRUSTED) == [0, 1, 2]
    assert both(block(6, (0, 1, 3)), EQUIVOCATION) == [0, 1]
    assert both(with_nil(TRUSTED, (0, 2, 3), 1), EQUIVOCATION) == [0, 2]
    assert both(TRUSTED, AMNESIA) == both(AMNESIA, TRUSTED) == []


def test_without_a_chain_to_compare_with_both_blocks_are_checked() -> None:
    few = block(6, (0, 2), app_hash=b"x" * 32)
    elsewhere = block(6, ALL, chain_id="other-1", app_hash=b"x" * 32)

    assert both(TRUSTED, AHEAD) == ("evidence/malformed", "")
    assert both(TRUSTED, block(6, (0, 1, 2))) == ("evidence/same-block", "")
    for bad, reason in ((few, "light/insufficient-power"), (elsewhere, "light/wrong-chain")):
        assert both(TRUSTED, bad) == both(bad, TRUSTED) == ("evidence/bad-conflicting-block", reason)


def test_one_attack_is_one_fault_whoever_collected_its_signatures() -> None:
    """The id covers 31 bytes of the header's hash, a zero byte and the height; checked against bytes put together by hand."""
    fewer, more = evidence_of(LUNATIC), evidence_of(block(6, ALL, app_hash=b"x" * 32))
    assert names(fewer) != names(more)
    assert evidence_id(fewer) == evidence_id(more)

    hash_31 = header_hash(LUNATIC.signed_header.header)[:31]
    assert evidence_id(fewer) == sha256(hash_31 + b"\x00" + b"\x0a").digest()
    high = changed(fewer, common_height=100)
    assert evidence_id(high) == sha256(hash_31 + b"\x00" + b"\xc8\x01").digest()
