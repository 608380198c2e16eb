"""A lane carries one way: what one chain has stored, proven to the other chain's light client.

Of each path there are two. A lane picks what can be proven now, brings the client to a height that proves it, fetches proofs
and submits all in one transaction, several transactions under way at once, in order. What a chain refuses is tried again in
smaller batches, then alone and ever more rarely, so that one bad packet cannot hold up the others; on an ordered channel it
must.
"""

from collections.abc import Callable

from meshsec_core.ibc.redundancy import REDUNDANT
from meshsec_core.kernel.errors import Rejected
from meshsec_core.runtime.module import Msg
from meshsec_relayer.engine.account import LOST, Account, Outcome
from meshsec_relayer.engine.cargo import Closing, Item, Parcel, Told, told_by, told_of
from meshsec_relayer.engine.chain import Chain
from meshsec_relayer.engine.client import CLIENT_EXPIRED, CLIENT_FROZEN, LightClient
from meshsec_relayer.engine.controls import Controls
from meshsec_relayer.engine.meters import Meters
from meshsec_relayer.engine.packets import Entry
from meshsec_relayer.engine.path import Path, Tell
from meshsec_relayer.engine.picking import Picked, Rules, pick
from meshsec_relayer.engine.proofs import Proven, all_stored, proven
from meshsec_relayer.engine.tasks import FIRST_REST, LONGEST_REST, MOST_ATTEMPTS, Task, Tasks, Until, rest

MOST_UNDER_WAY = 4
"""Transactions of one lane under way at once."""
MOST_OLD_UNDER_WAY = 2
"""Of these, those with nothing but backlog: what is new always finds a place."""

CLIENT_CODES = ("light/", "ibc/client-not-active", "ibc/unknown-consensus-state", "ibc/header-", CLIENT_EXPIRED, CLIENT_FROZEN)
"""Refusals (or their beginnings) that are about the light client and not about what it was to prove."""


class Lane:
    """From `source`, where things are proven, to `target`, which is told."""

    def __init__(self, path: Path, source: Chain, account: Account, tasks: Tasks, controls: Controls, rules: Rules) -> None:
        self.path = path
        self.source = source
        self.target = account.chain
        self.name = f"{path.name}/{source.name}-to-{self.target.name}"
        self.under_way = 0
        self.waits_for_block = False
        """Whether the source's next header would prove something that waits."""
        self.problem = ""
        """Why the whole lane rests."""
        self._failures = 0
        self._rest_until = 0
        self._account = account
        self._tasks = tasks
        self._controls = controls
        self._rules = rules
        self._turn = 0
        self._turns = 0
        self._old_under_way = 0
        """Transactions under way with nothing but backlog."""
        self._looked: tuple[int, ...] = ()
        """What the world looked like when nothing could be picked."""
        self._look_again_at: int | None = None

    def run(self, meters: Meters, tell: Tell) -> Task[None]:
        """Carry for ever."""
        yield self.path.until_open()
        while True:
            yield Until(self._worth_a_look, f"something to carry from {self.source.name} to {self.target.name}")
            client = self.path.clients[self.target.name]
            if client.ailment and client.stale:
                yield from self._examine(client, tell)
            picked = self._pick()
            if picked is None:
                continue
            try:
                height, updates = yield from client.reach(picked.needed)
            except Rejected as refusal:
                picked.free()
                self._client_failed(refusal.code, str(refusal), tell)
                continue
            counted = "client_updates_submitted_total" if updates else "client_updates_skipped_total"
            meters.count(counted, len(updates) or 1, chain=self.target.name, counterparty=self.source.name)
            self.under_way += 1
            self._old_under_way += picked.backlog
            self._turns += 1
            delivery = self._deliver(picked, height, updates, self._turns - 1, meters, tell)
            self._tasks.start(f"{self.name}/{self._turns}", delivery)

    def _examine(self, client: LightClient, tell: Tell) -> Task[None]:
        """Ask whether a client that could not be used can be used again."""
        try:
            honest = yield from client.honest()
        except Rejected:
            return
        if not honest:
            tell("error", "client-contradicts", host=self.target.name, client=client.id, height=client.latest)
        self.problem, self._failures, self._rest_until = "", 0, 0
        tell("info", "client-recovered", chain=self.target.name, client=client.id)

    # Picking

    def _worth_a_look(self) -> bool:
        if self.under_way >= MOST_UNDER_WAY or self._tasks.now < self._rest_until:
            return False
        if not all(chain.reachable and chain.caught_up for chain in (self.source, self.target)):
            return False
        due = self._look_again_at is not None and self._known_at >= self._look_again_at
        return due or self._looked != self._world()

    @property
    def _known_at(self) -> int:
        """The time up to which both chains are known."""
        return min(self.source.looked_at, self.target.looked_at)

    def _world(self) -> tuple[int, ...]:
        return (self.path.version, self.source.height, self.target.height, self._controls.version)

    def _pick(self) -> Picked | None:
        """Choose what to carry next; None if nothing can go now."""
        self.waits_for_block = False
        picked = None
        if not self._controls.halted:
            picked = pick(self.path, self.source, self.target, self._controls, self._rules, self._known_at)
            self.waits_for_block = picked.waits_for_block
            self._look_again_at = picked.look_again_at
            if not (picked.items or picked.refresh) or (picked.backlog and self._old_under_way >= MOST_OLD_UNDER_WAY):
                picked = None
        if picked is None:
            self._looked = self._world()
            return None
        if self._controls.paused:
            self._controls.steps -= len(picked.items)
        picked.mark()
        picked.picked_at = self._tasks.now
        return picked

    # Delivering

    def _deliver(
        self, picked: Picked, height: int, updates: tuple[Msg, ...], turn: int, meters: Meters, tell: Tell
    ) -> Task[None]:
        try:
            messages = yield from self._messages(picked.items, height)
            problem = None
        except Rejected as refusal:
            messages, problem = [], refusal
            self.path.clients[self.target.name].stale = bool(updates) or self.path.clients[self.target.name].stale
        yield Until(lambda: self._turn == turn, "its turn among the transactions of this lane")
        messages = [(item, message) for item, message in messages if not self._overtaken(item)]
        if updates and not messages and not picked.refresh and self.under_way == 1:
            updates, self.path.clients[self.target.name].stale = (), True
        ticket = self._account.ticket() if messages or (updates and problem is None) else None
        self._turn += 1
        if ticket is not None:
            contents = (*updates, *(message for _, message in messages))
            try:
                outcome = yield from self._account.submit(contents, ticket, self._note(picked, meters))
            except Rejected as refusal:
                outcome = Outcome(refusal.code)
            passed = self._tasks.now - picked.picked_at
            meters.time("tx_latency_confirmed", passed, chain=self.target.name, counterparty=self.source.name)
            self._settle([item for item, _ in messages], outcome, bool(updates), meters, tell)
        elif problem is not None:
            self._client_failed(problem.code, str(problem), tell)
        picked.free()
        self.under_way -= 1
        self._old_under_way -= picked.backlog
        self.path.version += 1

    def _messages(self, items: tuple[Item, ...], height: int) -> Task[list[tuple[Item, Msg]]]:
        """Prove the items; those that turn out to be settled already leave the book."""
        yield from self._verify(items)
        items = tuple(item for item in items if not isinstance(item, Parcel) or item.entry.id in self.path.book.entries)
        keys = tuple(dict.fromkeys(key for item in items for key in item.keys))
        found: dict[str, Proven] = dict(zip(keys, (yield from proven(self.source, keys, height)), strict=True))
        messages: list[tuple[Item, Msg]] = []
        for item in items:
            message = item.message(found, self.source.proof_height(height))
            if message is not None:
                twice = isinstance(item, Parcel) and self._controls.duplicates(item.entry, item.leg)
                messages += [(item, message)] * (2 if twice else 1)
            elif isinstance(item, Parcel):
                self._nothing_to_tell(item)
        return messages

    def _verify(self, items: tuple[Item, ...]) -> Task[None]:
        """Ask the sender whether it still waits for packets that are known only from the other side."""
        doubtful = [item for item in items if isinstance(item, Parcel) and not item.entry.verified]
        values = yield from all_stored(self.target, tuple(item.commitment for item in doubtful))
        for item, value in zip(doubtful, values, strict=True):
            item.entry.verified = True
            if value is None:
                self.path.book.settle(item.entry, f"settled on {self.target.name} before")

    def _overtaken(self, item: Item) -> bool:
        """Tell whether somebody else has carried an item while it was being proven."""
        if isinstance(item, Closing):
            return item.there in item.channel.closed
        return item.entry.id not in self.path.book.entries or (item.leg == "recv" and item.entry.received_at is not None)

    def _nothing_to_tell(self, item: Parcel) -> None:
        match item.leg:
            case "recv":
                self.path.book.settle(item.entry, f"settled on {self.source.name} before")
            case "timeout":
                item.entry.received_at = item.entry.received_at or self.source.height
            case "ack":
                self._failed(item.entry, item.leg, "relayer/acknowledgement-missing")

    def _note(self, picked: Picked, meters: Meters) -> Callable[[str], None]:
        """Return what notes that the chain has accepted a transaction with these items."""

        def sent(tx_hash: str) -> None:
            meters.time(
                "tx_latency_submitted", self._tasks.now - picked.picked_at, chain=self.target.name, counterparty=self.source.name
            )
            for item in picked.items:
                if isinstance(item, Parcel):
                    item.entry.busy = f"in transaction {tx_hash} on {self.target.name}"

        return sent

    # Outcomes

    def _settle(self, items: list[Item], outcome: Outcome, updated: bool, meters: Meters, tell: Tell) -> None:
        if not outcome.code:
            self.problem, self._failures = "", 0
            told = dict.fromkeys(map(told_by, outcome.events), True)
            for item in items:
                self._arrived(item, outcome, told, meters)
            return
        refused = "transactions_refused_total" if outcome.height else "broadcast_errors_total"
        meters.count(refused, chain=self.target.name, code=outcome.code)
        tell("warning", "refused", lane=self.name, code=outcome.code, messages=len(items), **outcome.facts)
        if updated:
            self.path.clients[self.target.name].stale = True
        if outcome.code == LOST:
            return
        if outcome.code == REDUNDANT:
            for item in items:
                self._was_relayed(item, meters)
            return
        if outcome.code.startswith(CLIENT_CODES):
            self._client_failed(outcome.code, outcome.code, tell)
            return
        if not items:
            self._client_failed(outcome.code, outcome.code, tell)
        for item in items:
            if isinstance(item, Closing):
                item.channel.confirm_after = self._tasks.now + LONGEST_REST
            elif len(items) > 1:
                item.entry.limit = max(1, len(items) // 2)  # rounds down
            else:
                self._failed(item.entry, item.leg, outcome.code)

    def _arrived(self, item: Item, outcome: Outcome, told: dict[Told, bool], meters: Meters) -> None:
        if isinstance(item, Closing):
            item.channel.closed.setdefault(item.there, outcome.height)
            return
        mine = told.pop(told_of(item), False)  # one event tells of one message
        self._count(_CONFIRMED[item.leg] if mine else "packets_already_relayed_total", item, meters)
        if mine and item.leg in _CLEARED and self.path.is_backlog(item.entry):
            self._count(_CLEARED[item.leg], item, meters)
        if item.leg == "recv":
            item.entry.received_at = item.entry.received_at or outcome.height
            item.entry.attempts, item.entry.error = 0, ""
        else:
            self.path.book.settle(item.entry, f"told to {self.target.name} in block {outcome.height}")

    def _was_relayed(self, item: Item, meters: Meters) -> None:
        """Leave alone for a while what the chain says somebody else has carried: the block that tells of it is yet to be read."""
        if isinstance(item, Parcel):
            self._count("packets_already_relayed_total", item, meters)
            item.entry.failed_leg, item.entry.retry_at = item.leg, self._tasks.now + FIRST_REST

    def _count(self, name: str, item: Parcel, meters: Meters) -> None:
        """Count a packet by the end of its channel that was told."""
        port, channel = item.entry.channel.ends[self.target.name]
        meters.count(name, chain=self.target.name, counterparty=self.source.name, channel=channel, port=port)

    def _failed(self, entry: Entry, leg: str, code: str) -> None:
        if entry.failed_leg != leg:
            entry.failed_leg, entry.attempts = leg, 0
        entry.attempts += 1
        entry.error = code
        entry.retry_at = self._tasks.now + rest(entry.attempts)
        entry.story.append(f"refused by {self.target.name}: {code}")
        if entry.attempts >= MOST_ATTEMPTS:
            entry.given_up = leg

    def _client_failed(self, code: str, said: str, tell: Tell) -> None:
        """Rest the lane, and ask the host anew what the client knows."""
        self._failures += 1
        self.problem = said
        self._rest_until = self._tasks.now + rest(self._failures)
        self._look_again_at = self._rest_until
        self.path.clients[self.target.name].stale = True
        tell("warning", "lane-rests", lane=self.name, code=code, failures=self._failures)

    @property
    def wakes_at(self) -> int | None:
        """When time alone lets the lane go on; None if time alone does not."""
        if self._tasks.now < self._rest_until:
            return self._rest_until
        return self._look_again_at


_CONFIRMED = {
    "recv": "receive_packets_confirmed_total",
    "ack": "acknowledgment_packets_confirmed_total",
    "timeout": "timeout_packets_confirmed_total",
}


_CLEARED = {"recv": "cleared_send_packet_events_total", "ack": "cleared_acknowledgment_events_total"}
