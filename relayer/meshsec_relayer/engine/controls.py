"""What operators have told the relayer to do otherwise: pause, step, hold, drop."""

from meshsec_relayer.engine.boundary import Drop, Filter, Hold, Image, Leg, Pause, Release, Resume, Step
from meshsec_relayer.engine.packets import Entry


class Controls:
    """Standing orders. All but the steps survive a crash."""

    def __init__(self, image: Image) -> None:
        self.paused = image.paused
        self.steps = 0
        """Messages that may still pass while paused."""
        self.held = list(image.held)
        self.dropped: dict[str, None] = dict.fromkeys(image.dropped)
        self.version = 0
        """Grows with every order."""

    def order(self, command: Pause | Resume | Step | Hold | Release) -> None:
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
            case Release(which):
                self.held = [held for held in self.held if which != Filter() and held != which]

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
        for held in self.held:
            if _matches(held, entry, leg):
                return "held by an operator"
        return ""

    @property
    def halted(self) -> bool:
        """Tell whether nothing may pass."""
        return self.paused and self.steps == 0


def _matches(held: Filter, entry: Entry, leg: Leg) -> bool:
    """Tell whether every field that a filter sets fits a packet."""
    wanted = (held.id, held.kind, held.chain, held.port, held.channel, held.leg)
    packet = entry.packet
    found = (entry.id, entry.kind if held.kind else "", entry.source.name, packet.source_port, packet.source_channel, leg)
    return all(want in ("", have) for want, have in zip(wanted, found, strict=True))
