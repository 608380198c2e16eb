"""At what rate a link's stake is valued: a fixed price, or the last one that its feed has told."""

import msgspec

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.store.windows import Item, Map
from meshsec_core.kernel.types import SECOND, LinkId
from meshsec_core.runtime.module import Ctx
from meshsec_core.security.mesh.consumer.state import Feed, Link, get_link
from meshsec_core.security.mesh.converter import Rate
from meshsec_core.security.mesh.price import Told, current


class Asked(msgspec.Struct, frozen=True):
    """When a link's price was asked for last."""

    link: LinkId
    time: int = 0
    """Nanoseconds; 0 if never."""


class Feeds(msgspec.Struct, frozen=True):
    """All links whose price comes from elsewhere."""

    asked: tuple[Asked, ...] = ()


class Pricing(msgspec.Struct, frozen=True):
    """At what rate a link's stake is valued now."""

    rate: Rate | None
    """None while no price is known."""
    code: str = ""
    """Why the rate re-prices nothing; empty if it does."""


FEEDS: Item[Feeds] = Item("mesh/feeds", Feeds, default=Feeds())
"""There while a link has a feed."""
MARKETS: Map[str] = Map("mesh/feed-of-market", str)
"""Chain to the first channel of the feed's port that opened to it."""
TOLD: Map[Told] = Map("mesh/told-prices", Told)
"""Link to the last price that its feed has told."""


def pricing(store: Reader, name: LinkId, link: Link, now: int) -> Pricing:
    """Return at what rate a link's stake is valued: the fixed one, or the last one told, also when that is too old."""
    feed = link.params.feed
    if feed is None:
        return Pricing(link.params.fixed_rate)
    told = TOLD.find(store, name)
    rate = Rate(told.price_e18, link.params.discount_bps) if told is not None else None
    try:
        current(told, now, feed.ttl_seconds * SECOND)
    except Rejected as refusal:
        return Pricing(rate, refusal.code)
    return Pricing(rate)


def channel_of(store: Reader, feed: Feed) -> str:
    """Return over which channel a price is asked for and believed; empty if there is none yet."""
    return feed.channel or MARKETS.find(store, feed.market) or ""


def follow_feed(ctx: Ctx, name: LinkId) -> None:
    """Ask for a link's price from now on, or no more; what another feed has told is forgotten."""
    TOLD.delete(ctx.store, name)
    others = tuple(each for each in FEEDS.get(ctx.store).asked if each.link != name)
    asked = (*others, Asked(name)) if get_link(ctx.store, name).params.feed is not None else others
    if asked:
        FEEDS.put(ctx.store, Feeds(asked))
    else:
        ctx.store.delete(FEEDS.path)
