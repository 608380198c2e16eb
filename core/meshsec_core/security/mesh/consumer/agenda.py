"""When a link's next epoch is due. An idle block reads one value and writes none.

An epoch runs only if something has changed since the last one, or if rewards are to be collected; the boundaries
themselves follow from height and time.
"""

from collections.abc import Callable

from msgspec.structs import replace

from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.types import SECOND, Address, LinkId
from meshsec_core.runtime.module import NOBODY, Ctx
from meshsec_core.security.mesh.consumer.state import (
    AGENDA,
    GENESIS,
    PIPED,
    Agenda,
    Due,
    Link,
    get_link,
    live_links,
    stake_account,
)


def touch(ctx: Ctx, link: LinkId) -> None:
    """Note that a link's requests, rate or caps have changed; a floor for local power binds the other links with it."""
    _touch_one(ctx, link)
    if GENESIS.get(ctx.store).local_floor_bps:
        _touch_others(ctx, link)


def native_changed(ctx: Ctx, delegator: Address = NOBODY) -> None:
    """Note that native bonded stake has changed, for all links whose caps are measured by it.

    Args:
        ctx: where it has changed.
        delegator: whose stake it is, if it is one's; what links delegate themselves is not native.
    """
    links = live_links(ctx.store)
    floor = links and GENESIS.get(ctx.store).local_floor_bps
    measured = [name for name, link in links if floor or link.params.caps.are_relative]
    if measured and delegator not in [ctx.module_account(stake_account(name)) for name, _ in links]:
        for name in measured:
            _touch_one(ctx, name)


def _touch_one(ctx: Ctx, link: LinkId) -> None:
    _change(ctx, link, lambda due: due if due.height else replace(due, height=ctx.height, time=ctx.time))


def _touch_others(ctx: Ctx, link: LinkId) -> None:
    for name, _ in live_links(ctx.store):
        if name != link:
            _touch_one(ctx, name)


def touch_next(ctx: Ctx, link: LinkId) -> None:
    """Ask for another epoch after the one that runs now."""
    _change(ctx, link, lambda due: replace(due, height=ctx.height + 1, time=ctx.time + 1))


def expect_rewards(ctx: Ctx, link: LinkId) -> None:
    """Note that rewards wait to be sent, even if nothing is delegated any more."""
    _change(ctx, link, lambda due: due if due.rewards_at else replace(due, rewards_at=ctx.time + 1))


def settle(ctx: Ctx, link: LinkId, earns: bool) -> None:
    """Note that a link's epoch has run, and from when its rewards count, if there are any to come or to tell."""
    params = get_link(ctx.store, link).params

    def after(due: Due) -> Due:
        rewards_at = due.rewards_at
        if not earns:
            rewards_at = 0
        elif rewards_at <= ctx.time:
            rewards_at = ctx.time + max(1, params.reward_seconds * SECOND)
        return Due(link, rewards_at=rewards_at, epochs=params.epochs)

    _change(ctx, link, after)


def _change(ctx: Ctx, link: LinkId, change: Callable[[Due], Due]) -> None:
    before = AGENDA.get(ctx.store)
    dues = {due.link: due for due in before.dues}
    known = dues.get(link)
    after = change(known if known is not None else Due(link, epochs=get_link(ctx.store, link).params.epochs))
    if after != known:
        dues[link] = after
        AGENDA.put(ctx.store, Agenda(tuple(dues[name] for name in sorted(dues))))


def forget(ctx: Ctx, link: LinkId) -> None:
    """Have no more epochs of a link; under a floor for local power it leaves room to the others."""
    AGENDA.put(ctx.store, Agenda(tuple(due for due in AGENDA.get(ctx.store).dues if due.link != link)))
    if GENESIS.get(ctx.store).local_floor_bps:
        _touch_others(ctx, link)


def due_links(ctx: Ctx) -> tuple[LinkId, ...]:
    """Return the links whose epoch this block must run."""
    return tuple(due.link for due in AGENDA.get(ctx.store).dues if _is_due(due, ctx.height, ctx.time))


def _is_due(due: Due, height: int, time: int) -> bool:
    now = due.epochs.index(height, time)
    if due.height and now > due.epochs.index(due.height - 1, due.time - 1):
        return True
    return 0 < due.rewards_at <= time and now > due.epochs.index(height - 1, due.rewards_at - 1)


def has_work(store: Reader) -> bool:
    """Tell whether a block is wanted: something waits for an epoch, or for a report."""
    return store.get(PIPED.path) is not None or any(due.height for due in AGENDA.get(store).dues)


def link_params_changed(ctx: Ctx, name: LinkId, link: Link) -> None:
    """Follow new terms: the epochs they set, and an epoch to apply them."""
    _change(ctx, name, lambda due: replace(due, epochs=link.params.epochs))
    touch(ctx, name)
