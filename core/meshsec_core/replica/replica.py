"""One chain in one process: `handle(event, now) -> effects`.

A wave is what voters sign in answer to one event. Its guards and its messages become durable in one `Persist` before any voter
hears it, so a crash at any instruction loses no lock and lets nobody sign twice: the height in progress is replayed from the log.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec.structs import replace

from meshsec_core.app import App, Executed, Receipt, Results, build_machine
from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.kernel import codec
from meshsec_core.kernel.crypto import PrivateKey, Verify, sha256
from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.kernel.store.state import State
from meshsec_core.kernel.types import Address
from meshsec_core.kernel.wire.tendermint import Block, Evidence, SignedHeader
from meshsec_core.replica.chain import Tip, advance, as_seen_by_app, build_block, check_block, genesis_tip
from meshsec_core.replica.events import Committed, Deliver, Effect, Event, Fire, Halted, Persist, Tick
from meshsec_core.replica.faults import read_fault
from meshsec_core.replica.generations import Abandoned, generations
from meshsec_core.replica.height import Height
from meshsec_core.replica.history import BASE, History, commit_rows, log_row, read_log, tip_rows
from meshsec_core.replica.mempool import Mempool
from meshsec_core.replica.network import Network
from meshsec_core.replica.pool import EvidencePool
from meshsec_core.replica.pruning import KEEP, Keep, Pruning
from meshsec_core.replica.storage import CORRUPT, Storage, Table, Write, height_key
from meshsec_core.replica.voter import Voter
from meshsec_core.runtime.genesis import Genesis
from meshsec_core.runtime.module import Machine, View
from meshsec_core.security.model import SecurityModel

OTHER_GENESIS = "storage/other-genesis"

MANY_ROUNDS = 10
"""From this round on a height in progress is a reason not to be ready."""

_NONE: Mapping[str, Any] = MappingProxyType({})

SILENT_EVENTS = frozenset({"mint", "rewards", "slashing/missed"})
"""Events of every block; all others make a further block worth while, so that what they announce can be proven."""


class Replica:
    """Mempool, consensus and application of one chain, with the validators hosted here."""

    def __init__(self, app: App, keys: Mapping[str, PrivateKey], storage: Storage, tip: Tip, keep: Keep) -> None:
        self.app = app
        self.genesis: Genesis = app.genesis
        self.machine: Machine = app.machine
        self.history = History(storage)
        self.halted: str | None = None
        self._tip = tip
        self._storage = storage
        self.pruning = Pruning(storage, keep)
        self._mempool = Mempool(app)
        self.generations, self.abandoned = generations(storage), Abandoned(storage, app.genesis.chain_id)
        self._pool = EvidencePool(storage, app.machine.verify, self.history.validators, self._time_of, self.history.signed_header)
        self._height: Height | None = None
        self._logged = self._proof_due = 0
        self._in_vain = 0  # blocks in a row that took nothing of what waited
        self.voters = tuple(Voter.of(name, key, storage) for name, key in sorted(keys.items()))
        self.network = Network(self.voters)

    @classmethod
    def open(
        cls,
        genesis: Genesis,
        keys: Mapping[str, PrivateKey],
        storage: Storage,
        *,
        verify: Verify,
        models: Mapping[str, SecurityModel],
        keep: Keep = KEEP,
    ) -> "Replica":
        """Start a chain from its genesis, or bring it back from storage to exactly where it was.

        Args:
            keys: consensus keys of the validators hosted here, by name.
            keep: how many states can be proven, and how many blocks stay.

        Raises:
            Rejected: `storage/other-genesis`, `storage/corrupt`, and what `build_machine` or a module's genesis refuses.
        """
        machine, chosen = build_machine(genesis, models, verify)
        tip = History(storage).tip(genesis.chain_id)
        identity = codec.encode(genesis)
        if tip is None:
            app = App(genesis, State(stores=machine.stores, keep=keep.states), machine, chosen)
            executed = app.init_chain()
            app.commit(0, executed)
            tip = genesis_tip(genesis, executed.powers, executed.app_hash)
            rows = [Write(Table.STATE, path.encode(), value) for path, value in executed.changes.items()]
            storage.apply([Write(Table.META, BASE, identity), *rows, *tip_rows(tip)])
        else:
            if storage.get(Table.META, BASE) != identity:
                raise Rejected(OTHER_GENESIS, chain_id=genesis.chain_id)
            rows_of_state = ((key.decode(), value) for key, value in storage.scan(Table.STATE))
            state = State.open(rows_of_state, tip.height, stores=machine.stores, keep=keep.states)
            if state.app_hash(tip.height) != tip.app_hash:
                raise Rejected(CORRUPT, height=tip.height)
            state.restore_history(undo for _, undo in History(storage).undos())
            app = App(genesis, state, machine, chosen)
        app.resume(tip.time)
        return cls(app, keys, storage, tip, keep)

    def reopened(self) -> "Replica":
        """Return the replica that the rows make now, which raises as `open`; this one is of no more use."""
        keys, models = {voter.name: voter.key for voter in self.voters}, {model.name: model for model in self.app.models}
        return Replica.open(self.genesis, keys, self._storage, verify=self.machine.verify, models=models, keep=self.pruning.keep)

    # inputs

    def submit(self, raw: bytes) -> bytes:
        """Check a transaction into the mempool; return its hash.

        Raises:
            Rejected: `dev/abandoned-branch`, or why the mempool refuses it.
        """
        if self.abandoned:
            self.abandoned.check(self.app.reader.read(raw).msgs)
        found = self._mempool.add(raw)
        self._in_vain = 0
        return found

    def accuse(self, evidence: Evidence) -> list[Effect]:
        """Let evidence wait for a block; what waits or was carried already changes nothing.

        Raises:
            Rejected: `evidence/…`, `dev/abandoned-branch`.
        """
        self.abandoned.check_evidence(evidence, (self.genesis.chain_id,))
        rows = self._pool.accuse(evidence, self._tip)
        return [Persist(tuple(rows))] if rows else []

    def handle(self, event: Event, now: int) -> list[Effect]:
        """Apply one event at a logical time; return what must follow, in order. Late and duplicate events change nothing."""
        return self._or_halt(lambda: self._handle(event, now))

    def _or_halt(self, act: Callable[[], list[Effect]]) -> list[Effect]:
        """Do something, or nothing any more once a bug of ours has shown."""
        if self.halted is None:
            try:
                return act()
            except InvariantViolated as bug:
                self.halted = str(bug)
        return [Halted(self.halted)]

    def _handle(self, event: Event, now: int) -> list[Effect]:
        entry: Fire | None = None
        match event:
            case Tick():
                if self._height is not None:
                    return []
                self._begin(now)
            case Deliver() if self._height is not None:
                self._height.now = now
                self._height.deliver(event)
            case Fire(timer) if self._height is not None and timer.height == self._height.number:
                self._height.now = now
                self._height.fire(timer)
                entry = event
            case _:
                return []
        return self._flush(entry)

    def fault(self, kind: str, validator: str | None, parameters: Mapping[str, Any] = _NONE) -> None:
        """Make a validator hosted here, or all of them, misbehave from the height in progress on, until `heal` or a restart.

        Args:
            kind: as in `FAULTS`, with its parameters.
            validator: its name; all if None.

        Raises:
            Rejected: `dev/unknown-fault`, `dev/bad-fault`, `dev/unknown-validator`; nothing changes.
        """
        chosen, fault = self.network.chosen(validator), read_fault(kind, parameters)
        for voter in chosen:
            voter.misbehave(kind, fault, self._tip.height + 1)

    def partition(self, groups: Sequence[Sequence[str]]) -> list[Effect]:
        """Let messages pass only inside groups of validators, until `heal` or a restart; whoever is in none forms a last group.

        Raises:
            Rejected: `dev/unknown-validator`, `dev/bad-partition` if somebody is in two groups; nothing changes.
        """
        self.network.split(groups)
        return self._or_halt(self._spread)

    def heal(self, validator: str | None = None) -> list[Effect]:
        """End the faults of one validator, or all faults and the partition; everybody hears what was missed.

        Raises:
            Rejected: `dev/unknown-validator`.
        """
        chosen = self.network.chosen(validator)
        revived = [voter for voter in chosen if not voter.conduct.up]
        for voter in chosen:
            voter.heal()
        if validator is None:
            self.network.split(())
        return self._or_halt(lambda: self._spread(chosen, revived))

    def _spread(self, healed: Sequence[Voter] = (), revived: Sequence[Voter] = ()) -> list[Effect]:
        height = self._height
        if height is None:
            return []
        for voter in healed:
            height.release(voter.address)
        for voter in revived:
            height.join(voter)
        height.spread()
        return self._flush(None)

    # the height in progress

    def _begin(self, now: int) -> None:
        tip = self._tip
        members = tuple(voter for voter in self.voters if tip.validators.index_of(voter.address) is not None)
        self._height = Height(tip, members, self._build, self._accepts, self.machine.verify, self.network)
        self._height.now = now
        for voter in members:
            voter.turn(self._height.number)
            if voter.conduct.up:
                self._height.join(voter)
        for _, raw in list(self._storage.scan(Table.WAL)):
            self._logged += 1
            match read_log(raw):
                case Fire(timer):
                    self._height.fire(timer)
                case wave:
                    self._height.deliver(wave)

    def _flush(self, entry: Fire | None) -> list[Effect]:
        height = self._height
        if height is None:
            return []
        if height.decision is not None:
            return self._commit(height)
        wave, timers = height.take_wave()
        rows = [] if entry is None else [self._log(height, entry)]
        if wave is None:
            return [*([Persist(tuple(rows))] if rows else []), *timers]
        signers = dict.fromkeys([vote.address for vote in wave.votes] + [message.proposer for message in wave.proposals])
        rows += [
            Write(Table.GUARDS, voter.address, msgspec.msgpack.encode(voter.last))
            for voter in self.voters
            if voter.address in signers
        ]
        return [Persist((*rows, self._log(height, wave))), wave, *timers]

    def _log(self, height: Height, entry: Fire | Deliver) -> Write:
        self._logged += 1
        return Write(Table.WAL, height_key(self._logged), log_row(entry, height.seal))

    def _build(self, voter: Voter) -> Block:
        waiting, conduct = self._mempool.waiting(), voter.conduct
        if conduct.shuns:
            waiting = tuple(raw for raw in waiting if self.app.reader.read(raw).tx.signer not in conduct.shuns)
        block = build_block(self._tip, self.app.prepare_proposal(waiting), self._pool.waiting(), voter.address)
        if conduct.bad_app_hash:
            return replace(block, header=replace(block.header, app_hash=sha256(block.header.app_hash)))
        return block

    def _accepts(self, block: Block) -> bool:
        try:
            check_block(self._tip, block, self.machine.verify)
            self._pool.check(block.evidence, self._tip)
        except Rejected:
            return False
        return self.app.process_proposal(block.txs)

    def _commit(self, height: Height) -> list[Effect]:
        decision = height.decision
        if decision is None:
            raise InvariantViolated("nothing is decided")
        block = height.blocks[decision.block]
        executed = self.app.finalize_block(as_seen_by_app(self._tip, block, decision.block), block.txs)
        undo = self.app.commit(height.number, executed)
        hashes = (executed.app_hash, executed.results_hash)
        self._tip = advance(self._tip, block, decision.block, height.commit_of(decision), executed.powers, hashes)
        self.history.remember(height.number, executed.results)
        rows = commit_rows(self._tip, block, height.seal(block)[1], executed, undo)
        rows += self.pruning.rows(height.number)
        rows += self._pool.commit(block.evidence, self._tip) + self._pool.add(height.conflicts)
        rows += self.abandoned.signed(height.number, decision.block.hash, height.votes)
        rows += [Write(Table.WAL, height_key(number), None) for number in range(1, self._logged + 1)]
        self._logged, self._height = 0, None
        for voter in self.voters:
            voter.turn(self._tip.height + 1)
        self._mempool.update(block.txs)
        self._in_vain = self._in_vain + 1 if len(self._mempool) and not block.txs else 0
        if executed.results.receipts or self._announces(executed):
            self._proof_due = self._tip.height + 1
        return [Persist(tuple(rows)), Committed(self._tip.height)]

    def _announces(self, executed: Executed) -> bool:
        events = executed.results.begin_events + executed.results.end_events
        return any(event.type not in SILENT_EVENTS for event in events)

    # reads

    @property
    def height(self) -> int:
        """Height of the last block; 0 before the first."""
        return self._tip.height

    @property
    def tip(self) -> Tip:
        """What consensus knows behind the last block."""
        return self._tip

    @property
    def state(self) -> State:
        """The committed state."""
        return self.app.state

    @property
    def generation(self) -> int:
        """How often this chain has gone to another image of itself; 0 at first."""
        return self.generations[-1][0] if self.generations else 0

    @property
    def deciding(self) -> bool:
        """Whether a height is under way."""
        return self._height is not None

    @property
    def has_work(self) -> bool:
        """Whether a block is due: for what waits, unless as many proposers have shunned it, a proof, a new set, or a model."""
        sets = (self._tip.last_validators, self._tip.validators, self._tip.next_validators)
        changing = any(members.hash != sets[0].hash for members in sets)
        due = self._proof_due > self._tip.height or changing or self.app.has_work
        wanted = len(self._mempool) > 0 and self._in_vain < len(sets[1].validators)
        return due or wanted or len(self._pool) > 0

    @property
    def waiting(self) -> int:
        """How many transactions wait in the mempool."""
        return len(self._mempool)

    def waiting_txs(self) -> tuple[bytes, ...]:
        """Return the transactions in the mempool, in order of arrival."""
        return self._mempool.waiting()

    def is_waiting(self, tx_hash: bytes) -> bool:
        """Tell whether a transaction waits in the mempool."""
        return tx_hash in self._mempool

    def next_sequence(self, address: Address) -> int:
        """Return the sequence that an account's next transaction must carry, behind those that wait."""
        return self.app.next_sequence(address)

    def voting_power(self) -> tuple[int, int]:
        """Return (power of the strongest group of hosted validators that are up, total power) of the next set."""
        return self.network.strongest(self._tip.validators)[1], self._tip.validators.total_power

    def reasons(self) -> list[str]:
        """Say why no block is made; empty if consensus can go on."""
        if self.halted is not None:
            return [f"halted: {self.halted}"]
        found = [self.network.want(self._tip.validators)]
        if self._height is not None and self._height.round >= MANY_ROUNDS:
            found.append(f"height {self._height.number} is in round {self._height.round} and not decided")
        return [reason for reason in found if reason]

    def view(self, height: int | None = None) -> View:
        """Return what queries read; raises as `App.view`."""
        return self.app.view(height)

    def block(self, height: int) -> Block | None:
        """Return a committed block, or None."""
        return self.history.block(height)

    def commit(self, height: int) -> SignedHeader | None:
        """Return a header with the commit seen for it, or None."""
        return self.history.signed_header(height)

    def validators_at(self, height: int) -> ValidatorSet | None:
        """Return the set that votes on a height, up to two above the tip, or None."""
        return self.history.validators(height)

    def results(self, height: int) -> Results | None:
        """Return receipts and events of a block, or None."""
        return self.history.results(height)

    def receipt(self, tx_hash: bytes) -> Receipt | None:
        """Return the receipt of a committed transaction, or None."""
        return self.history.receipt(tx_hash)

    def _time_of(self, height: int) -> int | None:
        if height == self._tip.height:
            return self._tip.time
        results = self.history.results(height)
        return None if results is None else results.time
