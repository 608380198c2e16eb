"""The relayer's mind: takes events in, gives effects back, and does nothing itself.

Laws: equal events give equal effects; nothing is submitted twice in a way that could take effect twice; the durable image can
be lost, or be older than anything that has happened since, without harm.
"""

from functools import partial
from typing import Literal

import msgspec

from meshsec_core.kernel.crypto import PrivateKey
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.tendermint import Evidence
from meshsec_core.security.model import SecurityModel
from meshsec_relayer.config import ChannelConfig, PathConfig, RelayerConfig, check_image
from meshsec_relayer.engine.account import Account
from meshsec_relayer.engine.answers import BlockAnswer
from meshsec_relayer.engine.boundary import (
    IMAGE_VERSION,
    Answer,
    Clear,
    Command,
    Drop,
    Effect,
    Event,
    Image,
    Level,
    Link,
    Log,
    OpenChannel,
    PathImage,
    Poll,
    Restore,
    Save,
    UpdateClient,
)
from meshsec_relayer.engine.chain import Chain, follow, start_polling
from meshsec_relayer.engine.controls import Controls
from meshsec_relayer.engine.docket import Docket
from meshsec_relayer.engine.evidence import Accuser
from meshsec_relayer.engine.lane import Lane
from meshsec_relayer.engine.meters import Meters
from meshsec_relayer.engine.packets import CLOSE_EVENTS, NOT_CARRIED, PACKET_EVENTS, Entry, News
from meshsec_relayer.engine.path import Path
from meshsec_relayer.engine.picking import Rules, obstacle
from meshsec_relayer.engine.tasks import Task, Tasks, Until
from meshsec_relayer.engine.turns import Turns
from meshsec_relayer.engine.witness import CLIENT_EVENTS, Sighting, Witness, notice_client

UNKNOWN_PACKET = "packet/not-found"
UNKNOWN_CHAIN = "relayer/unknown-chain"
NO_PATH = "relayer/path-not-open"

COUNTED = {
    "send_packet": "send_packet_events_total",
    "write_acknowledgement": "acknowledgement_events_total",
    "timeout_packet": "timeout_events_total",
}

SAVE_EVERY = 20
"""Blocks by which a cursor may run ahead of the durable one; they would be read again after a crash."""

REMEMBERED = 500
"""Settled packets whose story is kept for whoever asks."""


class Engine:
    """One relayer.

    Args:
        config: what to serve.
        key: signs on every chain.
        image: what was durable when the last life ended.
        models: whose lenders are told of faults.

    Raises:
        Rejected: `relayer/store-version`, `relayer/foreign-store` if the image is of other chains.
    """

    def __init__(
        self, config: RelayerConfig, key: PrivateKey, image: Image | None = None, models: tuple[SecurityModel, ...] = ()
    ) -> None:
        self.config = config
        self.meters = Meters()
        self.settled: dict[str, tuple[Entry, str]] = {}
        """Id to (packet, how it ended), the latest ones."""
        self._key = key
        self._models = models
        self._effects: list[Effect] = []
        check_image(image or Image(), config)
        self._begin(image or Image(), Tasks())

    def _begin(self, image: Image, tasks: Tasks) -> None:
        """Start a life from a durable image."""
        self.tasks = tasks
        self.controls = Controls(image)
        self.chains = {name: Chain(name, chain.chain_id, chain.prefix) for name, chain in self.config.chains.items()}
        self.paths: dict[str, Path] = {}
        self.lanes: list[Lane] = []
        self.accusers: list[Accuser] = []
        self.witnesses: list[Witness] = []
        self.dockets: list[tuple[Chain, Docket[Evidence] | Docket[Sighting]]] = []
        """Chain whose blocks tell of the cases, and the cases."""
        self._saved = image
        self._looked_durable: object = None
        self._overheard: dict[str, list[News]] = {name: [] for name in self.chains}
        self._reverted = False
        self.accounts = {
            name: Account(chain, self._key, self.tasks, partial(self._submitted, name)) for name, chain in self.chains.items()
        }
        for config in self.config.paths:
            self._serve(config, image)
        self.opened: list[OpenChannel] = []
        for command in image.opened:
            self._open(command)
        for chain in self.chains.values():
            self._follow(chain, image)

    def _serve(self, config: PathConfig, image: Image) -> Path:
        """Open a path and carry its packets from now on."""
        turns = Turns(self.config.id, self.config.peers)
        rules = Rules(self.config.max_batch_messages, self.config.max_batch_bytes, turns)
        saved = image.paths.get(config.name, PathImage())
        path = Path(config, self.chains[config.a], self.chains[config.b], saved, self._tell, self._settle)
        path.book.filter = self.config.filter
        self.paths[path.name] = path
        self.tasks.keep(path.name, partial(self._establish, path, turns.patience), partial(self._note_problem, path))
        for source, target in ((path.a, path.b), (path.b, path.a)):
            lane = Lane(path, source, self.accounts[target.name], self.tasks, self.controls, rules)
            self.lanes.append(lane)
            self.tasks.start(lane.name, lane.run(self.meters, self._tell))
            self._watch(path, source, self.accounts[target.name], turns.patience)
        return path

    def _watch(self, path: Path, source: Chain, account: Account, patience: int) -> None:
        """Look out for faults of one chain's validators, and for lies about it on the other."""
        accuser = Accuser(path, source, account, Docket(self.tasks, self.controls, patience), self._models)
        witness = Witness(path, account, Docket(self.tasks, self.controls, patience))
        self.accusers.append(accuser)
        self.witnesses.append(witness)
        self.dockets += [(source, accuser.docket), (account.chain, witness.docket)]
        self.tasks.start(f"{path.name}/{source.name}/evidence", accuser.run(self.meters, self._tell))
        self.tasks.start(f"{path.name}/{source.name}/witness", witness.run(self.meters, self._tell))

    def _follow(self, chain: Chain, image: Image) -> None:
        start = image.cursors.get(chain.name, 1)
        if chain.name in image.generations:
            chain.height, chain.scanned, chain.generation = start - 1, start - 1, image.generations[chain.name]
        missed = partial(self._tell, "warning", "blocks-missed", chain=chain.name)
        follower = partial(follow, chain, start, partial(self._apply, chain), self._revert, missed)
        start_polling(self.tasks, chain, follower)

    def handle(self, event: Event) -> list[Effect]:
        """Take in an event; return what to do about it."""
        match event:
            case Answer(number, reply):
                self.tasks.answer(number, self.controls.lines.hear(number, reply))
            case Poll(now, named):
                self.tasks.now = max(self.tasks.now, now)
                self.controls.lines.give_up(self.tasks.answer)
                for name in named or self.chains:
                    self.chains[name].poll(self.tasks.now)
            case _:
                self._order(event)
        self.tasks.run()
        if self._reverted:
            self._start_over()
        self._save()
        effects, self._effects = [*self._effects, *self.controls.lines.send(self.tasks.asked, self.tasks.now)], []
        for ask in self.tasks.asked:
            self.meters.count("queries_total", chain=ask.request.chain)
        self.tasks.asked = []
        return effects

    # What chains tell

    def _apply(self, chain: Chain, block: BlockAnswer) -> None:
        """Take in a block: packets and closings go to their path, evidence to whoever accuses the chain's validators."""
        paths = [path for path in self.paths.values() if chain.name in path.book.chains]
        for path in paths:
            path.version += 1
        for event in block.events:
            if event.type in PACKET_EVENTS or event.type in CLOSE_EVENTS:
                self._hear(chain, paths, News(block.height, block.time, event.type, event.attributes))
            elif event.type in CLIENT_EVENTS:
                notice_client(chain, paths, event)
            elif event.type == "channel_open_init":
                for path in paths:
                    path.notice_proposal(chain.name, event.attributes)
        for accuser in self.accusers:
            if accuser.consumer is chain:
                self._notice_faults(accuser, block)
        for witness in self.witnesses:
            if witness.host is chain:
                witness.notice(block)

    def _notice_faults(self, accuser: Accuser, block: BlockAnswer) -> None:
        try:
            accuser.notice(block.height, block.evidence)
        except Rejected as refusal:
            self._tell("error", "bad-evidence", chain=accuser.consumer.name, height=block.height, reason=refusal)

    def _hear(self, chain: Chain, paths: list[Path], news: News) -> None:
        end = (chain.name, *news.end)
        for path in paths:
            if end in path.book.channels:
                self._count(chain, path, news)
                try:
                    path.book.apply(chain, news)
                except Rejected as refusal:
                    self._tell("error", "bad-event", chain=chain.name, height=news.height, reason=str(refusal))
                return
        if not all(path.ready for path in paths):
            self._overheard[chain.name].append(news)

    def _count(self, chain: Chain, path: Path, news: News) -> None:
        if news.kind in COUNTED:
            port, channel = news.end
            other = path.other(chain.name).name
            self.meters.count(COUNTED[news.kind], chain=chain.name, counterparty=other, channel=channel, port=port)

    def _establish(self, path: Path, patience: int) -> Task[None]:
        """Open what must be open, and again whenever another channel is wanted."""
        while True:
            yield from path.establish(self.tasks, self.accounts, patience)
            for chain in (path.a, path.b):
                overheard, self._overheard[chain.name] = self._overheard[chain.name], []
                for news in overheard:
                    self._hear(chain, [other for other in self.paths.values() if chain.name in other.book.chains], news)
            yield Until(lambda: not path.ready, f"another channel between {path.a.name} and {path.b.name} to be wanted")

    def _note_problem(self, path: Path, refusal: Rejected) -> None:
        path.problem = str(refusal)
        self._tell("warning", "path-rests", path=path.name, reason=refusal)

    def _settle(self, entry: Entry, how: str) -> None:
        while len(self.settled) >= REMEMBERED:
            del self.settled[next(iter(self.settled))]
        self.settled[entry.id] = (entry, how)
        if how.startswith(NOT_CARRIED):
            port, channel = entry.packet.source_port, entry.packet.source_channel
            self.meters.count(
                "filtered_packets_total", chain=entry.source.name, counterparty=entry.target.name, channel=channel, port=port
            )

    def _revert(self) -> None:
        self._reverted = True

    def _start_over(self) -> None:
        """A chain has gone back to an earlier state: all that was learnt may be of another universe."""
        self._tell("warning", "chain-reverted")
        orders = msgspec.structs.replace(self._image(), chains={}, generations={}, cursors={}, paths={}, dropped=())
        self._begin(orders, Tasks(self.tasks.now, self.tasks.numbers))

    # What operators tell

    def _order(self, command: Command) -> None:
        match command:
            case Clear():
                self.controls.clear()
                for path in self.paths.values():
                    path.version += 1
                    path.begin_anew()
                    for entry in path.book.entries.values():
                        entry.attempts, entry.retry_at, entry.limit, entry.given_up = 0, 0, 0, ""
            case Restore(image=image):
                check_image(image, self.config)
                self.settled.clear()
                self._begin(image, Tasks(self.tasks.now, self.tasks.numbers))
                self._effects.append(Save(image))
            case Drop(id=name):
                found = self.find(name)
                self.controls.drop(command, (found.leg if found is not None else None) or "recv")
            case Link(a, b):
                self._open(OpenChannel(a, b, "", "", ""))
            case OpenChannel():
                self._open(command)
            case UpdateClient(host, subject):
                followed = self._between(host, subject)
                if followed is None or not followed.ready:
                    raise Rejected(NO_PATH, host=host[:100], subject=subject[:100])
                followed.clients[host].wanted = True
                followed.version += 1
            case _:
                self.controls.order(command)

    def _open(self, command: OpenChannel) -> None:
        """Want a path, or a channel on it, beside what the configuration names; what exists already is only served.

        Raises:
            Rejected: `relayer/unknown-chain`.
        """
        for name in (command.a, command.b):
            if name not in self.chains or command.a == command.b:
                raise Rejected(UNKNOWN_CHAIN, chain=name[:100], known=", ".join(self.chains))
        if command not in self.opened:
            self.opened.append(command)
        path = self._between(command.a, command.b) or self._serve(PathConfig(command.a, command.b), self._saved)
        if not command.port:
            return
        proposer: Literal["a", "b"] = "a" if command.a == path.a.name else "b"
        wanted = ChannelConfig(
            proposer=proposer,
            port=command.port,
            counterparty_port=command.counterparty_port,
            ordering=command.ordering,
            version=command.version,
        )
        path.want(wanted)

    def _between(self, one: str, other: str) -> Path | None:
        """Return the path between two chains, or None."""
        return next((path for path in self.paths.values() if {path.a.name, path.b.name} == {one, other}), None)

    def find(self, packet: str) -> Entry | None:
        """Return a packet under way by its id, or None."""
        return next((path.book.entries[packet] for path in self.paths.values() if packet in path.book.entries), None)

    # What the shell asks

    @property
    def idle(self) -> bool:
        """Tell whether there is nothing to do until a chain tells something new, or an operator gives an order."""
        chains_known = all(chain.reachable and chain.caught_up for chain in self.chains.values())
        at_rest = chains_known and not self.tasks.asking and all(path.ready for path in self.paths.values())
        if not at_rest or any(lane.under_way for lane in self.lanes) or any(account.busy for account in self.accounts.values()):
            return False
        return self.controls.halted or not self._wanted()

    def _wanted(self) -> bool:
        """Tell whether something waits that the relayer would carry."""
        entries = ((path, entry) for path in self.paths.values() for entry in path.book.entries.values())
        return (
            any(not obstacle(path, entry, self.controls) for path, entry in entries)
            or any(
                path.ready and self.controls.refreshes(client) for path in self.paths.values() for client in path.clients.values()
            )
            or any(docket.waiting for _, docket in self.dockets)
            or any(len(channel.closed) == 1 for path in self.paths.values() for channel in path.book.served())
        )

    def waits_for(self) -> tuple[str, ...]:
        """Return the chains whose next block would let the relayer go on."""
        found = [wait.block_of for _, wait in self.tasks.waits() if wait.block_of]
        found += [lane.source.name for lane in self.lanes if lane.waits_for_block and not self.controls.halted]
        return tuple(dict.fromkeys(found))

    @property
    def wakes_at(self) -> int | None:
        """The time at which the relayer would go on even without a new block; None if time alone changes nothing."""
        times = [wait.at for _, wait in self.tasks.waits() if wait.at is not None]
        times += [lane.wakes_at for lane in self.lanes if lane.wakes_at is not None]
        return min(times, default=None)

    # Durability and telling

    def _save(self) -> None:
        """Make what has been learnt durable: orders and names at once, cursors now and then and when all is settled."""
        names = [(path.name, path.image) for path in self.paths.values()]
        cursors = [(chain.generation, chain.scanned // SAVE_EVERY) for chain in self.chains.values()]  # rounds down
        quiet = not any(path.book.entries for path in self.paths.values())
        quiet = quiet and not any(docket.waiting for _, docket in self.dockets)
        looks = (names, cursors, self.controls.version, len(self.opened), quiet)
        if looks != self._looked_durable:
            self._looked_durable = looks
            image = self._image()
            if image != self._saved:
                self._saved = image
                self._effects.append(Save(image))

    def _image(self) -> Image:
        return Image(
            IMAGE_VERSION,
            {name: chain.chain_id for name, chain in self.chains.items()},
            {name: chain.generation for name, chain in self.chains.items() if chain.generation},
            {name: self._cursor(chain) for name, chain in self.chains.items() if chain.height},
            {name: path.image for name, path in self.paths.items() if path.image != PathImage()},
            self.controls.paused,
            tuple(self.controls.held),
            tuple(self.controls.dropped),
            tuple(self.controls.delayed),
            tuple(self.controls.duplicated),
            tuple(self.controls.reordered),
            tuple(self.opened),
        )

    def _cursor(self, chain: Chain) -> int:
        """Return the first block that a new life must read."""
        lows = [path.book.lowest(chain.name) for path in self.paths.values() if chain.name in path.book.chains]
        lows += [docket.lowest for where, docket in self.dockets if where is chain]
        lows += [news.height for news in self._overheard[chain.name][:1]]
        return min([chain.scanned + 1] + [low for low in lows if low is not None])

    def _submitted(self, chain: str, messages: int) -> None:
        self.meters.count("messages_submitted_total", messages, chain=chain)

    def _tell(self, level: Level, event: str, **facts: object) -> None:
        self._effects.append(Log(level, event, {name: str(value) for name, value in facts.items()}))
