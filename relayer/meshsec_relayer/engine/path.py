"""A path: two chains, a client on each, one connection, and the channels that must exist between them."""

from collections.abc import Callable, Mapping

from meshsec_core.ibc.channel import ORDERINGS
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.ibc import ORDER_ORDERED, STATE_CLOSED, STATE_OPEN
from meshsec_core.runtime.module import Msg
from meshsec_relayer.config import ChannelConfig, PathConfig
from meshsec_relayer.engine.account import Account
from meshsec_relayer.engine.boundary import ChannelImage, PathImage
from meshsec_relayer.engine.chain import Chain
from meshsec_relayer.engine.client import CLIENT_EXPIRED, CLIENT_FROZEN, LightClient, creation
from meshsec_relayer.engine.directory import Directory
from meshsec_relayer.engine.handshake import Connected, Joined, Step, Wanted, channel_step, connection_step
from meshsec_relayer.engine.packets import Book, Channel, Entry
from meshsec_relayer.engine.proofs import Proven, proven
from meshsec_relayer.engine.selection import find_channel, find_connection
from meshsec_relayer.engine.tasks import Bell, Task, Tasks, Until

HANDSHAKE_REFUSED = "relayer/handshake-refused"
CLIENT_NOT_CREATED = "relayer/client-not-created"

Tell = Callable[..., None]
"""(level, event, **facts)."""


class Path:
    """Everything between two chains, and how it comes into being."""

    def __init__(
        self, config: PathConfig, a: Chain, b: Chain, saved: PathImage, tell: Tell, settled: Callable[[Entry, str], None]
    ) -> None:
        self.config = config
        self.name = config.name
        self.a, self.b = a, b
        self.wanted = config.channels
        """Channels that must exist."""
        self.image = saved
        """What is open, or was when the relayer last knew; ids that the chains confirm are preferred."""
        self.book = Book(a, b, settled)
        self.clients: dict[str, LightClient] = {}
        """By the name of the chain that hosts them."""
        self.ready = False
        """Whether every channel has been opened."""
        self._opened = Bell()
        self.problem = ""
        """Why it is not ready, after a failure."""
        self.version = 0
        """Grows whenever something changes that might let a packet move."""
        self._tell = tell
        self._directories: dict[str, Directory] = {}
        self._begun: dict[str, int] = {}
        """Chain name to its height when the path began, or was cleared."""
        self._changed: dict[str, int] = {}
        """Chain name to the block in which the handshake last changed it."""

    def other(self, chain: str) -> Chain:
        """Return the chain at the other end."""
        return self.b if chain == self.a.name else self.a

    def begin_anew(self) -> None:
        """Call everything that has been seen so far the backlog: what is new goes before it."""
        self._begun = {chain.name: chain.height for chain in (self.a, self.b)}

    def is_backlog(self, entry: Entry) -> bool:
        """Tell whether a packet was sent, or answered, before the path began."""
        if entry.acknowledgement is not None:
            return entry.answered_at <= self._begun.get(entry.target.name, 0)
        return (entry.sent_at or 0) <= self._begun.get(entry.source.name, 0)

    def want(self, channel: ChannelConfig) -> None:
        """Want another channel."""
        if channel not in self.wanted:
            self.wanted = (*self.wanted, channel)
            self.ready = False

    def until_open(self) -> Until:
        """Wait until every channel has been opened."""
        return Until(lambda: self.ready, f"the path {self.name} to open", bell=self._opened)

    def establish(self, tasks: Tasks, accounts: Mapping[str, Account], patience: int) -> Task[None]:
        """Find or open clients, connection and channels; done when every channel is open at both ends.

        Args:
            patience: nanoseconds to leave it to other relayers, as long as they get on.

        Raises:
            Rejected: something did not work; starting over continues where the chains are.
        """
        a, b = self.a, self.b
        yield Until(lambda: a.reachable and b.reachable and min(a.height, b.height) > 0, f"{a.name} and {b.name} to answer")
        yield from tasks.both(f"{self.name}/quiet", accounts[a.name].quiet(), accounts[b.name].quiet())
        self._directories = {chain.name: Directory(chain) for chain in (a, b)}
        yield from self._leave_to_others(tasks, patience)
        yield from self._choose_clients(tasks, accounts)
        while steps := self._steps():
            mine, theirs = (tuple(step for step in steps if step.host == chain.name) for chain in (a, b))
            name = f"{self.name}/handshake"
            yield from tasks.both(name, self._take(mine, a, accounts[a.name]), self._take(theirs, b, accounts[b.name]))
            yield from self._refresh(tasks)
        self._remember()
        self.ready, self.problem = True, ""
        self._opened.ring()
        if not self._begun:
            self.begin_anew()
        self.version += 1
        self._tell("info", "path-open", path=self.name, channels=len(self.image.channels))

    def _leave_to_others(self, tasks: Tasks, patience: int) -> Task[None]:
        """Look at what there is, again and again while relayers whose turn comes first are opening it."""
        one, other = (self._directories[chain.name] for chain in (self.a, self.b))
        seen: tuple[object, ...] = ()
        end = 0
        while True:
            yield from self._refresh(tasks)
            if not patience:
                return
            yield from tasks.both(f"{self.name}/clients", one.find_clients(), other.find_clients())
            found = (len(one.clients), len(other.clients), one.connections, other.connections, one.channels, other.channels)
            if seen != found:
                seen, end = found, tasks.now + patience
            if tasks.now >= end or self._complete():
                return
            yield _another_look(self.a, self.b, tasks, end)

    def _complete(self) -> bool:
        """Tell whether a connection over clients with our rules, and every channel over it, are open at both ends."""
        one, other = (self._directories[chain.name] for chain in (self.a, self.b))
        clients = tuple(
            tuple(name for name, state in directory.clients.items() if self.config.trust.matches(state))
            for directory in (one, other)
        )
        found = find_connection(one, other, (clients[0], clients[1]), self.image.connection_a)
        if found is None:
            return False
        joined = [self._joined(config, {end.chain: end for end in found}) for config in self.wanted]
        states = [end.state for end in found] + [end.state for pair in joined for end in pair]
        return all(state == STATE_OPEN for state in states)

    def _refresh(self, tasks: Tasks) -> Task[None]:
        one, other = (self._directories[chain.name] for chain in (self.a, self.b))
        yield from tasks.both(f"{self.name}/directory", one.refresh(), other.refresh())

    # Clients

    def _choose_clients(self, tasks: Tasks, accounts: Mapping[str, Account]) -> Task[None]:
        """Use the clients of a connection that exists; otherwise any that fit, or new ones."""
        a, b = self.a.name, self.b.name
        usable, usable_there = yield from tasks.both(f"{self.name}/clients", self._usable(self.a), self._usable(self.b))
        found = find_connection(
            self._directories[a], self._directories[b], (tuple(usable), tuple(usable_there)), self.image.connection_a
        )
        if found is not None:
            self.clients = {a: usable[found[0].client], b: usable_there[found[1].client]}
            return
        one, other = yield from tasks.both(
            f"{self.name}/new-clients",
            self._any_client(self.a, usable, accounts[a]),
            self._any_client(self.b, usable_there, accounts[b]),
        )
        self.clients = {a: one, b: other}

    def _usable(self, host: Chain) -> Task[dict[str, LightClient]]:
        """Return the living, truthful clients of the other chain on a host that have our rules.

        The one that was used before stays in use even if it has died or lies: governance can revive it, and its connection is
        where the channels are.
        """
        subject = self.other(host.name)
        saved = self.image.client_a if host is self.a else self.image.client_b
        yield from self._directories[host.name].find_clients()
        found: dict[str, LightClient] = {}
        for name, state in self._directories[host.name].clients.items():
            if state.chain_id != subject.chain_id or not (name == saved or self.config.trust.matches(state)):
                continue
            client = LightClient(host, subject, name)
            try:
                honest = yield from client.honest()
            except Rejected as refusal:
                if refusal.code not in (CLIENT_EXPIRED, CLIENT_FROZEN):
                    raise
                honest = False
            if honest or name == saved:
                found[name] = client
        return found

    def _any_client(self, host: Chain, usable: dict[str, LightClient], account: Account) -> Task[LightClient]:
        if usable:
            return next(iter(usable.values()))
        message = yield from creation(self.other(host.name), self.config.trust)
        outcome = yield from account.submit((message,))
        if outcome.code:
            raise Rejected(CLIENT_NOT_CREATED, chain=host.name, reason=outcome.code)
        self._tell("info", "client-created", chain=host.name, follows=self.other(host.name).name)
        created = yield from self._usable(host)
        if not created:
            raise Rejected(CLIENT_NOT_CREATED, chain=host.name, reason="it cannot be used")
        return next(iter(created.values()))

    # Connection and channels

    def _connected(self) -> tuple[Connected, Connected]:
        """Return both ends of the connection that is used, as far as they exist."""
        a, b = self.a.name, self.b.name
        clients = self.clients[a].id, self.clients[b].id
        found = find_connection(
            self._directories[a], self._directories[b], ((clients[0],), (clients[1],)), self.image.connection_a
        )
        return found or (Connected(a, clients[0]), Connected(b, clients[1]))

    def _joined(self, config: ChannelConfig, connections: dict[str, Connected]) -> tuple[Joined, Joined]:
        """Return the proposer's and the other end of a channel, as far as they exist."""
        first, second = (self.a, self.b) if config.proposer == "a" else (self.b, self.a)
        saved = tuple(image.channel_a if first is self.a else image.channel_b for image in self.image.channels)
        return find_channel(self._directories[first.name], self._directories[second.name], config, connections, saved)

    def _steps(self) -> tuple[Step, ...]:
        one, other = self._connected()
        connections = {one.chain: one, other.chain: other}
        step = connection_step(one, other)
        opening = step.host if step is not None and connections[step.host].end is not None else ""
        steps = [] if step is None else [step]
        for config in self.wanted:
            first, second = self._joined(config, connections)
            found = channel_step(first, second, Wanted(config.ordering, config.version), connections, opening)
            steps += [] if found is None else [found]
        return tuple(steps)

    def _take(self, steps: tuple[Step, ...], host: Chain, account: Account) -> Task[None]:
        """Take all steps on one chain in one transaction.

        Raises:
            Rejected: `relayer/handshake-refused` with the chain's code.
        """
        if not steps:
            return
        subject, client = self.other(host.name), self.clients[host.name]
        expected = {step.key: step.expected for step in steps if step.key}
        updates: tuple[Msg, ...] = ()
        height, proofs = 0, dict[str, bytes]()
        if expected:
            height, found = yield from self._provable(subject, expected)
            reached, updates = yield from client.reach(height)
            if reached != height:
                height, found = reached, (yield from proven(subject, tuple(expected), reached))
            proofs = {key: value.proof for key, value in zip(expected, found, strict=True)}
        messages = tuple(step.build(proofs.get(step.key, b""), subject.proof_height(height)) for step in steps)
        outcome = yield from account.submit((*updates, *messages))
        if outcome.code:
            client.stale = True
            raise Rejected(HANDSHAKE_REFUSED, chain=host.name, reason=outcome.code)
        self._changed[host.name] = outcome.height

    def _provable(self, subject: Chain, expected: Mapping[str, bytes]) -> Task[tuple[int, tuple[Proven, ...]]]:
        """Wait until the tip's header commits to values that the state has already; return its height and the proofs."""
        height = self._changed.get(subject.name, 0)
        while True:
            yield from _next_block(subject, height)
            height = subject.height
            found = yield from proven(subject, tuple(expected), height)
            if [value.value for value in found] == list(expected.values()):
                return height, found

    def _remember(self) -> None:
        """Serve what is open, and note its names."""
        one, other = self._connected()
        connections = {one.chain: one, other.chain: other}
        images: list[ChannelImage] = []
        for config in self.wanted:
            pair = self._joined(config, connections)
            if not all(end.id for end in pair):
                continue
            ends = {end.chain: (end.port, end.id) for end in pair}
            images.append(self._serve(ends, ordered=ORDERINGS[config.ordering] == ORDER_ORDERED))
        for saved in self.image.channels:  # what is closed may still have packets to give back
            ends = {self.a.name: (saved.port_a, saved.channel_a), self.b.name: (saved.port_b, saved.channel_b)}
            known = self._directories[self.a.name].channels.get(ends[self.a.name])
            if saved not in images and known is not None:
                images.append(self._serve(ends, ordered=known.ordering == ORDER_ORDERED))
        self.image = PathImage(one.client, other.client, one.id, other.id, tuple(images))

    def _serve(self, ends: dict[str, tuple[str, str]], *, ordered: bool) -> ChannelImage:
        """Serve a channel from now on, its closed ends noted as the chains have them."""
        channel = self.book.channels.get((self.a.name, *ends[self.a.name])) or Channel(ends, ordered)
        for chain, end in ends.items():
            stored = self._directories[chain].channels.get(end)
            if stored is not None and stored.state == STATE_CLOSED:
                channel.closed.setdefault(chain, self.book.chains[chain].height)
        self.book.serve(channel)
        return channel.image(self.a.name, self.b.name)

    def notice_proposal(self, chain: str, attributes: Mapping[str, str]) -> None:
        """See that a channel is proposed between ports of which a channel is closed: it is to be opened like the first one."""
        ports = (attributes.get("port_id"), attributes.get("counterparty_port_id"))
        there = self.other(chain).name
        alike = [channel for channel in self.book.served() if (channel.ends[chain][0], channel.ends[there][0]) == ports]
        if self.ready and any(channel.closed for channel in alike):
            self.ready = False


def _next_block(chain: Chain, height: int) -> Task[None]:
    yield Until(lambda: chain.height > height, f"block {height + 1} of {chain.name}", block_of=chain.name)


def _another_look(a: Chain, b: Chain, tasks: Tasks, end: int) -> Until:
    looks = (a.looks, b.looks)
    why = f"other relayers to open the path between {a.name} and {b.name}"
    return Until(lambda: tasks.now >= end or (a.looks > looks[0] and b.looks > looks[1]), why, at=end)
