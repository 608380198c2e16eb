"""What a shared-security model is: two modules, how it shapes power, its laws across chains, and the measures it answers."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import msgspec

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.types import ChainId, LinkId, ValidatorId
from meshsec_core.runtime.law import Law
from meshsec_core.runtime.module import Module, Msg, Query, View
from meshsec_core.runtime.queries import KINDS, declared, kind_name

BAD_MODEL = "model/bad"

Powers = tuple[tuple[bytes, int], ...]
"""(consensus public key, power), in the order of the validator set."""

ShapePower = Callable[[Reader, Powers], Powers]
"""(state, native powers) -> effective powers. Pure; keys may be added or left out."""

Lent = Mapping[ValidatorId, Mapping[str, int]]
"""Validator to the power that each link lends it."""

NO_MEASURES: Mapping[str, Query] = MappingProxyType({})
NOTHING_LENT: Lent = MappingProxyType({})

PROVIDER_SIDE = "provider"
CONSUMER_SIDE = "consumer"

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


class Offer(msgspec.Struct, frozen=True):
    """What the description of a mesh says of one link."""

    provider: ChainId
    consumer: ChainId
    max_cap: int
    """Most that the consumer accepts over this link, in base units of its coin."""
    price_e18: int
    """Units of the consumer's coin for one unit of the provider's, times 10^18."""
    discount_bps: int
    """What the consumer takes off the converted value."""
    feed: dict[str, Any] | None = None
    """Where the price comes from, if it follows a market: the market's chain, the pair, and what else the mesh says of it."""


class Sections(msgspec.Struct, frozen=True):
    """What one link adds to the genesis sections of a model's modules; what a chain's `params` say goes before it."""

    provider: dict[str, Any] = {}
    """For `<model>/provider`, on the chain that lends."""
    consumer: dict[str, Any] = {}
    """For `<model>/consumer`, on the chain that borrows."""


@dataclass(frozen=True, slots=True)
class Accusation:
    """How a lender learns from anybody who has signed twice: relayers carry to it what the borrower's blocks hold."""

    message: Callable[[LinkId, bytes, bytes], Msg]
    """(link on the lender, evidence as the block holds it, a header of the borrower as its client takes them) -> message."""
    settled: frozenset[str]
    """Refusals after which nothing is left to tell."""


def unchanged(store: Reader, powers: Powers) -> Powers:  # noqa: ARG001
    """Shape nothing: for models whose power lies in the staking module already."""
    return powers


def idle(store: Reader) -> bool:  # noqa: ARG001
    """Tell that a model never needs a block of its own."""
    return False


def no_sections(offer: Offer) -> Sections:  # noqa: ARG001
    """Write nothing into a genesis document: for models whose links need no leave."""
    return Sections()


def nothing_lent(view: View) -> Lent:  # noqa: ARG001
    """Tell that no power is lent."""
    return NOTHING_LENT


@dataclass(frozen=True, slots=True)
class SecurityModel:
    """A plug-in: how chains lend each other security. A frozen value built once at the end of the model's file."""

    name: str
    """Key in the genesis document; prefix of the model's modules, messages, ports and stores."""
    source: str
    """The specification it follows."""
    provider: Module[Any]
    """`<name>/provider` runs on the chain that lends security."""
    consumer: Module[Any]
    """`<name>/consumer` runs on the chain that borrows it. One chain may be both."""
    shape_power: ShapePower = unchanged
    laws: tuple[Law, ...] = ()
    measures: Mapping[str, Query] = field(default_factory=lambda: NO_MEASURES)
    """Read-only figures by which models are compared; the arguments are those of queries."""
    has_work: Callable[[Reader], bool] = idle
    """Whether the state waits for another block: an epoch is due, or something must still be told to a partner."""
    sections: Callable[[Offer], Sections] = no_sections
    """What a link of the mesh becomes in the genesis documents of its two chains."""
    lent: Callable[[View], Lent] = nothing_lent
    """Which part of the validators' powers comes from elsewhere; for those who look, and not for consensus."""

    accusation: Accusation | None = None
    """None if the lender takes the borrower's word, or needs none."""
    feed_port: str = ""
    """The consumer's port over which it asks a market for prices, so that a link may have a `feed`; empty if it follows none."""

    def port(self, side: str) -> str:
        """Return the port that the model's channel has on its `provider` or `consumer` side."""
        return f"{self.name}-{side}"

    @property
    def free_ports(self) -> tuple[str, ...]:
        """The ports that no link takes: between them a mesh may list channels."""
        taken = (self.port(PROVIDER_SIDE), self.port(CONSUMER_SIDE))
        return tuple(port for port in (*self.provider.ports, *self.consumer.ports) if port not in taken)

    @property
    def has_channel(self) -> bool:
        """Whether the two sides speak to each other. The consumer proposes the channel."""
        return self.port(PROVIDER_SIDE) in self.provider.ports and self.port(CONSUMER_SIDE) in self.consumer.ports


def check(model: SecurityModel) -> None:
    """Refuse a model that would reach into what is not its own: everything it brings carries its name.

    Raises:
        Rejected: `model/bad` with what is wrong.
    """
    name = model.name
    if _NAME.fullmatch(name) is None:
        raise Rejected(BAD_MODEL, model=name[:100], found=name[:100], expected="a name: lower-case letters, digits and dashes")
    for side, module in ((PROVIDER_SIDE, model.provider), (CONSUMER_SIDE, model.consumer)):
        if module.name != f"{name}/{side}":
            raise Rejected(BAD_MODEL, model=name, found=module.name[:100], expected=f"a module named {name}/{side}")
        tags = [str(kind.__struct_config__.tag) for kind in module.handlers]
        for found, expected in (
            *((tag, f"{name}/") for tag in tags),
            *((f"{port}-", f"{name}-") for port in module.ports),
            *((f"{store}-", f"{name}-") for store in module.stores),
        ):
            if not found.startswith(expected):
                raise Rejected(BAD_MODEL, model=name, found=found.rstrip("-")[:100], expected=f"a name that begins with {name}")
    if model.feed_port and model.feed_port not in model.consumer.ports:
        raise Rejected(BAD_MODEL, model=name, found=model.feed_port[:100], expected="a feed port that its consumer has")
    for module in (model.provider, model.consumer):
        if module.genesis is not None and not _has_defaults(module.genesis):
            found = f"{module.genesis.__name__} without a default"
            raise Rejected(BAD_MODEL, model=name, found=found, expected="a genesis section with a default for every field")
    for query in (*model.provider.queries.values(), *model.consumer.queries.values(), *model.measures.values()):
        _check_query(name, query)


def _has_defaults(genesis: type[Any]) -> bool:
    try:
        genesis()
    except TypeError:
        return False
    return True


def _check_query(model: str, query: Query) -> None:
    """Refuse a query that nobody could ask over HTTP."""
    try:
        about = declared(query)
    except (NameError, TypeError, ValueError) as error:
        raise Rejected(
            BAD_MODEL, model=model, found=f"{getattr(query, '__name__', query)}: {error}"[:200], expected="a function of a view"
        ) from None
    for name, parameter in about.parameters.items():
        if parameter.kind not in KINDS:
            found = f"{getattr(query, '__name__', query)}({name}: {kind_name(parameter.kind)})"
            raise Rejected(BAD_MODEL, model=model, found=found[:200], expected=f"one of {', '.join(map(kind_name, KINDS))}")
