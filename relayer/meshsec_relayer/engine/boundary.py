"""What goes into the engine and what comes out of it.

Effects are requests to chains, in the shape of HTTP, and the one durable value; events are the answers, the passing of time and
what operators ask for.
"""

from typing import Literal

import msgspec

IMAGE_VERSION = "2"

Level = Literal["debug", "info", "warning", "error"]

Leg = Literal["recv", "ack", "timeout"]
"""A packet's ways: forth with its data, back with its acknowledgement, or back because it was never received."""


class Request(msgspec.Struct, frozen=True):
    """Ask a chain's HTTP interface; a body makes it a POST."""

    chain: str
    path: str
    """Path and query, such as `/v1/blocks/7`."""
    body: bytes | None = None
    """Canonical JSON."""


class Ask(msgspec.Struct, frozen=True):
    """Effect: send a request and hand back its `Answer` under the same number."""

    number: int
    request: Request


class ChannelImage(msgspec.Struct, frozen=True):
    """A channel that the relayer serves: its name on either chain."""

    port_a: str
    channel_a: str
    port_b: str
    channel_b: str


class PathImage(msgspec.Struct, frozen=True):
    """What the relayer has opened between two chains; `client_a` lies on chain a and follows chain b."""

    client_a: str = ""
    client_b: str = ""
    connection_a: str = ""
    connection_b: str = ""
    channels: tuple[ChannelImage, ...] = ()


class Filter(msgspec.Struct, frozen=True):
    """Chooses packets; an empty field matches everything, `*` stands for any text."""

    id: str = ""
    """Id of one packet: `chain:port:channel:sequence`, named after the end that sent it."""
    kind: str = ""
    """What the packet says: `transfer`, or the tag of its JSON such as `slash`."""
    chain: str = ""
    """The chain that sent it."""
    port: str = ""
    channel: str = ""
    leg: Leg | Literal[""] = ""


class Delay(msgspec.Struct, frozen=True):
    """Event: carry matching packets later than they could go, by the clock or the height of the chain that proves them."""

    filter: Filter
    nanoseconds: int = 0
    blocks: int = 0


class Link(msgspec.Struct, frozen=True):
    """Event: open clients and a connection between two chains, if they are not open."""

    a: str
    b: str


class OpenChannel(msgspec.Struct, frozen=True):
    """Event: open a channel between two chains, and whatever it needs, as far as it is not open; chain a proposes."""

    a: str
    b: str
    port: str
    counterparty_port: str
    ordering: str
    version: str = ""


class Image(msgspec.Struct, frozen=True):
    """All that must survive a crash. Losing it costs a longer look at the chains, nothing else."""

    version: str = IMAGE_VERSION
    chains: dict[str, str] = {}
    """Chain id by name."""
    generations: dict[str, str] = {}
    """Which universe of a chain the cursor speaks of; a revert starts another."""
    cursors: dict[str, int] = {}
    """The next block to read: every packet event below it is settled."""
    paths: dict[str, PathImage] = {}
    paused: bool = False
    held: tuple[Filter, ...] = ()
    dropped: tuple[str, ...] = ()
    """`packet id/leg` of what operators have lost on purpose."""
    delayed: tuple[Delay, ...] = ()
    duplicated: tuple[Filter, ...] = ()
    reordered: tuple[Filter, ...] = ()
    opened: tuple[OpenChannel, ...] = ()
    """What operators have asked for beside the configuration; empty ports ask for a connection alone."""


class Save(msgspec.Struct, frozen=True):
    """Effect: make this value durable in place of the last one."""

    image: Image


class Log(msgspec.Struct, frozen=True):
    """Effect: something worth telling."""

    level: Level
    event: str
    facts: dict[str, str]


Effect = Ask | Save | Log


class Reply(msgspec.Struct, frozen=True):
    """What a chain answered."""

    status: int
    """HTTP status, or 0 if there was no answer: the request may or may not have been heard."""
    body: object
    """Parsed JSON."""


class Answer(msgspec.Struct, frozen=True):
    """Event: the reply to `Ask` number so-and-so."""

    number: int
    reply: Reply


class Poll(msgspec.Struct, frozen=True):
    """Event: time has come so far; look at chains."""

    now: int
    """Nanoseconds; only ever compared with itself."""
    chains: tuple[str, ...] = ()
    """Names of the chains to look at; all if there is none."""


class Pause(msgspec.Struct, frozen=True):
    """Event: submit nothing until told otherwise; keep reading."""


class Resume(msgspec.Struct, frozen=True):
    """Event: go on after a pause."""


class Step(msgspec.Struct, frozen=True):
    """Event: while paused, let so many packet messages through, one transaction each."""

    count: int = 1


class Hold(msgspec.Struct, frozen=True):
    """Event: keep matching packets back until they are released."""

    filter: Filter


class Release(msgspec.Struct, frozen=True):
    """Event: undo holds, delays, duplicates and reorders: those with this filter, or all of them for the empty filter."""

    filter: Filter = Filter()


class Drop(msgspec.Struct, frozen=True):
    """Event: never carry this packet's next leg, as if the message were lost; it can still time out."""

    id: str


class Duplicate(msgspec.Struct, frozen=True):
    """Event: deliver matching packets twice."""

    filter: Filter


class Reorder(msgspec.Struct, frozen=True):
    """Event: carry matching packets newest first, where the channel has no order of its own."""

    filter: Filter


class Line(msgspec.Struct, frozen=True):
    """Event: make the line to a chain bad until `Mend` or a new life."""

    chain: str
    percent: int = 0
    """Of requests that get lost; of half of them the request, of half the answer."""
    nanoseconds: int = 0
    """How much later requests leave."""
    seed: int = 0
    twice: int = 0
    """Of 100 requests, how many are heard a second time."""
    within: int = 0
    """Nanoseconds up to which each request leaves later besides, so that later ones overtake earlier ones."""


class Neglect(msgspec.Struct, frozen=True):
    """Event: refresh no light client for its age, until `Mend` or a new life; packets still bring headers along."""


class Mend(msgspec.Struct, frozen=True):
    """Event: make all lines good and refresh clients again."""


class UpdateClient(msgspec.Struct, frozen=True):
    """Event: show the client of one chain on another the newest header."""

    host: str
    subject: str


class Clear(msgspec.Struct, frozen=True):
    """Event: forget what was dropped and given up, and try it all again at once."""


class Restore(msgspec.Struct, frozen=True):
    """Event: forget everything and begin a life from this image; the chains are where they were when it was saved."""

    image: Image


Standing = Hold | Release | Delay | Duplicate | Reorder | Line | Neglect | Mend
"""Orders that hold until they are released or mended."""
Opening = Link | OpenChannel
Command = Pause | Resume | Step | Standing | Drop | Clear | Opening | UpdateClient | Restore
Event = Answer | Poll | Command
