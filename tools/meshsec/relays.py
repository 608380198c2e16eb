"""What the relayers of a mesh open: a connection and a transfer channel per pair of chains, a channel per link, and others that
the mesh lists."""

from collections.abc import Mapping
from typing import Literal

from meshsec_core.ibc import transfer
from meshsec_core.ibc.connection import ORDERED, UNORDERED
from meshsec_core.kernel.errors import Rejected
from meshsec_core.security.model import CONSUMER_SIDE, PROVIDER_SIDE
from meshsec_relayer.config import ChainConfig, ChannelConfig, PathConfig, RelayerConfig
from meshsec_sdk.mesh_file import MeshSpec
from meshsec_sdk.models import load_model
from meshsec_sdk.packet_filter import PacketFilter

UNKNOWN_RELAYER = "mesh-file/unknown-relayer"

TRANSFER = (transfer.PORT, transfer.PORT)
"""Ports of the channel that every pair has, whether the mesh lists it or not."""


def relayer_config(mesh: MeshSpec, relayer: str, urls: Mapping[str, str]) -> RelayerConfig:
    """Describe one relayer of a mesh; every relayer serves every path.

    Args:
        mesh: the whole mesh.
        relayer: the relayer's name.
        urls: chain name to its HTTP interface.

    Raises:
        Rejected: `mesh-file/unknown-relayer`.
    """
    if relayer not in mesh.relayers:
        raise Rejected(UNKNOWN_RELAYER, relayer=relayer[:100], known=", ".join(mesh.relayers))
    chains = {
        chain.name: ChainConfig(url=urls[chain.name], chain_id=chain.names.chain_id, prefix=chain.names.prefix)
        for chain in mesh.chains
    }
    paths = tuple(_path(mesh, a, b) for a, b in mesh.pairs())
    peers = mesh.relayers if len(mesh.relayers) > 1 else ()
    carried = mesh.filters.get(relayer, PacketFilter())
    models = tuple(dict.fromkeys(link.model for link in mesh.links))
    return RelayerConfig(id=relayer, chains=chains, paths=paths, peers=peers, filter=carried, models=models)


def _path(mesh: MeshSpec, a: str, b: str) -> PathConfig:
    channels = [ChannelConfig(proposer="a", port=transfer.PORT, counterparty_port=transfer.PORT, version=transfer.VERSION)]
    for link in mesh.links:
        model = load_model(link.model)
        if {link.provider, link.consumer} == {a, b} and model.has_channel:
            side: Literal["a", "b"] = "a" if link.consumer == a else "b"
            ports = model.port(CONSUMER_SIDE), model.port(PROVIDER_SIDE)
            channels.append(ChannelConfig(proposer=side, port=ports[0], counterparty_port=ports[1]))
    for listed in mesh.opened():
        if {listed.proposer, listed.counterparty} == {a, b} and (listed.port, listed.counterparty_port) != TRANSFER:
            channels.append(
                ChannelConfig(
                    proposer="a" if listed.proposer == a else "b",
                    port=listed.port,
                    counterparty_port=listed.counterparty_port,
                    ordering=ORDERED if listed.ordered else UNORDERED,
                    version=listed.version,
                )
            )
    return PathConfig(a=a, b=b, channels=tuple(channels))
