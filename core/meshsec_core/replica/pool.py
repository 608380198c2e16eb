"""Evidence that waits for a block: found by counting votes, kept durably until a block carries it or it is too old."""

from collections.abc import Callable, Iterable

from meshsec_core.consensus.evidence import is_expired, make_duplicate_vote, verify_duplicate_vote
from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.kernel.crypto import Verify, sha256
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.proto import decode, encode
from meshsec_core.kernel.wire.tendermint import DuplicateVoteEvidence, Evidence, Vote
from meshsec_core.replica.chain import BAD_BLOCK, Tip
from meshsec_core.replica.storage import Storage, Table, Write

MAX_AGE = 48 * 3_600 * SECOND
"""Nanoseconds; evidence is too old once it is older than this and than `MAX_AGE_BLOCKS`."""
MAX_AGE_BLOCKS = 100_000
COMMITTED = b"committed"
"""Marks evidence that a block carries, where waiting evidence has its bytes."""


class EvidencePool:
    """Waiting evidence by its hash."""

    def __init__(
        self,
        storage: Storage,
        verify: Verify,
        validators_at: Callable[[int], ValidatorSet | None],
        time_of: Callable[[int], int | None],
    ) -> None:
        self._storage = storage
        self._verify = verify
        self._validators_at = validators_at
        self._time_of = time_of
        self._waiting: dict[bytes, DuplicateVoteEvidence] = {}
        for key, raw in storage.scan(Table.EVIDENCE):
            if raw != COMMITTED:
                self._waiting[key] = decode(DuplicateVoteEvidence, raw)

    def __len__(self) -> int:
        """Return how much waits."""
        return len(self._waiting)

    def add(self, pairs: Iterable[tuple[Vote, Vote]]) -> list[Write]:
        """Make evidence of conflicting votes of a decided height; return the rows that keep it."""
        rows = []
        for first, second in pairs:
            validators, time = self._validators_at(first.height), self._time_of(first.height)
            if validators is None or time is None:
                continue
            evidence = make_duplicate_vote(first, second, validators, time)
            key = sha256(encode(evidence))
            if key not in self._waiting:
                self._waiting[key] = evidence
                rows.append(Write(Table.EVIDENCE, key, encode(evidence)))
        return rows

    def waiting(self) -> tuple[DuplicateVoteEvidence, ...]:
        """Return what the next block should carry."""
        return tuple(self._waiting.values())

    def check(self, items: tuple[Evidence, ...], tip: Tip, chain_id: str) -> None:
        """Check the evidence of a proposed block.

        Raises:
            Rejected: `consensus/bad-block` if an item is repeated, too old, carried by an earlier block, or of a height unknown
                here; what `verify_duplicate_vote` refuses.
        """
        keys = [sha256(encode(item)) for item in items]
        if len(dict.fromkeys(keys)) != len(keys):
            raise Rejected(BAD_BLOCK, field="evidence", reason="repeated")
        for key, item in zip(keys, items, strict=True):
            if not isinstance(item, DuplicateVoteEvidence) or self._is_old(item, tip):
                raise Rejected(BAD_BLOCK, field="evidence", reason="too old or of an unknown kind")
            if self._storage.get(Table.EVIDENCE, key) == COMMITTED:
                raise Rejected(BAD_BLOCK, field="evidence", reason="carried before")
            validators, time = self._validators_at(item.vote_a.height), self._time_of(item.vote_a.height)
            if validators is None or time is None:
                raise Rejected(BAD_BLOCK, field="evidence", reason="unknown height")
            verify_duplicate_vote(item, chain_id, validators, time, self._verify)

    def commit(self, items: tuple[Evidence, ...], tip: Tip) -> list[Write]:
        """Forget what a block carries and what the new tip makes too old; return the rows that remember it.

        Args:
            tip: behind the block.
        """
        carried = [sha256(encode(item)) for item in items]
        old = [key for key, item in self._waiting.items() if self._is_old(item, tip) and key not in carried]
        for key in (*carried, *old):
            self._waiting.pop(key, None)
        return [Write(Table.EVIDENCE, key, COMMITTED) for key in carried] + [Write(Table.EVIDENCE, key, None) for key in old]

    @staticmethod
    def _is_old(item: DuplicateVoteEvidence, tip: Tip) -> bool:
        return is_expired(item.vote_a.height, item.time, tip.height + 1, tip.next_time, MAX_AGE, MAX_AGE_BLOCKS)
