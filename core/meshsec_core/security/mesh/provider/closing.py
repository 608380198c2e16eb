"""How lending over a link ends, whichever side wants it.

This chain's governance may stop lending: nothing new is lent, users take their stake back as ever, and the channel closes
once nothing is lent. A consumer that closes its end frees all stake at once: it counts nothing any more, so nothing of it
can be owed. Users find that out when they withdraw.

Source: mesh-security contracts/provider/external-staking (close channel), without its loss of what is in flight.
"""

from msgspec.structs import replace

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import Address, LinkId
from meshsec_core.runtime.module import Ctx
from meshsec_core.security.mesh.links import NOT_UNWOUND, Phase, forget_kept
from meshsec_core.security.mesh.packets import PROVIDER_PORT
from meshsec_core.security.mesh.provider import book, vault
from meshsec_core.security.mesh.provider.book import Key
from meshsec_core.security.mesh.provider.state import (
    LINKS,
    POOLS,
    SWEEPS,
    TRANSACTIONS,
    Kind,
    get_link,
    open_link,
    validators_of,
)


def stop_lending(ctx: Ctx, name: LinkId) -> None:
    """Lend nothing more over a link.

    Raises:
        Rejected: `mesh/unknown-link`, `mesh/link-not-open`.
    """
    LINKS.put(ctx.store, name, replace(open_link(ctx.store, name), phase=Phase.CLOSING))
    ctx.emit("mesh/link-closing", side="provider", link=name)


def on_close_init(ctx: Ctx, port: str, channel: str) -> None:  # noqa: ARG001
    """Let anyone close a link over which this chain has stopped lending and nothing is lent any more.

    Raises:
        Rejected: `mesh/unknown-link`, `mesh/not-unwound`.
    """
    name = LinkId(channel)
    link = get_link(ctx.store, name)
    lent = any(pool.total or pool.adding for _, pool in POOLS.items(ctx.store, name))
    waiting = any(sweep.link == name for sweep in SWEEPS.get(ctx.store).active)
    flying = next(ctx.store.scan(TRANSACTIONS.key(name) + "/"), None) is not None
    if link.phase is not Phase.CLOSING or lent or waiting or flying:
        raise Rejected(NOT_UNWOUND, link=channel, phase=link.phase)
    close(ctx, name)


def on_close_confirm(ctx: Ctx, port: str, channel: str) -> None:  # noqa: ARG001
    """Accept that the consumer has closed its end; whatever is still lent is free."""
    close(ctx, LinkId(channel))


def close(ctx: Ctx, name: LinkId) -> None:
    """Write a link off; its client may carry another one."""
    LINKS.put(ctx.store, name, replace(get_link(ctx.store, name), phase=Phase.CLOSED))
    forget_kept(ctx, PROVIDER_PORT, name)
    ctx.emit("mesh/link-closed", side="provider", link=name)


def free(ctx: Ctx, name: LinkId, user: Address) -> None:
    """Free all that a user has lent over a closed link: what was counted leaves at once, what was on its way never arrived."""
    account = vault.find(ctx.store, user)
    for validator in validators_of(ctx.store, user, name):
        key = Key(name, validator, user)
        for (number,), transaction in TRANSACTIONS.items(ctx.store, name, user, validator):
            if transaction.kind is not Kind.REWARDS:  # which may have been paid; a timeout gives them back
                book.finish(ctx, key, int(number))
        before = book.settled(ctx.store, key)
        account = account.rollback(name, before.adding)
        kept = before.rollback_lend(before.adding).rollback_leave(before.leaving)
        after, _ = kept.force_out(kept.bonded, ctx.time)
        book.write(ctx, key, before, after)
    vault.put(ctx, user, account)
