"""Which power a validator had at a past height: one record per change, kept while evidence of that height can still be used.

A change that block H writes signs from H + 2 on. A record is dropped when its successor is older than both limits of evidence.
"""

from itertools import islice, pairwise

import msgspec

from meshsec_core.kernel import codec
from meshsec_core.kernel.store.overlay import Reader
from meshsec_core.kernel.store.windows import Map
from meshsec_core.kernel.types import ValidatorId
from meshsec_core.modules.staking.state import params
from meshsec_core.runtime.module import Ctx

UPDATE_DELAY = 2
"""Heights from the block that changes the active set to the first one that the new set signs."""


class PowerSince(msgspec.Struct, frozen=True):
    """A validator's power from a height on."""

    power: int
    """0 once it has left the set."""
    time: int
    """Time of the block that wrote it, nanoseconds."""


HISTORY: Map[PowerSince] = Map("staking/history", PowerSince, parts=2)
"""(validator, first height at which this power signed)."""


def record_power(ctx: Ctx, validator: ValidatorId, power: int, first: int) -> None:
    """Note the power with which a validator signs from height `first` on, and forget what no evidence can ask for any more."""
    _prune(ctx, validator)
    HISTORY.put(ctx.store, validator, first, PowerSince(power, ctx.time))


def power_at(store: Reader, validator: ValidatorId, height: int) -> int:
    """Return the power with which a validator's vote counted at a height; 0 if it was not in the set or the record is gone.

    Looks back in growing spans, because evidence is nearly always recent.
    """
    span = 1
    while True:
        after = (height - span,) if height >= span else ()
        last: PowerSince | None = None
        for (first,), record in HISTORY.items(store, validator, after=after):
            if int(first) > height:
                break
            last = record
        if last is not None:
            return last.power
        if not after:
            return 0
        span *= 16


def _prune(ctx: Ctx, validator: ValidatorId) -> None:
    """Drop at most two records: more than are written, so the tail shrinks however it grew."""
    rules = params(ctx.store)
    prefix = HISTORY.key(validator) + "/"
    oldest = list(islice(ctx.store.scan(prefix), 3))
    for (key, _), (successor, raw) in pairwise(oldest):
        blocks = ctx.height - int(successor.removeprefix(prefix))
        age = ctx.time - codec.load(raw, PowerSince).time
        if blocks <= rules.evidence_age_blocks or age <= rules.unbonding_time:
            return
        ctx.store.delete(key)
