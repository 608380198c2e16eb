"""Prices from a chain that trades the pair: asked for over a channel that governance has chosen, once per period.

What is told counts for its time to live. A price that is too old re-prices nothing: what is bonded may only shrink until
there is a new one. Unbonding never waits for a price.

Source: mesh-security contracts/consumer/remote-price-feed.
"""

# ruff: noqa: ARG001 - the callbacks take what ICS-26 hands them

from meshsec_core.ibc import client
from meshsec_core.ibc.channel import client_of
from meshsec_core.ibc.packet import refusal_in, send_packet
from meshsec_core.ibc.prices import BAD_VERSION, VERSION, QueryTwap, Twap
from meshsec_core.ibc.prices import PORT as PRICES_PORT
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND, LinkId
from meshsec_core.kernel.wire.ibc import Packet
from meshsec_core.runtime.module import Ctx, Port
from meshsec_core.security.mesh.consumer import agenda
from meshsec_core.security.mesh.consumer.pricing import FEEDS, MARKETS, TOLD, Asked, Feeds, channel_of
from meshsec_core.security.mesh.consumer.state import get_link
from meshsec_core.security.mesh.links import ANY_HEIGHT, NOT_UNWOUND, WRONG_PORT
from meshsec_core.security.mesh.packets import MAX_AMOUNT
from meshsec_core.security.mesh.price import Told, is_due, newer

FEED_PORT = "mesh-price-feed"

OPEN_FEED_DISALLOWED = "mesh/open-feed-disallowed"

TIMEOUT = 600 * SECOND


def ask_due(ctx: Ctx) -> None:
    """Ask for every price whose period is over. A chain without remote prices reads one value."""
    if ctx.store.get(FEEDS.path) is None:
        return
    asked = FEEDS.get(ctx.store).asked
    after = tuple(_ask(ctx, each) for each in asked)
    if after != asked:
        FEEDS.put(ctx.store, Feeds(after))


def _ask(ctx: Ctx, asked: Asked) -> Asked:
    feed = get_link(ctx.store, asked.link).params.feed
    if feed is None or not is_due(asked.time or None, ctx.time, feed.period_seconds * SECOND):
        return asked
    channel = channel_of(ctx.store, feed)
    if not channel:
        return asked
    query = codec.encode(QueryTwap(feed.base, feed.quote, feed.window_seconds, asked.link))
    try:
        with ctx.branch() as inner:
            send_packet(inner, FEED_PORT, channel, query, ANY_HEIGHT, ctx.time + TIMEOUT)
    except Rejected as refusal:
        ctx.emit("mesh/price-not-asked", link=asked.link, code=refusal.code)
    return Asked(asked.link, ctx.time)


def on_acknowledge(ctx: Ctx, packet: Packet, acknowledgement: bytes) -> None:
    """Learn a price, if it comes over the channel that governance has chosen; the next epoch uses it."""
    link = LinkId(codec.load(packet.data, QueryTwap).about)
    params = get_link(ctx.store, link).params
    told = _read(acknowledgement)
    if told is None or params.feed is None or channel_of(ctx.store, params.feed) != packet.source_channel:
        ctx.emit("mesh/price-refused", link=link, reason=refusal_in(acknowledgement) or "not asked for")
        return
    before = TOLD.find(ctx.store, link)
    after = newer(before, told)
    if after != before:
        TOLD.put(ctx.store, link, after)
        agenda.touch(ctx, link)
        ctx.emit("mesh/price", link=link, price_e18=after.price_e18)


def _read(acknowledgement: bytes) -> Told | None:
    if refusal_in(acknowledgement) is not None:
        return None
    try:
        said = codec.read(codec.read(acknowledgement, dict[str, bytes])["result"], Twap)
    except (Rejected, KeyError):
        return None
    sane = 0 < said.price_e18 <= MAX_AMOUNT and 0 <= said.time < 2**63
    return Told(said.time, said.price_e18) if sane else None


def on_timeout(ctx: Ctx, packet: Packet) -> None:
    """Let it go: the next period asks again."""
    ctx.emit("mesh/price-timed-out", link=codec.load(packet.data, QueryTwap).about)


def on_open_init(ctx: Ctx, ordering: str, connection: str, port: str, channel: str, counterparty_port: str, version: str) -> str:
    """Let anyone propose a channel to a chain that knows prices; governance chooses which one is believed.

    Raises:
        Rejected: `mesh/wrong-port`, `prices/bad-version`.
    """
    if counterparty_port != PRICES_PORT:
        raise Rejected(WRONG_PORT, port=counterparty_port[:128])
    if version not in ("", VERSION):
        raise Rejected(BAD_VERSION, version=version[:100], expected=VERSION)
    return VERSION


def on_open_ack(ctx: Ctx, port: str, channel: str, counterparty_channel: str, counterparty_version: str) -> None:
    """Accept the same version; feeds that name a market and no channel believe the first one that opens to it.

    Raises:
        Rejected: `prices/bad-version`.
    """
    if counterparty_version != VERSION:
        raise Rejected(BAD_VERSION, version=counterparty_version[:100], expected=VERSION)
    market = client.client_chain_id(ctx.store, client_of(ctx.store, port, channel))
    if not MARKETS.has(ctx.store, market):
        MARKETS.put(ctx.store, market, channel)


def _refuse(ctx: Ctx, *_: object) -> str:
    """Refuse: this end proposes, and answers nothing."""
    raise Rejected(OPEN_FEED_DISALLOWED)


def _refuse_confirm(ctx: Ctx, port: str, channel: str) -> None:
    raise Rejected(OPEN_FEED_DISALLOWED)


def _refuse_packet(ctx: Ctx, packet: Packet) -> bytes:
    raise Rejected(OPEN_FEED_DISALLOWED)


def on_close_init(ctx: Ctx, port: str, channel: str) -> None:
    """Refuse: a price that stops coming is noticed by its age.

    Raises:
        Rejected: `mesh/not-unwound`.
    """
    raise Rejected(NOT_UNWOUND, link=channel)


def on_close_confirm(ctx: Ctx, port: str, channel: str) -> None:
    """Accept that no more prices come over this channel."""


PORT = Port(
    on_open_init=on_open_init,
    on_open_try=_refuse,
    on_open_ack=on_open_ack,
    on_open_confirm=_refuse_confirm,
    on_close_init=on_close_init,
    on_close_confirm=on_close_confirm,
    on_receive=_refuse_packet,
    on_acknowledge=on_acknowledge,
    on_timeout=on_timeout,
)
"""`mesh-price-feed`."""
