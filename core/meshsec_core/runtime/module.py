"""Modules and what they are made of: messages, events, signals, ports, and the context in which handlers run.

A `Module` is a frozen value built once from an explicit table at the end of its file. Handlers write to `ctx.store`; raising
`Rejected` drops what they wrote.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

from meshsec_core.kernel.crypto import Verify, module_account
from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.kernel.store.overlay import Overlay, Reader
from meshsec_core.kernel.types import Address, ChainId, Denom
from meshsec_core.kernel.wire.ibc import Packet

NOBODY = Address("")
UNKNOWN_MESSAGE = "tx/unknown-message"
UNKNOWN_QUERY = "query/unknown"


class Msg(msgspec.Struct, frozen=True, tag_field="@type", forbid_unknown_fields=True):
    """An input of a state machine, named in the imperative; its signer is in the context. A subclass sets `tag="module/Name"`."""


class Event(msgspec.Struct, frozen=True):
    """What happened, for indexers and readers; never read back by a state machine."""

    type: str
    attributes: tuple[tuple[str, str], ...]


class Signal:
    """What one module tells others in the same step. Subclasses are frozen dataclasses; modules subscribe by type."""


class VoteSeen(msgspec.Struct, frozen=True):
    """A validator's part in the last commit."""

    address: bytes
    """Consensus address, 20 bytes."""
    power: int
    signed: bool


class Misbehaviour(msgspec.Struct, frozen=True):
    """Verified evidence that the block carries against one validator."""

    kind: str
    """`duplicate-vote` or `light-client-attack`."""
    address: bytes
    height: int
    time: int
    power: int
    total_power: int


class Block(msgspec.Struct, frozen=True):
    """The block that is being executed, as the application sees it."""

    chain_id: ChainId
    height: int
    time: int
    """Nanoseconds; the header's time."""
    proposer: bytes = b""
    """Consensus address of the proposer."""
    last_commit: tuple[VoteSeen, ...] = ()
    misbehaviour: tuple[Misbehaviour, ...] = ()
    hash: bytes = b""


@dataclass(slots=True)
class Ctx:
    """Where a handler runs: the state it may write, the block it is in, who asks, and the modules around it."""

    store: Overlay
    block: Block
    machine: "Machine"
    signer: Address = NOBODY
    """Who signed the transaction; empty outside of transactions."""
    events: list[Event] = field(default_factory=list)

    @property
    def chain_id(self) -> ChainId:
        """The chain's id."""
        return self.block.chain_id

    @property
    def height(self) -> int:
        """Height of the block in execution."""
        return self.block.height

    @property
    def time(self) -> int:
        """Time of the block in execution, in nanoseconds. The only clock there is."""
        return self.block.time

    @property
    def prefix(self) -> str:
        """Bech32 prefix of the chain's account addresses."""
        return self.machine.prefix

    @property
    def denom(self) -> Denom:
        """The staking and fee denomination."""
        return self.machine.denom

    @property
    def verify(self) -> Verify:
        """The signature check that the shell handed in."""
        return self.machine.verify

    def module_account(self, name: str) -> Address:
        """Return the address of an account that only modules move."""
        return module_account(self.machine.prefix, name)

    def emit(self, type: str, **attributes: object) -> None:  # noqa: A002
        """Record an event; values are spelled with `str`, attribute order is kept."""
        self.events.append(Event(type, tuple((name, str(value)) for name, value in attributes.items())))

    def signal(self, signal: Signal) -> None:
        """Tell every module that subscribed to this type of signal, in module order."""
        for react in self.machine.hooks.get(type(signal), ()):
            react(self, signal)

    @contextmanager
    def branch(self) -> Iterator["Ctx"]:
        """Run a part whose writes and events are kept only if it does not raise; the exception goes on to the caller."""
        below = self.store
        inner = Ctx(Overlay(below), self.block, self.machine, self.signer, [])
        try:
            yield inner
        except Rejected:
            below.operations += inner.store.operations
            raise
        inner.store.merge()
        self.events.extend(inner.events)

    def handle(self, msg: Msg, signer: Address) -> None:
        """Run another module's message as `signer` in this context.

        Raises:
            Rejected: `tx/unknown-message`, or whatever the handler refuses; what it wrote before stays, so branch first.
        """
        before, self.signer = self.signer, signer
        try:
            self.machine.handler(msg)(self, msg)
        finally:
            self.signer = before


Handler = Callable[[Ctx, Any], None]
Query = Callable[..., Any]
"""`(reader, **text parameters) -> struct`; reads a committed state and writes nothing. `reader` is a `View`."""


@dataclass(frozen=True, slots=True)
class View:
    """What a query reads: one committed height."""

    store: Reader
    machine: "Machine"
    height: int
    time: int


@dataclass(frozen=True, slots=True)
class Port:
    """An IBC application (ICS-26 callbacks). What `on_receive` refuses becomes an error acknowledgement; the rest never fails."""

    on_open_init: Callable[[Ctx, str, str, str, str, str, str], str]
    """(ctx, ordering, connection, port, channel, counterparty port, proposed version) -> version."""
    on_open_try: Callable[[Ctx, str, str, str, str, str, str, str], str]
    """(ctx, ordering, connection, port, channel, counterparty port, counterparty channel, counterparty version) -> version."""
    on_open_ack: Callable[[Ctx, str, str, str, str], None]
    """(ctx, port, channel, counterparty channel, counterparty version)."""
    on_open_confirm: Callable[[Ctx, str, str], None]
    """(ctx, port, channel)."""
    on_close_init: Callable[[Ctx, str, str], None]
    on_close_confirm: Callable[[Ctx, str, str], None]
    on_receive: Callable[[Ctx, Packet], bytes]
    """(ctx, packet) -> acknowledgement bytes."""
    on_acknowledge: Callable[[Ctx, Packet, bytes], None]
    on_timeout: Callable[[Ctx, Packet], None]


G = TypeVar("G")


@dataclass(frozen=True, slots=True)
class Module(Generic[G]):
    """One state machine: its inputs, its part in every block, and its views."""

    name: str
    handlers: Mapping[type[Msg], Handler] = field(default_factory=dict)
    genesis: type[G] | None = None
    """Struct with defaults for every field: the module's section in the genesis file."""
    init: Callable[[Ctx, Any], None] | None = None
    """Writes the first state; is given the genesis section."""
    begin_block: Callable[[Ctx], None] | None = None
    """Runs in module order before the transactions."""
    end_block: Callable[[Ctx], None] | None = None
    """Runs in reverse module order after the transactions, so that staking closes the block."""
    hooks: Mapping[type[Signal], Callable[[Ctx, Any], None]] = field(default_factory=dict)
    ports: Mapping[str, Port] = field(default_factory=dict)
    queries: Mapping[str, Query] = field(default_factory=dict)
    laws: Mapping[str, Callable[[View], None]] = field(default_factory=dict)
    """Name to a check that raises `InvariantViolated`: what must hold on this chain after every block."""
    stores: tuple[str, ...] = ()
    """Names of the stores (first path segments) that the module owns."""


class Machine:
    """The modules of one chain, joined: routes messages, signals and queries. Built once per process, never changed."""

    def __init__(self, modules: tuple[Module[Any], ...], *, prefix: str, denom: Denom, verify: Verify) -> None:
        self.modules = modules
        self.prefix = prefix
        self.denom = denom
        self.verify = verify
        self.messages: dict[str, type[Msg]] = {}
        self._handlers: dict[type[Msg], Handler] = {}
        self.hooks: dict[type[Signal], list[Callable[[Ctx, Any], None]]] = {}
        self.ports: dict[str, Port] = {}
        self.queries: dict[str, Query] = {}
        for module in modules:
            self._join(module)

    def _join(self, module: Module[Any]) -> None:
        for kind, handler in module.handlers.items():
            tag = str(kind.__struct_config__.tag)
            if tag in self.messages:
                raise InvariantViolated(f"message {tag} has two handlers")
            self.messages[tag] = kind
            self._handlers[kind] = handler
        for signal, react in module.hooks.items():
            self.hooks.setdefault(signal, []).append(react)
        self.ports.update(module.ports)
        self.queries.update({f"{module.name}/{name}": query for name, query in module.queries.items()})

    @property
    def stores(self) -> tuple[str, ...]:
        """All store names, sorted."""
        return tuple(sorted({name for module in self.modules for name in module.stores}))

    def handler(self, msg: Msg) -> Handler:
        """Return who handles a message.

        Raises:
            Rejected: `tx/unknown-message`.
        """
        handler = self._handlers.get(type(msg))
        if handler is None:
            raise Rejected(UNKNOWN_MESSAGE, type=type(msg).__name__)
        return handler
