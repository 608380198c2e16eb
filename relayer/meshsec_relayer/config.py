"""What a relayer is told: its name, the chains it reaches, and the paths it opens and serves. Written as JSON."""

import re
from pathlib import Path
from typing import Literal

import msgspec

from meshsec_core.ibc.channel import ORDERINGS
from meshsec_core.kernel.errors import Rejected
from meshsec_relayer.engine.boundary import IMAGE_VERSION, Image
from meshsec_relayer.engine.client import TrustParams
from meshsec_sdk.located import suggestion
from meshsec_sdk.packet_filter import PacketFilter, Pattern
from meshsec_sdk.settings import Serving, check_url, read_settings

BAD_CONFIG = "relayer/bad-config"
FOREIGN_STORE = "relayer/foreign-store"
STORE_VERSION = "relayer/store-version"

_UNKNOWN = re.compile(r"unknown field `([^`]+)`")


class ChainConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One chain."""

    url: str
    """Where its HTTP interface is, without a trailing slash; unused in a simulation."""
    chain_id: str
    prefix: str
    """Bech32 prefix of account addresses."""


class ChannelConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A channel that must exist on a path."""

    proposer: Literal["a", "b"] = msgspec.field(name="from")
    """Which chain proposes it."""
    port: str
    """The proposer's port."""
    counterparty_port: str
    ordering: str = "ORDER_UNORDERED"
    version: str = ""
    """What to propose; empty leaves it to the application."""


class PathConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A pair of chains and the channels between them."""

    a: str
    b: str
    channels: tuple[ChannelConfig, ...] = ()
    trust: TrustParams = TrustParams()
    """Rules of the clients on both chains, if they have to be created."""

    @property
    def name(self) -> str:
        """Name of the path."""
        return f"{self.a}-{self.b}"


class RelayerConfig(Serving, frozen=True, forbid_unknown_fields=True):
    """Everything a relayer is told."""

    id: str
    chains: dict[str, ChainConfig]
    paths: tuple[PathConfig, ...]
    key: str = ""
    """Path of the development key; `relayer/<id>` if left out."""
    peers: tuple[str, ...] = ()
    """Ids of all relayers that serve the same paths, this one among them, in the same order for each; none if it is alone."""
    filter: PacketFilter = PacketFilter()
    """Which packets are carried."""
    models: tuple[str, ...] = ()
    """Shared-security models whose lenders are told of faults; they are installed where the relayer runs."""
    max_batch_messages: int = 100
    """Most packet messages in one transaction."""
    max_batch_bytes: int = 400_000
    """Most bytes of packet messages in one transaction; a single message may be larger."""
    store: str = ""
    """File of the durable cursor; empty keeps it in memory."""

    @property
    def key_path(self) -> str:
        """Path of the development key that signs."""
        return self.key or f"relayer/{self.id}"


def read_config(path: Path) -> RelayerConfig:
    """Read and check a configuration.

    Raises:
        Rejected: `relayer/bad-config` with what is wrong.
    """
    try:
        config = read_settings(path, RelayerConfig, BAD_CONFIG)
    except Rejected as refusal:
        raise _explained(refusal) from None
    for chain in config.chains.values():
        check_url(chain.url, BAD_CONFIG)
    check_config(config)
    return config


def _explained(refusal: Rejected) -> Rejected:
    """Add to the refusal of an unknown key the one that may have been meant."""
    unknown = _UNKNOWN.search(str(refusal.facts.get("reason", "")))
    if unknown is None:
        return refusal
    kinds = (RelayerConfig, ChainConfig, PathConfig, ChannelConfig, TrustParams, PacketFilter, Pattern)
    known = [field.encode_name for kind in kinds for field in msgspec.structs.fields(kind)]
    return Rejected(refusal.code, **refusal.facts, suggestion=suggestion(unknown[1], known))


def check_config(config: RelayerConfig) -> None:
    """Refuse what cannot work: `relayer/bad-config`."""
    seen: list[tuple[str, str]] = []
    for path in config.paths:
        ends = (min(path.a, path.b), max(path.a, path.b))
        unknown = [chain for chain in ends if chain not in config.chains]
        if unknown or path.a == path.b or ends in seen:
            raise Rejected(
                BAD_CONFIG, path=path.name, detail="unknown chain" if unknown else "the path is listed twice or leads nowhere"
            )
        seen.append(ends)
        for channel in path.channels:
            if channel.ordering not in ORDERINGS:
                raise Rejected(BAD_CONFIG, path=path.name, detail=f"ordering {channel.ordering}")
        if len(path.channels) != len(dict.fromkeys(path.channels)):
            raise Rejected(BAD_CONFIG, path=path.name, detail="a channel is listed twice")
    if config.peers and (config.id not in config.peers or len(dict.fromkeys(config.peers)) != len(config.peers)):
        raise Rejected(BAD_CONFIG, peers=", ".join(config.peers), detail="each peer is named once, this relayer among them")
    for pattern in (*config.filter.allow, *config.filter.deny):
        if not pattern.names_any(config.chains):
            near = suggestion(pattern.chain, config.chains)
            raise Rejected(BAD_CONFIG, filter=pattern.chain, detail="a filter names no chain that is served", suggestion=near)
    if config.max_batch_messages < 1 or config.max_batch_bytes < 1:
        raise Rejected(BAD_CONFIG, detail="a batch holds at least one message")


def check_image(image: Image, config: RelayerConfig) -> None:
    """Refuse a durable image of another version or of other chains: `relayer/store-version`, `relayer/foreign-store`."""
    if image.version != IMAGE_VERSION:
        raise Rejected(STORE_VERSION, found=image.version, expected=IMAGE_VERSION)
    for name, chain_id in image.chains.items():
        if name in config.chains and config.chains[name].chain_id != chain_id:
            raise Rejected(FOREIGN_STORE, chain=name, found=chain_id, expected=config.chains[name].chain_id)
