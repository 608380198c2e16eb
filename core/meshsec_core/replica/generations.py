"""Generations: what a chain remembers of the futures that it gave up.

A revert puts another image in the place of a chain's rows and starts a generation. What was signed above the height that both
share is abandoned: an honest validator has signed again there, and nobody may hold one against the other. A mark stands for
something abandoned: the hash of a block, or of a vote for anything but the block that its height came to. The chains of a mesh
tell each other their marks, for evidence and headers of one chain are shown to all others. Where a chain signs the very same
again, as it does when the same actions follow a revert, the mark is lifted, and the others are told.

Laws: no mark stands for anything in the rows of the chain that made it; generations only grow, whatever image is taken up.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from meshsec_core.kernel.crypto import sha256
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.ibc import HEADER_URL, MISBEHAVIOUR_URL, ClientHeader, ClientMisbehaviour, any_decode
from meshsec_core.kernel.wire.proto import decode
from meshsec_core.kernel.wire.tendermint import (
    DuplicateVoteEvidence,
    Evidence,
    LightClientAttackEvidence,
    SignedHeader,
    Vote,
    decode_evidence,
)
from meshsec_core.replica.events import Deliver
from meshsec_core.replica.history import History, read_log
from meshsec_core.replica.pruning import earliest_of
from meshsec_core.replica.storage import HEIGHT_BYTES, Storage, Table, Write, height_key
from meshsec_core.runtime.module import Msg

ABANDONED_BRANCH = "dev/abandoned-branch"
PRUNED = "snapshot/pruned"

GENERATIONS = b"generations"
"""Key in META of the generations after the first: (number, height at which it left the one before)."""

Generations = tuple[tuple[int, int], ...]


class Fork(msgspec.Struct, frozen=True):
    """What a chain gives up, and what it takes up again, when it goes from one image to another."""

    height: int
    """The last one at which both agree."""
    abandoned: tuple[bytes, ...]
    revived: tuple[bytes, ...]
    """Marks of what may have been abandoned before, and counts again."""


def vote_mark(chain_id: str, vote: Vote) -> bytes:
    """Return the mark of a vote; its time and signature do not matter."""
    said = (chain_id, vote.address, vote.kind, vote.height, vote.round, vote.block_id.hash)
    return sha256(msgspec.msgpack.encode(said))


def generations(storage: Storage) -> Generations:
    """Return the generations of a chain after the first."""
    raw = storage.get(Table.META, GENERATIONS)
    return () if raw is None else msgspec.msgpack.decode(raw, type=Generations)


def height_since(since: Generations, generation: int, height: int) -> int:
    """Return up to which height what was read in a generation still holds."""
    return min([height] + [left for number, left in since if number > generation])


def compare(chain_id: str, here: Storage, there: Storage) -> Fork:
    """Compare the image that a chain has with one that it may go to; both are of the same genesis.

    Raises:
        Rejected: `snapshot/pruned` if a block is forgotten that would tell where the two part.
    """
    height = _common_height(here, there)
    left, taken = dict.fromkeys(marks_above(chain_id, here, height)), dict.fromkeys(marks_above(chain_id, there, height))
    return Fork(height, tuple(mark for mark in left if mark not in taken), tuple(taken))


def cross_over(
    here: Storage, there: Storage, generation: int, height: int, marks: tuple[Iterable[bytes], Iterable[bytes]]
) -> None:
    """Write into an image what a chain must remember when it goes there.

    Args:
        here: the image that the chain has.
        there: the other one; only this is written to, in one batch.
        generation: the new one.
        height: the last one at which both agree.
        marks: of what is abandoned, and of what counts again, on all chains.
    """
    abandoned, revived = marks
    kept = dict(here.scan(Table.ABANDONED)) | dict.fromkeys(abandoned, b"")
    for mark in revived:
        kept.pop(mark, None)
    rows = [Write(Table.ABANDONED, key, None) for key, _ in there.scan(Table.ABANDONED)]
    rows += [Write(Table.ABANDONED, key, value) for key, value in kept.items()]
    known: Generations = (*generations(here), (generation, height))
    there.apply([*rows, Write(Table.META, GENERATIONS, msgspec.msgpack.encode(known))])


class Abandoned:
    """What transactions may not rest on."""

    def __init__(self, storage: Storage, chain_id: str) -> None:
        self._chain_id = chain_id
        self._marks: dict[bytes, None] = {}
        self.again: dict[int, list[bytes]] = {}
        """Height to the marks that were lifted there because this chain has signed the same again."""
        for mark, at in storage.scan(Table.ABANDONED):
            if at:
                self.again.setdefault(int.from_bytes(at), []).append(mark)
            else:
                self._marks[mark] = None

    def __len__(self) -> int:
        """Return how many marks are remembered."""
        return len(self._marks)

    def signed(self, height: int, block: bytes, votes: Iterable[Vote]) -> list[Write]:
        """Take in the block that a height came to, and all votes; return the rows that remember them."""
        strays = [vote_mark(self._chain_id, vote) for vote in votes if vote.block_id.hash != block]
        rows = [Write(Table.STRAYS, height_key(height) + mark, b"") for mark in strays]
        for mark in (block, *strays):
            if mark in self._marks:
                del self._marks[mark]
                self.again.setdefault(height, []).append(mark)
                rows.append(Write(Table.ABANDONED, mark, height_key(height)))
        return rows

    def lift(self, marks: Iterable[bytes]) -> list[Write]:
        """Take in what another chain has signed again; return the rows that forget it."""
        lifted = [mark for mark in marks if mark in self._marks]
        for mark in lifted:
            del self._marks[mark]
        return [Write(Table.ABANDONED, mark, None) for mark in lifted]

    def check(self, msgs: Iterable[Msg]) -> None:
        """Refuse headers and evidence that rest on an abandoned branch, whatever message carries them.

        Raises:
            Rejected: `dev/abandoned-branch`.
        """
        if not self._marks:
            return
        for msg in msgs:
            carried = [value for name in msg.__struct_fields__ if isinstance(value := getattr(msg, name), bytes)]
            headers = [header for raw in carried for header in _headers(raw)]
            for header in headers:
                self.check_header(header)
            chains = [header.header.chain_id for header in headers] or [self._chain_id]
            for evidence in (found for raw in carried for found in _evidence(raw)):
                self.check_evidence(evidence, chains)

    def check_evidence(self, evidence: Evidence, chains: Sequence[str]) -> None:
        """Refuse evidence of which a part was signed on an abandoned branch of one of these chains.

        Raises:
            Rejected: `dev/abandoned-branch`.
        """
        match evidence:
            case DuplicateVoteEvidence(vote_a=first, vote_b=second):
                for vote in (first, second):
                    for chain_id in chains:
                        self._check(vote_mark(chain_id, vote), chain_id, vote.height)
                        self._check(vote.block_id.hash, chain_id, vote.height)
            case LightClientAttackEvidence(conflicting_block=block):
                self.check_header(block.signed_header)

    def check_header(self, signed: SignedHeader) -> None:
        """Refuse a header that was abandoned, or that follows one.

        Raises:
            Rejected: `dev/abandoned-branch`.
        """
        self._check(signed.commit.block_id.hash, signed.header.chain_id, signed.header.height)
        self._check(signed.header.last_block_id.hash, signed.header.chain_id, signed.header.height)

    def _check(self, mark: bytes, chain_id: str, height: int) -> None:
        if mark in self._marks:
            raise Rejected(ABANDONED_BRANCH, chain_id=chain_id, height=height)


def _common_height(here: Storage, there: Storage) -> int:
    tips = (History(here).tip_height(), History(there).tip_height())
    height, earliest = min(tips), max(earliest_of(here), earliest_of(there))
    while height and here.get(Table.BLOCKS, height_key(height)) != there.get(Table.BLOCKS, height_key(height)):
        height -= 1
    if height < earliest > 1:
        raise Rejected(PRUNED, height=min(tips), earliest=earliest)
    return height


def marks_above(chain_id: str, storage: Storage, height: int) -> Iterator[bytes]:
    """Yield the marks of all that was signed above a height, the height in progress included."""
    history = History(storage)
    for number in range(height + 1, history.tip_height() + 1):
        commit = history.commit(number)
        if commit is not None:
            yield commit.block_id.hash
    for key, _ in storage.scan(Table.STRAYS, after=height_key(height + 1)):
        yield key[HEIGHT_BYTES:]
    for _, raw in storage.scan(Table.WAL):
        entry = read_log(raw)
        if isinstance(entry, Deliver):
            yield from (message.proposal.block_id.hash for message in entry.proposals)
            yield from (vote_mark(chain_id, vote) for vote in entry.votes)


def _headers(raw: bytes) -> list[SignedHeader]:
    try:
        url, value = any_decode(raw)
        if url == HEADER_URL:
            return [decode(ClientHeader, value).signed_header]
        if url == MISBEHAVIOUR_URL:
            accusation = decode(ClientMisbehaviour, value)
            return [accusation.header_1.signed_header, accusation.header_2.signed_header]
    except Rejected:
        pass
    return []


def _evidence(raw: bytes) -> list[Evidence]:
    try:
        return [decode_evidence(raw)]
    except Rejected:
        return []
