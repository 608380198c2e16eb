"""What a relayer between two chains can know: everything. Messages that are true now, and all that were ever delivered."""

from collections.abc import Callable, Iterable
from random import Random
from typing import TypeVar

from by_hand import CLIENT, Hand, packet_of, update
from byzantine.mutants import Mutants
from meshsec.world.sim import SimWorld
from meshsec.world.sim_chain import SimChain
from meshsec_core.ibc.client import CONSENSUS_STATES, UpdateClient
from meshsec_core.ibc.packet import ACKNOWLEDGEMENTS, COMMITMENTS, RECEIPTS, Acknowledgement, RecvPacket, elapsed
from meshsec_core.ibc.timeout import Timeout
from meshsec_core.kernel.wire.ibc import ClientHeader, Height, Packet
from meshsec_core.runtime.module import Msg
from meshsec_sdk import names

M = TypeVar("M", bound=Msg)

Lie = Callable[["Front"], tuple[Msg, ...] | None]
"""Messages of one transaction, or None if there is nothing to lie about now."""
Lies = tuple[Lie, ...]

ATTACKERS = ("dave", "erin")
FOLLOWED = ("ibc/",)


class Front(Hand):
    """The way from a source to a target, as seen by somebody who reads both chains and may write to the target."""

    def __init__(self, world: SimWorld, source: str, target: str, chance: Random) -> None:
        super().__init__(world, source, target)
        self.chance = chance
        self.mutants = Mutants(chance)
        self.from_node, self.to_node = world.nodes[source], world.nodes[target]
        self.attackers = {names.address(name, self.target.names) for name in ATTACKERS}
        self.delivered: list[Msg] = []
        """All that honest relayers ever brought to the target, and it believed."""
        self.alone = True
        """Whether nobody honest has a transaction in the same block."""
        self._there: list[Packet] = []
        self._back: list[Packet] = []
        self._answers: dict[Packet, bytes] = {}
        self._known: tuple[int, list[int]] = (0, [])
        self._headers: dict[tuple[int, int], ClientHeader] = {}
        self._read = dict.fromkeys((source, target), 0)

    def look(self) -> None:
        """Read the blocks that are new on both chains."""
        for node, sent in ((self.from_node, self._there), (self.to_node, self._back)):
            replica = node.replica
            for height in range(self._read[node.spec.name] + 1, replica.height + 1):
                results = replica.results(height)
                assert results is not None
                spoken = [event for receipt in results.receipts for event in receipt.events]
                for event in (*results.begin_events, *spoken, *results.end_events):
                    said = dict(event.attributes)
                    if event.type == "send_packet":
                        sent.append(packet_of(said))
                    elif event.type == "write_acknowledgement" and node is self.from_node:
                        self._answers[packet_of(said)] = bytes.fromhex(said["packet_ack_hex"])
                if node is self.to_node:
                    self._listen(height)
            self._read[node.spec.name] = replica.height

    def _listen(self, height: int) -> None:
        block = self.to_node.replica.block(height)
        for raw in () if block is None else block.txs:
            read = self.to_node.replica.app.reader.read(raw)
            receipt = self.to_node.replica.receipt(read.hash)
            if read.tx.signer not in self.attackers and receipt is not None and not receipt.code:
                new = [msg for msg in read.msgs if type(msg).__struct_config__.tag.startswith(FOLLOWED)]  # type: ignore[union-attr]
                self.delivered += new
                for msg in new:
                    self.mutants.learn(msg)

    def one(self, found: Iterable[M]) -> M | None:
        """Choose one of the messages there are."""
        known = list(found)
        return self.chance.choice(known) if known else None

    def said(self, *kinds: type[Msg]) -> Msg | None:
        """Choose a message that an honest relayer has delivered."""
        return self.one(msg for msg in self.delivered if type(msg) in kinds)

    def everything(self, node: SimChain | None = None) -> dict[str, bytes]:
        """All that the target (or another in its place) keeps, but for the accounts of those who lie."""
        signed = {f"auth/accounts/{address}" for address in self.attackers}
        return {path: value for path, value in (node or self.to_node).replica.state.scan("") if path not in signed}

    # what is true

    @property
    def latest(self) -> int:
        """The greatest height of the source that the target's client knows."""
        return self.known()[-1]

    def known(self) -> list[int]:
        """Heights of the source that the target's client knows."""
        replica = self.to_node.replica
        if self._known[0] != replica.height:
            prefix = f"ibc/clients/{CLIENT}/consensusStates/"
            found = (Height.parse(path.removeprefix(prefix)).height for path, _ in replica.state.scan(prefix))
            self._known = replica.height, sorted(found)
        return self._known[1]

    def header(self, height: int, trusted: int | None = None) -> ClientHeader:
        """A true header, read from the source once."""
        wanted = height, trusted or self.latest
        if wanted not in self._headers:
            self._headers[wanted] = super().header(*wanted)
        return self._headers[wanted]

    def other_heights(self, height: int) -> list[int]:
        """Heights whose header proves another state than that of `height`, or that the client does not know."""
        known = {number: self._root(number) for number in self.known()}
        others = [number for number, root in known.items() if root != known[height]]
        return [*others, 0, 1, self.source.height, self.source.height + 1, 2**63, 2**64 - 1]

    def _root(self, height: int) -> bytes:
        found = CONSENSUS_STATES.find(self.to_node.replica.state, CLIENT, Height(1, height))
        assert found is not None
        return found.root

    def proof(self, path: str, height: int) -> bytes:
        return self.from_node.replica.state.prove(f"ibc/{path}", height - 1)[1]

    def news(self) -> UpdateClient:
        """The newest header of the source."""
        return update(self.header(self.source.height))

    def to_deliver(self) -> list[RecvPacket]:
        """Packets on their way that the target would take now."""
        height, time = self.latest, self.to_node.replica.tip.time
        past = self.from_node.replica.state.at(height - 1)
        state = self.to_node.replica.state
        return [
            self.receive(packet, height)
            for packet in self._there
            if not RECEIPTS.has(state, packet.destination_port, packet.destination_channel, packet.sequence)
            and COMMITMENTS.has(past, packet.source_port, packet.source_channel, packet.sequence)
            and not elapsed(packet, Height(1, self.target.height + 2), time + 10 * 10**9)
        ]

    def to_answer(self) -> list[Acknowledgement]:
        """Answers on their way back that the target would take now."""
        found, height = [], self.latest
        past = self.from_node.replica.state.at(height - 1)
        for packet in self._unsettled():
            end = packet.destination_port, packet.destination_channel, packet.sequence
            if packet in self._answers and ACKNOWLEDGEMENTS.has(past, *end):
                proof = self.proof(ACKNOWLEDGEMENTS.path(*end).decode(), height)
                found.append(Acknowledgement(packet, self._answers[packet], proof, Height(1, height)))
        return found

    def to_take_back(self, *, late: bool) -> list[Timeout]:
        """Packets of the target that have not arrived: those whose time is over, or those that have some left."""
        found, height = [], self.latest
        time = CONSENSUS_STATES.get(self.to_node.replica.state, CLIENT, Height(1, height)).timestamp
        past = self.from_node.replica.state.at(height - 1)
        for packet in self._unsettled():
            end = packet.destination_port, packet.destination_channel, packet.sequence
            if not RECEIPTS.has(past, *end) and elapsed(packet, Height(1, height), time) == late:
                found.append(Timeout(packet, self.proof(RECEIPTS.path(*end).decode(), height), Height(1, height), 0))
        return found

    def arrived(self) -> list[Packet]:
        """Packets of the target that the source has received and whose answer has not come back."""
        return [packet for packet in self._unsettled() if packet in self._answers]

    def _unsettled(self) -> list[Packet]:
        state = self.to_node.replica.state
        return [
            packet for packet in self._back if COMMITMENTS.has(state, packet.source_port, packet.source_channel, packet.sequence)
        ]
