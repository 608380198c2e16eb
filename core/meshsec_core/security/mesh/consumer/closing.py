"""How borrowing over a link ends.

Governance closes a link: its cap is zero from then on, so power leaves at the next epoch and every delegation is sent
home; once nothing is left and nothing is unanswered, the channel closes by itself. A provider that closes its end first
takes all of its power along at once. Rewards that were told and not asked for stay where they are: the next link of the
same provider pays them.

Source: mesh-security contracts/consumer/virtual-staking (handle_close_channel).
"""

from msgspec.structs import replace

from meshsec_core.ibc.channel import ChannelCloseInit
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import LinkId
from meshsec_core.runtime.module import Ctx
from meshsec_core.security.mesh.consumer import agenda, epoch
from meshsec_core.security.mesh.consumer.pricing import follow_feed
from meshsec_core.security.mesh.consumer.state import (
    ADMITTED,
    CLOSING,
    DELEGATIONS,
    LINKED,
    LINKS,
    MINTED,
    REQUESTS,
    REWARDS,
    Closing,
    get_link,
    requests_of,
)
from meshsec_core.security.mesh.links import LINK_NOT_OPEN, NOT_UNWOUND, UNKNOWN_LINK, Phase, forget_kept, is_silent
from meshsec_core.security.mesh.packets import CONSUMER_PORT


def stop_borrowing(ctx: Ctx, name: LinkId) -> None:
    """Begin to close a link: unwind it, and do not let its provider come back unless it is admitted again.

    Raises:
        Rejected: `mesh/unknown-link`, `mesh/link-not-open`.
    """
    link = get_link(ctx.store, name)
    if link.phase is not Phase.OPEN:
        raise Rejected(LINK_NOT_OPEN, link=name, phase=link.phase)
    closing = replace(link, phase=Phase.CLOSING, params=replace(link.params, max_cap=0))
    LINKS.put(ctx.store, name, closing)
    CLOSING.put(ctx.store, Closing((*CLOSING.get(ctx.store).links, name)))
    ADMITTED.delete(ctx.store, link.provider)
    agenda.link_params_changed(ctx, name, closing)
    ctx.emit("mesh/link-closing", side="consumer", link=name)


def close_unwound(ctx: Ctx) -> None:
    """Close the channels of the links that are to be closed and have been unwound; one whose client is not active waits."""
    if ctx.store.get(CLOSING.path) is None:
        return
    for name in CLOSING.get(ctx.store).links:
        if is_unwound(ctx, name):
            try:
                with ctx.branch() as inner:
                    inner.handle(ChannelCloseInit(CONSUMER_PORT, name), ctx.signer)
            except Rejected as refusal:
                ctx.emit("mesh/close-failed", link=name, code=refusal.code)


def is_unwound(ctx: Ctx, name: LinkId) -> bool:
    """Tell whether nothing is borrowed over a link, nothing waits to be told, and everything told has been answered."""
    held = (window.key(name) + "/" for window in (REQUESTS, DELEGATIONS, REWARDS))
    empty = all(next(ctx.store.scan(prefix), None) is None for prefix in held)
    return empty and MINTED.get(ctx.store, name) == 0 and is_silent(ctx, CONSUMER_PORT, name)


def on_close_init(ctx: Ctx, port: str, channel: str) -> None:  # noqa: ARG001
    """Let anyone close what governance has closed and what is unwound.

    Raises:
        Rejected: `mesh/unknown-link`, `mesh/not-unwound`.
    """
    name = LinkId(channel)
    phase = get_link(ctx.store, name).phase
    if phase is not Phase.CLOSING or not is_unwound(ctx, name):
        raise Rejected(NOT_UNWOUND, link=channel, phase=phase)
    _close(ctx, name)


def on_close_confirm(ctx: Ctx, port: str, channel: str) -> None:  # noqa: ARG001
    """Accept that the provider has closed its end: all power that it lent goes at once."""
    name = LinkId(channel)
    if LINKS.find(ctx.store, name) is None:
        raise Rejected(UNKNOWN_LINK, link=channel)
    epoch.withdraw_all(ctx, name)
    for validator in requests_of(ctx.store, name):
        REQUESTS.delete(ctx.store, name, validator)
    _close(ctx, name)


def _close(ctx: Ctx, name: LinkId) -> None:
    link = get_link(ctx.store, name)
    LINKS.put(ctx.store, name, replace(link, phase=Phase.CLOSED, params=replace(link.params, feed=None)))
    follow_feed(ctx, name)
    LINKED.delete(ctx.store, link.provider)
    forget_kept(ctx, CONSUMER_PORT, name)
    agenda.forget(ctx, name)
    left = tuple(each for each in CLOSING.get(ctx.store).links if each != name)
    if left:
        CLOSING.put(ctx.store, Closing(left))
    else:
        ctx.store.delete(CLOSING.path)
    ctx.emit("mesh/link-closed", side="consumer", link=name)
