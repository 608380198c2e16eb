"""Two chains that follow each other for real: headers signed by their validators, and proofs from their state trees.

    rig = Rig()
    rig.connect()
    here, there = rig.open("probe")
    rig.a.send("alice", Say(here.channel, b"hello"))
    rig.deliver(rig.a)

Each chain is always inside a block (see `harness`); its header is signed as soon as the block begins, and proves the state
after the block before. Relaying is done by hand: `deliver`, `acknowledge` and `time_out` build exactly one message from the
events of the sender.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from harness import Chain, key_of
from ibc_events import attribute
from ibc_probe import PROBE
from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.ibc.channel import ChannelOpenAck, ChannelOpenConfirm, ChannelOpenInit, ChannelOpenTry
from meshsec_core.ibc.client import CreateClient, UpdateClient
from meshsec_core.ibc.connection import (
    SUPPORTED,
    UNORDERED,
    ConnectionOpenAck,
    ConnectionOpenConfirm,
    ConnectionOpenInit,
    ConnectionOpenTry,
)
from meshsec_core.ibc.echo import ECHO
from meshsec_core.ibc.module import IBC
from meshsec_core.ibc.packet import Acknowledgement, RecvPacket
from meshsec_core.ibc.tendermint import PROOF_SPECS
from meshsec_core.ibc.timeout import Timeout
from meshsec_core.ibc.transfer import TRANSFER
from meshsec_core.kernel.crypto import PrivateKey, sha256
from meshsec_core.kernel.store.state import State
from meshsec_core.kernel.types import SECOND
from meshsec_core.kernel.wire.hashes import consensus_hash, data_hash, header_hash, vote_sign_bytes
from meshsec_core.kernel.wire.ibc import (
    CLIENT_STATE_URL,
    CONSENSUS_STATE_URL,
    HEADER_URL,
    ClientHeader,
    ClientState,
    ConsensusState,
    Fraction,
    Height,
    Packet,
    any_encode,
)
from meshsec_core.kernel.wire.proto import encode
from meshsec_core.kernel.wire.tendermint import (
    BLOCK_PROTOCOL,
    FLAG_COMMIT,
    PRECOMMIT,
    BlockId,
    Commit,
    CommitSig,
    Header,
    PartSetHeader,
    SignedHeader,
)
from meshsec_core.modules.bank import BANK
from meshsec_core.runtime.module import Event, Module

DAY = 86_400 * SECOND
TRUSTING_PERIOD = 14 * DAY
UNBONDING_PERIOD = 21 * DAY
DRIFT = 30 * SECOND
TIMEOUT = 600 * SECOND

MODULES: tuple[Module[Any], ...] = (BANK, IBC, TRANSFER, ECHO, PROBE)
VERSIONS = {"transfer": "ics20-1", "echo": "echo-1", "probe": "probe-1"}
"""What the applications speak if nothing is said."""


class IbcChain(Chain):
    """A chain whose blocks have signed headers, over a real state tree."""

    def __init__(self, prefix: str, denom: str, powers: tuple[int, ...] = (10, 10, 10, 10), **balances: int) -> None:
        self.tree: State | None = None
        self.keys = {key_of(f"{prefix}/{index}").public_key: key_of(f"{prefix}/{index}") for index in range(8)}
        members = list(zip(self.keys, powers, strict=False))
        self.sets = {1: ValidatorSet.genesis(members)}
        self.headers: dict[int, Header] = {}
        self._kept: dict[str, bytes] = {}
        super().__init__(MODULES, prefix, denom, validators=0, balances=balances)

    def block(self, time_step: int = SECOND, *args: Any, **more: Any) -> list[Event]:
        """End the current block, commit its state, and begin the next."""
        return super().block(time_step, *args, **more)

    def set_powers(self, *updates: tuple[int, int]) -> None:
        """Change powers (validator number, power) from the block after the next on."""
        keys = list(self.keys)
        height = self.ctx.height
        self.sets[height + 2] = self.sets[height + 1].next_set([(keys[index], power) for index, power in updates])

    @property
    def height(self) -> Height:
        """Height of the block that has begun: the newest header."""
        return Height(1, self.ctx.height)

    def _begin(self, time_step: int, *args: Any) -> list[Event]:
        self._commit_state()
        events = super()._begin(time_step, *args)
        height = self.ctx.height
        self.sets.setdefault(height + 1, self.sets[height].next_set(()))
        self.headers[height] = self._header(height)
        return events

    def _commit_state(self) -> None:
        now = self.snapshot()
        before = self._kept
        changes: dict[str, bytes | None] = {key: value for key, value in now.items() if before.get(key) != value}
        changes.update({key: None for key in before if key not in now})
        if self.tree is None:
            self.tree = State(stores=self.machine.stores)
        self.tree.commit(self.ctx.height, self.tree.preview(changes))
        self._kept = now

    def _header(self, height: int) -> Header:
        assert self.tree is not None
        previous = self.headers.get(height - 1)
        validators = self.sets[height]
        return Header(
            version_block=BLOCK_PROTOCOL,
            version_app=0,
            chain_id=self.ctx.chain_id,
            height=height,
            time=self.ctx.time,
            last_block_id=BlockId() if previous is None else block_id_of(previous),
            last_commit_hash=sha256(b"commit"),
            data_hash=data_hash(()),
            validators_hash=validators.hash,
            next_validators_hash=self.sets[height + 1].hash,
            consensus_hash=consensus_hash(22_020_096, -1),
            app_hash=self.tree.app_hash(height - 1),
            last_results_hash=sha256(b""),
            evidence_hash=sha256(b""),
            proposer_address=validators.proposer.address,
        )

    def sign(self, header: Header, signers: tuple[int, ...] | None = None) -> SignedHeader:
        """Sign a header as the chain's validators of that height; `signers` are their positions in the set, all if left out."""
        validators = self.sets[header.height]
        block_id = block_id_of(header)
        signatures = []
        for position, member in enumerate(validators.validators):
            if signers is not None and position not in signers:
                signatures.append(CommitSig())
                continue
            time = header.time + SECOND
            signed = vote_sign_bytes(header.chain_id, PRECOMMIT, header.height, 0, block_id, time)
            key: PrivateKey = self.keys[member.public_key]
            signatures.append(CommitSig(FLAG_COMMIT, member.address, time, key.sign(signed)))
        return SignedHeader(header, Commit(header.height, 0, block_id, tuple(signatures)))

    def client_header(
        self,
        trusted: Height,
        height: int | None = None,
        signers: tuple[int, ...] | None = None,
        change: Callable[[Header], Header] = lambda header: header,
    ) -> ClientHeader:
        """Build what a client at a trusted height is shown; `change` is applied before signing."""
        height = self.ctx.height if height is None else height
        signed = self.sign(change(self.headers[height]), signers)
        return ClientHeader(signed, self.sets[height].to_wire(), trusted, self.sets[trusted.height + 1].to_wire())

    def client_state(self, **changes: Any) -> ClientState:
        """Describe this chain to a client, at its newest height."""
        state = ClientState(
            chain_id=self.ctx.chain_id,
            trust_level=Fraction(1, 3),
            trusting_period=TRUSTING_PERIOD,
            unbonding_period=UNBONDING_PERIOD,
            max_clock_drift=DRIFT,
            frozen_height=Height(),
            latest_height=self.height,
            proof_specs=PROOF_SPECS,
            upgrade_path=("upgrade", "upgradedIBCState"),
        )
        return replace(state, **changes)

    def consensus_state(self, height: int | None = None) -> ConsensusState:
        """Return what a client keeps of one of this chain's headers, the newest if none is named."""
        header = self.headers[self.ctx.height if height is None else height]
        return ConsensusState(header.time, header.app_hash, header.next_validators_hash)

    def prove(self, path: str, height: int | None = None) -> bytes:
        """Prove what lies under a path after the block before the current one (or another height)."""
        assert self.tree is not None
        _, proof = self.tree.prove(path, self.ctx.height - 1 if height is None else height)
        return proof


def block_id_of(header: Header) -> BlockId:
    """Name a block by its header; the parts are made up."""
    return BlockId(header_hash(header), PartSetHeader(1, sha256(b"parts")))


@dataclass
class End:
    """One chain's side of what connects the two."""

    chain: IbcChain
    client: str = ""
    connection: str = ""
    port: str = ""
    channel: str = ""


@dataclass
class Rig:
    """Two chains and what connects them."""

    a: IbcChain = field(default_factory=lambda: IbcChain("osmo", "uosmo", alice=1_000_000, bob=1_000_000))
    b: IbcChain = field(default_factory=lambda: IbcChain("juno", "ujuno", alice=1_000_000, bob=1_000_000))

    def __post_init__(self) -> None:
        self.ends = {self.a.prefix: End(self.a), self.b.prefix: End(self.b)}

    def end(self, chain: IbcChain) -> End:
        """Return a chain's side."""
        return self.ends[chain.prefix]

    def other(self, chain: IbcChain) -> IbcChain:
        """Return the chain at the other end."""
        return self.b if chain is self.a else self.a

    def create_client(self, on: IbcChain, **changes: Any) -> str:
        """Let a chain follow the other from its newest header; return the client's id."""
        of = self.other(on)
        events = on.send("relayer", create_client(of.client_state(**changes), of.consensus_state()))
        self.end(on).client = attribute(events, "create_client", "client_id")
        return self.end(on).client

    def update(self, on: IbcChain, **how: Any) -> list[Event]:
        """Show a chain's client the other's newest header."""
        end = self.end(on)
        trusted = self.latest(on)
        return on.send("relayer", update_client(end.client, self.other(on).client_header(trusted, **how)))

    def latest(self, on: IbcChain) -> Height:
        """Return how far a chain's client has come."""
        found: Height = on.query("ibc/client", client_id=self.end(on).client).latest_height
        return found

    def sync(self, on: IbcChain) -> Height:
        """Make a block on the other chain and show its header, so that all it has done is provable; return the proof height."""
        self.other(on).block()
        on.block()
        self.update(on)
        return self.other(on).height

    def connect(self) -> None:
        """Create both clients and open a connection from `a` to `b`."""
        self.create_client(self.a)
        self.create_client(self.b)
        a, b = self.end(self.a), self.end(self.b)
        a.connection = attribute(
            a.chain.send("relayer", ConnectionOpenInit(a.client, b.client)), "connection_open_init", "connection_id"
        )
        b.connection = attribute(b.chain.send("relayer", self.connection_try()), "connection_open_try", "connection_id")
        a.chain.send("relayer", self.connection_ack())
        b.chain.send("relayer", self.connection_confirm())

    def connection_try(self) -> ConnectionOpenTry:
        """Build b's answer to a's proposal."""
        a, b = self.end(self.a), self.end(self.b)
        height = self.sync(self.b)
        proof = self.a.prove(f"ibc/connections/{a.connection}")
        return ConnectionOpenTry(b.client, a.client, a.connection, SUPPORTED, proof, height)

    def connection_ack(self) -> ConnectionOpenAck:
        """Build a's reaction to b's answer."""
        a, b = self.end(self.a), self.end(self.b)
        height = self.sync(self.a)
        return ConnectionOpenAck(
            a.connection, b.connection, SUPPORTED[0], self.b.prove(f"ibc/connections/{b.connection}"), height
        )

    def connection_confirm(self) -> ConnectionOpenConfirm:
        """Build b's last step."""
        height = self.sync(self.b)
        proof = self.a.prove(f"ibc/connections/{self.end(self.a).connection}")
        return ConnectionOpenConfirm(self.end(self.b).connection, proof, height)

    def open(self, port: str, ordering: str = UNORDERED, version: str = "") -> tuple[End, End]:
        """Open a channel from `a` to `b` between equal ports; connect first where needed."""
        if not self.end(self.a).connection:
            self.connect()
        a, b = self.end(self.a), self.end(self.b)
        a.port = b.port = port
        opening = ChannelOpenInit(port, ordering, a.connection, port, version)
        a.channel = attribute(a.chain.send("relayer", opening), "channel_open_init", "channel_id")
        answer = self.channel_try(ordering, VERSIONS[port])
        b.channel = attribute(b.chain.send("relayer", answer), "channel_open_try", "channel_id")
        a.chain.send("relayer", self.channel_ack(answer.counterparty_version))
        b.chain.send("relayer", self.channel_confirm())
        return a, b

    def channel_try(self, ordering: str, version: str) -> ChannelOpenTry:
        """Build b's answer to a's proposal of a channel."""
        a, b = self.end(self.a), self.end(self.b)
        height = self.sync(self.b)
        proof = self.a.prove(channel_path(a))
        return ChannelOpenTry(b.port, ordering, b.connection, a.port, a.channel, version, proof, height)

    def channel_ack(self, version: str) -> ChannelOpenAck:
        """Build a's reaction to b's answer."""
        a, b = self.end(self.a), self.end(self.b)
        height = self.sync(self.a)
        return ChannelOpenAck(a.port, a.channel, b.channel, version, self.b.prove(channel_path(b)), height)

    def channel_confirm(self) -> ChannelOpenConfirm:
        """Build b's last step."""
        a, b = self.end(self.a), self.end(self.b)
        height = self.sync(self.b)
        return ChannelOpenConfirm(b.port, b.channel, self.a.prove(channel_path(a)), height)

    def receiving(self, packet: Packet, by: IbcChain) -> RecvPacket:
        """Build the message that delivers a packet, with a fresh proof."""
        height = self.sync(by)
        path = f"ibc/commitments/ports/{packet.source_port}/channels/{packet.source_channel}/sequences/{packet.sequence}"
        return RecvPacket(packet, self.other(by).prove(path), height)

    def acknowledging(self, packet: Packet, acknowledgement: bytes, by: IbcChain) -> Acknowledgement:
        """Build the message that brings an acknowledgement home, with a fresh proof."""
        height = self.sync(by)
        path = f"ibc/acks/ports/{packet.destination_port}/channels/{packet.destination_channel}/sequences/{packet.sequence}"
        return Acknowledgement(packet, acknowledgement, self.other(by).prove(path), height)

    def timing_out(self, packet: Packet, by: IbcChain, next_sequence: int = 1, ordered: bool = False) -> Timeout:
        """Build the message that gives a packet back, with a fresh proof."""
        height = self.sync(by)
        return Timeout(packet, self.other(by).prove(unreceived_path(packet, ordered)), height, next_sequence)

    def deliver(self, packet: Packet, by: IbcChain) -> bytes:
        """Deliver a packet; return the acknowledgement that was written, empty if none."""
        events = by.send("relayer", self.receiving(packet, by))
        written = [event for event in events if event.type == "write_acknowledgement"]
        return bytes.fromhex(dict(written[0].attributes)["packet_ack_hex"]) if written else b""

    def relay(self, packet: Packet, source: IbcChain) -> bytes:
        """Deliver a packet and bring the acknowledgement home; return it."""
        acknowledgement = self.deliver(packet, self.other(source))
        source.send("relayer", self.acknowledging(packet, acknowledgement, source))
        return acknowledgement


def create_client(state: ClientState, consensus: ConsensusState) -> CreateClient:
    """Build the message."""
    return CreateClient(any_encode(CLIENT_STATE_URL, encode(state)), any_encode(CONSENSUS_STATE_URL, encode(consensus)))


def update_client(client_id: str, header: ClientHeader) -> UpdateClient:
    """Build the message."""
    return UpdateClient(client_id, any_encode(HEADER_URL, encode(header)))


def channel_path(end: End) -> str:
    """Return where a channel end lies."""
    return f"ibc/channelEnds/ports/{end.port}/channels/{end.channel}"


def unreceived_path(packet: Packet, ordered: bool = False) -> str:
    """Return what shows that a packet was not received."""
    place = f"ports/{packet.destination_port}/channels/{packet.destination_channel}"
    return f"ibc/nextSequenceRecv/{place}" if ordered else f"ibc/receipts/{place}/sequences/{packet.sequence}"
