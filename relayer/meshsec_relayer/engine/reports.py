"""What operators see: where everything stands, and what each packet waits for."""

import msgspec

from meshsec_core.kernel.errors import Rejected
from meshsec_relayer.engine.boundary import Delay, Filter, PathImage
from meshsec_relayer.engine.cargo import Parcel
from meshsec_relayer.engine.engine import UNKNOWN_PACKET, Engine
from meshsec_relayer.engine.packets import Entry
from meshsec_relayer.engine.path import Path
from meshsec_relayer.engine.picking import lane_of, obstacle
from meshsec_relayer.engine.turns import Turns


class ChainReport(msgspec.Struct, frozen=True):
    """One chain, as the relayer sees it."""

    chain_id: str
    height: int
    time: int
    """Header time of the tip, nanoseconds."""
    scanned: int
    """Every block up to here has been read."""
    address: str
    """The relayer's account."""
    problem: str
    """Why the chain cannot be used; empty if it can."""


class ClientReport(msgspec.Struct, frozen=True):
    """A light client that the relayer keeps."""

    id: str
    latest: int
    """Newest height that it knows, as far as the relayer knows."""
    expires_at: int
    """Time of its host from which nothing can be proven to it any more, nanoseconds."""
    ailment: str
    """Why nothing can be proven to it now, until governance recovers it: a code, empty if it lives."""


class PathReport(msgspec.Struct, frozen=True):
    """One path."""

    a: str
    b: str
    ready: bool
    problem: str
    open: PathImage
    """Names of clients, connection and channels."""
    clients: dict[str, ClientReport]
    """By the chain that hosts them."""
    closed: tuple[str, ...]
    """`chain:port:channel` of ends that are closed."""
    pending: int


class StatusReport(msgspec.Struct, frozen=True):
    """The whole relayer."""

    id: str
    ready: bool
    """Whether every chain answers and every path is open."""
    reasons: tuple[str, ...]
    """What is not as it should be: chains that do not answer, paths that do not open, clients that are dead."""
    idle: bool
    """Whether there is nothing that it would do now."""
    paused: bool
    chains: dict[str, ChainReport]
    paths: dict[str, PathReport]
    pending: int
    """Packets under way."""
    held: tuple[Filter, ...]
    delayed: tuple[Delay, ...]
    duplicated: tuple[Filter, ...]
    reordered: tuple[Filter, ...]
    dropped: tuple[str, ...]
    waits_for: tuple[str, ...]
    """Chains whose next block it waits for."""
    faults: tuple[str, ...]
    """What has been broken on purpose, such as `pause` or `line: juno (30 % lost)`."""


class PacketReport(msgspec.Struct, frozen=True):
    """One packet."""

    id: str
    kind: str
    """What it says: `transfer`, `stake`, …; empty if it does not say."""
    source: str
    target: str
    port: str
    channel: str
    sequence: int
    leg: str
    """What comes next: `recv`, `ack` or `timeout`; empty if nothing does."""
    waits_for: str
    """Empty once it is settled."""
    attempts: int
    error: str
    """Why the last attempt failed."""


class TraceReport(msgspec.Struct, frozen=True):
    """One packet with its story."""

    packet: PacketReport
    settled: str
    """How it ended; empty while it is under way."""
    story: tuple[str, ...]


def status(engine: Engine) -> StatusReport:
    """Report on everything."""
    return StatusReport(
        engine.config.id,
        is_ready(engine),
        tuple(reasons(engine)),
        engine.idle,
        engine.controls.paused,
        {
            name: ChainReport(
                chain.chain_id, chain.height, chain.time, chain.scanned, engine.accounts[name].address, chain.problem
            )
            for name, chain in engine.chains.items()
        },
        {name: _path(path) for name, path in engine.paths.items()},
        sum(len(path.book.entries) for path in engine.paths.values()),
        tuple(engine.controls.held),
        tuple(engine.controls.delayed),
        tuple(engine.controls.duplicated),
        tuple(engine.controls.reordered),
        tuple(engine.controls.dropped),
        engine.waits_for(),
        engine.controls.faults,
    )


def is_ready(engine: Engine) -> bool:
    """Tell whether every chain answers and every path is open."""
    return all(chain.reachable for chain in engine.chains.values()) and all(path.ready for path in engine.paths.values())


def reasons(engine: Engine) -> list[str]:
    """Return why the relayer is not ready."""
    chains = [f"{name}: {chain.problem}" for name, chain in engine.chains.items() if chain.problem]
    paths = [f"{name}: {path.problem or 'opening'}" for name, path in engine.paths.items() if not path.ready]
    clients = [
        f"{name}: client {client.id} on {host}: {client.ailment}"
        for name, path in engine.paths.items()
        for host, client in path.clients.items()
        if client.ailment
    ]
    return chains + paths + clients


def packets(engine: Engine) -> tuple[PacketReport, ...]:
    """Report on every packet under way."""
    return tuple(_packet(engine, entry) for path in engine.paths.values() for entry in path.book.entries.values())


def trace(engine: Engine, packet: str) -> TraceReport:
    """Tell a packet's story.

    Raises:
        Rejected: `packet/not-found` if it is not under way and not among the last that were settled.
    """
    entry = engine.find(packet)
    if entry is not None:
        return TraceReport(_packet(engine, entry), "", tuple(entry.story))
    if packet not in engine.settled:
        raise Rejected(UNKNOWN_PACKET, packet=packet[:200])
    entry, how = engine.settled[packet]
    return TraceReport(_packet(engine, entry, settled=True), how, tuple(entry.story))


def _path(path: Path) -> PathReport:
    closed = [f"{chain}:{':'.join(channel.ends[chain])}" for channel in path.book.served() for chain in channel.closed]
    clients = {
        chain: ClientReport(client.id, client.latest, client.expires_at, client.ailment) for chain, client in path.clients.items()
    }
    pending = len(path.book.entries)
    return PathReport(path.a.name, path.b.name, path.ready, path.problem, path.image, clients, tuple(closed), pending)


def _packet(engine: Engine, entry: Entry, *, settled: bool = False) -> PacketReport:
    packet = entry.packet
    return PacketReport(
        entry.id,
        entry.kind,
        entry.source.name,
        entry.target.name,
        packet.source_port,
        packet.source_channel,
        packet.sequence,
        "" if settled else entry.leg or "",
        "" if settled else _waits_for(engine, entry),
        entry.attempts,
        entry.error,
    )


def _waits_for(engine: Engine, entry: Entry) -> str:
    """Say what a packet under way waits for."""
    leg = entry.leg
    path = next(path for path in engine.paths.values() if entry.id in path.book.entries)
    stopped = obstacle(path, entry, engine.controls)
    if stopped or leg is None:
        return stopped
    if entry.busy:
        return entry.busy
    prover, _ = lane_of(entry, leg)
    lane = next(lane for lane in engine.lanes if lane.source is prover and lane.path is path)
    if engine.controls.paused:
        return "the relayer is paused"
    for chain in (entry.source, entry.target):
        if not chain.reachable:
            return f"{chain.name}: {chain.problem}"
    if lane.problem:
        return lane.problem
    if leg == "recv" and entry.source.name in entry.channel.closed:
        return f"the channel to be closed on {entry.target.name}, or its timeout"
    turns = Turns(engine.config.id, engine.config.peers)
    first = turns.first(entry.packet.sequence)
    if entry.ready_leg == leg and entry.ready_at + turns.wait(entry.packet.sequence) > engine.tasks.now:
        return f"relayer {first}, whose turn it is; if it does not act, this one will"
    if entry.failed_leg == leg and entry.retry_at > engine.tasks.now:
        return f"a rest after {entry.attempts} refusals: {entry.error}"
    needed = Parcel(entry, leg, not entry.timed_out).provable_from
    if needed > prover.height:
        return f"block {needed} of {prover.name}, whose header proves what block {needed - 1} did"
    return "its turn"
