"""One chain as the relayer sees it: its tip, and every block of it read once and in order.

Polls and pushed hints only say "look now"; the truth is pulled by height, so no event can be missed.
"""

from collections.abc import Callable

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.ibc import Height, revision_of
from meshsec_relayer.engine.answers import BlockAnswer, ReceiptAnswer, StatusAnswer
from meshsec_relayer.engine.boundary import Request
from meshsec_relayer.engine.tasks import Bell, Task, Tasks, Until, ask_all, get, read

WRONG_CHAIN = "relayer/wrong-chain"

WINDOW = 16
"""Blocks asked for at once while catching up."""

PRUNING_MARGIN = 50
"""Heights that a node may forget while a proof is being put together."""


FADING_PART = 3
"""The older third of the blocks that a chain keeps may be gone before a client that rests on it is refreshed the next time."""


class Chain:
    """What is known of one chain."""

    def __init__(self, name: str, chain_id: str, prefix: str) -> None:
        self.name = name
        self.chain_id = chain_id
        self.prefix = prefix
        self.height = 0
        self.time = 0
        """Header time of the tip, nanoseconds."""
        self.earliest_height = 1
        """The first block that the chain keeps."""
        self.earliest_state = 0
        """The lowest height whose state can still be proven."""
        self.generation = ""
        self.scanned = 0
        """Every block up to here has been read."""
        self.problem = "has not answered yet"
        """Why the chain cannot be used now; empty if it can."""
        self.receipts: dict[str, ReceiptAnswer] = {}
        """Receipts of the transactions that are waited for."""
        self.awaited: dict[str, int] = {}
        """Hash to the tip's height when it was accepted."""
        self.poll_due = False
        self.called = Bell()
        """Rings when a poll is due."""
        self.polled_at = 0
        """Time of the last poll."""
        self.looked_at = 0
        """Time of the last poll after which everything has been read: what is decided by time rests on what was known then."""
        self.looks = 0
        """How often the chain has been looked at."""

    def poll(self, now: int) -> None:
        """Let whoever follows the chain look at it."""
        self.poll_due, self.polled_at = True, now
        self.called.ring()

    @property
    def reachable(self) -> bool:
        """Tell whether the last look succeeded."""
        return not self.problem

    @property
    def caught_up(self) -> bool:
        """Tell whether every block has been read."""
        return 0 < self.height == self.scanned

    @property
    def lowest_provable(self) -> int:
        """A height at and below which the chain may refuse, now or soon, to prove anything; 0 if it still keeps everything."""
        return self.earliest_state + PRUNING_MARGIN if self.earliest_state > 1 else 0

    @property
    def fading(self) -> int:
        """Heights below this one are about to be forgotten; 0 if the chain keeps every block. Rounds down."""
        kept = self.height - self.earliest_height
        return self.earliest_height + kept // FADING_PART if self.earliest_height > 1 else 0

    def proof_height(self, height: int) -> Height:
        """Spell a height of this chain as IBC does."""
        return Height(revision_of(self.chain_id), height)


def follow(
    chain: Chain,
    start: int,
    apply: Callable[[BlockAnswer], None],
    reverted: Callable[[], None],
    missed: Callable[..., None],
) -> Task[None]:
    """Look at a chain at every poll and read its new blocks in order; never ends.

    Args:
        chain: what is learnt goes here.
        start: the first block to read.
        apply: takes in a block.
        reverted: is told once if the chain has gone back to an earlier state; then this task ends.
        missed: is told `first` and `last` of the blocks that the chain has forgotten before they were read.
    """
    while True:
        yield Until(lambda: chain.poll_due, "the next poll", bell=chain.called)
        chain.poll_due = False
        polled_at = chain.polled_at
        try:
            status = yield from get(chain.name, "/v1/status", StatusAnswer)
            if status.chain_id != chain.chain_id:
                raise Rejected(WRONG_CHAIN, found=status.chain_id, expected=chain.chain_id)
            if status.height < chain.height or (chain.generation and status.generation != chain.generation):
                reverted()
                return
            chain.earliest_height = status.earliest_height
            first, unread = max(start, status.earliest_height), chain.scanned + 1
            chain.scanned = max(chain.scanned, min(first, status.height + 1) - 1)
            if max(start, unread) < status.earliest_height:
                missed(first=max(start, unread), last=status.earliest_height - 1)
            chain.height, chain.time, chain.generation = status.height, status.time, status.generation
            chain.earliest_state = status.earliest_state
            chain.problem = ""
            chain.looks += 1
            yield from _read_blocks(chain, apply)
            chain.looked_at = polled_at
        except Rejected as refusal:
            chain.problem = str(refusal)


def _read_blocks(chain: Chain, apply: Callable[[BlockAnswer], None]) -> Task[None]:
    while chain.scanned < chain.height:
        wanted = range(chain.scanned + 1, min(chain.height, chain.scanned + WINDOW) + 1)
        replies = yield from ask_all(tuple(Request(chain.name, f"/v1/blocks/{height}") for height in wanted))
        for height, reply in zip(wanted, replies, strict=True):
            block = read(reply, BlockAnswer, chain.name)
            for receipt in block.results.receipts:
                if receipt.hash in chain.awaited:
                    chain.receipts[receipt.hash] = receipt
            chain.scanned = height
            apply(block)


def start_polling(tasks: Tasks, chain: Chain, follower: Callable[[], Task[None]]) -> None:
    """Start the follower of a chain; a poll wakes it."""

    def failed(refusal: Rejected) -> None:
        chain.problem = str(refusal)

    tasks.keep(f"{chain.name}/blocks", follower, failed)
