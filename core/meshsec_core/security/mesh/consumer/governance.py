"""What only governance may say: who is admitted, under which caps, at which price.

They take effect as part of a proposal that has passed: the governance module runs them as its own account.
"""

import re

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import ONE_BPS, ChainId, LinkId
from meshsec_core.runtime.authority import require_authority
from meshsec_core.runtime.module import Ctx, Msg
from meshsec_core.security.mesh.consumer import agenda, closing, valset
from meshsec_core.security.mesh.consumer.pricing import follow_feed
from meshsec_core.security.mesh.consumer.state import (
    ADMITTED,
    GENESIS,
    LINKS,
    MAX_BLOCKS,
    Epochs,
    Feed,
    LinkParams,
    get_link,
    give_voice,
    live_links,
    refuse_second,
)
from meshsec_core.security.mesh.links import BAD_PARAMS, LINK_NOT_OPEN, Phase
from meshsec_core.security.mesh.packets import MAX_AMOUNT
from meshsec_core.security.mesh.provider.closing import stop_lending

HIGHEST_CAP = 2**56
"""Most virtual stake over one link, in base units: several links together, and what is bonded at home, must fit into the 2^60 of
power that a validator set can hold, or a vote for too high a cap could halt the chain."""

VOICES = (0, ONE_BPS // 2, ONE_BPS)
"""What virtual stake can weigh in governance."""

TOTAL_CAP_EXCEEDED = "mesh/total-cap-exceeded"

_CHAIN_ID = re.compile(r"[A-Za-z0-9._-]{1,50}")


class OpenLink(Msg, frozen=True, tag="mesh/OpenLink"):
    """Admit a provider: from now on a link of it may open, on these terms."""

    provider: ChainId
    params: LinkParams


class CloseLink(Msg, frozen=True, tag="mesh/CloseLink"):
    """End a link of this chain: one over which it borrows is unwound and then closed, one over which it lends takes no new
    stake and can be closed once nothing is lent."""

    link: LinkId


class SetMaxCap(Msg, frozen=True, tag="mesh/SetMaxCap"):
    """Set how much virtual stake a link may hold; zero cuts the provider off and sends all stake home."""

    link: LinkId
    max_cap: int


class SetPriceFeed(Msg, frozen=True, tag="mesh/SetPriceFeed"):
    """Set the price of a link's provider token: fixed until it is set again, or asked for from another chain."""

    link: LinkId
    price_e18: int
    """The fixed price; not used while there is a feed."""
    feed: Feed | None = None


class SetLinkParams(Msg, frozen=True, tag="mesh/SetLinkParams"):
    """Change terms of a link; what is left out stays."""

    link: LinkId
    discount_bps: int | UnsetType = UNSET
    share_cap_bps: int | UnsetType = UNSET
    validator_cap_bps: int | UnsetType = UNSET
    epochs: Epochs | UnsetType = UNSET
    reward_seconds: int | UnsetType = UNSET
    voice_bps: int | UnsetType = UNSET


def open_link(ctx: Ctx, msg: OpenLink) -> None:
    """Admit a provider.

    Raises:
        Rejected: `gov/unauthorized`, `mesh/bad-params`; `mesh/already-linked`: use the messages for links.
    """
    require_authority(ctx)
    refuse_second(ctx.store, msg.provider)
    admit(ctx, msg.provider, msg.params)
    ctx.emit("mesh/provider-admitted", provider=msg.provider, max_cap=msg.params.max_cap)


def admit(ctx: Ctx, provider: ChainId, params: LinkParams) -> None:
    """Let a link of a provider open on these terms from now on.

    Raises:
        Rejected: what `check_params` refuses; `mesh/bad-params` for a name that no chain has; `mesh/total-cap-exceeded`.
    """
    if _CHAIN_ID.fullmatch(provider) is None:
        raise Rejected(BAD_PARAMS, field="provider", found=provider[:100])
    check_params(params)
    _check_total(ctx, provider, params.max_cap)
    ADMITTED.put(ctx.store, provider, params)


def close_link(ctx: Ctx, msg: CloseLink) -> None:
    """Begin to close a link, on whichever side of it this chain is.

    Raises:
        Rejected: `gov/unauthorized`, `mesh/unknown-link`, `mesh/link-not-open`.
    """
    require_authority(ctx)
    if LINKS.find(ctx.store, msg.link) is not None:
        closing.stop_borrowing(ctx, msg.link)
    else:
        stop_lending(ctx, msg.link)


def set_max_cap(ctx: Ctx, msg: SetMaxCap) -> None:
    """Set the absolute cap; when it rises from zero the provider gets a full report.

    Raises:
        Rejected: `gov/unauthorized`, `mesh/unknown-link`, `mesh/bad-params`, `mesh/total-cap-exceeded`; `mesh/link-not-open`
            while it closes.
    """
    require_authority(ctx)
    if get_link(ctx.store, msg.link).phase is Phase.CLOSING and msg.max_cap:
        raise Rejected(LINK_NOT_OPEN, link=msg.link)
    _check_total(ctx, get_link(ctx.store, msg.link).provider, msg.max_cap)
    before = get_link(ctx.store, msg.link).params.max_cap
    _change(ctx, msg.link, replace(get_link(ctx.store, msg.link).params, max_cap=msg.max_cap))
    if before == 0 and msg.max_cap and get_link(ctx.store, msg.link).phase is Phase.OPEN:
        valset.report_all(ctx, msg.link)
    ctx.emit("mesh/max-cap", link=msg.link, max_cap=msg.max_cap)


def set_price_feed(ctx: Ctx, msg: SetPriceFeed) -> None:
    """Set the price or where it comes from; the next epoch re-prices the whole stake. A new feed starts without a price.

    Raises:
        Rejected: `gov/unauthorized`, `mesh/unknown-link`, `mesh/invalid-price`, `mesh/bad-params`.
    """
    require_authority(ctx)
    before = get_link(ctx.store, msg.link).params
    _change(ctx, msg.link, replace(before, price_e18=msg.price_e18, feed=msg.feed))
    if msg.feed != before.feed:
        follow_feed(ctx, msg.link)
    ctx.emit("mesh/price", link=msg.link, price_e18=msg.price_e18)


def set_link_params(ctx: Ctx, msg: SetLinkParams) -> None:
    """Change other terms.

    Raises:
        Rejected: `gov/unauthorized`, `mesh/unknown-link`, `mesh/invalid-discount`, `mesh/bad-params`.
    """
    require_authority(ctx)
    names = ("discount_bps", "share_cap_bps", "validator_cap_bps", "epochs", "reward_seconds", "voice_bps")
    said = {name: getattr(msg, name) for name in names if getattr(msg, name) is not UNSET}
    _change(ctx, msg.link, replace(get_link(ctx.store, msg.link).params, **said))
    ctx.emit("mesh/link-params", link=msg.link, changed=", ".join(said))


def check_params(params: LinkParams) -> None:
    """Refuse terms that no link can have.

    Raises:
        Rejected: `mesh/invalid-price`, `mesh/invalid-discount`, `mesh/bad-params` with the field.
    """
    params.fixed_rate.check()
    if params.feed is not None:
        _check_feed(params.feed)
    if not 0 < params.price_e18 <= MAX_AMOUNT or not 0 <= params.max_cap <= HIGHEST_CAP:
        raise Rejected(BAD_PARAMS, field="price_e18 or max_cap")
    for name in ("share_cap_bps", "validator_cap_bps"):
        if not 0 <= getattr(params, name) <= 100 * ONE_BPS:
            raise Rejected(BAD_PARAMS, field=name)
    if params.voice_bps not in VOICES:
        raise Rejected(BAD_PARAMS, field="voice_bps")
    epochs = params.epochs
    lengths = (epochs.blocks - 1, epochs.seconds, epochs.offset, params.reward_seconds)
    if not all(0 <= length < MAX_BLOCKS for length in lengths):
        raise Rejected(BAD_PARAMS, field="epochs or reward_seconds")


def _check_total(ctx: Ctx, provider: ChainId, max_cap: int) -> None:
    """Refuse a cap that, with those of all other providers, is more than the chain's genesis allows."""
    most = GENESIS.get(ctx.store).total_max_cap
    if not most:
        return
    caps = {name: params.max_cap for (name,), params in ADMITTED.items(ctx.store)}
    caps |= {link.provider: link.params.max_cap for _, link in live_links(ctx.store)}
    others = sum(cap for name, cap in caps.items() if name != provider)
    if max_cap and others + max_cap > most:
        raise Rejected(TOTAL_CAP_EXCEEDED, max_cap=max_cap, others=others, most=most)


def _check_feed(feed: Feed) -> None:
    lengths = (feed.window_seconds, feed.period_seconds, feed.ttl_seconds)
    names = (feed.channel or feed.market, feed.base, feed.quote)
    if (
        (feed.channel and feed.market)
        or not all(0 < length < 2**32 for length in lengths)
        or not all(0 < len(name) <= 128 for name in names)
    ):
        raise Rejected(BAD_PARAMS, field="feed")


def _change(ctx: Ctx, name: LinkId, params: LinkParams) -> None:
    check_params(params)
    link = replace(get_link(ctx.store, name), params=params)
    LINKS.put(ctx.store, name, link)
    agenda.link_params_changed(ctx, name, link)
    give_voice(ctx, name, link)
