"""The loop that owns a replica: it decides when a block is due, fires timers, and tells those who wait what became of a tx.

Everything here runs on one asyncio loop; only the signatures of batches are verified on other threads.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import structlog
from starlette.types import ASGIApp

from meshsec_core.app import Forgery, Receipt
from meshsec_core.kernel.crypto import MemoVerifier
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.tendermint import Evidence
from meshsec_core.replica.branch import branch_of, keys_of
from meshsec_core.replica.drive import Left, carry_out
from meshsec_core.replica.events import Committed, Effect, Event, Fire, Halted, SetTimer, Tick, Timer
from meshsec_core.replica.pruning import Keep
from meshsec_core.replica.replica import Replica
from meshsec_core.replica.storage import Batching, PowerCut, Table
from meshsec_node.ahead import Ahead
from meshsec_node.aliases import Aliases
from meshsec_node.clock import CLOCK_KEY, MeshClock, clock_row
from meshsec_node.metrics import Metrics
from meshsec_node.settings import BlockMode, Settings
from meshsec_node.snapshots import Snapshots
from meshsec_node.storage import DiskFailed, SqliteStorage
from meshsec_node.waiting import Waiting
from meshsec_sdk.models import load_models

HALTED = "node/halted"
NO_BLOCK = "dev/no-block"
REVERTED = "dev/reverted"
NO_DISK = "dev/no-disk"

STALLED_SECONDS = 10.0
"""After so long without a decision a height in progress is a reason not to be ready."""


class Runner:
    """Runs one chain: a `Node` for views, and the orders of the development routes."""

    def __init__(
        self,
        settings: Settings,
        replica: Replica,
        storage: Batching,
        verifier: MemoVerifier,
        aliases: Aliases,
        snapshots: Snapshots | None = None,
    ) -> None:
        self.settings = settings
        self.replica = replica
        self.aliases = aliases
        self.development = settings.development
        self.mode = settings.block_mode
        self.block_time = settings.block_time
        stored = storage.get(Table.META, CLOCK_KEY)
        self.clock = MeshClock(settings.clock_offset if stored is None else int(stored))
        self.metrics = Metrics(replica.genesis.chain_id)
        self.stopping = asyncio.Event()
        self.base: int | None = None
        """Of a branch, the last height that it has in common with its chain."""
        self.branches: dict[str, Runner] = {}
        self.face: ASGIApp | None = None
        """Of a branch, what answers its requests; made at the first one."""
        self.snapshots = snapshots
        """Of a chain that is on disk."""
        self.storage = storage
        self._pin()
        self._rests_until = 0.0
        self._verifier = verifier
        self.ahead = Ahead(settings.verifiers, verifier)
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._timers: dict[Timer, tuple[int, asyncio.TimerHandle]] = {}
        self._waiting = Waiting()
        self._begun = self._loop.time() - settings.heartbeat / SECOND
        self._ordered = 0
        self._log = structlog.get_logger()
        self._work: asyncio.Task[None] | None = None
        self._failure: Rejected | None = None
        """Why the disk ended the work of this process."""
        if stored is None:
            self._keep_clock()

    # what views need

    @property
    def block_mode(self) -> str:
        """The block mode's name."""
        return self.mode.value

    def submit(self, raw: bytes) -> bytes:
        """Let a transaction wait for a block; return its hash.

        Raises:
            Rejected: `node/halted`, or why the mempool refuses it.
        """
        if self.replica.halted is not None:
            raise Rejected(HALTED, reason=self.replica.halted)
        found = self.replica.submit(raw)
        self._wake.set()
        return found

    def accuse(self, evidence: Evidence) -> None:
        """Let evidence wait for a block.

        Raises:
            Rejected: `node/halted`, or why it proves nothing here.
        """
        if self.replica.halted is not None:
            raise Rejected(HALTED, reason=self.replica.halted)
        self._follow(self._carried_out(lambda: self.replica.accuse(evidence)))
        self._wake.set()

    def reasons(self) -> list[str]:
        """Return why the chain is not ready; empty if it makes blocks."""
        found = self.replica.reasons()
        if self.replica.halted is not None:
            return found
        if self.replica.height == 0 and self.mode is not BlockMode.MANUAL:
            found.append("no block yet")
        if self.replica.deciding and self._loop.time() - self._begun > STALLED_SECONDS:
            found.append(f"height {self.replica.height + 1} is not decided since {self._loop.time() - self._begun:.0f} s")
        return found

    # the loop

    async def run(self) -> None:
        """Make blocks until `stop`.

        Raises:
            Rejected: `storage/…` if the disk failed; everything has ended.
        """
        while not self.stopping.is_set():
            delay = self._delay()
            if delay is None or delay > 0:
                await self._sleep(delay)
            else:
                self._begun = self._loop.time()
                self._feed(Tick())
                await asyncio.sleep(0)
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Let the loop, everyone who waits and every stream of events end."""
        self.stopping.set()
        for name in list(self.branches):
            self.end_fork(name)
        self._wake.set()
        for _, handle in self._timers.values():
            handle.cancel()
        self._waiting.stop()
        self.ahead.stop()

    def _delay(self) -> float | None:
        """Return seconds until the next height is due, or None if only an order or a decision can make it so."""
        if self.replica.halted is not None or self.replica.deciding:
            return None
        if self._rests > 0:
            return self._rests
        if self._ordered > 0:
            return 0.0
        since = self._loop.time() - self._begun
        match self.mode:
            case BlockMode.INTERVAL:
                return self.block_time / SECOND - since
            case BlockMode.AUTO:
                return 0.0 if self.replica.has_work else self.settings.heartbeat / SECOND - since
            case BlockMode.MANUAL:
                return None

    async def _sleep(self, delay: float | None) -> None:
        self._wake.clear()
        handle = None if delay is None else self._loop.call_later(delay, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            if handle is not None:
                handle.cancel()

    def _feed(self, event: Event) -> None:
        try:
            self._follow(self._carried_out(lambda: self.replica.handle(event, self.clock.now())))
        except DiskFailed as failure:
            self.give_up(failure.refusal)
        except Exception as bug:
            self._log.error("bug", exc_info=bug)
            self._halt(f"{type(bug).__name__}: {bug}")

    def _carried_out(self, begin: Callable[[], list[Effect]]) -> list[Left]:
        """Do something with the replica, and all that follows from it at once, with one write to disk.

        The voters are all in this process and nobody else is answered meanwhile, so what they tell each other is heard by nobody
        outside before it is durable. A crash loses all of it or nothing: nobody remembers a signature that no guard holds.
        """
        with self.storage.together():
            return carry_out(self.replica, self.storage, begin(), self.clock.now())

    def give_up(self, refusal: Rejected) -> None:
        """End the process because the disk failed: memory may be ahead of it, and nothing more may be signed or answered.

        Whoever lets work begin calls it: the loop and its timers, and the server for what is asked.
        """
        if self._failure is None:
            self._failure = refusal
            self._halt(str(refusal))
            self.stop()

    def _follow(self, left: list[Left]) -> None:
        for effect in left:
            match effect:
                case SetTimer():
                    self._arm(effect.timer, self.clock.now() + effect.after)
                case Committed():
                    self._committed(effect.height)
                case Halted():
                    self._halt(effect.reason)

    def _arm(self, timer: Timer, due: int) -> None:
        known = self._timers.pop(timer, None)
        if known is not None:
            known[1].cancel()
        handle = self._loop.call_later(max(0, due - self.clock.now()) / SECOND, self._fire, timer)
        self._timers[timer] = (due, handle)

    def _fire(self, timer: Timer) -> None:
        if self._rests > 0:
            self._arm(timer, self.clock.now() + int(self._rests * SECOND))
            return
        self._timers.pop(timer, None)
        self._feed(Fire(timer))

    def _halt(self, reason: str) -> None:
        self.replica.halted = reason
        self._log.error("halted", height=self.replica.height, reason=reason)
        self._waiting.disappoint(Rejected(HALTED, reason=reason))
        self._publish()

    def _committed(self, height: int) -> None:
        self._ordered = max(0, self._ordered - 1)
        for timer in [timer for timer in self._timers if timer.height <= height]:
            self._timers.pop(timer)[1].cancel()
        results = self.replica.results(height)
        if results is not None:
            self.metrics.committed(results, self._loop.time() - self._begun)
            self._waiting.answer(results.receipts, self.replica.is_waiting)
            for event in results.events:
                self._log.debug(event.type, height=height, **{f"at_{name}": text for name, text in event.attributes})
        self._log.debug("block", height=height)
        self._publish()

    def _publish(self) -> None:
        self._waiting.tell()
        self._wake.set()

    # waiting

    async def receipt_of(self, tx_hash: bytes, seconds: float) -> Receipt | None:
        """Wait for a transaction's receipt; None if it takes longer than so many seconds.

        Raises:
            Rejected: `tx/dropped` if a block made it invalid, `node/halted`.
        """
        return self.replica.receipt(tx_hash) or await self._waiting.receipt(tx_hash, seconds)

    async def news(self, height: int, generation: int, seconds: float) -> bool:
        """Wait until there is a block above a height of a generation; False after so many seconds, or when there will be none."""
        if not await self._waiting.until(lambda: not self._expects(height, generation), seconds):
            return False
        return self.replica.height > height and self.replica.generation == generation

    def _expects(self, height: int, generation: int) -> bool:
        over = self.stopping.is_set() or self.replica.halted is not None or self.replica.generation != generation
        return self.replica.height <= height and not over

    # orders

    async def mine(self, blocks: int, seconds: float = 30.0) -> int:
        """Make so many blocks now; return the height.

        Raises:
            Rejected: `dev/no-block` if they take longer than so many seconds, `node/halted`, `dev/reverted`.
        """
        target, generation = self.replica.height + blocks, self.replica.generation
        self._ordered += blocks
        self._wake.set()
        while self.replica.height < target:
            if not await self.news(self.replica.height, generation, seconds):
                if self.replica.generation != generation:
                    raise Rejected(REVERTED, generation=self.replica.generation)
                self._ordered = 0
                if self.replica.halted is not None:
                    raise Rejected(HALTED, reason=self.replica.halted)
                raise Rejected(NO_BLOCK, height=self.replica.height, reason="; ".join(self.reasons()))
        return self.replica.height

    def set_mode(self, mode: BlockMode, block_time: int | None) -> None:
        """Change when blocks are made; `block_time` in nanoseconds counts in interval mode."""
        for branch in self.branches.values():
            branch.set_mode(mode, block_time)
        self.mode = mode
        self.block_time = self.block_time if block_time is None else block_time
        self._wake.set()

    def set_clock(self, offset: int) -> None:
        """Move logical time; timers that are due meanwhile fire at once."""
        self.clock.offset = offset
        self._keep_clock()
        for timer, (due, _) in list(self._timers.items()):
            self._arm(timer, due)
        for branch in self.branches.values():
            branch.set_clock(offset)

    @property
    def _rests(self) -> float:
        return self._rests_until - self._loop.time()

    def rest(self, seconds: float) -> None:
        """Decide no block for so long; what is ordered meanwhile is done afterwards."""
        self._rests_until = self._loop.time() + seconds
        self._wake.set()

    def begin_generation(self, offset: int) -> None:
        """Go on from rows that were put in the place of ours: faults and branches end, and whoever waits is told."""
        for name in list(self.branches):
            self.end_fork(name)
        while self._timers:
            self._timers.popitem()[1][1].cancel()
        self.replica = self.replica.reopened()
        self._pin()
        self._waiting.disappoint(Rejected(REVERTED, generation=self.replica.generation))
        self.clock.offset = offset
        self._ordered, self._rests_until, self._begun = 0, 0.0, self._loop.time()
        self._publish()

    def _pin(self) -> None:
        """Let the chain forget no block above a snapshot: a revert must know what it gives up."""
        if self.snapshots is not None:
            self.replica.pruning.pinned = self.snapshots.lowest

    def _keep_clock(self) -> None:
        self.storage.apply([clock_row(self.clock.offset)])

    def fault(self, kind: str, validator: str | None, parameters: Mapping[str, Any]) -> None:
        """Make a validator misbehave; see `Replica.fault`."""
        self.replica.fault(kind, validator, parameters)

    def partition(self, groups: Sequence[Sequence[str]]) -> None:
        """Let messages pass only inside groups of validators; see `Replica.partition`."""
        self._follow(self._carried_out(lambda: self.replica.partition(groups)))

    def heal(self, validator: str | None = None) -> None:
        """End the faults of one validator; or all of them, all branches, and a power cut to come. See `Replica.heal`."""
        if validator is None and isinstance(self.storage, SqliteStorage):
            self.storage.cut = None
        self._follow(self._carried_out(lambda: self.replica.heal(validator)))
        for name in list(self.branches) if validator is None else ():
            self.end_fork(name)

    def cut_power(self, cut: PowerCut) -> None:
        """Let this process die before a write, as if the power failed.

        Raises:
            Rejected: `dev/no-disk` for a chain in memory, such as a branch.
        """
        if not isinstance(self.storage, SqliteStorage):
            raise Rejected(NO_DISK, chain_id=self.replica.genesis.chain_id)
        self.storage.cut = cut

    def fork(self, name: str, validators: Collection[str], *, late: bool) -> None:
        """Begin a branch behind the last block: rows in memory, a loop and a face of its own, the clock and mode of the chain.

        Raises:
            Rejected: `dev/unknown-validator`.
        """
        chain = self.replica
        keys = keys_of({voter.name: voter.key for voter in chain.voters}, validators)
        storage = branch_of(self.storage, chain.tip, late=late)
        models = load_models(chain.genesis.models)
        keep = Keep(self.settings.keep_states)
        replica = Replica.open(chain.genesis, keys, storage, verify=self._verifier, models=models, keep=keep)
        branch = self.branches[name] = Runner(self.settings, replica, storage, self._verifier, self.aliases)
        branch.base = chain.height
        branch._begun = self._loop.time()  # it does not begin with a heartbeat of its own
        branch.set_mode(self.mode, self.block_time)
        branch._work = self._loop.create_task(branch.run())

    def end_fork(self, name: str) -> None:
        """End a branch, and whoever waits for it."""
        self.branches.pop(name).stop()

    def forge(self, forgery: Forgery) -> None:
        """Let the next block of a branch begin with a forged state; see `App.forge`."""
        self.replica.app.forge(forgery)
        self._wake.set()
