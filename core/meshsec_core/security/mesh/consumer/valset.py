"""Reports to the providers: who may be lent to, who is jailed or gone, and what faults have cost their stake.

What happens to validators in a block, the change of the active set at its end included, is told at the beginning of the
next, in one packet per link. Its effect on virtual stake does not wait for that.

Source: mesh-security-sdk x/meshsecurity (piped valset operations, report), with real keys, heights and times.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from meshsec_core.kernel.types import Denom, LinkId, ValidatorId
from meshsec_core.modules import slashing
from meshsec_core.modules.staking import state as staking
from meshsec_core.modules.staking.signals import (
    DelegationChanging,
    ValidatorBonded,
    ValidatorJailed,
    ValidatorSlashed,
    ValidatorTombstoned,
    ValidatorUnbonding,
    ValidatorUnjailed,
)
from meshsec_core.modules.staking.slash import loss
from meshsec_core.runtime.module import Ctx
from meshsec_core.security.mesh.consumer import agenda
from meshsec_core.security.mesh.consumer.requests import answered, lower, put
from meshsec_core.security.mesh.consumer.state import (
    MINTED,
    PIPED,
    REQUESTS,
    Loss,
    Piped,
    live_links,
    requests_of,
    stake_account,
)
from meshsec_core.security.mesh.links import tell_provider
from meshsec_core.security.mesh.packets import Applied, Coin, Named, Slashed, ValsetUpdate

BONDED = "bonded"
UNBONDING = "unbonding"
JAILED = "jailed"
UNJAILED = "unjailed"
TOMBSTONED = "tombstoned"

PROVIDER_TOKENS = Denom("provider")
"""Slashes are told in provider tokens; the provider knows what its own are called."""


def on_delegation_changing(ctx: Ctx, signal: DelegationChanging) -> None:
    """Have caps measured again that are parts of the native stake; what links delegate themselves is none of it."""
    agenda.native_changed(ctx, signal.delegator)


def on_bonded(ctx: Ctx, signal: ValidatorBonded) -> None:
    """Pipe: a validator is in the active set."""
    _pipe(ctx, signal.validator, BONDED)
    agenda.native_changed(ctx)


def on_unbonding(ctx: Ctx, signal: ValidatorUnbonding) -> None:
    """Pipe: a validator has left the active set."""
    _pipe(ctx, signal.validator, UNBONDING)
    agenda.native_changed(ctx)


def on_jailed(ctx: Ctx, signal: ValidatorJailed) -> None:
    """Pipe: a validator is jailed."""
    _pipe(ctx, signal.validator, JAILED)


def on_unjailed(ctx: Ctx, signal: ValidatorUnjailed) -> None:
    """Pipe: a validator is no longer jailed."""
    _pipe(ctx, signal.validator, UNJAILED)


def on_tombstoned(ctx: Ctx, signal: ValidatorTombstoned) -> None:
    """Pipe: a validator is gone for ever; the next epoch withdraws all virtual stake from it."""
    _pipe(ctx, signal.validator, TOMBSTONED)
    for name, _ in live_links(ctx.store):
        if REQUESTS.has(ctx.store, name, signal.validator):
            agenda.touch(ctx, name)


def on_slashed(ctx: Ctx, slashed: ValidatorSlashed) -> None:
    """Pipe what a slash cost each link, in provider tokens, and do not re-delegate it while the provider has not answered.

    The loss converts back by the rate of the epoch that delegated it. Stake above a cap answers like stake below: the
    loss is scaled up to the whole. A link without loss is told too, for stake that has been unbonding since the fault.
    """
    losses = []
    for name, _ in live_links(ctx.store):
        tokens = _charge(ctx, name, slashed)
        entry = Slashed(
            validator=slashed.validator,
            infraction_height=slashed.height,
            infraction_time=slashed.time,
            power=slashed.power,
            slash_amount=Coin(PROVIDER_TOKENS, tokens),
            slash_ratio_bps=slashed.fraction_bps,
            reason=slashed.reason,
        )
        losses.append(Loss(name, entry))
    agenda.native_changed(ctx)
    if losses:
        piped = _piped(ctx)
        PIPED.put(ctx.store, replace(piped, losses=(*piped.losses, *losses)))


def _charge(ctx: Ctx, link: LinkId, slashed: ValidatorSlashed) -> int:
    """Take a link's loss off its request; return it in provider tokens."""
    request = REQUESTS.find(ctx.store, link, slashed.validator)
    if request is None or request.bonded == 0:
        return 0
    lost = loss(ctx.store, ctx.module_account(stake_account(link)), slashed)
    whole = lost * request.converted // request.bonded  # rounds down; equal to the loss unless a cap holds
    tokens = min(request.rate.invert(whole), max(0, request.tokens - request.reported))
    after = replace(
        request, reported=request.reported + tokens, converted=request.converted - whole, bonded=request.bonded - lost
    )
    put(ctx, link, slashed.validator, after)
    MINTED.put(ctx.store, link, MINTED.get(ctx.store, link) - lost)
    agenda.touch(ctx, link)
    ctx.emit("mesh/virtual-slashed", link=link, validator=slashed.validator, amount=lost, provider_tokens=tokens)
    return tokens


def report(ctx: Ctx) -> None:
    """Send what was piped. A link with a cap of zero and nothing to lose hears nothing until the cap rises."""
    if ctx.store.get(PIPED.path) is None or PIPED.get(ctx.store).height == ctx.height:
        return
    piped = PIPED.get(ctx.store)
    ctx.store.delete(PIPED.path)
    changed = _changes(ctx, piped)
    for name, link in live_links(ctx.store):
        losses = tuple(loss_.slashed for loss_ in piped.losses if loss_.link == name)
        if link.params.max_cap or losses or requests_of(ctx.store, name):
            tell_provider(ctx, name, replace(changed, slashed=losses))


def report_all(ctx: Ctx, link: LinkId) -> None:
    """Send everything a provider must know: who is bonded, and what everybody else is."""
    known = staking.validators(ctx.store)
    packet = replace(
        _empty(ctx),
        additions=tuple(_named(each) for each in known if each.status is staking.Status.BONDED and not each.jailed),
        removals=tuple(each.operator for each in known if each.status is not staking.Status.BONDED and not each.jailed),
        jailed=tuple(each.operator for each in known if each.jailed and not each.tombstoned),
        tombstoned=tuple(each.operator for each in known if each.tombstoned),
    )
    tell_provider(ctx, link, packet)


def on_answered(ctx: Ctx, link: LinkId, packet: ValsetUpdate, applied: Applied | None) -> None:
    """Lower requests by exactly what the provider has cut; slashes are no longer waited for, but for those that are still
    being settled over there. None stands for a refusal.
    """
    cuts = applied.slashed if applied is not None else ()
    later = [(each.validator, each.amount) for each in cuts if each.later]
    for entry in packet.slashed:
        told = (entry.validator, entry.slash_amount.amount)
        if told in later:
            later.remove(told)
        else:
            answered(ctx, link, *told)
    for reduced in cuts:
        if reduced.amount > 0 and not reduced.later:
            lower(ctx, link, reduced.validator, reduced.amount)
    if applied is None or applied.refused:
        refused = "all" if applied is None else ", ".join(f"{each.validator}: {each.code}" for each in applied.refused)
        ctx.emit("mesh/report-refused", link=link, height=packet.height, refused=refused)


def _pipe(ctx: Ctx, validator: ValidatorId, what: str) -> None:
    if not live_links(ctx.store):
        return
    piped = _piped(ctx)
    known = piped.changes.get(validator, ())
    if what not in known:
        PIPED.put(ctx.store, replace(piped, changes=piped.changes | {validator: (*known, what)}))


def _piped(ctx: Ctx) -> Piped:
    """Return what has been piped in this block; what another block has left is told first."""
    report(ctx)
    return replace(PIPED.get(ctx.store), height=ctx.height)


def _changes(ctx: Ctx, piped: Piped) -> ValsetUpdate:
    """Turn what happened into what is true now; of a thing and its opposite in one report, the present state decides.

    Who is jailed and unjailed within one block never leaves the active set; a provider whose link opened in between has heard of
    the jail alone, so it is named again.
    """
    records = {validator: staking.get_validator(ctx.store, validator) for validator in sorted(piped.changes)}

    def having(what: str, *, bonded: bool | None = None, jailed: bool | None = None) -> Iterable[staking.Validator]:
        for validator, record in records.items():
            fits = bonded is None or (record.status is staking.Status.BONDED) == bonded
            fits = fits and (jailed is None or record.jailed == jailed)
            if fits and what in piped.changes[validator]:
                yield record

    return replace(
        _empty(ctx),
        additions=tuple(
            _named(record)
            for validator, record in records.items()
            if record.status is staking.Status.BONDED
            and (BONDED in piped.changes[validator] or (UNJAILED in piped.changes[validator] and not record.jailed))
        ),
        removals=tuple(record.operator for record in having(UNBONDING, bonded=False)),
        jailed=tuple(record.operator for record in having(JAILED, jailed=True)),
        unjailed=tuple(record.operator for record in having(UNJAILED, jailed=False)),
        tombstoned=tuple(record.operator for record in having(TOMBSTONED)),
    )


def _empty(ctx: Ctx) -> ValsetUpdate:
    rules = slashing.params(ctx.store)
    return ValsetUpdate(
        height=ctx.height,
        time=ctx.time,
        denom=ctx.denom,
        double_sign_bps=rules.double_sign_slash_bps,
        downtime_bps=rules.downtime_slash_bps,
        unbonding_time=staking.params(ctx.store).unbonding_time,
    )


def _named(record: staking.Validator) -> Named:
    return Named(record.operator, record.public_key)
