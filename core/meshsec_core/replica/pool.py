"""Evidence that waits for a block: double votes found by counting, attacks on light clients told by others.

It is kept durably until a block carries it or it is too old. What waits has been verified and is not verified again: what was
ahead of the chain when it was told may look different once the chain gets there.

Source: cometbft v0.38 evidence/pool.go, evidence/verify.go.
"""

from collections.abc import Callable, Iterable

from meshsec_core.consensus.attack import verify_light_client_attack
from meshsec_core.consensus.evidence import (
    TOO_LARGE,
    TOO_OLD,
    UNKNOWN_HEIGHT,
    is_expired,
    make_duplicate_vote,
    verify_duplicate_vote,
)
from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.kernel.crypto import Verify
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.hashes import evidence_id
from meshsec_core.kernel.wire.tendermint import (
    DuplicateVoteEvidence,
    Evidence,
    LightClientAttackEvidence,
    SignedHeader,
    Vote,
    decode_evidence,
    encode_evidence,
)
from meshsec_core.replica.chain import BAD_BLOCK, Tip
from meshsec_core.replica.storage import Storage, Table, Write

MAX_AGE = 48 * 3_600 * SECOND
"""Nanoseconds; evidence is too old once it is older than this and than `MAX_AGE_BLOCKS`."""
MAX_AGE_BLOCKS = 100_000
MAX_BYTES = 1_048_576
"""Evidence of one block."""
COMMITTED = b"committed"
"""Marks evidence that a block carries, where waiting evidence has its bytes."""


class EvidencePool:
    """Waiting evidence by its id."""

    def __init__(
        self,
        storage: Storage,
        verify: Verify,
        validators_at: Callable[[int], ValidatorSet | None],
        time_of: Callable[[int], int | None],
        header_at: Callable[[int], SignedHeader | None],
    ) -> None:
        self._storage = storage
        self._verify = verify
        self._validators_at = validators_at
        self._time_of = time_of
        self._header_at = header_at
        self._waiting: dict[bytes, Evidence] = {}
        for key, raw in storage.scan(Table.EVIDENCE):
            if raw != COMMITTED:
                self._waiting[key] = decode_evidence(raw)

    def __len__(self) -> int:
        """Return how much waits."""
        return len(self._waiting)

    def add(self, pairs: Iterable[tuple[Vote, Vote]]) -> list[Write]:
        """Make evidence of conflicting votes of a decided height; return the rows that keep it."""
        rows: list[Write] = []
        for first, second in pairs:
            validators, time = self._validators_at(first.height), self._time_of(first.height)
            if validators is not None and time is not None:
                rows += self._keep(make_duplicate_vote(first, second, validators, time))
        return rows

    def accuse(self, evidence: Evidence, tip: Tip) -> list[Write]:
        """Take in evidence that somebody brings; return the rows that keep it, none if it waits or is carried already.

        Raises:
            Rejected: `evidence/too-large` if it fits no block, and as `check_one`.
        """
        if self._storage.get(Table.EVIDENCE, evidence_id(evidence)) is not None:
            return []
        if len(encode_evidence(evidence)) > MAX_BYTES:
            raise Rejected(TOO_LARGE, limit=MAX_BYTES)
        self.check_one(evidence, tip)
        return self._keep(evidence)

    def waiting(self) -> tuple[Evidence, ...]:
        """Return what the next block should carry, the oldest first, as much as fits."""
        chosen: list[Evidence] = []
        size = 0
        for item in self._waiting.values():
            length = len(encode_evidence(item))
            if size + length <= MAX_BYTES:
                chosen.append(item)
                size += length
        return tuple(chosen)

    def check(self, items: tuple[Evidence, ...], tip: Tip) -> None:
        """Check the evidence of a proposed block.

        Raises:
            Rejected: `consensus/bad-block` if an item is repeated or carried by an earlier block, or all are too large; and as
                `check_one`.
        """
        keys = [evidence_id(item) for item in items]
        if len(dict.fromkeys(keys)) != len(keys):
            raise Rejected(BAD_BLOCK, field="evidence", reason="repeated")
        if sum(len(encode_evidence(item)) for item in items) > MAX_BYTES:
            raise Rejected(BAD_BLOCK, field="evidence", reason="too large")
        for key, item in zip(keys, items, strict=True):
            if self._storage.get(Table.EVIDENCE, key) == COMMITTED:
                raise Rejected(BAD_BLOCK, field="evidence", reason="carried before")
            if self._waiting.get(key) != item:
                self.check_one(item, tip)

    def check_one(self, item: Evidence, tip: Tip) -> None:
        """Check evidence against what this chain has.

        Raises:
            Rejected: `evidence/unknown-height`, `evidence/too-old`, and what `verify_duplicate_vote` or
                `verify_light_client_attack` refuses.
        """
        height = _height(item)
        validators, time = self._validators_at(height), self._time_of(height)
        if validators is None or time is None:
            raise Rejected(UNKNOWN_HEIGHT, height=height, latest=tip.height)
        if is_expired(height, time, tip.height + 1, tip.next_time, MAX_AGE, MAX_AGE_BLOCKS):
            raise Rejected(TOO_OLD, height=height, latest=tip.height)
        if isinstance(item, DuplicateVoteEvidence):
            verify_duplicate_vote(item, tip.chain_id, validators, time, self._verify)
        else:
            self._check_attack(item, validators, tip)

    def _check_attack(self, item: LightClientAttackEvidence, validators: ValidatorSet, tip: Tip) -> None:
        common = self._header_at(item.common_height)
        height = item.conflicting_block.signed_header.header.height
        trusted = self._header_at(min(height, tip.height))
        if common is None or trusted is None:
            raise Rejected(UNKNOWN_HEIGHT, height=min(item.common_height, height), latest=tip.height)
        verify_light_client_attack(item, common.header, validators, trusted, self._verify)

    def commit(self, items: tuple[Evidence, ...], tip: Tip) -> list[Write]:
        """Forget what a block carries and what the new tip makes too old; return the rows that remember it.

        Args:
            tip: behind the block.
        """
        carried = [evidence_id(item) for item in items]
        old = [key for key, item in self._waiting.items() if self._is_old(item, tip) and key not in carried]
        for key in (*carried, *old):
            self._waiting.pop(key, None)
        return [Write(Table.EVIDENCE, key, COMMITTED) for key in carried] + [Write(Table.EVIDENCE, key, None) for key in old]

    def _keep(self, evidence: Evidence) -> list[Write]:
        key = evidence_id(evidence)
        if key in self._waiting:
            return []
        self._waiting[key] = evidence
        return [Write(Table.EVIDENCE, key, encode_evidence(evidence))]

    @staticmethod
    def _is_old(item: Evidence, tip: Tip) -> bool:
        return is_expired(_height(item), item.time, tip.height + 1, tip.next_time, MAX_AGE, MAX_AGE_BLOCKS)


def _height(item: Evidence) -> int:
    """Return the height of the fault: of the votes, or the last on which both sides of a fork agree."""
    return item.vote_a.height if isinstance(item, DuplicateVoteEvidence) else item.common_height
