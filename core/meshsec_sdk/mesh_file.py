"""A mesh described: its chains, validators, links, channels and relayers, and the genesis document of each chain.

A mesh comes from a topology's name (`pair`, `triangle`, `star:N`, `full:N`) or from a YAML file (`mesh_yaml`). Everything that is
derived here is a pure function of the description, so the same mesh has the same first state everywhere.
"""

import re
from collections.abc import Iterable
from functools import partial
from itertools import combinations
from typing import Any

import msgspec

from meshsec_core.app import MODULES, fingerprint
from meshsec_core.ibc import prices
from meshsec_core.kernel import codec
from meshsec_core.kernel.crypto import PrivateKey
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import ONE_E18, Address, Denom, ValidatorId
from meshsec_core.runtime.genesis import Genesis, GenesisValidator
from meshsec_core.security.model import CONSUMER_SIDE, PROVIDER_SIDE, Offer
from meshsec_sdk import names
from meshsec_sdk.by_type import read_texts
from meshsec_sdk.models import load_model, load_models
from meshsec_sdk.names import ChainName
from meshsec_sdk.packet_filter import PacketFilter
from meshsec_sdk.sections import section_kinds

UNKNOWN_TOPOLOGY = "mesh-file/unknown-topology"
TOO_MANY_CHAINS = "mesh-file/too-many-chains"
UNKNOWN_CHAIN = "mesh-file/unknown-chain"
BAD_LINK = "mesh-file/bad-link"
BAD_CHANNEL = "mesh-file/bad-channel"

GENESIS_TIME = 1_735_689_600 * 10**9
"""2025-01-01 00:00:00 UTC in nanoseconds: where simulated meshes start."""

VALIDATORS = 4
SELF_BOND = 1_000_000_000
"""Base units that each validator has bonded at genesis, if nothing else is said."""
SMALL_BOND = 100_000_000
"""The same on all chains of a topology but the first: what a large chain lends to a small one is worth seeing."""
NO_INFLATION = {"mint": {"inflation_bps": 0}}
"""Topologies start without inflation, so that every balance can be explained by hand."""
USER_COINS = 1_000_000_000
FAUCET_COINS = 10_000_000_000
"""Little beside the stake, because inflation pays the stakers for every coin there is."""
MAX_CAP = 1_000_000_000
"""Default cap of a link, in base units of the consumer's coin."""
MODEL = "mesh"
RELAYER = "main"


class ValidatorSpec(msgspec.Struct, frozen=True):
    """A validator of the first block."""

    name: str
    tokens: int = SELF_BOND
    """Self-bond in base units."""


class ChainSpec(msgspec.Struct, frozen=True):
    """One chain of a mesh."""

    names: ChainName
    validators: tuple[ValidatorSpec, ...]
    balances: dict[str, int] = {}
    """Alias to base units of the chain's coin; users that are not listed have `USER_COINS`."""
    params: dict[str, dict[str, Any]] = {}
    """Module name to the fields of its genesis section that differ from the defaults."""
    engine: str = "embedded"

    @property
    def name(self) -> str:
        """Short name: `osmosis`."""
        return self.names.name


class FeedSpec(msgspec.Struct, frozen=True):
    """A chain that is asked for the price of a link's provider token."""

    market: str
    base: str
    """What the provider's token is called there."""
    quote: str
    """What the consumer's token is called there."""
    terms: dict[str, int] = {}
    """`window_seconds`, `period_seconds`, `ttl_seconds`; the model has defaults."""


class LinkSpec(msgspec.Struct, frozen=True):
    """One chain lends security to another."""

    provider: str
    consumer: str
    model: str = MODEL
    max_cap: int = MAX_CAP
    """Most virtual stake that the consumer accepts over this link, in base units of the consumer's coin."""
    price_e18: int = ONE_E18
    """Units of the consumer's coin for one unit of the provider's, times 10^18."""
    discount_bps: int = 0
    """What the consumer takes off the converted value, in basis points."""
    feed: FeedSpec | None = None
    """Where the price comes from, if it is not fixed."""


class ChannelSpec(msgspec.Struct, frozen=True):
    """A channel that relayers open, beside those of links and the transfer channel that every pair of joined chains has."""

    proposer: str
    """The chain that proposes it."""
    port: str
    counterparty: str
    counterparty_port: str
    ordered: bool = False
    version: str = ""
    """What to propose; empty leaves it to the application."""

    @property
    def ends(self) -> tuple[tuple[str, str], ...]:
        """Both (chain, port), sorted: together with the ordering, what relayers tell one channel from another by."""
        return tuple(sorted(((self.proposer, self.port), (self.counterparty, self.counterparty_port))))


class MeshSpec(msgspec.Struct, frozen=True):
    """A whole mesh."""

    chains: tuple[ChainSpec, ...]
    links: tuple[LinkSpec, ...]
    relayers: tuple[str, ...] = (RELAYER,)
    seed: int = 0
    """Seeds what a simulation leaves to chance."""
    channels: tuple[ChannelSpec, ...] = ()
    filters: dict[str, PacketFilter] = {}
    """What a relayer carries, by its name; one that is not named carries everything."""

    def chain(self, name: str) -> ChainSpec:
        """Return a chain by its short name or chain id.

        Raises:
            Rejected: `mesh-file/unknown-chain`.
        """
        for chain in self.chains:
            if name in (chain.name, chain.names.chain_id):
                return chain
        raise Rejected(UNKNOWN_CHAIN, chain=name[:100], known=", ".join(chain.name for chain in self.chains))

    def opened(self) -> tuple[ChannelSpec, ...]:
        """Return the channels that relayers open: the listed ones, and those over which links ask for prices."""
        asked = [
            ChannelSpec(link.consumer, load_model(link.model).feed_port, link.feed.market, prices.PORT)
            for link in self.links
            if link.feed
        ]
        listed = {channel.ends for channel in self.channels}
        return (*self.channels, *dict.fromkeys(channel for channel in asked if channel.ends not in listed))

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Return each pair of chains that a link or a channel joins, in the order of the chains: the connections that relayers
        open."""
        order = {chain.name: index for index, chain in enumerate(self.chains)}
        joined = [(link.provider, link.consumer) for link in self.links]
        joined += [(channel.proposer, channel.counterparty) for channel in self.opened()]
        found = {tuple(sorted(pair, key=order.__getitem__)) for pair in joined}
        return tuple((left, right) for left, right in sorted(found, key=lambda pair: (order[pair[0]], order[pair[1]])))


def default_chain(chain: ChainName) -> ChainSpec:
    """Describe a chain of a topology: four validators, a tenth of the stake unless it is the first of the list."""
    bond = SELF_BOND if chain == names.CHAINS[0] else SMALL_BOND
    validators = tuple(ValidatorSpec(f"val-{index}", bond) for index in range(VALIDATORS))
    return ChainSpec(chain, validators, params=NO_INFLATION)


def both_ways(pairs: Iterable[tuple[str, str]]) -> tuple[LinkSpec, ...]:
    """Return two links for every pair: each chain lends to the other."""
    return tuple(link for left, right in pairs for link in (LinkSpec(left, right), LinkSpec(right, left)))


def is_topology(text: str) -> bool:
    """Tell whether a text is meant as a topology and not as a file."""
    return re.fullmatch(r"[a-z]+(:[0-9]{1,4})?", text) is not None


def topology(text: str) -> MeshSpec:
    """Build one of the well-known meshes.

    Args:
        text: `pair`, `triangle`, `star:N` (the first chain in the middle of N chains) or `full:N` (every chain with every other).

    Raises:
        Rejected: `mesh-file/unknown-topology`, `mesh-file/too-many-chains`.
    """
    found = re.fullmatch(r"(pair|triangle|(star|full):([0-9]{1,4}))", text)
    size = {"pair": 2, "triangle": 3}.get(text) or int(found[3] if found else 0)
    if found is None or size < 2:
        raise Rejected(UNKNOWN_TOPOLOGY, topology=text[:100], known="pair, triangle, star:N, full:N (N from 2)")
    if size > len(names.CHAINS):
        raise Rejected(TOO_MANY_CHAINS, chains=size, limit=len(names.CHAINS))
    chains = names.CHAINS[:size]
    hub = chains[0].name
    spokes = ((hub, chain.name) for chain in chains[1:])
    everyone = combinations([chain.name for chain in chains], 2)
    return MeshSpec(tuple(map(default_chain, chains)), both_ways(spokes if found[2] == "star" else everyone))


def check(mesh: MeshSpec) -> None:
    """Check what ties the parts of a mesh together.

    Raises:
        Rejected: `mesh-file/unknown-chain`, `mesh-file/bad-link`, `mesh-file/bad-channel`.
    """
    seen: list[tuple[str, str, str]] = []
    for link in mesh.links:
        mesh.chain(link.provider), mesh.chain(link.consumer)
        if link.provider == link.consumer or (link.provider, link.consumer, link.model) in seen:
            reason = "a chain cannot secure itself" if link.provider == link.consumer else "the link is listed twice"
            raise Rejected(BAD_LINK, provider=link.provider, consumer=link.consumer, reason=reason)
        if link.feed is not None and not load_model(link.model).feed_port:
            reason = f"the model `{link.model}` follows no market"
            raise Rejected(BAD_LINK, provider=link.provider, consumer=link.consumer, reason=reason)
        if link.feed is not None and mesh.chain(link.feed.market).name == link.consumer:
            raise Rejected(BAD_LINK, provider=link.provider, consumer=link.consumer, reason="a price feed asks another chain")
        seen.append((link.provider, link.consumer, link.model))
    listed: list[tuple[tuple[tuple[str, str], ...], bool]] = []
    for channel in mesh.channels:
        mesh.chain(channel.proposer), mesh.chain(channel.counterparty)
        if channel.proposer == channel.counterparty or (channel.ends, channel.ordered) in listed:
            reason = "a channel joins two chains" if channel.proposer == channel.counterparty else "the channel is listed twice"
            raise Rejected(BAD_CHANNEL, ends=" and ".join("/".join(end) for end in channel.ends), reason=reason)
        for chain, port in channel.ends:
            if port not in ports_of(chain, mesh.links):
                known = ", ".join(ports_of(chain, mesh.links))
                raise Rejected(BAD_CHANNEL, ends=f"{chain}/{port}", reason=f"{chain} has no such port; it has {known}")
        listed.append((channel.ends, channel.ordered))


def ports_of(chain: str, links: Iterable[LinkSpec]) -> list[str]:
    """Return the ports of a chain between which anybody may list channels: its applications', and those of its links' models that
    no link takes."""
    models = load_models(_models(chain, links)).values()
    return [*(port for module in MODULES for port in module.ports), *(port for model in models for port in model.free_ports)]


def consensus_keys(chain: ChainSpec) -> dict[str, PrivateKey]:
    """Return the consensus keys of a chain's validators by name."""
    return {
        validator.name: names.development_key(names.consensus_path(chain.name, validator.name)) for validator in chain.validators
    }


def balances(mesh: MeshSpec, chain: ChainSpec) -> dict[Address, dict[Denom, int]]:
    """Return who has how many coins of a chain at genesis: users, the faucet and the relayers."""
    coins = dict.fromkeys(names.USERS, USER_COINS) | {names.FAUCET: FAUCET_COINS}
    coins |= {names.relayer_path(relayer): USER_COINS for relayer in mesh.relayers}
    coins |= chain.balances
    return {names.address(alias, chain.names): {chain.names.denom: amount} for alias, amount in coins.items() if amount > 0}


def genesis_of(mesh: MeshSpec, name: str, time: int = GENESIS_TIME) -> Genesis:
    """Build the genesis document of one chain of a mesh.

    Args:
        mesh: the whole mesh; links decide what the chain's models accept.
        name: the chain's short name.
        time: genesis time in nanoseconds.

    Raises:
        Rejected: `mesh-file/unknown-chain`, `genesis/unknown-model`.
    """
    chain = mesh.chain(name)
    keys = consensus_keys(chain)
    return Genesis(
        chain_id=chain.names.chain_id,
        prefix=chain.names.prefix,
        denom=chain.names.denom,
        time=time,
        validators=tuple(
            GenesisValidator(
                name=validator.name,
                operator=names.validator_id(chain.names, validator.name),
                public_key=keys[validator.name].public_key,
                tokens=validator.tokens,
            )
            for validator in chain.validators
        ),
        balances=balances(mesh, chain),
        modules=_sections(mesh, chain),
        models={name: fingerprint(model) for name, model in load_models(_models(chain.name, mesh.links)).items()},
    )


def _models(chain: str, links: Iterable[LinkSpec]) -> list[str]:
    """Return the models under which a chain lends or borrows."""
    return sorted({link.model for link in links if chain in (link.provider, link.consumer)})


def _sections(mesh: MeshSpec, chain: ChainSpec) -> dict[str, dict[str, Any]]:
    """Return the module sections of a chain, spelled as JSON: its parameters, and what its links add to those of their models."""
    sections: dict[str, Any] = {module: dict(section) for module, section in chain.params.items()}
    for link in mesh.links:
        provider, consumer = mesh.chain(link.provider).names.chain_id, mesh.chain(link.consumer).names.chain_id
        feed = None if link.feed is None else _feed(mesh, link.feed)
        offer = Offer(provider, consumer, link.max_cap, link.price_e18, link.discount_bps, feed)
        added = load_model(link.model).sections(offer)
        for name, side, section in (
            (link.provider, PROVIDER_SIDE, added.provider),
            (link.consumer, CONSUMER_SIDE, added.consumer),
        ):
            if name == chain.name and section:
                sections = _under(sections, {f"{link.model}/{side}": section})
    kinds = section_kinds(sections)
    plain: dict[str, dict[str, Any]] = codec.plain(sections)
    return {name: read_texts(kinds.get(name), section, partial(_meant, chain)) for name, section in plain.items()}


def _meant(chain: ChainSpec, kind: Any, text: str) -> str:
    """Return the address or the operator behind a development name of a chain; other texts are returned as they are."""
    if kind is Address and text in (*names.USERS, names.FAUCET):
        return names.address(text, chain.names)
    if kind is ValidatorId and text in [validator.name for validator in chain.validators]:
        return names.validator_id(chain.names, text)
    return text


def _feed(mesh: MeshSpec, feed: FeedSpec) -> dict[str, Any]:
    """Spell where a price comes from: the chain is named, since nobody knows what channels will be called."""
    market = mesh.chain(feed.market).names.chain_id
    return {"channel": "", "base": feed.base, "quote": feed.quote, "market": market, **feed.terms}


def _under(said: dict[str, Any], added: dict[str, Any]) -> dict[str, Any]:
    """Join mappings at every level; what is said goes before what is added."""
    joined = {**added, **said}
    for key, value in added.items():
        if isinstance(value, dict) and isinstance(said.get(key), dict):
            joined[key] = _under(said[key], value)
    return joined
