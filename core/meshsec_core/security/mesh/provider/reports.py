"""What the consumer reports: its validators, their faults, and stake that it sends away.

A report is applied validator by validator. An entry that cannot be applied is named in the answer and never costs the others.

Source: mesh-security contracts/provider/external-staking (ibc.rs, valset update).
"""

from collections.abc import Callable

from msgspec.structs import replace

from meshsec_core.kernel.crypto import address_of
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import ONE_BPS, ONE_E18, LinkId, ValidatorId
from meshsec_core.runtime.module import Ctx
from meshsec_core.security.mesh.history import Change, Entry, State
from meshsec_core.security.mesh.packets import (
    Applied,
    InternalUnstake,
    Named,
    Reduced,
    Refusal,
    Released,
    Slashed,
    ValsetUpdate,
    check_amount,
    check_name,
)
from meshsec_core.security.mesh.provider import book
from meshsec_core.security.mesh.provider.book import Key
from meshsec_core.security.mesh.provider.state import (
    HISTORIES,
    KEYS,
    LINKS,
    Authority,
    Fault,
    FaultKind,
    Rules,
    get_link,
    live_link,
)
from meshsec_core.security.mesh.provider.sweep import Charge, charge, effective_ratio, is_charged, settle

BAD_KEY = "mesh/bad-key"
BAD_REPORT = "mesh/bad-report"
KEY_TAKEN = "mesh/key-taken"
FAULT_CHARGED = "mesh/fault-charged"
NOT_ACTIVE_AT_INFRACTION = "mesh/not-active-at-infraction"
TOO_MANY_SLASHES = "mesh/too-many-slashes"

MOST_SLASHES = 4
"""Slashes of one validator in one report. A block holds one, since whoever is slashed is jailed."""

MOST_HEIGHT = 2**63
"""Heights and times beyond this are nonsense that would never fall out of a history."""
MOST_DENOM = 128
"""Characters of a denomination."""


def on_valset_update(ctx: Ctx, link: LinkId, packet: ValsetUpdate) -> Applied:
    """Learn the consumer's rules and what happened to its validators; charge the faults that a report may charge.

    Raises:
        Rejected: `mesh/bad-report` if its height, time or rules are none; entries are refused one by one in the answer.
    """
    _learn_rules(ctx, link, packet)
    refused: list[Refusal] = []
    slashed = _each(ctx, _slashes(packet, refused), refused, lambda inner, entry: _slash(inner, link, entry))
    for change, entries in (
        (Change.TOMBSTONED, packet.tombstoned),
        (Change.ADDED, packet.additions),
        (Change.JAILED, packet.jailed),
        (Change.REMOVED, packet.removals),
        (Change.UPDATED, packet.updated),
        (Change.UNJAILED, packet.unjailed),
    ):
        _each(ctx, entries, refused, lambda inner, entry, kind=change: _record(inner, link, packet, kind, entry))
    ctx.emit("mesh/valset-update", consumer=link, height=packet.height, changes=_summary(packet), refused=len(refused))
    return Applied(tuple(reduced for reduced in slashed if reduced is not None), tuple(refused))


def on_internal_unstake(ctx: Ctx, link: LinkId, packet: InternalUnstake) -> Released:
    """Let go of stake that the consumer sends away: it is free at once. Answers how much there was.

    Raises:
        Rejected: `mesh/bad-amount`, `mesh/bad-name`.
    """
    check_amount(packet.inverted_amount.amount)
    check_name(packet.validator)
    check_name(packet.delegator)
    key = Key(link, packet.validator, packet.delegator)
    settle(ctx, key.user)
    before = book.settled(ctx.store, key)
    after, out = before.force_out(packet.inverted_amount.amount, ctx.time)
    if out:
        book.write(ctx, key, before, after)
    ctx.emit("mesh/internal-unstake", user=key.user, consumer=link, validator=key.validator, amount=out)
    return Released(out, after.range.high + book.noted(ctx.store, key))


def _learn_rules(ctx: Ctx, name: LinkId, packet: ValsetUpdate) -> None:
    numbers = (packet.height, packet.time, packet.unbonding_time)
    ratios = (packet.double_sign_bps, packet.downtime_bps)
    sane = all(0 <= number < MOST_HEIGHT for number in numbers) and all(0 <= ratio <= ONE_BPS for ratio in ratios)
    if not sane or not 0 < len(packet.denom) <= MOST_DENOM:
        raise Rejected(BAD_REPORT, height=str(packet.height)[:50])
    link = live_link(ctx.store, name)
    if link.rules is not None and link.rules.height >= packet.height:
        return
    harshest = max(packet.double_sign_bps, link.rules.harshest_bps if link.rules is not None else 0)
    rules = Rules(packet.denom, packet.double_sign_bps, packet.downtime_bps, packet.unbonding_time, packet.height, harshest)
    terms = link.terms
    if terms.double_sign_bps == 0:
        terms = replace(terms, double_sign_bps=max(ratios))
    LINKS.put(ctx.store, name, replace(link, rules=rules, terms=terms))


def _each(
    ctx: Ctx, entries: tuple[object, ...], refused: list[Refusal], apply: Callable[..., Reduced | None]
) -> list[Reduced | None]:
    """Apply entries one by one, each in a branch of its own."""
    done = []
    for entry in entries:
        try:
            with ctx.branch() as inner:
                done.append(apply(inner, entry))
        except Rejected as refusal:
            name = entry.validator if isinstance(entry, Named | Slashed) else ValidatorId(str(entry))
            refused.append(Refusal(ValidatorId(name[:100]), refusal.code))
    return done


def _record(ctx: Ctx, link: LinkId, packet: ValsetUpdate, change: Change, entry: Named | ValidatorId) -> None:
    """Write a change down. A key stays with whom it was first reported for, so that nobody else answers for what it signs."""
    named = entry if isinstance(entry, Named) else Named(entry, b"")
    check_name(named.validator)
    if change in (Change.ADDED, Change.UPDATED):
        if len(named.public_key) != 32:
            raise Rejected(BAD_KEY, bytes=len(named.public_key))
        address = address_of(named.public_key).hex()
        if KEYS.find(ctx.store, link, address) not in (None, named.validator):
            raise Rejected(KEY_TAKEN, validator=named.validator, address=address)
        KEYS.put(ctx.store, link, address, named.validator)
    write_change(ctx, link, named.validator, Entry(packet.height, change, packet.time, named.public_key))


def write_change(ctx: Ctx, link: LinkId, validator: ValidatorId, entry: Entry) -> None:
    """Merge a change into a validator's history, and forget what is older than the unbonding period."""
    before = HISTORIES.get(ctx.store, link, validator)
    window = get_link(ctx.store, link).unbonding_time
    after = before.merge(entry).drain(entry.time - window)
    if after != before:
        HISTORIES.put(ctx.store, link, validator, after)


def _slashes(packet: ValsetUpdate, refused: list[Refusal]) -> tuple[Slashed, ...]:
    """Return the slashes of a report that are worth a look: a flood of them would cost this chain its time."""
    counts: dict[str, int] = {}
    kept = []
    for entry in packet.slashed:
        counts[entry.validator] = counts.get(entry.validator, 0) + 1
        if counts[entry.validator] <= MOST_SLASHES:
            kept.append(entry)
        else:
            refused.append(Refusal(ValidatorId(entry.validator[:100]), TOO_MANY_SLASHES))
    return tuple(kept)


def _slash(ctx: Ctx, link: LinkId, entry: Slashed) -> Reduced | None:
    check_name(entry.validator)
    kind = _kind(entry)
    if is_charged(ctx, link, entry.validator, kind, entry.infraction_height):
        raise Rejected(FAULT_CHARGED, validator=entry.validator, height=entry.infraction_height)
    if HISTORIES.get(ctx.store, link, entry.validator).at_height(entry.infraction_height).state is not State.ACTIVE:
        raise Rejected(NOT_ACTIVE_AT_INFRACTION, validator=entry.validator, height=entry.infraction_height)
    terms = live_link(ctx.store, link).terms
    if kind is FaultKind.DOUBLE_SIGN and terms.slash_authority is not Authority.PACKET:
        return None
    fault = Fault(kind, entry.infraction_height, entry.infraction_time, ctx.height, ctx.time, Authority.PACKET, 0)
    reported = entry.slash_amount.amount
    most_bps = terms.downtime_bps if kind is FaultKind.DOWNTIME and terms.downtime_bps else ONE_BPS
    ratio_e18 = min(effective_ratio(ctx, link, entry.validator, reported), most_bps * (ONE_E18 // ONE_BPS))
    cut = charge(ctx, Charge(link, entry.validator, fault, ratio_e18, min(entry.slash_ratio_bps, most_bps), reported))
    if cut is None:
        return Reduced(entry.validator, reported, later=True)
    return Reduced(entry.validator, cut) if cut else None


def _kind(entry: Slashed) -> FaultKind:
    numbers = (entry.infraction_height, entry.infraction_time, entry.slash_amount.amount)
    if not all(0 <= number < 2**128 for number in numbers) or not 0 <= entry.slash_ratio_bps <= ONE_BPS:
        raise Rejected(BAD_REPORT, validator=entry.validator[:100])
    try:
        return FaultKind(entry.reason)
    except ValueError:
        raise Rejected(BAD_REPORT, reason=entry.reason[:50]) from None


def _summary(packet: ValsetUpdate) -> str:
    counts = {
        "added": len(packet.additions),
        "removed": len(packet.removals),
        "updated": len(packet.updated),
        "jailed": len(packet.jailed),
        "unjailed": len(packet.unjailed),
        "tombstoned": len(packet.tombstoned),
        "slashed": len(packet.slashed),
    }
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)
