"""Relaying by hand: headers, proofs and messages over the chains' HTTP interfaces, so that a test can lie about any of them."""

from base64 import b64decode

from meshsec.world.chain import Chain
from meshsec.world.sim import SimWorld
from meshsec_core.ibc.client import UpdateClient
from meshsec_core.ibc.packet import COMMITMENTS, RecvPacket
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.ibc import HEADER_URL, ClientHeader, Height, Packet, any_encode
from meshsec_core.kernel.wire.proto import decode, encode
from meshsec_core.kernel.wire.tendermint import SignedHeader, ValidatorSet
from meshsec_core.runtime.module import Msg
from meshsec_core.runtime.tx import make_tx
from meshsec_sdk import names

CLIENT = "07-tendermint-0"


class Hand:
    """Somebody with an account on the target and nothing else, between two chains of a pair."""

    def __init__(self, world: SimWorld, source: str = "osmosis", target: str = "juno") -> None:
        self.world = world
        self.source = world.chain(source)
        self.target = world.chain(target)

    def sent(self) -> Packet:
        """The packet that the source sent last, read from its event."""
        for height in range(self.source.height, 0, -1):
            for event in reversed(self.source.get(f"/v1/blocks/{height}")["events"]):
                if event["type"] == "send_packet":
                    return packet_of(event["attributes"])
        raise AssertionError("nothing was sent")

    def header(self, height: int, trusted: int | None = None) -> ClientHeader:
        """A header of the source, to be believed by one that the target's client knows."""
        trusted = trusted or self.known()[-1]
        signed = decode(SignedHeader, _proto(self.source, f"/v1/commits/{height}"))
        return ClientHeader(signed, self.validators(height), Height(1, trusted), self.validators(trusted + 1))

    def validators(self, height: int) -> ValidatorSet:
        return decode(ValidatorSet, _proto(self.source, f"/v1/validators?height={height}"))

    def known(self) -> list[int]:
        """Heights of the source that the target's client knows."""
        prefix = f"ibc/clients/{CLIENT}/consensusStates/"
        found = self.target.get(f"/v1/state?prefix={prefix}&limit=1000")["entries"]
        return sorted(Height.parse(entry["path"].removeprefix(prefix)).height for entry in found)

    def proof(self, path: str, height: int) -> bytes:
        """Why the header of a height proves what lies, or does not lie, under a path of the source's IBC store."""
        return b64decode(self.source.get(f"/v1/state/ibc/{path}?height={height - 1}&prove=true")["proof"])

    def receive(self, packet: Packet, height: int, proof: bytes | None = None) -> RecvPacket:
        """The message that delivers a packet; the proof is the true one if none is given."""
        path = COMMITMENTS.path(packet.source_port, packet.source_channel, packet.sequence).decode()
        return RecvPacket(packet, self.proof(path, height) if proof is None else proof, Height(1, height))

    def post(self, *msgs: Msg, sender: str = "erin") -> str:
        """Post a signed transaction to the target; return its hash."""
        key, chain = names.key_of(sender, self.target.name), self.target.names
        sequence = int(self.target.get(f"/v1/accounts/{names.address(sender, chain)}")["next_sequence"])
        return str(self.target.post("/v1/txs", make_tx(key, chain.prefix, chain.chain_id, sequence, msgs))["hash"])

    def say(self, *msgs: Msg, sender: str = "erin") -> str:
        """Post a signed transaction to the target, wait for its block, and return its code, or that of a refusal at the door."""
        try:
            tx_hash = self.post(*msgs, sender=sender)
        except Rejected as refusal:
            return refusal.code
        self.world.mine()
        return str(self.target.get(f"/v1/txs/{tx_hash}")["code"])


def packet_of(said: dict[str, str]) -> Packet:
    """Read a packet from an event's attributes."""
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


def update(header: ClientHeader) -> UpdateClient:
    """The message that shows the client a header."""
    return UpdateClient(CLIENT, any_encode(HEADER_URL, encode(header)))


def _proto(chain: Chain, path: str) -> bytes:
    return b64decode(chain.get(path)["proto"])
