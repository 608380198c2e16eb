"""Evidence that waits: what is taken in, what a block may carry, and when it is forgotten."""

from collections.abc import Callable

import msgspec
import pytest

from attacks import AHEAD, AMNESIA, COMMON, EQUIVOCATION, LUNATIC, SET, TRUSTED, block, evidence_of
from meshsec_core.consensus.evidence import make_duplicate_vote
from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.kernel.crypto import verify
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND, ChainId
from meshsec_core.kernel.wire.hashes import evidence_id
from meshsec_core.kernel.wire.tendermint import Evidence, SignedHeader, encode_evidence
from meshsec_core.replica import pool as pools
from meshsec_core.replica.chain import Tip
from meshsec_core.replica.pool import EvidencePool
from meshsec_core.replica.storage import MemoryStorage
from signing import CHAIN, START, named_block, signed_vote

HEADERS = {5: COMMON.signed_header, 6: TRUSTED.signed_header}


def tip(height: int = 6, age: int = 0) -> Tip:
    """The chain's tip, so many nanoseconds after the block of height 6 was signed."""
    commit = TRUSTED.signed_header.commit
    signatures = tuple(msgspec.structs.replace(item, time=item.time + age) for item in commit.signatures)
    commit = msgspec.structs.replace(commit, signatures=signatures)
    identity = commit.block_id
    return Tip(ChainId(CHAIN), height, START + 6 * SECOND, identity, commit, SET, SET, SET, b"a" * 32, b"r" * 32)


class Rig:
    def __init__(self, storage: MemoryStorage | None = None) -> None:
        self.storage = storage or MemoryStorage()
        self.asked: list[int] = []
        self.pool = EvidencePool(self.storage, self.verify, self.validators, self.time, self.header)

    def verify(self, key: bytes, message: bytes, signature: bytes) -> bool:
        self.asked.append(1)
        return verify(key, message, signature)

    def validators(self, height: int) -> ValidatorSet | None:
        return SET if height in HEADERS else None

    def time(self, height: int) -> int | None:
        return HEADERS[height].header.time if height in HEADERS else None

    def header(self, height: int) -> SignedHeader | None:
        return HEADERS.get(height)

    def accuse(self, evidence: Evidence, at: Tip | None = None) -> int:
        rows = self.pool.accuse(evidence, at or tip())
        self.storage.apply(rows)
        return len(rows)

    def carry(self, evidence: Evidence) -> None:
        self.storage.apply(self.pool.commit((evidence,), tip(7)))


def refused(act: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(Rejected) as error:
        act()
    return error.value.code, str(error.value.facts.get("reason", ""))


@pytest.mark.parametrize(
    "conflicting", [LUNATIC, EQUIVOCATION, AMNESIA, AHEAD], ids=("lunatic", "equivocation", "amnesia", "ahead")
)
def test_every_kind_of_attack_is_taken_in_once_and_survives(conflicting: object) -> None:
    rig, evidence = Rig(), evidence_of(conflicting)

    assert (rig.accuse(evidence), rig.accuse(evidence)) == (1, 0)
    assert rig.pool.waiting() == (evidence,)
    assert Rig(rig.storage).pool.waiting() == (evidence,)


def test_other_signatures_for_the_same_attack_are_no_second_fault() -> None:
    rig = Rig()
    rig.accuse(evidence_of(LUNATIC))
    more = evidence_of(block(6, app_hash=b"x" * 32))

    assert evidence_id(more) == evidence_id(evidence_of(LUNATIC))
    assert rig.accuse(more) == 0
    rig.carry(evidence_of(LUNATIC))
    assert refused(lambda: rig.pool.check((more,), tip(7))) == ("consensus/bad-block", "carried before")
    assert rig.accuse(more) == 0


def test_what_waits_is_not_verified_again_but_its_like_is() -> None:
    """A block that was ahead of the chain may look otherwise once the chain gets there; a proposal of it stays good."""
    rig, evidence = Rig(), evidence_of(AHEAD)
    rig.accuse(evidence)
    asked = len(rig.asked)
    rig.pool.check((evidence,), tip())
    assert len(rig.asked) == asked > 0

    bent = msgspec.structs.replace(evidence, total_power=1)
    assert refused(lambda: rig.pool.check((bent,), tip())) == ("evidence/wrong-power", "")


@pytest.mark.parametrize(
    ("height", "age", "code"),
    [
        (5 + pools.MAX_AGE_BLOCKS, pools.MAX_AGE, "evidence/too-old"),
        (4 + pools.MAX_AGE_BLOCKS, pools.MAX_AGE, ""),
        (5 + pools.MAX_AGE_BLOCKS, 0, ""),
    ],
    ids=("both ages", "few blocks", "little time"),
)
def test_an_attack_is_too_old_beyond_both_ages_of_its_common_height(height: int, age: int, code: str) -> None:
    rig, evidence = Rig(), evidence_of(LUNATIC)
    late = tip(height, age)
    if code:
        assert refused(lambda: rig.accuse(evidence, late))[0] == code
        rig.accuse(evidence)
        rig.storage.apply(rig.pool.commit((), late))
        assert rig.pool.waiting() == Rig(rig.storage).pool.waiting() == ()
    else:
        assert rig.accuse(evidence, late) == 1


def test_heights_that_the_chain_does_not_know_prove_nothing() -> None:
    evidence = msgspec.structs.replace(evidence_of(LUNATIC), common_height=4)
    assert refused(lambda: Rig().accuse(evidence))[0] == "evidence/unknown-height"


def test_evidence_that_fits_no_block_is_refused_and_what_fits_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    rig, lunatic, equivocation = Rig(), evidence_of(LUNATIC), evidence_of(EQUIVOCATION)
    size = len(encode_evidence(lunatic))
    rig.accuse(lunatic)
    rig.accuse(equivocation)
    monkeypatch.setattr(pools, "MAX_BYTES", size)
    assert rig.pool.waiting() == (lunatic,)
    assert refused(lambda: rig.pool.check((lunatic, equivocation), tip())) == ("consensus/bad-block", "too large")

    monkeypatch.setattr(pools, "MAX_BYTES", size - 1)
    assert refused(lambda: Rig().accuse(lunatic))[0] == "evidence/too-large"


def test_double_votes_and_attacks_wait_side_by_side() -> None:
    rig = Rig()
    votes = [signed_vote(SET, 1, named_block(name), height=6) for name in ("a", "b")]
    double = make_duplicate_vote(*votes, SET, HEADERS[6].header.time)
    rig.accuse(double)
    rig.accuse(evidence_of(LUNATIC))

    assert sorted(map(encode_evidence, Rig(rig.storage).pool.waiting())) == sorted(
        map(encode_evidence, (double, evidence_of(LUNATIC)))
    )
    rig.pool.check(rig.pool.waiting(), tip())
