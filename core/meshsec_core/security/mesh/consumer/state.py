"""What the consumer keeps, and how it is read.

A link is named by its channel on this chain. Requests are kept in provider tokens, so that a price move re-prices the
whole stake; what is delegated is only ever what the last epoch made of them. Each link delegates from an account of its own.
"""

import msgspec

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.store.windows import Item, Map
from meshsec_core.kernel.types import ONE_BPS, SECOND, ChainId, LinkId, ValidatorId
from meshsec_core.modules.staking.state import VOICES
from meshsec_core.runtime.module import Ctx
from meshsec_core.security.mesh.caps import Caps
from meshsec_core.security.mesh.converter import Rate
from meshsec_core.security.mesh.links import UNKNOWN_LINK, Phase
from meshsec_core.security.mesh.packets import Slashed

ALREADY_LINKED = "mesh/already-linked"

MAX_BLOCKS = 2**63
"""Lengths beyond this are nonsense."""


class Epochs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a link's virtual stake is adjusted: whenever height or time passes offset + a multiple of the length."""

    blocks: int = 1
    seconds: int = 0
    """If positive, epochs go by time, not by height."""
    offset: int = 0
    """Blocks or seconds, so that links do not all have their epochs at once."""

    def index(self, height: int, time: int) -> int:
        """Return how many boundaries lie at or before a height (or a time in nanoseconds)."""
        if self.seconds:
            return (time - self.offset * SECOND) // (self.seconds * SECOND)
        return (height - self.offset) // self.blocks


class Feed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a link's price is asked for."""

    channel: str
    """Of this chain's `mesh-price-feed` port; empty takes the first one that opens to `market`."""
    base: str
    """What the provider's token is called on the chain that trades it."""
    quote: str
    """What this chain's token is called there."""
    window_seconds: int = 3_600
    """Over how long the price is averaged."""
    period_seconds: int = 3_600
    """How often it is asked for."""
    ttl_seconds: int = 14_400
    """How old a price may be."""
    market: ChainId = ChainId("")
    """The chain that trades the pair, as its client names it; for a feed that is named before there are channels."""


class LinkParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """On which terms this chain borrows over a link: governance's word."""

    max_cap: int = 0
    """Most virtual stake, in this chain's tokens; 0 admits none and unwinds what there is."""
    price_e18: int = 10**18
    """This chain's tokens for one provider token × 10^18; not used while there is a feed."""
    feed: Feed | None = None
    """Where the price comes from, if it is not fixed."""
    discount_bps: int = 0
    share_cap_bps: int = 0
    """Most virtual stake as a part of the native bonded tokens; 0 for no such cap."""
    validator_cap_bps: int = 0
    """Most virtual stake on one validator as a part of the native bonded tokens; 0 for no such cap."""
    epochs: Epochs = Epochs()
    reward_seconds: int = 3_600
    """Rewards are collected and sent at the first epoch after so long; 0 for every epoch."""
    voice_bps: int = ONE_BPS
    """What virtual stake weighs in governance: nothing, half (5000) or all of it (10000)."""
    connection: str = ""
    """The only connection that may carry the link; empty lets the first one whose client names the provider."""

    @property
    def caps(self) -> Caps:
        """The limits on power."""
        return Caps(self.max_cap, self.share_cap_bps, self.validator_cap_bps)

    @property
    def fixed_rate(self) -> Rate:
        """How provider tokens are valued without a feed."""
        return Rate(self.price_e18, self.discount_bps)


class ConsumerGenesis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom this chain borrows from."""

    links: dict[ChainId, LinkParams] = {}
    """Providers that may be linked, by chain id. Each is linked once."""
    local_floor_bps: int = 0
    """Least part of all power that stays native; 0 for no floor."""
    total_max_cap: int = 0
    """Most that the absolute caps of all providers may be together, in this chain's tokens; 0 for no such limit."""


class Link(msgspec.Struct, frozen=True):
    """One provider that this chain borrows from."""

    provider: ChainId
    """As the light client names it."""
    client: str
    connection: str
    counterparty: str
    """Channel on the provider; empty until it has answered."""
    phase: Phase
    params: LinkParams


class Request(msgspec.Struct, frozen=True):
    """What a provider's stakers ask of one validator, and what the last epoch made of it."""

    tokens: int = 0
    """Provider tokens: what the provider says is lent."""
    reported: int = 0
    """Provider tokens of slashes that the provider has not answered yet; they are not re-delegated meanwhile."""
    rate: Rate = Rate()
    """Of the last epoch that touched it: slashes convert back by it."""
    converted: int = 0
    """What the tokens were worth then, in this chain's tokens."""
    bonded: int = 0
    """What of it was delegated, within the caps."""


class Delegation(msgspec.Struct, frozen=True):
    """What one delegator of the provider has asked for, in provider tokens; slashes are not taken off."""

    tokens: int
    asked: bool = False
    """An internal unstake is on its way."""
    told: bool = False
    """It is the provider's own word of what is left: burns that it had sent by then, and that come later, are off already."""


class Due(msgspec.Struct, frozen=True):
    """Why and since when a link waits for an epoch."""

    link: LinkId
    height: int = 0
    """Something has changed at this height and time; 0 if nothing has."""
    time: int = 0
    rewards_at: int = 0
    """From when rewards may be collected, nanoseconds; 0 if nothing is delegated."""
    epochs: Epochs = Epochs()


class Agenda(msgspec.Struct, frozen=True):
    """All links that may wait for an epoch: the one thing that an idle block reads."""

    dues: tuple[Due, ...] = ()


class Closing(msgspec.Struct, frozen=True):
    """Links that governance has closed and that are not unwound yet."""

    links: tuple[LinkId, ...] = ()


class Loss(msgspec.Struct, frozen=True):
    """A slash, as one link must report it."""

    link: LinkId
    slashed: Slashed


class Piped(msgspec.Struct, frozen=True):
    """What happened to validators in one block, in order; it is told in the next."""

    height: int = 0
    changes: dict[ValidatorId, tuple[str, ...]] = {}
    losses: tuple[Loss, ...] = ()


GENESIS: Item[ConsumerGenesis] = Item("mesh/consumer", ConsumerGenesis)
ADMITTED: Map[LinkParams] = Map("mesh/admitted", LinkParams)
"""Provider chain id to the terms of the link that it may open."""
LINKS: Map[Link] = Map("mesh/borrows", Link)
LINKED: Map[str] = Map("mesh/borrow-of-provider", str)
"""Provider chain id to its link."""
REQUESTS: Map[Request] = Map("mesh/requests", Request, parts=2, default=Request())
"""(link, validator)."""
DELEGATIONS: Map[Delegation] = Map("mesh/delegations", Delegation, parts=3)
"""(link, validator, delegator on the provider)."""
DEBTS: Map[int] = Map("mesh/debts", int, parts=3, default=0)
"""(link, validator, delegator) to provider tokens that a burn did not find; settled by the stake when it comes."""
REWARDS: Map[int] = Map("mesh/rewards", int, parts=2, default=0)
"""(link, validator) to rewards collected and not yet sent."""
SENT: Map[int] = Map("mesh/rewards-sent", int, default=0)
"""Link to all rewards that the provider has been told of and has not refused."""
PAID_OUT: Map[int] = Map("mesh/rewards-paid-out", int, default=0)
"""Link to all rewards that have been paid."""
MINTED: Map[int] = Map("mesh/minted", int, default=0)
"""Link to virtual tokens in existence: minted, less destroyed and slashed."""
CAP_IN_FORCE: Map[int] = Map("mesh/cap-in-force", int, default=0)
"""Link to the absolute cap of its last epoch."""
AGENDA: Item[Agenda] = Item("mesh/agenda", Agenda, default=Agenda())
CLOSING: Item[Closing] = Item("mesh/closing", Closing, default=Closing())
"""There while a link closes."""
PIPED: Item[Piped] = Item("mesh/piped", Piped, default=Piped())


def stake_account(link: LinkId) -> str:
    """Return the module-account name under which a link delegates."""
    return f"mesh/virtual/{link}"


def reward_account(link: LinkId) -> str:
    """Return the module-account name that holds a link's rewards."""
    return f"mesh/rewards/{link}"


def give_voice(ctx: Ctx, name: LinkId, link: Link) -> None:
    """Let a link's virtual stake weigh in governance what the link's terms say."""
    account = ctx.module_account(stake_account(name))
    if link.params.voice_bps < ONE_BPS:
        VOICES.put(ctx.store, account, link.params.voice_bps)
    else:
        VOICES.delete(ctx.store, account)


def get_link(store: Reader, link: LinkId) -> Link:
    """Return a link.

    Raises:
        Rejected: `mesh/unknown-link`.
    """
    found = LINKS.find(store, link)
    if found is None:
        raise Rejected(UNKNOWN_LINK, link=str(link)[:100])
    return found


def refuse_second(store: Reader, provider: ChainId) -> None:
    """Refuse another link of a provider that has one.

    Raises:
        Rejected: `mesh/already-linked`.
    """
    linked = LINKED.find(store, provider)
    if linked is not None and LINKS.get(store, linked).phase is not Phase.CLOSED:
        raise Rejected(ALREADY_LINKED, link=linked)


def live_links(store: Reader) -> tuple[tuple[LinkId, Link], ...]:
    """Return all links that packets can pass, ascending."""
    return tuple((LinkId(name), link) for (name,), link in LINKS.items(store) if link.phase.is_live)


def requests_of(store: Reader, link: LinkId) -> dict[ValidatorId, Request]:
    """Return a link's requests by validator, ascending."""
    return {ValidatorId(validator): request for (validator,), request in REQUESTS.items(store, link)}
