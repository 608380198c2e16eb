"""A chain of some modules without consensus: blocks are made up, transactions are messages of a signer. For tests of modules.

    chain = Chain((AUTH, BANK, STAKING), balances={"alice": 1_000})
    chain.send("alice", Delegate(chain.validator(0), 100))
    chain.block(time_step=5 * SECOND, absent={1})

The chain is always inside a block: `send` and `ctx` run in it, `block` ends it and begins the next. Laws are checked when asked.
"""

from collections.abc import Collection, Mapping
from typing import Any

from meshsec_core.kernel import codec, crypto
from meshsec_core.kernel.crypto import PrivateKey, account, address_of, operator, sha256
from meshsec_core.kernel.store.overlay import Empty, Overlay
from meshsec_core.kernel.types import SECOND, Address, ChainId, Denom, ValidatorId
from meshsec_core.modules import bank
from meshsec_core.modules.staking import state as staking
from meshsec_core.runtime.genesis import Genesis, GenesisValidator
from meshsec_core.runtime.law import hold_alone
from meshsec_core.runtime.module import Block, Ctx, Event, Machine, Misbehaviour, Module, Msg, View, VoteSeen

GENESIS_TIME = 1_700_000_000 * SECOND
SELF_BOND = 1_000_000
"""Base units that each validator's operator has at stake from the start."""


def key_of(path: str) -> PrivateKey:
    """Return the key that a name stands for in these tests."""
    return PrivateKey(sha256(b"test key/" + path.encode()))


class Written(Overlay):
    """A state that counts what is written to it."""

    __slots__ = ("writes",)

    def __init__(self) -> None:
        super().__init__(Empty())
        self.writes = 0

    def _touch(self, key: str, value: bytes | None) -> None:
        self.writes += 1
        super()._touch(key, value)


class Chain:
    """One chain of the given modules, from genesis on, inside its first block."""

    def __init__(
        self,
        modules: tuple[Module[Any], ...],
        prefix: str = "osmo",
        denom: str = "uosmo",
        validators: int | tuple[int, ...] = 4,
        balances: Mapping[str, int | Mapping[str, int]] | None = None,
        modules_genesis: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Start a chain.

        Args:
            modules: in block order, bank before staking.
            prefix: bech32 prefix of its addresses.
            denom: staking denomination.
            validators: how many, with `SELF_BOND` each, or their self-bonds.
            balances: by name or address: base units of `denom`, or of several denominations.
            modules_genesis: module name to the fields of its genesis struct that differ from the defaults.
        """
        self.prefix = prefix
        self.machine = Machine(modules, prefix=prefix, denom=Denom(denom), verify=crypto.verify)
        self.state = Written()
        self.events: list[Event] = []
        """All events since genesis."""
        self.bonds = (SELF_BOND,) * validators if isinstance(validators, int) else validators
        self.genesis = self._genesis(Denom(denom), balances or {}, modules_genesis or {})
        self.ctx = Ctx(self.state, Block(self.genesis.chain_id, 0, GENESIS_TIME), self.machine)
        """Runs in the current block and keeps what it writes; its signer is nobody."""
        for module in modules:
            if module.init is not None:
                module.init(self.ctx, self._section(module))
        genesis_set = staking.active_set(self.state)
        self._sets = {1: genesis_set, 2: genesis_set}
        self._begin(SECOND, (), ())

    def address(self, name: str) -> Address:
        """Return the account of a name; what is an address already stays one."""
        if name.startswith(self.prefix + "1"):
            return Address(name)
        return account(self.prefix, address_of(key_of(name).public_key))

    def validator(self, index: int) -> ValidatorId:
        """Return the operator id of a validator; its operator's account is `address(f"val-{index}")`."""
        return operator(self.prefix, address_of(key_of(f"val-{index}").public_key))

    def consensus_key(self, index: int) -> PrivateKey:
        """Return the key with which a validator votes."""
        return key_of(f"val-{index}/consensus")

    def send(self, signer: str, *msgs: Msg) -> list[Event]:
        """Run messages in one transaction of a signer (name or address); return its events.

        Raises:
            Rejected: what a message refuses; nothing is left of any of them.
        """
        with self.ctx.branch() as branch:
            for msg in msgs:
                branch.handle(msg, self.address(signer))
        self.events.extend(branch.events)
        return branch.events

    def block(
        self,
        time_step: int = SECOND,
        absent: Collection[int] = (),
        misbehaviour: Collection[Misbehaviour] = (),
    ) -> list[Event]:
        """End the current block and begin the next; return the events of both.

        Args:
            time_step: nanoseconds from block to block.
            absent: indexes of the validators whose votes the next block's last commit lacks.
            misbehaviour: evidence that the next block carries.
        """
        ended = self.end()
        return ended + self._begin(time_step, absent, misbehaviour)

    def blocks(self, count: int, time_step: int = SECOND, absent: Collection[int] = ()) -> None:
        """Make several blocks alike."""
        for _ in range(count):
            self.block(time_step, absent)

    def end(self) -> list[Event]:
        """End the current block without beginning another, so that what a block leaves behind can be looked at."""
        events = self._run([module.end_block for module in reversed(self.machine.modules)])
        self._sets[self.ctx.height + 2] = staking.active_set(self.state)
        return events

    def view(self) -> View:
        """Return what a query would read now."""
        return View(self.state, self.machine, self.ctx.height, self.ctx.time)

    def query(self, path: str, **parameters: str) -> Any:
        """Ask a module: `query("staking/validators")`."""
        return self.machine.queries[path](self.view(), **parameters)

    def check_laws(self) -> None:
        """Check every law of every module as at the end of a block; the current block goes on as if it had not been checked.

        Raises:
            InvariantViolated: a law does not hold.
        """
        ended = Overlay(self.state)
        ctx = Ctx(ended, self.ctx.block, self.machine)
        for module in reversed(self.machine.modules):
            if module.end_block is not None:
                module.end_block(ctx)
        hold_alone(View(ended, self.machine, ctx.height, ctx.time))

    def balance(self, name: str, denom: str | None = None) -> int:
        """Return what an account holds of the chain's own coin, or of another."""
        return bank.balance(self.state, self.address(name), Denom(denom or self.machine.denom))

    def snapshot(self) -> dict[str, bytes]:
        """Return all that is kept, to compare."""
        return {key: value for key, value in self.state.changes.items() if value is not None}

    def _begin(self, time_step: int, absent: Collection[int], misbehaviour: Collection[Misbehaviour]) -> list[Event]:
        away = [address_of(self.consensus_key(index).public_key) for index in absent]
        votes = [
            VoteSeen(address=address_of(member.public_key), power=member.power, signed=address_of(member.public_key) not in away)
            for member in self._sets.get(self.ctx.height, ())
        ]
        block = Block(
            chain_id=self.genesis.chain_id,
            height=self.ctx.height + 1,
            time=self.ctx.time + time_step,
            proposer=votes[0].address if votes else b"",
            last_commit=tuple(votes),
            misbehaviour=tuple(misbehaviour),
        )
        self.ctx = Ctx(self.state, block, self.machine)
        return self._run([module.begin_block for module in self.machine.modules])

    def _run(self, steps: list[Any]) -> list[Event]:
        since = len(self.ctx.events)
        for step in steps:
            if step is not None:
                step(self.ctx)
        self.events.extend(self.ctx.events[since:])
        return self.ctx.events[since:]

    def _genesis(
        self, denom: Denom, balances: Mapping[str, int | Mapping[str, int]], modules: Mapping[str, Mapping[str, Any]]
    ) -> Genesis:
        return Genesis(
            chain_id=ChainId(f"{self.prefix}-1"),
            prefix=self.prefix,
            denom=denom,
            time=GENESIS_TIME,
            validators=tuple(
                GenesisValidator(f"val-{index}", self.validator(index), self.consensus_key(index).public_key, bond)
                for index, bond in enumerate(self.bonds)
            ),
            balances={
                self.address(name): {denom: held} if isinstance(held, int) else {Denom(kind): held[kind] for kind in held}
                for name, held in balances.items()
            },
            modules={name: dict(fields) for name, fields in modules.items()},
        )

    def _section(self, module: Module[Any]) -> Any:
        """Return what a module's init is given: its section, or the whole document if it declares none."""
        if module.genesis is None:
            return self.genesis
        return codec.convert(self.genesis.modules.get(module.name, {}), module.genesis)
