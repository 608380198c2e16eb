"""The application of one chain, ABCI-shaped: from init_chain and check_tx to finalize_block, commit and query.

A block is executed once per process: results are remembered by (parent app hash, block hash), so that many voters, forks and
Byzantine proposals cost only what they differ in.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from meshsec_core.ibc.echo import ECHO
from meshsec_core.ibc.module import IBC
from meshsec_core.ibc.prices import PRICES
from meshsec_core.ibc.redundancy import refuse_redundant
from meshsec_core.ibc.transfer import TRANSFER
from meshsec_core.kernel import codec
from meshsec_core.kernel.crypto import Verify, sha256
from meshsec_core.kernel.errors import InvariantViolated, Rejected, told
from meshsec_core.kernel.store.overlay import Empty, Overlay
from meshsec_core.kernel.store.state import Prepared, State
from meshsec_core.kernel.types import Address, Denom
from meshsec_core.kernel.wire.hashes import results_hash
from meshsec_core.modules.auth import AUTH, authenticate, sequence
from meshsec_core.modules.bank import BANK, set_balance
from meshsec_core.modules.distribution import DISTRIBUTION
from meshsec_core.modules.gov.module import GOV
from meshsec_core.modules.mint import MINT
from meshsec_core.modules.slashing import SLASHING
from meshsec_core.modules.staking.module import STAKING
from meshsec_core.modules.staking.state import active_powers
from meshsec_core.runtime.genesis import UNKNOWN_MODEL, VERSION, Genesis, check
from meshsec_core.runtime.module import Block, Ctx, Event, Machine, Module, Msg, View
from meshsec_core.runtime.reading import Reader
from meshsec_core.runtime.tx import ReadTx
from meshsec_core.security.model import BAD_MODEL, SecurityModel

GENESIS_VERSION = "genesis/version"
UNKNOWN_MODULE = "genesis/unknown-module"

OK = ""
"""Code of a receipt whose messages all took effect."""

MODULES = (AUTH, BANK, STAKING, SLASHING, MINT, DISTRIBUTION, GOV, IBC, TRANSFER, ECHO, PRICES)
"""What every chain runs, in begin-block order; the models follow."""


class Receipt(msgspec.Struct, frozen=True):
    """What became of one transaction."""

    hash: str
    """Lower hex of the transaction hash."""
    height: int
    index: int
    signer: Address
    msgs: tuple[str, ...]
    """Types of the messages."""
    code: str
    """Empty if all messages took effect; otherwise the code of the refusal, and no message did."""
    facts: dict[str, str]
    gas_used: int
    """Store operations, reads and writes."""
    events: tuple[Event, ...]


class Results(msgspec.Struct, frozen=True):
    """What a block did."""

    height: int
    time: int
    receipts: tuple[Receipt, ...]
    begin_events: tuple[Event, ...]
    end_events: tuple[Event, ...]

    @property
    def events(self) -> tuple[Event, ...]:
        """All events of the block, in order."""
        inner = tuple(event for receipt in self.receipts for event in receipt.events)
        return self.begin_events + inner + self.end_events


@dataclass(frozen=True, slots=True)
class Executed:
    """A block's outcome, not yet committed."""

    results: Results
    prepared: Prepared
    changes: Mapping[str, bytes | None]
    """Path to new value, or None where it is deleted."""
    powers: tuple[tuple[bytes, int], ...]
    """(public key, power) of every validator that should vote from two heights on."""

    @property
    def app_hash(self) -> bytes:
        """Root of the state after the block; the next header carries it."""
        return self.prepared.app_hash

    @property
    def results_hash(self) -> bytes:
        """Root over the receipts; the next header carries it."""
        return results_hash([(0 if r.code == OK else 1, r.code.encode(), 0, r.gas_used) for r in self.results.receipts])


class Forgery(msgspec.Struct, frozen=True):
    """A balance that an account is to have although no transaction gives it to it."""

    address: Address
    denom: Denom
    amount: int
    """Base units."""


class App:
    """One chain's state and modules behind an ABCI-shaped face. Mutated by `commit` only."""

    def __init__(self, genesis: Genesis, state: State, machine: Machine, models: tuple[SecurityModel, ...]) -> None:
        self.genesis = genesis
        self.state = state
        self.machine = machine
        self.models = models
        self._executed: dict[tuple[bytes, bytes], Executed] = {}
        self.reader = Reader(machine)
        self._check: Overlay = Overlay(state)
        self._forged: list[Forgery] = []

    def forge(self, forgery: Forgery) -> None:
        """Begin the next block from a state that no honest execution gives; everybody who runs this application will sign it.

        Raises:
            Rejected: as `bank.set_balance`.
        """
        forged = [*self._forged, forgery]
        self._apply(Overlay(self.state), self._next_block(), forged)
        self._forged = forged

    def _apply(self, overlay: Overlay, block: Block, forged: Iterable[Forgery]) -> None:
        for item in forged:
            set_balance(Ctx(overlay, block, self.machine), item.address, item.denom, item.amount)

    # ABCI: InitChain

    def init_chain(self) -> Executed:
        """Write the first state by the modules' genesis sections.

        Raises:
            Rejected: `genesis/unknown-module`, `codec/malformed` for a section that does not fit its module, or what a module
                refuses.
        """
        known = [module.name for module in self.machine.modules]
        for name in self.genesis.modules:
            if name not in known:
                raise Rejected(UNKNOWN_MODULE, module=name[:100], known=", ".join(known))
        overlay = Overlay(Empty())
        ctx = Ctx(overlay, Block(self.genesis.chain_id, 0, self.genesis.time), self.machine)
        for module in self.machine.modules:
            if module.init is not None and module.genesis is not None:
                given = self.genesis.modules.get(module.name, {})
                module.init(ctx, codec.convert(given, module.genesis))
            elif module.init is not None:
                module.init(ctx, self.genesis)
        prepared = self.state.preview(overlay.changes)
        results = Results(0, self.genesis.time, (), (), tuple(ctx.events))
        return Executed(results, prepared, overlay.changes, self._powers(overlay))

    # ABCI: CheckTx

    def check_tx(self, raw: bytes, *, again: bool = False) -> ReadTx:
        """Let a transaction into the mempool: read it, verify who signed it, take its fee and sequence in the check state.

        Args:
            raw: the transaction.
            again: it was let in before, and a block has been made since.

        Raises:
            Rejected: why the transaction would not even be included, or `ibc/redundant` for a new one that would change
                nothing; the check state is unchanged.
        """
        try:
            read = self.reader.read(raw)
            overlay = Overlay(self._check)
            authenticate(Ctx(overlay, self._next_block(), self.machine, read.tx.signer), read)
            if not again:
                # behind the sequence: a transaction that a block holds already is told so, and not that it is redundant
                refuse_redundant(self.state, read.msgs)
        except Rejected:
            self.reader.forget(sha256(raw))
            raise
        overlay.merge()
        return read

    def next_sequence(self, address: Address) -> int:
        """Return the sequence that an account's next transaction must carry, behind those that wait."""
        return sequence(self._check, address)

    def simulate(self, signer: Address, msgs: tuple[Msg, ...]) -> Receipt:
        """Run messages on the check state as the next block would, and forget what they wrote."""
        return self._run(Overlay(self._check), self._next_block(), signer, msgs, "", 0)

    def _next_block(self) -> Block:
        return Block(self.genesis.chain_id, self.state.height + 1, self._last_time)

    _last_time = 0

    # ABCI: PrepareProposal and ProcessProposal

    def prepare_proposal(self, waiting: Iterable[bytes]) -> tuple[bytes, ...]:
        """Choose transactions for a block, first come first served, within the limits of the genesis."""
        chosen: list[bytes] = []
        size = 0
        for raw in waiting:
            size += len(raw)
            if len(chosen) == self.genesis.max_txs or size > self.genesis.max_bytes:
                break
            chosen.append(raw)
        return tuple(chosen)

    def process_proposal(self, txs: tuple[bytes, ...]) -> bool:
        """Accept a proposal whose transactions are within limits and can be read."""
        if len(txs) > self.genesis.max_txs or sum(map(len, txs)) > self.genesis.max_bytes:
            return False
        try:
            for raw in txs:
                self.reader.read(raw)
        except Rejected:
            return False
        return True

    # ABCI: FinalizeBlock

    def finalize_block(self, block: Block, txs: tuple[bytes, ...]) -> Executed:
        """Execute a decided block on the committed state; remembered by parent and block.

        Raises:
            InvariantViolated: a bug of ours; the chain must halt.
        """
        key = (self.state.app_hash(self.state.height), block.hash)
        executed = self._executed.get(key)
        if executed is None:
            executed = self._executed[key] = self._execute(block, txs)
        return executed

    def _execute(self, block: Block, txs: tuple[bytes, ...]) -> Executed:
        overlay = Overlay(self.state)
        try:
            self._apply(overlay, block, self._forged)
            opening = Ctx(overlay, block, self.machine)
            for module in self.machine.modules:
                if module.begin_block is not None:
                    module.begin_block(opening)
            receipts = tuple(self._deliver(overlay, block, raw, index) for index, raw in enumerate(txs))
            closing = Ctx(overlay, block, self.machine)
            for module in reversed(self.machine.modules):
                if module.end_block is not None:
                    module.end_block(closing)
        except InvariantViolated:
            raise
        except Exception as error:
            raise InvariantViolated(f"block {block.height}: {told(error)}") from error
        results = Results(block.height, block.time, receipts, tuple(opening.events), tuple(closing.events))
        return Executed(results, self.state.preview(overlay.changes), overlay.changes, self._powers(overlay))

    def _powers(self, overlay: Overlay) -> tuple[tuple[bytes, int], ...]:
        powers = active_powers(overlay)
        for model in self.models:
            powers = model.shape_power(overlay, powers)
        return powers

    def _deliver(self, below: Overlay, block: Block, raw: bytes, index: int) -> Receipt:
        try:
            read = self.reader.read(raw)
        except Rejected as refusal:
            return _refused(sha256(raw).hex(), block.height, index, refusal)
        overlay = Overlay(below)
        opening = Ctx(overlay, block, self.machine, read.tx.signer)
        try:
            authenticate(opening, read)
        except Rejected as refusal:
            return _refused(read.hash.hex(), block.height, index, refusal)
        overlay.merge()
        receipt = self._run(Overlay(below), block, read.tx.signer, read.msgs, read.hash.hex(), index)
        return msgspec.structs.replace(
            receipt, events=(*opening.events, *receipt.events), gas_used=receipt.gas_used + overlay.operations
        )

    def _run(self, overlay: Overlay, block: Block, signer: Address, msgs: tuple[Msg, ...], tx_hash: str, index: int) -> Receipt:
        ctx = Ctx(overlay, block, self.machine, signer)
        code, facts = OK, {}
        try:
            for msg in msgs:
                self.machine.handler(msg)(ctx, msg)
            if tx_hash:
                overlay.merge()
        except Rejected as refusal:
            ctx.events.clear()
            code, facts = refusal.code, refusal.texts
        tags = tuple(str(type(msg).__struct_config__.tag) for msg in msgs)
        return Receipt(tx_hash, block.height, index, signer, tags, code, facts, overlay.operations, tuple(ctx.events))

    # ABCI: Commit

    def commit(self, height: int, executed: Executed) -> tuple[tuple[str, bytes | None], ...]:
        """Make a block's outcome the state; return what its writes replaced. The check state starts afresh."""
        undo = self.state.commit(height, executed.prepared)
        for receipt in executed.results.receipts:
            self.reader.forget(bytes.fromhex(receipt.hash))
        self._executed.clear()
        self._forged.clear()
        self.resume(executed.results.time)
        return undo

    def resume(self, time: int) -> None:
        """Start the check state afresh at the committed height, whose block had this time."""
        self._check = Overlay(self.state)
        self._last_time = time

    # ABCI: Query

    def view(self, height: int | None = None) -> View:
        """Return what queries read at a height; the latest by default.

        Raises:
            Rejected: `state/pruned`, `state/future-height`.
        """
        if height is None or height == self.state.height:
            return View(self.state, self.machine, self.state.height, self._last_time)
        return View(self.state.at(height), self.machine, height, 0)

    @property
    def has_work(self) -> bool:
        """Whether a model, or a forger, waits for a further block."""
        return bool(self._forged) or any(model.has_work(self.state) for model in self.models)


def _refused(tx_hash: str, height: int, index: int, refusal: Rejected) -> Receipt:
    return Receipt(tx_hash, height, index, Address(""), (), refusal.code, refusal.texts, 0, ())


def build_machine(
    genesis: Genesis, models: Mapping[str, SecurityModel], verify: Verify
) -> tuple[Machine, tuple[SecurityModel, ...]]:
    """Join the modules of a chain with those of the models that its genesis names.

    Raises:
        Rejected: `genesis/version`, `genesis/bad-value`; `genesis/unknown-model` for a model that is missing or of another
            version; `model/bad` for one that has the name of something else on the chain.
    """
    if genesis.version != VERSION:
        raise Rejected(GENESIS_VERSION, found=genesis.version, expected=VERSION)
    check(genesis)
    chosen = []
    for name, version in genesis.models.items():
        model = models.get(name)
        if model is None or fingerprint(model) != version:
            raise Rejected(UNKNOWN_MODEL, model=name, version=version, known=", ".join(models))
        if any(name in {module.name, *module.stores, *module.ports} for module in MODULES):
            raise Rejected(BAD_MODEL, model=name, found=name, expected="a name that no module, store or port of the chain has")
        chosen.append(model)
    modules: tuple[Module[Any], ...] = (*MODULES, *(module for model in chosen for module in _modules(model)))
    return Machine(modules, prefix=genesis.prefix, denom=genesis.denom, verify=verify), tuple(chosen)


def _modules(model: SecurityModel) -> tuple[Module[Any], ...]:
    """Return a model's modules; its measures are queries like any other, under `<model>/measures`."""
    return (model.provider, model.consumer, Module(f"{model.name}/measures", queries=model.measures))


def fingerprint(model: SecurityModel) -> str:
    """Name the version of a model by what its inputs look like: 16 hex digits, written into genesis documents."""
    modules = (model.provider, model.consumer)
    inputs = {str(kind.__struct_config__.tag): list(kind.__struct_fields__) for module in modules for kind in module.handlers}
    return sha256(codec.encode({"name": model.name, "source": model.source, "inputs": inputs})).hex()[:16]
