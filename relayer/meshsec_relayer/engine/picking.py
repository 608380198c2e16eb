"""Which packets a lane carries next: what can be proven now, in the order of sequences, within the limits of a transaction."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import msgspec

from meshsec_core.ibc.packet import elapsed
from meshsec_relayer.engine.boundary import Leg
from meshsec_relayer.engine.cargo import Closing, Item, Parcel
from meshsec_relayer.engine.chain import Chain
from meshsec_relayer.engine.controls import Controls
from meshsec_relayer.engine.packets import Channel, Entry
from meshsec_relayer.engine.path import Path
from meshsec_relayer.engine.turns import Turns

BACKLOG_PART = 4
"""So many parts has a batch, and one of them is kept for the backlog while there is any."""


class Rules(msgspec.Struct, frozen=True):
    """How much one transaction may carry, and when it is somebody else's turn."""

    messages: int
    bytes: int
    turns: Turns


@dataclass(slots=True)
class Picked:
    """What to carry, and what else the look has shown."""

    items: tuple[Item, ...] = ()
    needed: int = 0
    """The lowest header height that proves all of it."""
    refresh: bool = False
    """Whether the client is to learn a header even if nothing has to be proven."""
    backlog: bool = False
    """Whether all of it is old."""
    picked_at: int = 0
    """When, on the relayer's clock."""
    waits_for_block: bool = False
    look_again_at: int | None = None
    """When an attempt that failed may be repeated."""

    def mark(self) -> None:
        """Keep the items from being picked again."""
        for item in self.items:
            if isinstance(item, Parcel):
                item.entry.busy = "being proven"
            else:
                item.channel.closing = True

    def free(self) -> None:
        """Let the items be picked again, if there is anything left to do."""
        for item in self.items:
            if isinstance(item, Parcel):
                item.entry.busy = ""
            else:
                item.channel.closing = False


def lane_of(entry: Entry, leg: Leg) -> tuple[Chain, Chain]:
    """Return the chain where a leg is proven and the one that is told."""
    return (entry.source, entry.target) if leg == "recv" else (entry.target, entry.source)


def obstacle(path: Path, entry: Entry, controls: Controls) -> str:
    """Return why the relayer will not move a packet, however long it waits; empty if it will."""
    leg = entry.leg
    if leg is None:
        return f"the application on {entry.target.name} has not answered yet"
    told = lane_of(entry, leg)[1].name
    if told in path.clients and (ailment := path.clients[told].ailment):
        return f"client {path.clients[told].id} on {told} to be recovered by governance: {ailment}"
    if entry.given_up == leg:
        return f"given up after {entry.attempts} attempts: {entry.error}"
    if leg == "ack" and entry.source.name in entry.channel.closed:
        return f"its channel is closed on {entry.source.name}: the answer cannot be brought back"
    return controls.stops(entry, leg)


def pick(path: Path, source: Chain, target: Chain, controls: Controls, rules: Rules, now: int) -> Picked:
    """Look through everything that waits between two chains and choose what goes from the one to the other."""
    if path.clients[target.name].ailment:
        return Picked()
    picked = Picked()
    look = Look(path, source, target, controls, rules.turns, now, picked)
    picked.refresh = look.may_refresh()
    chosen: list[Item] = []
    room, most = rules.bytes, min(rules.messages, controls.steps) if controls.paused else rules.messages
    for item in (*look.closings(), *look.parcels(most)):
        alone = item.entry.limit if isinstance(item, Parcel) else 1
        most = min(most, alone) if alone else most
        if len(chosen) >= most or (chosen and item.size > room):
            break
        chosen.append(item)
        room -= item.size
    picked.items = tuple(chosen)
    picked.backlog = bool(chosen) and all(isinstance(item, Parcel) and path.is_backlog(item.entry) for item in chosen)
    needed = [_needed(path, item, source, target) for item in chosen] + ([source.height] if picked.refresh else [])
    picked.needed = max(needed, default=0)
    return picked


def _needed(path: Path, item: Item, source: Chain, target: Chain) -> int:
    """Return the lowest header height that proves an item; a timeout needs the tip unless the client's own height is past it."""
    if not isinstance(item, Parcel) or item.leg != "timeout" or item.on_close:
        return item.provable_from
    client = path.clients[target.name]
    passed = elapsed(item.entry.packet, source.proof_height(client.latest), client.time)
    return item.provable_from if passed and not client.stale else source.height


@dataclass(frozen=True, slots=True)
class Look:
    """One look at what waits between two chains; what will let more go is noted on `picked`."""

    path: Path
    source: Chain
    target: Chain
    controls: Controls
    turns: Turns
    now: int
    picked: Picked

    def may_refresh(self) -> bool:
        """Tell whether the client is to be refreshed now."""
        client = self.path.clients[self.target.name]
        if not self.controls.refreshes(client):
            client.due_since = None
            return False
        client.due_since = self.now if client.due_since is None else client.due_since
        return self._is_time(client.due_since + self.turns.patience)

    def closings(self) -> Iterator[Item]:
        """Yield the channels whose other end can be closed now."""
        for channel in self.path.book.served():
            if self.source.name in channel.closed and self.target.name not in channel.closed and not channel.closing:
                item = Closing(channel, self.source.name, self.target.name)
                if item.provable_from > self.source.height:
                    self.picked.waits_for_block = True
                    continue
                if channel.confirm_after is None:
                    channel.confirm_after = self.now + self.turns.patience
                if self._is_time(channel.confirm_after):
                    yield item

    def parcels(self, most: int) -> Iterator[Item]:
        """Yield the packets that can go this way now: new ones first, but for a part of the room that is kept for the backlog."""
        entries = sorted(self.path.book.entries.values(), key=self._place)
        behind: list[Channel] = []  # ordered channels with a backlog: what is new there has to come after it
        for entry in entries:
            if entry.channel.ordered and self.path.is_backlog(entry) and entry.channel not in behind:
                behind.append(entry.channel)
        old = [entry for entry in entries if self.path.is_backlog(entry) or entry.channel in behind]
        new = [entry for entry in entries if not (self.path.is_backlog(entry) or entry.channel in behind)]
        backlog, fresh = list(islice(self._ready(old), most)), self._ready(new)
        yield from islice(fresh, most - (most // BACKLOG_PART if backlog else 0))  # rounds down
        yield from backlog
        yield from fresh

    def _ready(self, entries: Iterable[Entry]) -> Iterator[Parcel]:
        """Yield those that can go this way now, in their order; on an ordered channel none goes before another."""
        jammed: list[Channel] = []
        for entry in entries:
            leg = entry.leg
            if leg is None or lane_of(entry, leg) != (self.source, self.target):
                if leg == "timeout" and entry.channel.ordered and entry.source is self.source:
                    jammed.append(entry.channel)
                continue
            if entry.busy or entry.channel in jammed:
                continue
            item = Parcel(entry, leg, leg == "timeout" and not entry.timed_out)
            if self._can_go(item):
                yield item
            elif entry.channel.ordered:
                jammed.append(entry.channel)

    def _place(self, entry: Entry) -> int:
        return -entry.packet.sequence if self.controls.reorders(entry) else entry.packet.sequence

    def _can_go(self, item: Parcel) -> bool:
        entry, provable = item.entry, item.provable_from <= self.source.height
        if provable and entry.ready_leg != item.leg:
            entry.ready_leg, entry.ready_at = item.leg, self.now
            entry.ready_time, entry.ready_height = self.source.time, self.source.height
        if obstacle(self.path, entry, self.controls) or (item.leg == "recv" and self.source.name in entry.channel.closed):
            return False
        if not provable:
            self.picked.waits_for_block = True
            return False
        turn = entry.ready_at + self.turns.wait(entry.packet.sequence)
        return self._is_time(max(turn, entry.retry_at if entry.failed_leg == item.leg else 0))

    def _is_time(self, time: int) -> bool:
        """Tell whether a time has come; if not, have somebody look again then."""
        if time > self.now:
            self.picked.look_again_at = _sooner(self.picked.look_again_at, time)
        return time <= self.now


def _sooner(one: int | None, other: int) -> int:
    return other if one is None else min(one, other)
