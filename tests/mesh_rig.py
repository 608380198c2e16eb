"""Two or more chains with Mesh Security and a courier that carries packets by hand.

    rig = MeshRig()
    link = rig.link("osmo", "juno")
    rig.osmo.send("alice", Bond(100))
    rig.relay()

The IBC layer is the real one, except that what a proof would say is taken for granted: headers are signed for evidence
only. So packets can be lost, held, timed out and delivered twice in any order.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace

from harness import SELF_BOND, Chain
from ibc_events import attribute, attributes
from ibc_rig import UNBONDING_PERIOD
from meshsec_core.consensus.validators import ValidatorSet
from meshsec_core.ibc import client
from meshsec_core.ibc.channel import (
    CHANNELS,
    ChannelCloseConfirm,
    ChannelOpenAck,
    ChannelOpenConfirm,
    ChannelOpenInit,
    ChannelOpenTry,
)
from meshsec_core.ibc.connection import CONNECTIONS, OWN_PREFIX, SUPPORTED, UNORDERED
from meshsec_core.ibc.module import IBC
from meshsec_core.ibc.packet import Acknowledgement, RecvPacket
from meshsec_core.ibc.prices import PRICES
from meshsec_core.ibc.tendermint import PROOF_SPECS
from meshsec_core.ibc.timeout import Timeout, TimeoutOnClose
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND, LinkId, ValidatorId
from meshsec_core.kernel.wire.ibc import (
    STATE_CLOSED,
    STATE_OPEN,
    ClientState,
    ConnectionCounterparty,
    ConnectionEnd,
    ConsensusState,
    Fraction,
    Height,
    Packet,
)
from meshsec_core.modules import bank
from meshsec_core.modules.bank import BANK
from meshsec_core.modules.distribution import DISTRIBUTION
from meshsec_core.modules.gov.module import GOV
from meshsec_core.modules.mint import MINT
from meshsec_core.modules.slashing import SLASHING
from meshsec_core.modules.staking import state as staking
from meshsec_core.modules.staking.module import STAKING
from meshsec_core.runtime.module import Event, View
from meshsec_core.security.mesh import MESH
from meshsec_core.security.mesh.account import Account
from meshsec_core.security.mesh.consumer.state import REWARDS, reward_account
from meshsec_core.security.mesh.packets import CONSUMER_PORT, PROVIDER_PORT
from meshsec_core.security.mesh.provider import state as provider
from meshsec_core.security.mesh.ranges import Range
from meshsec_core.security.mesh.stake import Stake

CENTURY = 100 * 365 * 86_400 * SECOND
MODULES = (BANK, STAKING, SLASHING, MINT, DISTRIBUTION, GOV, IBC, PRICES, MESH.provider, MESH.consumer)
E18 = 10**18
MOST_TURNS = 200
"""Turns of a relay that carries everything there is; packets that answer packets need a few."""


@contextmanager
def trusting() -> Iterator[None]:
    """Take every proof for granted. What a relayer carries must never be refused: packets, answers and timeouts are not input."""
    kept = client.verify_value, client.verify_absence
    client.verify_value = client.verify_absence = lambda *arguments: None  # type: ignore[assignment]
    try:
        yield
    except Rejected as refusal:
        raise AssertionError(f"a relayed message was refused: {refusal}") from refusal
    finally:
        client.verify_value, client.verify_absence = kept  # type: ignore[assignment]


@dataclass(frozen=True)
class Link:
    """Both ends of a link."""

    provider: Chain
    lent: LinkId
    """The link on the provider."""
    consumer: Chain
    link: LinkId
    """The link on the consumer."""

    def stake(self, user: str, validator: int) -> Stake:
        """Return a user's stake on a validator of the consumer."""
        return provider.STAKES.get(self.provider.state, self.lent, self.validator(validator), self.provider.address(user))

    def range(self, user: str, validator: int) -> Range:
        """Return both outcomes of a user's stake on a validator of the consumer."""
        return self.stake(user, validator).range

    def validator(self, index: int) -> ValidatorId:
        """Return a validator of the consumer."""
        return self.consumer.validator(index)

    def virtual(self, validator: int | None = None) -> int:
        """Return the virtual stake on one validator, or on all."""
        account = self.consumer.ctx.module_account(f"mesh/virtual/{self.link}")
        held = staking.delegations_of(self.consumer.state, account)
        return sum(held.values()) if validator is None else held.get(self.validator(validator), 0)

    def fund(self, amount: int) -> None:
        """Let the consumer's end hold coins for rewards."""
        ctx = self.consumer.ctx
        bank.mint(ctx, ctx.module_account(reward_account(self.link)), ctx.denom, amount)

    def earn(self, amount: int, validator: int = 0) -> None:
        """Let virtual stake have earned rewards that the provider has not been told of."""
        self.fund(amount)
        REWARDS.put(self.consumer.state, self.link, self.validator(validator), amount)

    def rewards(self, user: str, validator: int) -> int:
        """Return what a user could withdraw for a validator of the consumer."""
        found = self.provider.query("mesh/provider/stakes", user=self.provider.address(user), consumer=self.lent)
        return next((each.rewards for each in found if each.validator == self.validator(validator)), 0)


@dataclass
class Flight:
    """A packet on its way, or its acknowledgement."""

    packet: Packet
    source: Chain
    target: Chain
    answer: bytes = b""
    """Empty until it has been delivered."""

    @property
    def kind(self) -> str:
        """What the packet says it is."""
        return str(json.loads(self.packet.data)["@type"])


@dataclass
class MeshRig:
    """Chains by prefix, and what is in flight between them."""

    chains: dict[str, Chain] = field(default_factory=dict)
    flights: list[Flight] = field(default_factory=list)
    """Neither acknowledged nor timed out, oldest first."""
    _read: dict[str, int] = field(default_factory=dict)
    _targets: dict[tuple[str, str, str], Chain] = field(default_factory=dict)

    def add(self, prefix: str, *, genesis: Mapping[str, Any] | None = None, validators: Any = 4, **balances: int) -> Chain:
        """Add a chain; mint is off and rewards go out at every epoch unless the genesis says otherwise."""
        sections = {"mint": {"inflation_bps": 0}, **(genesis or {})}
        chain = Chain(MODULES, prefix, f"u{prefix}", validators=validators, balances=balances, modules_genesis=sections)
        self.chains[prefix] = chain
        self._read[prefix] = 0
        return chain

    def link(self, provider: str, consumer: str) -> Link:
        """Open a link; the consumer's genesis must admit the provider."""
        lender, borrower = self.chains[provider], self.chains[consumer]
        connections = {chain.prefix: self._connect(chain, other) for chain, other in ((lender, borrower), (borrower, lender))}
        with trusting():
            opening = ChannelOpenInit(CONSUMER_PORT, UNORDERED, connections[consumer], PROVIDER_PORT)
            opened = borrower.send("relayer", opening)
            here = attribute(opened, "channel_open_init", "channel_id")
            version = attribute(opened, "channel_open_init", "version")
            trying = ChannelOpenTry(
                PROVIDER_PORT, UNORDERED, connections[provider], CONSUMER_PORT, here, version, b"", self._height(borrower)
            )
            there = attribute(lender.send("relayer", trying), "channel_open_try", "channel_id")
            self._targets[consumer, CONSUMER_PORT, here] = lender
            self._targets[provider, PROVIDER_PORT, there] = borrower
            borrower.send("relayer", ChannelOpenAck(CONSUMER_PORT, here, there, version, b"", self._height(lender)))
            lender.send("relayer", ChannelOpenConfirm(PROVIDER_PORT, there, b"", self._height(borrower)))
        return Link(lender, LinkId(there), borrower, LinkId(here))

    def close_other_end(self, chain: Chain, port: str, channel: str) -> None:
        """Tell a chain that the other end of a channel of its is closed."""
        with trusting():
            chain.send("relayer", ChannelCloseConfirm(port, channel, b"", self._height(chain)))

    def _connect(self, chain: Chain, other: Chain) -> str:
        """Write a client and an open connection, one pair per partner."""
        name = connection_id(chain, other, self.chains)
        client_id = f"07-tendermint-{name.removeprefix('connection-')}"
        if CONNECTIONS.find(chain.state, name) is None:
            state = ClientState(
                chain_id=other.ctx.chain_id,
                trust_level=Fraction(1, 3),
                trusting_period=CENTURY,
                unbonding_period=CENTURY + UNBONDING_PERIOD,
                max_clock_drift=30 * SECOND,
                frozen_height=Height(),
                latest_height=self._height(other),
                proof_specs=PROOF_SPECS,
                upgrade_path=("upgrade", "upgradedIBCState"),
            )
            client.CLIENTS.put(chain.state, client_id, state)
            know(chain, client_id, state.latest_height, consensus_of(other))
            end = ConnectionEnd(
                client_id,
                SUPPORTED,
                STATE_OPEN,
                ConnectionCounterparty("07-tendermint-0", connection_id(other, chain, self.chains), OWN_PREFIX),
                0,
            )
            CONNECTIONS.put(chain.state, name, end)
        return name

    def _height(self, chain: Chain) -> Height:
        return Height(1, chain.ctx.height)

    def collect(self) -> list[Flight]:
        """Notice the packets that have been sent; return all that is in flight."""
        for prefix, chain in self.chains.items():
            for event in chain.events[self._read[prefix] :]:
                if event.type == "send_packet":
                    packet = _packet([event])
                    self.flights.append(Flight(packet, chain, self._targets[prefix, packet.source_port, packet.source_channel]))
            self._read[prefix] = len(chain.events)
        return self.flights

    def flight(self, kind: str) -> Flight:
        """Return the one packet of a kind that is in flight."""
        (found,) = [flight for flight in self.collect() if flight.kind == kind]
        return found

    def receive(self, flight: Flight) -> bytes:
        """Deliver a packet; its acknowledgement is on its way then. Delivering it again does nothing.

        A packet for a channel that is closed is given back instead.
        """
        packet = flight.packet
        if is_closed(flight.target, packet.destination_port, packet.destination_channel):
            if not flight.answer:
                self.flights.remove(flight)
                with trusting():
                    back = TimeoutOnClose(packet, b"", b"", self._height(flight.target), 1)
                    flight.source.send("relayer", back)
            return flight.answer
        with trusting():
            events = flight.target.send("relayer", RecvPacket(flight.packet, b"", self._height(flight.target)))
        written = [event for event in events if event.type == "write_acknowledgement"]
        if written:
            flight.answer = bytes.fromhex(dict(written[0].attributes)["packet_ack_hex"])
        return flight.answer

    def acknowledge(self, flight: Flight) -> None:
        """Bring an acknowledgement home; one whose home is closed is lost."""
        self.flights.remove(flight)
        if is_closed(flight.source, flight.packet.source_port, flight.packet.source_channel):
            return
        with trusting():
            back = Acknowledgement(flight.packet, flight.answer, b"", self._height(flight.target))
            flight.source.send("relayer", back)

    def time_out(self, flight: Flight) -> None:
        """Give a packet back: the target's clock must be past its timeout."""
        self.flights.remove(flight)
        source, target = flight.source, flight.target
        client_id = f"07-tendermint-{connection_id(source, target, self.chains).removeprefix('connection-')}"
        know(source, client_id, self._height(target), consensus_of(target))
        with trusting():
            source.send("relayer", Timeout(flight.packet, b"", self._height(target), 1))

    def expired(self) -> list[Flight]:
        """Return the packets that can only time out."""
        return [each for each in self.collect() if not each.answer and each.packet.timeout_timestamp <= each.target.ctx.time]

    def relay(self, only: Callable[[Flight], bool] = lambda flight: True) -> int:
        """Deliver packets and acknowledgements, time out what is late, until nothing moves; return how many packets moved."""
        moved = 0
        for _ in range(MOST_TURNS):
            if not (going := [flight for flight in self.collect() if only(flight)]):
                return moved
            for flight in going:
                if flight.answer:
                    self.acknowledge(flight)
                elif flight.packet.timeout_timestamp <= flight.target.ctx.time:
                    self.time_out(flight)
                    moved += 1
                else:
                    self.receive(flight)
                    moved += 1
        raise AssertionError("packets go on without end")

    def block(self, count: int = 1, step: int = SECOND) -> None:
        """Let all chains make blocks."""
        for _ in range(count):
            for chain in self.chains.values():
                chain.block(step)

    def advance(self, seconds: int) -> None:
        """Let time pass on all chains, in one block each."""
        self.block(1, seconds * SECOND)

    def settle(self) -> None:
        """Relay, make blocks, relay, until nothing is sent; then check every law."""
        for _ in range(50):
            moved = self.relay()
            self.block(2)
            moved += self.relay()
            if not moved:
                self.check()
                return
        raise AssertionError("packets go on without end")

    def check(self, *, settled: bool = True) -> None:
        """Check the laws of every chain, and those across chains."""
        for chain in self.chains.values():
            chain.check_laws()
        views = {
            chain.ctx.chain_id: View(chain.state, chain.machine, chain.ctx.height, chain.ctx.time)
            for chain in self.chains.values()
        }
        for law in MESH.laws:
            if settled or law.always:
                law.check(views)


def is_closed(chain: Chain, port: str, channel: str) -> bool:
    """Tell whether a chain's end of a channel is closed."""
    return CHANNELS.get(chain.state, port, channel).state == STATE_CLOSED


def connection_id(chain: Chain, other: Chain, chains: Mapping[str, Chain]) -> str:
    """Return what a chain calls its connection to another."""
    return f"connection-{list(chains.values()).index(other)}"


def know(chain: Chain, client_id: str, height: Height, state: ConsensusState) -> None:
    """Let a client know a height, as an update would."""
    client.remember(chain.ctx, client_id, height, state)
    known = client.CLIENTS.get(chain.state, client_id)
    client.CLIENTS.put(chain.state, client_id, replace(known, latest_height=max(known.latest_height, height)))


def consensus_of(chain: Chain) -> ConsensusState:
    """Return what a client would know of a chain now."""
    return ConsensusState(chain.ctx.time, bytes(32), validator_set(chain).hash)


def validator_set(chain: Chain) -> ValidatorSet:
    """Return who signs for a chain, by its staking module."""
    return ValidatorSet.genesis(staking.active_powers(chain.state))


def _packet(events: list[Event]) -> Packet:
    said = attributes(events, "send_packet")
    return Packet(
        int(said["packet_sequence"]),
        said["packet_src_port"],
        said["packet_src_channel"],
        said["packet_dst_port"],
        said["packet_dst_channel"],
        bytes.fromhex(said["packet_data_hex"]),
        Height.parse(said["packet_timeout_height"]),
        int(said["packet_timeout_timestamp"]),
    )


def terms(**changes: Any) -> dict[str, Any]:
    """Spell the terms of a link for a consumer's genesis."""
    return {"max_cap": 10**12, "reward_seconds": 0, **changes}


def pair(
    *,
    consumer_terms: Mapping[str, Any] | None = None,
    provider_terms: Mapping[str, Any] | None = None,
    local_slash_bps: int = 1_000,
    genesis: Mapping[str, Any] | None = None,
    validators: Any = 4,
    both_ways: bool = False,
    **balances: int,
) -> tuple[MeshRig, Link]:
    """Start osmo, the provider, and juno, the consumer, with one link that has reported its validators.

    Slash ratios are 10 % unless told otherwise: of local liens, of the consumer, and so of new liens over the link.
    """
    rig = MeshRig()
    shared = {"slashing": {"double_sign_slash_bps": 1_000, "downtime_slash_bps": 1_000}, **(genesis or {})}
    lending = {"local_slash_bps": local_slash_bps, "terms": {"unbonding_time": 100 * SECOND, **(provider_terms or {})}}
    back = {"links": {"juno-1": terms(**(consumer_terms or {}))}} if both_ways else {}
    held = balances or {"alice": 1_000, "bob": 1_000}
    rig.add("osmo", genesis={**shared, "mesh/provider": lending, "mesh/consumer": back}, validators=validators, **held)
    borrowing = {"links": {"osmo-1": terms(**(consumer_terms or {}))}}
    rig.add("juno", genesis={**shared, "mesh/consumer": borrowing, "mesh/provider": lending}, validators=validators, **held)
    link = rig.link("osmo", "juno")
    rig.relay()
    return rig, link


def star(
    *consumers: str,
    ratios: Mapping[str, int] | None = None,
    local_slash_bps: int = 1_000,
    jail_time: int = 600 * SECOND,
    **balances: int,
) -> tuple[MeshRig, tuple[Link, ...]]:
    """Start osmo, which lends to several consumers, with a ratio of 10 % on each link unless told otherwise."""
    rig = MeshRig()
    shared = {"slashing": {"double_sign_slash_bps": 1_000, "downtime_slash_bps": 1_000, "jail_time": jail_time}}
    known = ratios or {}
    links = {f"{name}-1": {"unbonding_time": 100 * SECOND, "double_sign_bps": known.get(name, 1_000)} for name in consumers}
    lending = {"local_slash_bps": local_slash_bps, "links": links}
    rig.add("osmo", genesis={**shared, "mesh/provider": lending}, **(balances or {"alice": 1_000, "bob": 1_000}))
    for name in consumers:
        rig.add(name, genesis={**shared, "mesh/consumer": {"links": {"osmo-1": terms()}}}, alice=1_000)
    opened = tuple(rig.link("osmo", name) for name in consumers)
    rig.relay()
    return rig, opened


@contextmanager
def refused(chain: Chain, code: str) -> Iterator[None]:
    """Expect a refusal that leaves no trace."""
    before = chain.snapshot()
    with pytest.raises(Rejected) as refusal:
        yield
    assert refusal.value.code == code, str(refusal.value)
    assert chain.snapshot() == before


def account(chain: Chain, user: str) -> Account:
    """Return a user's account in the vault."""
    return provider.VAULTS.get(chain.state, chain.address(user))


__all__ = ["SELF_BOND", "Link", "MeshRig", "account", "pair", "refused", "star", "terms", "trusting", "validator_set"]
