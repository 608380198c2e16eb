"""The inner loop of every shell: make effects durable in order, and hand messages back until only timers are left."""

from collections import deque
from collections.abc import Sequence

from meshsec_core.replica.events import Committed, Deliver, Effect, Event, Halted, Persist, SetTimer
from meshsec_core.replica.replica import Replica
from meshsec_core.replica.storage import Storage

Left = SetTimer | Committed | Halted
"""What only a shell can do: wait, notice, give up."""


def drive(replica: Replica, storage: Storage, event: Event, now: int) -> list[Left]:
    """Feed one event and everything it causes at once; return what the shell must still do.

    Args:
        now: Logical time, nanoseconds.
    """
    return carry_out(replica, storage, replica.handle(event, now), now)


def carry_out(replica: Replica, storage: Storage, effects: Sequence[Effect], now: int) -> list[Left]:
    """Carry out effects and everything they cause at once; timers of a height that is decided meanwhile are left out."""
    left: list[SetTimer | Committed | Halted] = []
    heard: deque[Deliver] = deque()
    while True:
        for effect in effects:
            match effect:
                case Persist():
                    storage.apply(effect.writes)
                case Deliver():
                    heard.append(effect)
                case _:
                    left.append(effect)
        if not heard:
            return [effect for effect in left if not isinstance(effect, SetTimer) or effect.timer.height > replica.height]
        effects = replica.handle(heard.popleft(), now)
