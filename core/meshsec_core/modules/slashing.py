"""Faults of validators: who double-signs is slashed once and tombstoned, who is away too long is slashed a little and jailed.

Laws: a double sign is charged once, whoever reports it; nobody is charged for an infraction that is older than both limits of
evidence, or for a height at which it was not in the set. A block that all have signed writes nothing.

Times of past blocks are known to within a step, 1/512 of the unbonding time (an hour by default): the first block of every step
leaves a mark.
"""

from itertools import islice, pairwise

import msgspec

from meshsec_core.consensus.evidence import verify_double_vote
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.store.windows import Item, Map
from meshsec_core.kernel.types import ONE_BPS, SECOND, ValidatorId, ceil_div
from meshsec_core.kernel.wire.tendermint import DuplicateVoteEvidence, decode_evidence
from meshsec_core.modules.staking import state as staking
from meshsec_core.modules.staking.history import power_at
from meshsec_core.modules.staking.slash import Fault, slash
from meshsec_core.modules.staking.validator import jail, tombstone, unjail
from meshsec_core.runtime.module import Ctx, Module, Msg, View, VoteSeen

DOUBLE_SIGN = "double-sign"
DOWNTIME = "downtime"

BAD_PARAMS = "slashing/bad-params"
STILL_JAILED = "slashing/still-jailed"
ALREADY_TOMBSTONED = "slashing/already-tombstoned"
UNSUPPORTED_EVIDENCE = "slashing/unsupported-evidence"
EVIDENCE_FROM_FUTURE = "slashing/evidence-from-future"
EVIDENCE_TOO_OLD = "slashing/evidence-too-old"
WRONG_EVIDENCE_TIME = "slashing/wrong-evidence-time"
NOT_IN_SET = "slashing/not-in-set"

STEPS = 512
"""Marks of past times per unbonding time."""


class SlashingParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What faults cost."""

    window: int = 100
    """Heights that downtime looks back."""
    min_signed_bps: int = 5_000
    """Part of the window that must be signed; rounded up to heights."""
    downtime_slash_bps: int = 100
    double_sign_slash_bps: int = 500
    jail_time: int = 600 * SECOND
    """Nanoseconds until one jailed for downtime may unjail itself."""

    @property
    def max_missed(self) -> int:
        """Heights of a window that may be missed without consequence."""
        return self.window - ceil_div(self.window * self.min_signed_bps, ONE_BPS)


class Missed(msgspec.Struct, frozen=True):
    """The heights that a validator has missed lately, as ascending ranges (first, last)."""

    ranges: tuple[tuple[int, int], ...]

    def add(self, height: int, window: int) -> "Missed":
        """Add the latest height and forget what lies beyond its window."""
        ranges = [(first, last) for first, last in self.ranges if last > height - window]
        if ranges and ranges[-1][1] == height - 1:
            height_of_first = ranges.pop()[0]
            return Missed((*ranges, (height_of_first, height)))
        return Missed((*ranges, (height, height)))

    def count(self, height: int, window: int) -> int:
        """Count the missed ones of the `window` heights that end with `height`."""
        oldest = height - window + 1
        return sum(last - max(first, oldest) + 1 for first, last in self.ranges if last >= oldest)


class Mark(msgspec.Struct, frozen=True):
    """The time of a block; blocks after it, up to the next mark, have times in [time, until)."""

    time: int
    until: int


class Unjail(Msg, frozen=True, tag="slashing/Unjail"):
    """Let the signer's validator back once its jail time is over."""


class SubmitEvidence(Msg, frozen=True, tag="slashing/SubmitEvidence"):
    """Report a double sign of this chain's validator. Anyone may; it is believed for its signatures alone."""

    evidence: bytes
    """CometBFT `Evidence` message with a duplicate vote."""


PARAMS: Item[SlashingParams] = Item("slashing/params", SlashingParams)
MISSED: Map[Missed] = Map("slashing/missed", Missed, default=Missed(()))
"""Validator to the heights it has missed; absent for one that misses none."""
JAILED_UNTIL: Map[int] = Map("slashing/jailed-until", int, default=0)
"""Validator to when it may unjail itself, nanoseconds."""
MARKS: Map[Mark] = Map("slashing/marks", Mark)
"""Height to time."""
LAST_MARK: Item[Mark] = Item("slashing/last-mark", Mark)


def params(store: Reader) -> SlashingParams:
    """Return what faults cost."""
    return PARAMS.get(store)


def begin_block(ctx: Ctx) -> None:
    """Punish what the block proves, count who was absent from the last commit, and keep time."""
    for fault in ctx.block.misbehaviour:
        validator = staking.by_consensus_address(ctx.store, fault.address)
        if validator is None:
            continue
        try:
            charge_double_sign(ctx, validator, fault.height, fault.time)
        except Rejected as refusal:
            ctx.emit("slashing/ignored", validator=validator, height=fault.height, code=refusal.code)
    for vote in ctx.block.last_commit:
        if not vote.signed:
            _miss(ctx, vote)
    if ctx.time >= LAST_MARK.get(ctx.store).until:
        _mark(ctx)


def charge_double_sign(ctx: Ctx, validator: ValidatorId, height: int, time: int) -> int:
    """Slash, jail and tombstone a validator for a proven double sign; return the tokens taken.

    One that is no longer bonded, nor unbonding, has no stake left that stood behind the vote: it is only tombstoned.

    Args:
        ctx: where it happens.
        validator: whose two signatures have been verified.
        height: of the two votes.
        time: of that height's block, nanoseconds.

    Raises:
        Rejected: `slashing/already-tombstoned`, `slashing/evidence-from-future`, `slashing/evidence-too-old`,
            `slashing/not-in-set`; nothing is charged.
    """
    record = staking.get_validator(ctx.store, validator)
    if record.tombstoned:
        raise Rejected(ALREADY_TOMBSTONED, validator=validator)
    _covering_mark(ctx, height)
    power = power_at(ctx.store, validator, height)
    if power == 0:
        raise Rejected(NOT_IN_SET, validator=validator, height=height)
    taken = 0
    if record.status is not staking.Status.UNBONDED:
        taken = slash(ctx, validator, Fault(DOUBLE_SIGN, height, time, power, params(ctx.store).double_sign_slash_bps))
    tombstone(ctx, validator, height, time)
    MISSED.delete(ctx.store, validator)
    return taken


def _covering_mark(ctx: Ctx, height: int) -> Mark:
    """Return the mark whose step holds a height.

    Evidence is too old once it is older than both limits; a height's time is taken as late as its step allows, because to refuse
    too early would let the guilty go.
    """
    if height > ctx.height:
        raise Rejected(EVIDENCE_FROM_FUTURE, height=str(height)[:50])
    found: Mark | None = None
    for (first,), mark in MARKS.items(ctx.store):
        if int(first) > height:
            break
        found = mark
    rules = staking.params(ctx.store)
    young = ctx.height - height <= rules.evidence_age_blocks
    if found is None or not (young or ctx.time - (found.until - 1) <= rules.unbonding_time):
        raise Rejected(EVIDENCE_TOO_OLD, height=str(height)[:50])
    return found


def _miss(ctx: Ctx, vote: VoteSeen) -> None:
    """Count an absence from the last commit; jail at the first one too many and start counting afresh."""
    validator = staking.by_consensus_address(ctx.store, vote.address)
    if validator is None or staking.get_validator(ctx.store, validator).jailed:
        return
    rules = params(ctx.store)
    height = ctx.height - 1
    missed = MISSED.get(ctx.store, validator).add(height, rules.window)
    count = missed.count(height, rules.window)
    ctx.emit("slashing/missed", validator=validator, height=height, missed=count)
    if count <= rules.max_missed:
        MISSED.put(ctx.store, validator, missed)
        return
    MISSED.delete(ctx.store, validator)
    JAILED_UNTIL.put(ctx.store, validator, ctx.time + rules.jail_time)
    power = power_at(ctx.store, validator, height)
    slash(ctx, validator, Fault(DOWNTIME, height, ctx.time, power, rules.downtime_slash_bps))
    jail(ctx, validator)


def _mark(ctx: Ctx) -> None:
    """Note this block's time; forget what only evidence beyond both limits could ask for."""
    rules = staking.params(ctx.store)
    prefix = MARKS.path + "/"
    for (key, _), (successor, raw) in pairwise(list(islice(ctx.store.scan(prefix), 3))):
        blocks = ctx.height - int(successor.removeprefix(prefix))
        if blocks < rules.evidence_age_blocks or ctx.time - codec.load(raw, Mark).time <= rules.unbonding_time:
            break
        ctx.store.delete(key)
    mark = Mark(ctx.time, ctx.time + max(1, rules.unbonding_time // STEPS))
    MARKS.put(ctx.store, ctx.height, mark)
    LAST_MARK.put(ctx.store, mark)


def on_unjail(ctx: Ctx, msg: Unjail) -> None:  # noqa: ARG001
    """Let the signer's validator compete for the active set again.

    Raises:
        Rejected: `staking/unknown-validator`, `staking/tombstoned`, `staking/not-jailed`, `slashing/still-jailed`.
    """
    validator = staking.operated_by(ctx.prefix, ctx.signer)
    until = JAILED_UNTIL.get(ctx.store, validator)
    if ctx.time < until:
        raise Rejected(STILL_JAILED, validator=validator, until=until)
    unjail(ctx, validator)
    JAILED_UNTIL.delete(ctx.store, validator)


def submit_evidence(ctx: Ctx, msg: SubmitEvidence) -> None:
    """Charge a double sign on two conflicting votes.

    Raises:
        Rejected: `wire/…` and `evidence/…` for what is no proof, `slashing/unsupported-evidence`, `slashing/wrong-evidence-time`,
            `staking/unknown-validator`, and what `charge_double_sign` refuses; nothing is charged.
    """
    evidence = decode_evidence(msg.evidence)
    if not isinstance(evidence, DuplicateVoteEvidence):
        raise Rejected(UNSUPPORTED_EVIDENCE, kind=type(evidence).__name__)
    address = evidence.vote_a.address
    validator = staking.by_consensus_address(ctx.store, address)
    if validator is None:
        raise Rejected(staking.UNKNOWN_VALIDATOR, consensus_address=address.hex())
    verify_double_vote(evidence, ctx.chain_id, staking.get_validator(ctx.store, validator).public_key, ctx.verify)
    height = evidence.vote_a.height
    mark = _covering_mark(ctx, height)
    if not mark.time <= evidence.time < mark.until:
        raise Rejected(WRONG_EVIDENCE_TIME, time=evidence.time, earliest=mark.time, latest=mark.until - 1)
    charge_double_sign(ctx, validator, height, evidence.time)


def init(ctx: Ctx, genesis: SlashingParams) -> None:
    """Write the rules and the first mark.

    Raises:
        Rejected: `slashing/bad-params`.
    """
    shares = (genesis.min_signed_bps, genesis.downtime_slash_bps, genesis.double_sign_slash_bps)
    if genesis.window < 1 or genesis.jail_time < 0 or not all(0 <= share <= ONE_BPS for share in shares):
        raise Rejected(BAD_PARAMS, window=str(genesis.window)[:50])
    PARAMS.put(ctx.store, genesis)
    _mark(ctx)


class Signing(msgspec.Struct, frozen=True):
    """How well a validator signs."""

    validator: ValidatorId
    missed: int
    """Heights of the current window."""
    allowed: int
    jailed_until: int
    """Nanoseconds; 0 if it is not jailed for downtime."""


def query_signing(view: View, validator: ValidatorId) -> Signing:
    """Show how well a validator signs.

    Raises:
        Rejected: `staking/unknown-validator`.
    """
    identity = staking.get_validator(view.store, validator).operator
    rules = params(view.store)
    missed = MISSED.get(view.store, identity).count(view.height - 1, rules.window)
    return Signing(identity, missed, rules.max_missed, JAILED_UNTIL.get(view.store, identity))


def query_params(view: View) -> SlashingParams:
    """Show what faults cost."""
    return params(view.store)


def nobody_at_large(view: View) -> None:
    """Check that the tombstoned are jailed, and that who may sign has not missed more than is allowed.

    Raises:
        InvariantViolated: one is at large.
    """
    rules = params(view.store)
    for record in staking.validators(view.store):
        missed = MISSED.get(view.store, record.operator).count(view.height - 1, rules.window)
        if (record.tombstoned and not record.jailed) or missed > rules.max_missed:
            raise InvariantViolated(f"{record.operator} should be jailed")


SLASHING: Module[SlashingParams] = Module(
    "slashing",
    handlers={Unjail: on_unjail, SubmitEvidence: submit_evidence},
    genesis=SlashingParams,
    init=init,
    begin_block=begin_block,
    queries={"signing": query_signing, "params": query_params},
    laws={"nobody is at large": nobody_at_large},
    stores=("slashing",),
)
"""What faults cost."""
