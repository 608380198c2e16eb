"""The light client: published verdicts of tendermint-rs (model-based, 27 files), and each refusal by a case of its own."""

from base64 import b64decode
from typing import Any

import msgspec
import pytest

from comet import read_commit, read_time
from meshsec_core.consensus import light
from meshsec_core.consensus.light import Rules, TrustedState, Untrusted
from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.kernel.crypto import MemoVerifier, verify
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.hashes import header_hash
from meshsec_core.kernel.wire.ibc import Fraction
from meshsec_core.kernel.wire.scalars import ZERO_TIME
from meshsec_core.kernel.wire.tendermint import FLAG_ABSENT, BlockId, Header, SignedHeader, Validator
from meshsec_core.kernel.wire.tendermint import ValidatorSet as WireValidatorSet
from signing import CHAIN, START, commit_header, header_at, key_set, light_block, trusted_at
from support import VECTORS, load_vectors

FOLDER = VECTORS / "lightclient" / "single_step"
FILES = sorted(path.name for path in FOLDER.glob("*.json")) or ["MC4_4_faulty_TestHalfValsetChanges.json"]

RULES = Rules(CHAIN, trusting_period=100 * SECOND, max_clock_drift=10 * SECOND)
FOUR = key_set(1, 1, 1, 1)
NOW = START + 50 * SECOND


def read_set(said: dict[str, Any]) -> ValidatorSet:
    """The files list validators by no order; hashes take them by power, then address. The proposer does not matter here."""
    members = sorted(
        (
            Validator(bytes.fromhex(one["address"]), b64decode(one["pub_key"]["value"]), int(one["voting_power"]))
            for one in said["validators"]
        ),
        key=lambda validator: (-validator.power, validator.address),
    )
    return ValidatorSet.from_wire(WireValidatorSet(tuple(members), members[0] if members else None))


def read_light_header(said: dict[str, Any]) -> Header:
    hashes = ("last_commit_hash", "data_hash", "validators_hash", "next_validators_hash", "consensus_hash", "app_hash")
    assert said["last_block_id"] is None
    return Header(
        int(said["version"]["block"]),
        int(said["version"]["app"]),
        said["chain_id"],
        int(said["height"]),
        read_time(said["time"]),
        BlockId(),
        *(bytes.fromhex(said[name]) for name in (*hashes, "last_results_hash", "evidence_hash", "proposer_address")),
    )


def read_signed(said: dict[str, Any]) -> SignedHeader:
    """Absent signatures carry a time in these files, where CometBFT's have none."""
    commit = read_commit(said["commit"])
    signatures = tuple(
        msgspec.structs.replace(one, time=ZERO_TIME) if one.flag == FLAG_ABSENT else one for one in commit.signatures
    )
    return SignedHeader(read_light_header(said["header"]), msgspec.structs.replace(commit, signatures=signatures))


def verdict_on(trusted: TrustedState, trusted_next: ValidatorSet, step: dict[str, Any], rules: Rules) -> tuple[str, Any]:
    """Verify one step; on success also return the new trust. The announced next set of a block must match its header."""
    try:
        signed = read_signed(step["block"]["signed_header"])
        untrusted = Untrusted(signed, read_set(step["block"]["validator_set"]))
        announced = read_set(step["block"]["next_validator_set"])
        light.verify(trusted, untrusted, trusted_next, rules, read_time(step["now"]), verify)
    except Rejected as refusal:
        return ("NOT_ENOUGH_TRUST" if refusal.code == light.INSUFFICIENT_TRUST else "INVALID"), None
    if announced.hash != signed.header.next_validators_hash:
        return "INVALID", None
    kept = TrustedState(signed.header.height, signed.header.time, signed.header.next_validators_hash)
    return "SUCCESS", (kept, announced)


@pytest.mark.parametrize("name", FILES)
def test_every_published_verdict_is_ours(name: str) -> None:
    story = load_vectors("lightclient", "single_step", name)
    first = read_light_header(story["initial"]["signed_header"]["header"])
    rules = Rules(first.chain_id, int(story["initial"]["trusting_period"]), 0)
    trusted = TrustedState(first.height, first.time, first.next_validators_hash)
    trusted_next = read_set(story["initial"]["next_validator_set"])

    for step in story["input"]:
        verdict, kept = verdict_on(trusted, trusted_next, step, rules)
        assert verdict == step["verdict"]
        if kept is not None:
            trusted, trusted_next = kept


def refusal(
    untrusted: Untrusted,
    *,
    trusted: TrustedState | None = None,
    trusted_next: ValidatorSet = FOUR,
    rules: Rules = RULES,
    now: int = NOW,
) -> str | None:
    """The code of the refusal by a client that trusts height 3, or None."""
    try:
        light.verify(trusted or trusted_at(3, trusted_next), untrusted, trusted_next, rules, now, verify)
    except Rejected as error:
        return error.code
    return None


def changed_header(untrusted: Untrusted, **changes: object) -> Untrusted:
    """The same commit over another header."""
    header = msgspec.structs.replace(untrusted.signed_header.header, **changes)
    return Untrusted(SignedHeader(header, untrusted.signed_header.commit), untrusted.validators)


def changed_signature(untrusted: Untrusted, position: int, **changes: object) -> Untrusted:
    commit = untrusted.signed_header.commit
    signatures = list(commit.signatures)
    signatures[position] = msgspec.structs.replace(signatures[position], **changes)
    changed = msgspec.structs.replace(commit, signatures=tuple(signatures))
    return Untrusted(SignedHeader(untrusted.signed_header.header, changed), untrusted.validators)


@pytest.mark.parametrize("height", [4, 9])
def test_three_of_four_signatures_are_enough_for_the_next_height_and_for_a_later_one(height: int) -> None:
    assert refusal(light_block(height, FOUR, (0, 1, 3))) is None


@pytest.mark.parametrize("height", [4, 9])
def test_exactly_two_thirds_of_the_power_are_not_enough(height: int) -> None:
    three = key_set(1, 1, 1)

    assert refusal(light_block(height, three, (0, 1)), trusted_next=three) == "light/insufficient-power"
    assert refusal(light_block(height, three, (0, 1, 2)), trusted_next=three) is None


def test_signatures_for_nil_do_not_count() -> None:
    header = header_at(4, FOUR, FOUR)

    assert refusal(Untrusted(commit_header(header, FOUR, (0, 1), nil=(2, 3)), FOUR)) == "light/insufficient-power"


def test_the_next_height_must_have_the_announced_set() -> None:
    other = key_set(1, 1, 1, 1, 1)

    assert refusal(light_block(4, other, range(5))) == "light/unannounced-validators"
    assert refusal(light_block(5, other, range(5))) is None


def test_more_than_a_third_of_the_trusted_set_must_have_signed() -> None:
    """Given a trusted set of three, and a later set that shares one or two of them
    Then exactly a third is too little trust, and two thirds are enough
    """
    trusted_next = key_set(1, 1, 1)
    one_of_three = key_set(1, 0, 0, 1, 1)
    two_of_three = key_set(1, 1, 0, 1, 1)

    assert refusal(light_block(9, one_of_three, range(3)), trusted_next=trusted_next) == "light/insufficient-trust"
    assert refusal(light_block(9, two_of_three, range(4)), trusted_next=trusted_next) is None


def test_trusted_members_who_did_not_sign_lend_no_trust() -> None:
    trusted_next = key_set(1, 1, 1)
    later = key_set(1, 1, 1, 2, 2, 2)
    absent = [position for position, one in enumerate(later.validators) if trusted_next.index_of(one.address) is not None][1:]
    signers = [position for position in range(6) if position not in absent]

    assert refusal(light_block(9, later, signers), trusted_next=trusted_next) == "light/insufficient-trust"


def test_strangers_that_come_first_in_a_commit_do_not_hide_the_trusted_behind_them() -> None:
    later = key_set(1, 1, 1, 9)

    assert later.validators[0].power == 9
    assert refusal(light_block(9, later, range(4)), trusted_next=key_set(1, 1, 1)) is None


def test_a_later_height_is_not_the_next_one() -> None:
    with pytest.raises(Rejected) as error:
        light.verify_adjacent(trusted_at(3, FOUR), light_block(5, FOUR, range(4)), RULES, NOW, verify)
    assert error.value.code == "light/not-increasing-height"


def test_a_commit_of_another_height_is_refused_whatever_block_it_names() -> None:
    block = light_block(4, FOUR, range(4))
    commit = msgspec.structs.replace(block.signed_header.commit, height=5)

    assert refusal(Untrusted(SignedHeader(block.signed_header.header, commit), FOUR)) == "light/wrong-commit"


def test_a_higher_trust_level_asks_for_more() -> None:
    trusted_next = key_set(1, 1, 1, 1)
    later = key_set(1, 1, 1, 0, 1)
    block = light_block(9, later, range(4))

    for level, wanted in ((Fraction(2, 3), None), (Fraction(3, 4), "light/insufficient-trust")):
        rules = msgspec.structs.replace(RULES, trust_level=level)
        assert refusal(block, trusted_next=trusted_next, rules=rules) == wanted


@pytest.mark.parametrize("level", [Fraction(1, 4), Fraction(4, 3), Fraction(1, 0), Fraction(0, 1)])
def test_a_trust_level_below_a_third_or_above_one_is_refused(level: Fraction) -> None:
    rules = msgspec.structs.replace(RULES, trust_level=level)

    assert refusal(light_block(9, FOUR, range(4)), rules=rules) == "light/bad-trust-level"


@pytest.mark.parametrize("level", [Fraction(1, 3), Fraction(1, 1)])
def test_a_third_and_all_are_trust_levels_and_nothing_of_nothing_is_none(level: Fraction) -> None:
    light.check_trust_level(level)
    with pytest.raises(Rejected) as error:
        light.check_trust_level(Fraction(0, 0))
    assert error.value.code == "light/bad-trust-level"


@pytest.mark.parametrize("height", [4, 9])
def test_trust_ends_at_the_last_instant_of_the_trusting_period(height: int) -> None:
    trusted, block = trusted_at(3, FOUR), light_block(height, FOUR, range(4))
    end = trusted.time + RULES.trusting_period

    assert refusal(block, trusted=trusted, now=end - 1) is None
    assert refusal(block, trusted=trusted, now=end) == "light/expired"


def test_a_header_ahead_of_the_clock_by_the_drift_is_from_the_future() -> None:
    block = light_block(9, FOUR, range(4))
    time = block.signed_header.header.time

    assert refusal(block, now=time - RULES.max_clock_drift) == "light/from-the-future"
    assert refusal(block, now=time - RULES.max_clock_drift + 1) is None


@pytest.mark.parametrize("height", [2, 3])
def test_heights_increase(height: int) -> None:
    assert refusal(light_block(height, FOUR, range(4), time=NOW)) == "light/not-increasing-height"


@pytest.mark.parametrize("height", [4, 9])
def test_times_increase(height: int) -> None:
    trusted = trusted_at(3, FOUR)

    assert refusal(light_block(height, FOUR, range(4), time=trusted.time)) == "light/not-increasing-time"
    assert refusal(light_block(height, FOUR, range(4), time=trusted.time + 1)) is None


@pytest.mark.parametrize("height", [4, 9])
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"app_hash": b"forged".ljust(32)}, "light/wrong-commit"),
        ({"height": 8}, "light/wrong-commit"),
        ({"chain_id": "other-1"}, "light/wrong-chain"),
        ({"version_block": 12}, "light/malformed"),
        ({"data_hash": b"short"}, "light/malformed"),
        ({"proposer_address": b"short"}, "light/malformed"),
        ({"chain_id": "x" * 51}, "light/malformed"),
        ({"chain_id": "x" * 50}, "light/wrong-chain"),
        ({"height": 0}, "light/malformed"),
    ],
)
def test_a_commit_does_not_cover_another_header(height: int, changes: dict[str, object], code: str) -> None:
    assert refusal(changed_header(light_block(height, FOUR, range(4)), **changes)) == code


def test_a_set_that_is_not_the_header_s_is_refused() -> None:
    block = light_block(9, FOUR, range(4))

    assert refusal(Untrusted(block.signed_header, key_set(2, 1, 1, 1))) == "light/wrong-validators"


def test_a_trusted_set_that_was_not_announced_is_refused() -> None:
    block = light_block(9, FOUR, range(4))

    assert refusal(block, trusted=trusted_at(3, key_set(5, 1, 1, 1))) == "light/wrong-trusted-validators"


@pytest.mark.parametrize("height", [4, 9])
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"signature": b"\x07" * 64}, "light/bad-signature"),
        ({"time": START}, "light/bad-signature"),
        ({"signature": b""}, "light/malformed"),
        ({"address": b"short"}, "light/malformed"),
        ({"flag": 4}, "light/malformed"),
        ({"flag": FLAG_ABSENT}, "light/malformed"),
    ],
)
def test_a_spoiled_signature_is_refused(height: int, changes: dict[str, object], code: str) -> None:
    assert refusal(changed_signature(light_block(height, FOUR, range(4)), 0, **changes)) == code


def test_a_signature_under_another_s_address_is_refused() -> None:
    """For the next height the position tells whose it must be; in skipping the address says whose key is asked."""
    first, second = (FOUR.validators[position].address for position in (0, 1))

    assert refusal(changed_signature(light_block(4, FOUR, range(4)), 0, address=second)) == "light/wrong-signer"
    assert refusal(changed_signature(light_block(9, FOUR, range(4)), 0, address=second)) == "light/bad-signature"
    assert first != second


def test_one_signer_does_not_lend_trust_twice() -> None:
    """Given a trusted set in which one has just a third, who appears twice in the commit of a later header
    Then the header is refused outright, not with a wish for more trust
    """
    trusted_next = key_set(1, 1, 1)
    block = light_block(9, FOUR, range(4))
    signature = block.signed_header.commit.signatures[0]
    doubled = changed_signature(
        block, 1, address=signature.address, time=signature.time, signature=signature.signature, flag=signature.flag
    )

    assert refusal(doubled, trusted_next=trusted_next) == "light/duplicate-signer"


def test_a_commit_of_another_size_than_the_set_is_refused() -> None:
    block = light_block(4, FOUR, range(4))
    commit = block.signed_header.commit
    shorter = msgspec.structs.replace(commit, signatures=commit.signatures[:3])

    assert refusal(Untrusted(SignedHeader(block.signed_header.header, shorter), FOUR)) == "light/malformed"


def test_a_header_without_validators_has_no_hash_to_commit_to() -> None:
    header = header_at(4, FOUR, FOUR, validators_hash=b"")
    assert header_hash(header) == b""

    assert refusal(Untrusted(commit_header(header, FOUR, range(4)), FOUR)) == "light/malformed"


def test_checking_stops_as_soon_as_enough_have_signed_and_no_signature_is_checked_twice() -> None:
    asked: list[bytes] = []

    def counting(public_key: bytes, message: bytes, signature: bytes) -> bool:
        asked.append(public_key)
        return verify(public_key, message, signature)

    light.verify(trusted_at(3, FOUR), light_block(9, FOUR, range(4)), FOUR, RULES, NOW, counting)
    assert asked == [one.public_key for one in FOUR.validators[:3]]


def test_a_memo_changes_no_verdict() -> None:
    memo = MemoVerifier()
    block = light_block(9, FOUR, range(4))
    spoiled = changed_signature(block, 0, signature=b"\x07" * 64)

    for _ in range(2):
        light.verify(trusted_at(3, FOUR), block, FOUR, RULES, NOW, memo)
        with pytest.raises(Rejected) as error:
            light.verify(trusted_at(3, FOUR), spoiled, FOUR, RULES, NOW, memo)
        assert error.value.code == "light/bad-signature"


def test_of_two_conflicting_headers_each_is_verified_at_any_height_and_time() -> None:
    trusted = trusted_at(3, FOUR)
    early = light_block(1, FOUR, range(4), time=trusted.time - SECOND)
    ahead = light_block(9, FOUR, range(4), time=NOW + 1000 * SECOND)

    for block in (early, ahead):
        light.verify_conflicting(trusted, block, FOUR, RULES, NOW, verify)
    with pytest.raises(Rejected) as error:
        light.verify_conflicting(trusted, light_block(9, FOUR, (0, 1)), FOUR, RULES, NOW, verify)
    assert error.value.code == "light/insufficient-power"
    with pytest.raises(Rejected) as error:
        light.verify_conflicting(trusted, early, FOUR, RULES, trusted.time + RULES.trusting_period, verify)
    assert error.value.code == "light/expired"
