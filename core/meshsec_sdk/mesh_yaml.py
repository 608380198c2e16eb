"""The mesh file: a mesh in YAML, read with the place of every mistake, and written by `meshsec init`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import ONE_BPS, ONE_E18, Denom
from meshsec_sdk import mesh_file, names
from meshsec_sdk.located import BAD_VALUE, Located, parse, read
from meshsec_sdk.mesh_file import ChainSpec, ChannelSpec, FeedSpec, LinkSpec, MeshSpec, ValidatorSpec
from meshsec_sdk.models import model_names
from meshsec_sdk.names import ChainName
from meshsec_sdk.packet_filter import PacketFilter, Pattern
from meshsec_sdk.sections import section_kinds, section_names

MAX_VALIDATORS = 150
ENGINES = ("embedded",)
ORDERINGS = ("unordered", "ordered")
"""The first is the default."""
FEED_TERMS = ("window", "period", "ttl")
"""Over how long a price is averaged, how often it is asked for, how old it may be."""


def load(source: str) -> MeshSpec:
    """Return the mesh that a topology's name or a path names.

    Raises:
        Rejected: `mesh-file/…` or `yaml/…`.
    """
    if mesh_file.is_topology(source) and not Path(source).is_file():
        return mesh_file.topology(source)
    return read_mesh(read(Path(source)))


def loads(text: str, file: str = "<text>") -> MeshSpec:
    """Read a mesh from YAML text.

    Raises:
        Rejected: `mesh-file/…` or `yaml/…`.
    """
    return read_mesh(parse(text, file))


def read_mesh(document: Located) -> MeshSpec:
    """Read the whole document: `chains` is required, everything else has a default.

    Raises:
        Rejected: `mesh-file/…` or `yaml/…`.
    """
    found = document.fields(("seed", "chains", "links", "channels", "relayers"), required=("chains",))
    chains = tuple(_chain(name, entry) for name, entry in found["chains"].entries().items())
    if not chains:
        raise found["chains"].refused(BAD_VALUE, found="nothing", expected="at least one chain")
    links = tuple(_link(entry, chains) for entry in found["links"].items()) if "links" in found else ()
    relayers = _relayers(found["relayers"], chains) if "relayers" in found else {mesh_file.RELAYER: PacketFilter()}
    channels = tuple(_channel(entry, chains, links) for entry in found["channels"].items()) if "channels" in found else ()
    filters = {name: carried for name, carried in relayers.items() if carried != PacketFilter()}
    mesh = MeshSpec(chains, links, tuple(relayers), found["seed"].integer() if "seed" in found else 0, channels, filters)
    mesh_file.check(mesh)
    return mesh


def _chain(name: str, entry: Located) -> ChainSpec:
    found = entry.fields(("prefix", "denom", "validators", "balances", "params", "engine"))
    usual = names.chain_name(name)
    spelled = ChainName(
        name,
        found["prefix"].text() if "prefix" in found else usual.prefix,
        Denom(found["denom"].text()) if "denom" in found else usual.denom,
    )
    if not names.is_chain_name(name):
        raise entry.refused(BAD_VALUE, found=name[:100], expected="a chain name: lower-case letters and digits")
    if not names.is_prefix(spelled.prefix) or not names.is_denom(spelled.denom):
        raise entry.refused(BAD_VALUE, found=f"{spelled.prefix} {spelled.denom}"[:100], expected="lower-case prefix and denom")
    balances = {}
    for alias, amount in (found["balances"].entries() if "balances" in found else {}).items():
        if names.key_path(alias, name) is None:
            raise amount.refused(names.UNKNOWN_NAME, name=alias[:100], known=", ".join((*names.USERS, names.FAUCET)))
        balances[alias] = amount.amount(spelled.denom)
    return ChainSpec(
        names=spelled,
        validators=_validators(found["validators"], spelled)
        if "validators" in found
        else mesh_file.default_chain(usual).validators,
        balances=balances,
        params=_params(found["params"]) if "params" in found else {},
        engine=found["engine"].choice(ENGINES) if "engine" in found else ENGINES[0],
    )


def _params(entry: Located) -> dict[str, dict[str, Any]]:
    """Read the sections of a chain's modules, each against what its module knows."""
    said = entry.fields(section_names())
    known = section_kinds(said)
    params: dict[str, dict[str, Any]] = {}
    for module, section in said.items():
        if module not in known:
            raise section.refused(BAD_VALUE, found=module, expected="nothing: this side of the model takes no parameters")
        params[module] = {name: value.plain() for name, value in section.fields(known[module].__struct_fields__).items()}
        try:
            codec.convert(params[module], known[module])
        except Rejected as refusal:
            raise section.refused(BAD_VALUE, found=module, expected=str(refusal.facts["detail"])) from None
    return params


def _validators(entry: Located, chain: ChainName) -> tuple[ValidatorSpec, ...]:
    """Read a number of equal validators, or a list of names or of `{name, tokens}`."""
    if not entry.is_list:
        return tuple(ValidatorSpec(f"val-{index}") for index in range(entry.integer(1, MAX_VALIDATORS)))
    validators: list[ValidatorSpec] = []
    for index, item in enumerate(entry.items()):
        found = item.fields(("name", "tokens")) if item.is_mapping else {"name": item}
        name = found["name"].text() if "name" in found else f"val-{index}"
        tokens = found["tokens"].amount(chain.denom) if "tokens" in found else mesh_file.SELF_BOND
        if not names.is_validator_name(name) or tokens < 1 or name in (validator.name for validator in validators):
            raise item.refused(BAD_VALUE, found=name[:100], expected="a new name such as val-0, and tokens above zero")
        validators.append(ValidatorSpec(name, tokens))
    if not 1 <= len(validators) <= MAX_VALIDATORS:
        raise entry.refused(BAD_VALUE, found=len(validators), expected=f"1 to {MAX_VALIDATORS} validators")
    return tuple(validators)


def _link(entry: Located, chains: tuple[ChainSpec, ...]) -> LinkSpec:
    keys = ("provider", "consumer", "model", "max_cap", "price", "discount", "feed")
    found = entry.fields(keys, required=("provider", "consumer"))
    known = {chain.name: chain for chain in chains}
    consumer = known[found["consumer"].choice(known)]
    price = found["price"].ratio_e18() if "price" in found else ONE_E18
    discount = found["discount"].ratio_bps() if "discount" in found else 0
    if price == 0 or discount == ONE_BPS:
        raise entry.refused(
            BAD_VALUE, found=f"price {price}, discount {discount} bps", expected="a price above 0, a discount below 1"
        )
    if "feed" in found and "price" in found:
        raise found["price"].refused(BAD_VALUE, found="price and feed", expected="one of them")
    return LinkSpec(
        provider=found["provider"].choice(known),
        consumer=consumer.name,
        model=found["model"].choice(model_names()) if "model" in found else mesh_file.MODEL,
        max_cap=found["max_cap"].amount(consumer.names.denom) if "max_cap" in found else mesh_file.MAX_CAP,
        price_e18=price,
        discount_bps=discount,
        feed=_feed(found["feed"], known) if "feed" in found else None,
    )


def _feed(entry: Located, chains: Mapping[str, ChainSpec]) -> FeedSpec:
    """Read where a price comes from: `{market, base, quote}`, and how often and for how long."""
    found = entry.fields(("market", "base", "quote", *FEED_TERMS), required=("market", "base", "quote"))
    terms = {f"{name}_seconds": found[name].seconds() for name in FEED_TERMS if name in found}
    return FeedSpec(found["market"].choice(chains), found["base"].text(), found["quote"].text(), terms)


def _channel(entry: Located, chains: tuple[ChainSpec, ...], links: tuple[LinkSpec, ...]) -> ChannelSpec:
    found = entry.fields(("from", "to", "ordering", "version"), required=("from", "to"))
    ends = [f"{chain.name}/{port}" for chain in chains for port in mesh_file.ports_of(chain.name, links)]
    proposer, _, port = found["from"].choice(ends).partition("/")
    counterparty, _, counterparty_port = found["to"].choice(ends).partition("/")
    ordered = "ordering" in found and found["ordering"].choice(ORDERINGS) == ORDERINGS[1]
    version = found["version"].text() if "version" in found else ""
    return ChannelSpec(proposer, port, counterparty, counterparty_port, ordered, version)


def _relayers(entry: Located, chains: tuple[ChainSpec, ...]) -> dict[str, PacketFilter]:
    """Read relayers, each a name or `{name, filter}`, and what each carries."""
    relayers: dict[str, PacketFilter] = {}
    for item in entry.items():
        found = item.fields(("name", "filter"), required=("name",)) if item.is_mapping else {"name": item}
        name = found["name"].text()
        if not names.is_validator_name(name) or name in relayers:
            raise item.refused(BAD_VALUE, found=name[:100], expected="a new name: lower-case letters, digits and dashes")
        relayers[name] = _filter(found["filter"], chains) if "filter" in found else PacketFilter()
    return relayers


def _filter(entry: Located, chains: tuple[ChainSpec, ...]) -> PacketFilter:
    found = entry.fields(PacketFilter.__struct_fields__)
    said: dict[str, Any] = {
        name: tuple(_pattern(item, chains) for item in value.items()) if name in ("allow", "deny") else value.integer()
        for name, value in found.items()
    }
    return PacketFilter(**said)


def _pattern(entry: Located, chains: tuple[ChainSpec, ...]) -> Pattern:
    found = entry.fields(Pattern.__struct_fields__)
    spelled = Pattern(**{name: value.text() for name, value in found.items()})
    listed = [chain.name for chain in chains]
    if not spelled.names_any(listed):
        found["chain"].choice(listed)
    return spelled


def dump(mesh: MeshSpec) -> str:
    """Write a mesh as a file that `load` reads back to the same mesh."""
    lines = [f"# {names.WARNING}", f"seed: {mesh.seed}", "chains:"]
    for chain in mesh.chains:
        lines += [f"  {chain.name}:", f"    prefix: {chain.names.prefix}", f"    denom: {chain.names.denom}", "    validators:"]
        lines += [f"      - {{name: {val.name}, tokens: {val.tokens}{chain.names.denom}}}" for val in chain.validators]
        if chain.balances:
            lines += ["    balances:"] + [
                f"      {alias}: {amount}{chain.names.denom}" for alias, amount in chain.balances.items()
            ]
        lines += ["    params: " + _flow(chain.params)] if chain.params else []
    lines += ["links:" if mesh.links else "links: []"]
    for link in mesh.links:
        denom = mesh.chain(link.consumer).names.denom
        price = f"price: {_decimal(link.price_e18, 18)}" if link.feed is None else f"feed: {_flow(_spelled_feed(link.feed))}"
        terms = f"max_cap: {link.max_cap}{denom}, {price}, discount: {_decimal(link.discount_bps, 4)}"
        lines += [f"  - {{provider: {link.provider}, consumer: {link.consumer}, model: {link.model}, {terms}}}"]
    lines += ["channels:"] if mesh.channels else []
    lines += [f"  - {_flow(_spelled(channel))}" for channel in mesh.channels]
    lines += ["relayers:" if mesh.relayers else "relayers: []"]
    for name in mesh.relayers:
        carried = mesh.filters.get(name)
        lines += [f"  - {name}" if carried is None else f"  - {{name: {name}, filter: {_flow(codec.plain(carried))}}}"]
    return "\n".join([*lines, ""])


def _spelled(channel: ChannelSpec) -> dict[str, str]:
    ends = {"from": f"{channel.proposer}/{channel.port}", "to": f"{channel.counterparty}/{channel.counterparty_port}"}
    version = {"version": channel.version} if channel.version else {}
    return {**ends, "ordering": ORDERINGS[channel.ordered], **version}


def _spelled_feed(feed: FeedSpec) -> dict[str, str]:
    terms = {name.removesuffix("_seconds"): f"{seconds}s" for name, seconds in feed.terms.items()}
    return {"market": feed.market, "base": feed.base, "quote": feed.quote, **terms}


def _decimal(scaled: int, places: int) -> str:
    whole, rest = divmod(scaled, 10**places)
    return f"{whole}.{rest:0{places}d}".rstrip("0").rstrip(".")


def _flow(value: object) -> str:
    """Spell plain values in YAML's flow style."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return {True: "true", False: "false", None: "null"}[value] if value is None or isinstance(value, bool) else str(value)
