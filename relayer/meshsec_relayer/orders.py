"""What operators may tell a relayer: one table for its HTTP interface, the worlds, scenario files and the command line."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_relayer.engine.boundary import (
    Clear,
    Command,
    Delay,
    Drop,
    Duplicate,
    Filter,
    Hold,
    Leg,
    Line,
    Link,
    Mend,
    Neglect,
    OpenChannel,
    Pause,
    Release,
    Reorder,
    Resume,
    Step,
    UpdateClient,
)
from meshsec_sdk.quantities import duration

UNKNOWN_ORDER = "relayer/unknown-order"
BAD_DELAY = "relayer/bad-delay"


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


class Which(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The packets that are meant; an empty field matches everything, `*` stands for any text."""

    kind: Annotated[str, Meta(description="what the packet says: `transfer`, `stake`, `slash`…")] = ""
    chain: Annotated[str, Meta(description="the chain that sent it")] = ""
    id: Annotated[str, Meta(description="one packet: `chain:port:channel:sequence`")] = ""
    port: Annotated[str, Meta(description="the port that sent it")] = ""
    channel: Annotated[str, Meta(description="the channel on the chain that sent it")] = ""
    leg: Annotated[Leg | Literal[""], Meta(description="the way that is meant: `recv`, `ack` or `timeout`")] = ""

    @property
    def filter(self) -> Filter:
        """Return the filter that this spells."""
        return Filter(self.id, self.kind, self.chain, self.port, self.channel, self.leg)


class Later(Which, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The packets that are meant, and how long they wait."""

    by: Annotated[str, Meta(description="a time such as `90s`, or blocks such as `5blocks`, of the chain that proves them")]


class One(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The packet that is meant."""

    id: Annotated[str, Meta(description="one packet: `chain:port:channel:sequence`")]


class Count(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many packet messages."""

    count: Annotated[int, Meta(description="how many; 1 if left out")] = 1


class Client(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The light client that is meant."""

    host: Annotated[str, Meta(description="the chain that it lies on")]
    subject: Annotated[str, Meta(description="the chain that it follows")]


class BadLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is wrong with a line."""

    chain: Annotated[str, Meta(description="the chain at its other end")]
    percent: Annotated[int, Meta(ge=0, le=100, description="how many of 100 requests or answers get lost; none if left out")] = 0
    delay: Annotated[str, Meta(description="how much later requests leave, such as `2s`; not at all if left out")] = "0s"
    twice: Annotated[int, Meta(ge=0, le=100, description="how many of 100 requests are heard twice; none if left out")] = 0
    within: Annotated[
        str,
        Meta(description="each request leaves up to so much later, in an order of its own, such as `2s`; in order if left out"),
    ] = "0s"
    seed: Annotated[int, Meta(ge=0, le=2**32, description="of what is drawn; a world draws one from its own seed")] = 0


class Pair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two chains."""

    a: Annotated[str, Meta(description="one chain")]
    b: Annotated[str, Meta(description="the other chain")]


class Ends(Pair, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Both ends of a channel; chain a proposes it."""

    port: Annotated[str, Meta(description="port on chain a, which proposes the channel")]
    counterparty_port: Annotated[str, Meta(description="port on chain b")]
    ordering: Annotated[Literal["unordered", "ordered"], Meta(description="`unordered` or `ordered`")] = "unordered"
    version: Annotated[str, Meta(description="what to propose; the application's own if left out")] = ""


class Order(msgspec.Struct, frozen=True):
    """One entry of the table."""

    about: Literal["relayer", "packets"]
    parameters: type[msgspec.Struct]
    read: Callable[[Any], Command]
    help: str


def _delay(given: Later) -> Delay:
    blocks, nanoseconds = given.by.removesuffix("blocks").strip(), duration(given.by)
    if given.by.endswith("blocks") and blocks.isdigit() and len(blocks) < 10:
        return Delay(given.filter, blocks=int(blocks))
    if nanoseconds is None:
        raise Rejected(BAD_DELAY, found=given.by[:50], expected="such as 90s or 5blocks")
    return Delay(given.filter, nanoseconds)


def _time(text: str) -> int:
    found = duration(text)
    if found is None:
        raise Rejected(BAD_DELAY, found=text[:50], expected="such as 2s")
    return found


def _line(given: BadLine) -> Line:
    return Line(given.chain, given.percent, _time(given.delay), given.seed, given.twice, _time(given.within))


def _open(given: Ends) -> OpenChannel:
    ordering = f"ORDER_{given.ordering.upper()}"
    return OpenChannel(given.a, given.b, given.port, given.counterparty_port, ordering, given.version)


ORDERS: Mapping[str, Order] = {
    "pause": Order("relayer", Nothing, lambda _: Pause(), "Carry nothing until told otherwise; keep reading."),
    "resume": Order("relayer", Nothing, lambda _: Resume(), "Go on after a pause."),
    "step": Order("relayer", Count, lambda given: Step(given.count), "While paused, let so many packet messages through."),
    "clear": Order(
        "relayer", Nothing, lambda _: Clear(), "Forget what was dropped and given up; bring it up again behind what is new."
    ),
    "line": Order(
        "relayer",
        BadLine,
        _line,
        "Lose requests to a chain, or answers; let requests leave late, twice, or out of order; `mend` ends it.",
    ),
    "neglect": Order("relayer", Nothing, lambda _: Neglect(), "Refresh no light client for its age; `mend` ends it."),
    "mend": Order("relayer", Nothing, lambda _: Mend(), "Undo line and neglect."),
    "update-client": Order(
        "relayer", Client, lambda given: UpdateClient(given.host, given.subject), "Show a light client the newest header now."
    ),
    "link": Order(
        "relayer",
        Pair,
        lambda given: Link(given.a, given.b),
        "Open clients and a connection between two chains, or what is missing.",
    ),
    "channel": Order("relayer", Ends, _open, "Open a channel between two chains, or what is missing of it."),
    "hold": Order("packets", Which, lambda given: Hold(given.filter), "Keep matching packets back until they are released."),
    "release": Order(
        "packets",
        Which,
        lambda given: Release(given.filter),
        "Undo hold, delay, duplicate and reorder with this filter; all of them without one.",
    ),
    "delay": Order("packets", Later, _delay, "Carry matching packets that much later than they could go."),
    "duplicate": Order("packets", Which, lambda given: Duplicate(given.filter), "Deliver matching packets twice."),
    "reorder": Order(
        "packets",
        Which,
        lambda given: Reorder(given.filter),
        "Carry matching packets newest first; ordered channels keep their order.",
    ),
    "drop": Order(
        "packets",
        One,
        lambda given: Drop(given.id),
        "Never carry this packet's next leg, as if the message were lost; it can still time out.",
    ),
}
"""By name."""


def read_order(name: str, parameters: object) -> Command:
    """Read an order and its parsed parameters.

    Raises:
        Rejected: `relayer/unknown-order`, `relayer/bad-delay`, `codec/malformed`.
    """
    if name not in ORDERS:
        raise Rejected(UNKNOWN_ORDER, order=name[:100], known=", ".join(ORDERS))
    order = ORDERS[name]
    return order.read(codec.convert({} if parameters is None else parameters, order.parameters))
