"""The epoch: what the provider's stakers ask for becomes virtual stake, within the caps.

Rewards are collected first, then stake is unbonded, then bonded, so that no cap is ever exceeded on the way. An epoch
never fails: what one validator refuses is left for the next epoch and costs the others nothing.

Laws: minted virtual tokens = delegated virtual tokens ≤ the cap in force at the last epoch.

Source: mesh-security contracts/consumer/virtual-staking (handle_epoch), with its fatal conditions removed.
"""

from msgspec.structs import replace

from meshsec_core.kernel.crypto import module_account
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.types import Address, LinkId, ValidatorId
from meshsec_core.modules import bank
from meshsec_core.modules.staking import state as staking
from meshsec_core.modules.staking.delegation import delegate, undelegate_now
from meshsec_core.runtime.module import Ctx, View
from meshsec_core.security.mesh.caps import Move, plan, within_chain_caps, within_link_caps
from meshsec_core.security.mesh.consumer import agenda, collect, unwind
from meshsec_core.security.mesh.consumer.pricing import pricing
from meshsec_core.security.mesh.consumer.requests import put
from meshsec_core.security.mesh.consumer.state import (
    AGENDA,
    CAP_IN_FORCE,
    GENESIS,
    MINTED,
    Link,
    Request,
    get_link,
    live_links,
    requests_of,
    stake_account,
)


def run_due(ctx: Ctx) -> None:
    """Run the epochs that are due, each in a branch of its own."""
    if ctx.store.get(AGENDA.path) is None:
        return
    for link in agenda.due_links(ctx):
        try:
            with ctx.branch() as inner:
                run(inner, link)
        except Rejected as refusal:
            ctx.emit("mesh/epoch-failed", link=link, code=refusal.code)


def run(ctx: Ctx, name: LinkId) -> None:
    """Bring one link's virtual stake to where it should be."""
    link = get_link(ctx.store, name)
    account = ctx.module_account(stake_account(name))
    current = {str(validator): tokens for validator, tokens in staking.delegations_of(ctx.store, account).items()}
    collect.collect_due(ctx, name, current)
    requests = requests_of(ctx.store, name)
    value = pricing(ctx.store, name, link, ctx.time)
    converted, desired = wanted(View(ctx.store, ctx.machine, ctx.height, ctx.time), name, link, requests)
    refused = [move for move in plan(current, desired) if not _try(ctx, name, account, move)]
    if CAP_IN_FORCE.get(ctx.store, name) != link.params.max_cap:
        CAP_IN_FORCE.put(ctx.store, name, link.params.max_cap)
    held = {str(validator): tokens for validator, tokens in staking.delegations_of(ctx.store, account).items()}
    for validator, request in requests.items():
        rate = value.rate or request.rate
        after = replace(request, rate=rate, converted=converted[validator], bonded=held.get(validator, 0))
        if after != request:
            put(ctx, name, validator, after)
    collect.send(ctx, name)
    agenda.settle(ctx, name, earns=bool(held) or collect.wait(ctx, name))
    if refused:
        agenda.touch_next(ctx, name)
    if link.params.max_cap == 0:
        unwind.ask(ctx, name, link)
    ctx.emit("mesh/epoch", link=name, virtual=sum(held.values()), cap=link.params.max_cap)


def withdraw_all(ctx: Ctx, name: LinkId) -> None:
    """Undelegate and destroy all virtual stake of a link, whatever it was meant for."""
    account = ctx.module_account(stake_account(name))
    for validator, tokens in staking.delegations_of(ctx.store, account).items():
        _apply(ctx, name, account, Move(validator, -tokens))


def wanted(view: View, name: LinkId, link: Link, requests: dict[ValidatorId, Request]) -> tuple[dict[str, int], dict[str, int]]:
    """Return what a link's requests are worth, and what the caps admit. Slashes not answered yet count as taken.

    While the price is too old, nothing grows.
    """
    converted, desired = _within_caps(view, name, link, requests)
    if pricing(view.store, name, link, view.time).code:
        account = module_account(view.machine.prefix, stake_account(name))
        held = staking.delegations_of(view.store, account)
        desired = {key: min(amount, held.get(ValidatorId(key), 0)) for key, amount in desired.items()}
    return converted, desired


def _within_caps(
    view: View, name: LinkId, link: Link, requests: dict[ValidatorId, Request]
) -> tuple[dict[str, int], dict[str, int]]:
    store = view.store
    converted = _converted(view, name, link, requests)
    caps = link.params.caps
    floor_bps = GENESIS.get(store).local_floor_bps
    if not (floor_bps or caps.are_relative):
        return converted, within_link_caps(converted, caps, 0)
    native = native_bonded(store, view.machine.prefix)
    others = 0
    if floor_bps:
        for other, terms in live_links(store):
            if other != name:
                amounts = _converted(view, other, terms, requests_of(store, other))
                others += sum(within_link_caps(amounts, terms.params.caps, native).values())
    shaped = within_link_caps(converted, caps, native)
    return converted, within_chain_caps(shaped, others, caps, native, floor_bps)


def native_bonded(store: Reader, prefix: str) -> int:
    """Return the bonded tokens of this chain that are not virtual."""
    virtual = 0
    for name, _ in live_links(store):
        account = module_account(prefix, stake_account(name))
        for validator, tokens in staking.delegations_of(store, account).items():
            if staking.get_validator(store, validator).status is staking.Status.BONDED:
                virtual += tokens
    return staking.bonded_tokens(store) - virtual


def _converted(view: View, name: LinkId, link: Link, requests: dict[ValidatorId, Request]) -> dict[str, int]:
    store = view.store
    rate = pricing(store, name, link, view.time).rate
    return {
        str(validator): 0
        if rate is None or staking.get_validator(store, validator).tombstoned
        else rate.normalize(max(0, request.tokens - request.reported))
        for validator, request in requests.items()
    }


def _try(ctx: Ctx, name: LinkId, account: Address, move: Move) -> bool:
    try:
        with ctx.branch() as inner:
            _apply(inner, name, account, move)
    except Rejected as refusal:
        ctx.emit("mesh/virtual-stake-refused", link=name, validator=move.validator, change=move.amount, code=refusal.code)
        return False
    return True


def _apply(ctx: Ctx, name: LinkId, account: Address, move: Move) -> None:
    """Mint and delegate, or undelegate and burn."""
    validator = ValidatorId(move.validator)
    collect.collect_one(ctx, name, validator)
    if move.amount > 0:
        bank.mint(ctx, account, ctx.denom, move.amount)
        delegate(ctx, account, validator, move.amount)
    else:
        bank.burn(ctx, account, ctx.denom, undelegate_now(ctx, account, validator, -move.amount))
    MINTED.put(ctx.store, name, MINTED.get(ctx.store, name) + move.amount)
    ctx.emit("mesh/virtual-stake", link=name, validator=validator, change=move.amount)
