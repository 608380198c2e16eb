"""Keeps relays that would change nothing out of blocks: a relayer that comes second is told at the door.

Only a transaction of nothing but packet messages and client updates is looked at, and only when it arrives: one that became
redundant while it waited keeps its place, or it would tear a hole into the sequences of whoever sent more behind it.

Source: ibc-go modules/core/ante (RedundantRelayDecorator).
"""

from meshsec_core.ibc.channel import CHANNELS
from meshsec_core.ibc.client import UpdateClient
from meshsec_core.ibc.packet import COMMITMENTS, Acknowledgement, RecvPacket, already_received
from meshsec_core.ibc.timeout import Timeout, TimeoutOnClose
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.runtime.module import Msg

REDUNDANT = "ibc/redundant"

Relay = RecvPacket | Acknowledgement | Timeout | TimeoutOnClose


def refuse_redundant(store: Reader, msgs: tuple[Msg, ...]) -> None:
    """Refuse a transaction that carries packets of which every one is settled already.

    Raises:
        Rejected: `ibc/redundant`.
    """
    if not all(isinstance(msg, Relay | UpdateClient) for msg in msgs):
        return
    relays = [msg for msg in msgs if isinstance(msg, Relay)]
    if relays and all(_is_redundant(store, msg) for msg in relays):
        raise Rejected(REDUNDANT, packets=len(relays))


def _is_redundant(store: Reader, msg: Relay) -> bool:
    """Tell whether a message would succeed without effect: the packet was received, or its commitment is gone."""
    packet = msg.packet
    if isinstance(msg, RecvPacket):
        channel = CHANNELS.find(store, packet.destination_port, packet.destination_channel)
        return channel is not None and already_received(store, packet, channel)
    end = (packet.source_port, packet.source_channel)
    return CHANNELS.has(store, *end) and not COMMITMENTS.has(store, *end, packet.sequence)
