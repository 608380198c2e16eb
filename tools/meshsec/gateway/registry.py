"""What a program needs to know to use a mesh: chains, coins, keys, channels, and where everything listens."""

import asyncio

import msgspec

from meshsec.gateway.gateway import Gateway
from meshsec_core.kernel.crypto import PrivateKey, account, address_of
from meshsec_core.kernel.errors import Rejected
from meshsec_core.security.model import CONSUMER_SIDE, PROVIDER_SIDE
from meshsec_relayer.engine.boundary import PathImage
from meshsec_relayer.engine.reports import StatusReport
from meshsec_sdk import names
from meshsec_sdk.mesh_file import ChainSpec, LinkSpec, MeshSpec
from meshsec_sdk.models import load_model

DERIVATION = "the 32-byte seed of an ed25519 key is sha256('meshsec development key, never use with real money/' + path)"


class Key(msgspec.Struct, frozen=True):
    """A development key."""

    name: str
    """What the interfaces of the chains call it."""
    path: str
    """Of which it is derived."""
    public_key: bytes
    addresses: dict[str, str]
    """Account address by chain."""


class ListedValidator(msgspec.Struct, frozen=True):
    """A validator of the first block."""

    name: str
    """Under which the whole mesh knows it: `juno/val-0`."""
    operator: str
    address: str
    """Of its consensus key, lower hex."""
    public_key: bytes
    tokens: int
    """Self-bond at genesis, base units."""


class ListedChain(msgspec.Struct, frozen=True):
    """A chain and where it listens."""

    chain_id: str
    prefix: str
    denom: str
    engine: str
    url: str
    """Through the gateway."""
    direct: str
    """As the gateway reaches it."""
    validators: tuple[ListedValidator, ...]


class ListedLink(msgspec.Struct, frozen=True):
    """One chain lends security to another."""

    provider: str
    consumer: str
    model: str
    max_cap: int
    price_e18: int
    discount_bps: int
    provider_channel: str
    """Empty while it is not open."""
    consumer_channel: str


class ListedPath(msgspec.Struct, frozen=True):
    """What joins two chains."""

    a: str
    b: str
    ready: bool
    open: PathImage
    """Names of clients, connection and channels."""


class ListedRelayer(msgspec.Struct, frozen=True):
    """A relayer and where it listens."""

    url: str
    direct: str
    addresses: dict[str, str]
    """Its account by chain."""


class Registry(msgspec.Struct, frozen=True):
    """The whole mesh."""

    warning: str
    order: tuple[str, ...]
    """Short names of the chains in the order in which the mesh lists them."""
    chains: dict[str, ListedChain]
    links: tuple[ListedLink, ...]
    paths: tuple[ListedPath, ...]
    """Empty while no relayer answers."""
    relayers: dict[str, ListedRelayer]
    keys: tuple[Key, ...]
    derivation: str
    endpoints: dict[str, str]


async def registry(gateway: Gateway, base: str) -> Registry:
    """Describe a mesh.

    Args:
        gateway: what serves it.
        base: the gateway's URL as the reader knows it, without a trailing slash.
    """
    mesh = gateway.settings.mesh
    paths = await _paths(gateway)
    return Registry(
        names.WARNING,
        tuple(chain.name for chain in mesh.chains),
        {chain.name: _chain(chain, base, gateway.settings.chains[chain.name]) for chain in mesh.chains},
        tuple(_link(link, paths) for link in mesh.links),
        paths,
        {name: _relayer(mesh, name, base, url) for name, url in gateway.settings.relayers.items()},
        _keys(mesh),
        DERIVATION,
        {name: base + path for name, path in _ENDPOINTS.items()},
    )


_ENDPOINTS = {
    "page": "/",
    "registry": "/registry",
    "mesh": "/v1/mesh",
    "events": "/v1/events",
    "clock": "/v1/clock",
    "faucet": "/faucet",
    "ready": "/readyz",
}


async def _paths(gateway: Gateway) -> tuple[ListedPath, ...]:
    """Ask the relayers for the channels that they serve; all of them serve all paths, so the first answer will do."""

    async def ask(name: str) -> StatusReport | None:
        try:
            return await gateway.relayer(name).get("/v1/status", StatusReport)
        except Rejected:
            return None

    for report in await asyncio.gather(*map(ask, gateway.relayers)):
        if report is not None:
            return tuple(ListedPath(path.a, path.b, path.ready, path.open) for path in report.paths.values())
    return ()


def _chain(chain: ChainSpec, base: str, direct: str) -> ListedChain:
    return ListedChain(
        chain.names.chain_id,
        chain.names.prefix,
        chain.names.denom,
        chain.engine,
        f"{base}/chains/{chain.name}",
        direct,
        tuple(_validator(chain, validator.name, validator.tokens) for validator in chain.validators),
    )


def _validator(chain: ChainSpec, name: str, tokens: int) -> ListedValidator:
    public_key = names.development_key(names.consensus_path(chain.name, name)).public_key
    operator = names.validator_id(chain.names, name)
    return ListedValidator(f"{chain.name}/{name}", operator, address_of(public_key).hex(), public_key, tokens)


def _link(link: LinkSpec, paths: tuple[ListedPath, ...]) -> ListedLink:
    ends, model = ("", ""), load_model(link.model)
    for path in paths:
        for channel in path.open.channels:
            if (path.a, path.b) == (link.provider, link.consumer) and channel.port_a == model.port(PROVIDER_SIDE):
                ends = (channel.channel_a, channel.channel_b)
            if (path.a, path.b) == (link.consumer, link.provider) and channel.port_a == model.port(CONSUMER_SIDE):
                ends = (channel.channel_b, channel.channel_a)
    return ListedLink(link.provider, link.consumer, link.model, link.max_cap, link.price_e18, link.discount_bps, ends[0], ends[1])


def _relayer(mesh: MeshSpec, name: str, base: str, direct: str) -> ListedRelayer:
    addresses = {chain.name: str(names.address(names.relayer_path(name), chain.names)) for chain in mesh.chains}
    return ListedRelayer(f"{base}/relayers/{name}", direct, addresses)


def _keys(mesh: MeshSpec) -> tuple[Key, ...]:
    """List the keys with which the mesh's development routes sign."""
    shared = [(user, f"user/{user}") for user in names.USERS] + [(names.FAUCET, names.FAUCET)]
    shared += [(names.relayer_path(relayer), names.relayer_path(relayer)) for relayer in mesh.relayers]
    found = [_key(name, path, mesh.chains) for name, path in shared]
    for chain in mesh.chains:
        for validator in chain.validators:
            name = f"{chain.name}/{validator.name}"
            found.append(_key(name, names.operator_path(chain.name, validator.name), (chain,)))
    return tuple(found)


def _key(name: str, path: str, chains: tuple[ChainSpec, ...]) -> Key:
    key: PrivateKey = names.development_key(path)
    raw = address_of(key.public_key)
    return Key(name, path, key.public_key, {chain.name: str(account(chain.names.prefix, raw)) for chain in chains})
