"""The inner loop of every shell: make effects durable in order, and hand messages back until only timers are left."""

from collections import deque

from meshsec_core.replica.events import Committed, Deliver, Event, Halted, Persist, SetTimer
from meshsec_core.replica.replica import Replica
from meshsec_core.replica.storage import Storage


def drive(replica: Replica, storage: Storage, event: Event, now: int) -> list[SetTimer | Committed | Halted]:
    """Feed one event and everything it causes at once; return what the shell must still do.

    Timers of a height that has been decided meanwhile are left out.

    Args:
        now: Logical time, nanoseconds.
    """
    left: list[SetTimer | Committed | Halted] = []
    queue: deque[Event] = deque((event,))
    while queue:
        for effect in replica.handle(queue.popleft(), now):
            match effect:
                case Persist():
                    storage.apply(effect.writes)
                case Deliver():
                    queue.append(effect)
                case _:
                    left.append(effect)
    return [effect for effect in left if not isinstance(effect, SetTimer) or effect.timer.height > replica.height]
