"""What operators have told the relayer to do otherwise with packets, light clients and the lines to chains."""

from fnmatch import fnmatchcase

from meshsec_core.kernel.types import SECOND
from meshsec_relayer.engine.boundary import (
    Delay,
    Drop,
    Duplicate,
    Filter,
    Hold,
    Image,
    Leg,
    Line,
    Mend,
    Neglect,
    Pause,
    Release,
    Reorder,
    Resume,
    Standing,
    Step,
)
from meshsec_relayer.engine.client import LightClient
from meshsec_relayer.engine.lines import Lines
from meshsec_relayer.engine.packets import Entry


class Controls:
    """Standing orders. All but the steps, neglect and bad lines survive a crash."""

    def __init__(self, image: Image) -> None:
        self.paused = image.paused
        self.steps = 0
        """Messages that may still pass while paused."""
        self.held = list(image.held)
        self.delayed = list(image.delayed)
        self.duplicated = list(image.duplicated)
        self.reordered = list(image.reordered)
        self.dropped: dict[str, None] = dict.fromkeys(image.dropped)
        self.neglects = False
        """No client is refreshed for its age."""
        self.lines = Lines()
        self.version = 0
        """Grows with every order."""

    def order(self, command: Pause | Resume | Step | Standing) -> None:
        """Take an order that needs no packet."""
        self.version += 1
        match command:
            case Pause():
                self.paused = True
            case Resume():
                self.paused, self.steps = False, 0
            case Step(count):
                self.steps += max(count, 0) if self.paused else 0
            case Hold(which):
                self.held.append(which)
            case Delay():
                self.delayed.append(command)
            case Duplicate(which):
                self.duplicated.append(which)
            case Reorder(which):
                self.reordered.append(which)
            case Release(which):
                self._release(which)
            case Line():
                self.lines.worsen(command)
            case Neglect():
                self.neglects = True
            case Mend():
                self.neglects = False
                self.lines.mend()

    def _release(self, which: Filter) -> None:
        every = which == Filter()
        self.delayed = [delay for delay in self.delayed if not every and delay.filter != which]
        for filters in (self.held, self.duplicated, self.reordered):
            filters[:] = [found for found in filters if not every and found != which]

    def drop(self, command: Drop, leg: Leg) -> None:
        """Lose a packet on one of its ways."""
        self.version += 1
        self.dropped[f"{command.id}/{leg}"] = None

    def clear(self) -> None:
        """Forget what was dropped."""
        self.version += 1
        self.dropped.clear()

    def stops(self, entry: Entry, leg: Leg) -> str:
        """Return why a packet may not go this way now, or nothing."""
        if f"{entry.id}/{leg}" in self.dropped:
            return f"dropped by an operator ({leg})"
        if any(matches(held, entry, leg) for held in self.held):
            return "held by an operator"
        for delay in self.delayed:
            if matches(delay.filter, entry, leg) and (left := _left(delay, entry, leg)):
                return f"delayed by an operator: {left}"
        return ""

    def duplicates(self, entry: Entry, leg: Leg) -> bool:
        """Tell whether a packet is to be delivered twice."""
        return any(matches(which, entry, leg) for which in self.duplicated)

    def reorders(self, entry: Entry) -> bool:
        """Tell whether a packet goes before older ones."""
        return not entry.channel.ordered and any(matches(which, entry, entry.leg) for which in self.reordered)

    def refreshes(self, client: LightClient) -> bool:
        """Tell whether a client is to learn a header soon."""
        return client.refresh_due and (client.wanted or not self.neglects)

    @property
    def faults(self) -> tuple[str, ...]:
        """What has been broken on purpose, and where: `line: juno (30 % lost)`."""
        standing = {
            "pause": self.paused,
            "hold": self.held,
            "delay": self.delayed,
            "duplicate": self.duplicated,
            "reorder": self.reordered,
            "drop": self.dropped,
            "stale-client": self.neglects,
        }
        return tuple(kind for kind, there in standing.items() if there) + tuple(f"line: {bad}" for bad in self.lines.bad)

    @property
    def halted(self) -> bool:
        """Tell whether nothing may pass."""
        return self.paused and self.steps == 0


def _left(delay: Delay, entry: Entry, leg: Leg) -> str:
    """Say how long a delay still lasts; empty if it is over."""
    prover, began = entry.source if leg == "recv" else entry.target, entry.began(leg)
    height, time = began or (prover.height, prover.time)
    blocks = height + delay.blocks - prover.height if delay.blocks else 0
    nanoseconds = time + delay.nanoseconds - prover.time
    if blocks > 0:
        return f"{blocks} blocks of {prover.name}"
    return f"{-(-nanoseconds // SECOND)} seconds of {prover.name}" if nanoseconds > 0 else ""  # rounds up


def matches(which: Filter, entry: Entry, leg: Leg | None) -> bool:
    """Tell whether every field that a filter sets fits a packet."""
    packet = entry.packet
    wanted = (which.id, which.chain, which.port, which.channel, which.leg, which.kind)
    found = (entry.id, entry.source.name, packet.source_port, packet.source_channel, leg or "", entry.kind if which.kind else "")
    return all(not want or fnmatchcase(have, want) for want, have in zip(wanted, found, strict=True))
