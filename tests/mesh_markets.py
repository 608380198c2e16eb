"""Channels from a price feed to a chain that trades the pair, in meshes of `mesh_rig`."""

from harness import Chain
from ibc_events import attribute
from mesh_rig import MeshRig, trusting
from meshsec_core.ibc.channel import ChannelOpenAck, ChannelOpenConfirm, ChannelOpenInit, ChannelOpenTry
from meshsec_core.ibc.connection import UNORDERED
from meshsec_core.ibc.prices import PORT, VERSION
from meshsec_core.security.mesh.consumer.feed import FEED_PORT


def connect(rig: MeshRig, asker: Chain, market: Chain) -> str:
    """Open a channel from a price feed to a market; return what the asker calls it."""
    here, there = rig._connect(asker, market), rig._connect(market, asker)
    with trusting():
        opened = asker.send("relayer", ChannelOpenInit(FEED_PORT, UNORDERED, here, PORT))
        channel = attribute(opened, "channel_open_init", "channel_id")
        height = rig._height(asker)
        trying = ChannelOpenTry(PORT, UNORDERED, there, FEED_PORT, channel, VERSION, b"", height)
        other = attribute(market.send("relayer", trying), "channel_open_try", "channel_id")
        asker.send("relayer", ChannelOpenAck(FEED_PORT, channel, other, VERSION, b"", height))
        market.send("relayer", ChannelOpenConfirm(PORT, other, b"", height))
    rig._targets[asker.prefix, FEED_PORT, channel] = market
    return channel
