"""A cap of zero: all virtual power goes at the next epoch, and every delegation is sent home, asked once and waited for.

Source: mesh-security docs (zero max cap); contracts/consumer/virtual-staking.
"""

from msgspec.structs import replace

from meshsec_core.kernel.types import Address, Denom, LinkId, ValidatorId
from meshsec_core.runtime.module import Ctx
from meshsec_core.security.mesh.consumer import agenda
from meshsec_core.security.mesh.consumer.pricing import pricing
from meshsec_core.security.mesh.consumer.requests import lower
from meshsec_core.security.mesh.consumer.state import DELEGATIONS, Delegation, Link, requests_of
from meshsec_core.security.mesh.links import tell_provider
from meshsec_core.security.mesh.packets import MAX_AMOUNT, Coin, InternalUnstake, Released

MOST_PER_EPOCH = 50
"""Delegations that one epoch asks for; the rest follow in the next ones."""


def ask(ctx: Ctx, name: LinkId, link: Link) -> None:
    """Ask the provider to take stake back that is no longer wanted.

    Stake on a validator whose slash has not been answered stays until it has paid: it is free once it is home.
    """
    slashed = {str(validator) for validator, request in requests_of(ctx.store, name).items() if request.reported}
    asked = 0
    for (validator, delegator), delegation in DELEGATIONS.items(ctx.store, name):
        if delegation.asked or validator in slashed:
            continue
        if asked == MOST_PER_EPOCH:
            agenda.touch_next(ctx, name)
            return
        asked += 1
        DELEGATIONS.put(ctx.store, name, validator, delegator, replace(delegation, asked=True))
        packet = InternalUnstake(
            delegator=Address(delegator),
            validator=ValidatorId(validator),
            normalize_amount=Coin(ctx.denom, _worth(ctx, name, link, delegation.tokens)),
            inverted_amount=Coin(Denom("provider"), delegation.tokens),
        )
        tell_provider(ctx, name, packet)


def _worth(ctx: Ctx, name: LinkId, link: Link, tokens: int) -> int:
    rate = pricing(ctx.store, name, link, ctx.time).rate
    return 0 if rate is None else rate.normalize(tokens)


def on_answered(ctx: Ctx, link: LinkId, packet: InternalUnstake, released: Released | None) -> None:
    """Lower the request by exactly what the provider has released; None stands for a refusal, which is asked again.

    What is left over there is asked for again, too: it may be leaving already, but its unstake may still fail. What came
    since the question counts on top, so that a delegation is never thought smaller than it is.
    """
    key = (link, packet.validator, packet.delegator)
    known = DELEGATIONS.find(ctx.store, *key)
    if released is None:
        if known is not None:
            DELEGATIONS.put(ctx.store, *key, replace(known, asked=False))
            agenda.touch(ctx, link)
        return
    if released.amount > 0:
        lower(ctx, link, packet.validator, released.amount)
    unasked = max(0, (known.tokens if known is not None else 0) - packet.inverted_amount.amount)
    left = min(max(0, released.left), MAX_AMOUNT) + unasked
    if left:
        DELEGATIONS.put(ctx.store, *key, Delegation(left, told=True))
        agenda.touch(ctx, link)
    else:
        DELEGATIONS.delete(ctx.store, *key)
