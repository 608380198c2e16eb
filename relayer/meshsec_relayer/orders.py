"""What operators may tell a relayer: one table for its HTTP interface, the simulation and the command line."""

from collections.abc import Mapping

import msgspec

from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_relayer.engine.boundary import Clear, Command, Drop, Filter, Hold, Pause, Release, Resume, Step

UNKNOWN_ORDER = "relayer/unknown-order"


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


class Which(Filter, frozen=True, forbid_unknown_fields=True):
    """The packets that are meant; an empty field matches everything."""


class One(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The packet that is meant."""

    id: str


class Count(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many packet messages."""

    count: int = 1


ORDERS: Mapping[str, tuple[type[msgspec.Struct], str]] = {
    "pause": (Nothing, "Submit nothing until told otherwise; keep reading."),
    "resume": (Nothing, "Go on after a pause."),
    "step": (Count, "While paused, let so many packet messages through."),
    "hold": (Which, "Keep matching packets back until they are released."),
    "release": (Which, "Undo the holds with this filter; all of them without one."),
    "drop": (One, "Never carry this packet's next leg, as if the message were lost; it can still time out."),
    "clear": (Nothing, "Forget what was dropped and given up, and try it all again at once."),
}
"""Name to (parameters, help)."""

_PLAIN: Mapping[str, Command] = {"pause": Pause(), "resume": Resume(), "clear": Clear()}


def read_order(name: str, parameters: object) -> Command:
    """Read an order and its parsed parameters.

    Raises:
        Rejected: `relayer/unknown-order`, `codec/malformed`.
    """
    if name not in ORDERS:
        raise Rejected(UNKNOWN_ORDER, order=name[:100], known=", ".join(ORDERS))
    given = codec.convert({} if parameters is None else parameters, ORDERS[name][0])
    match given:
        case Which():
            which = Filter(*(getattr(given, field) for field in Filter.__struct_fields__))
            return Hold(which) if name == "hold" else Release(which)
        case One(id=packet):
            return Drop(packet)
        case Count(count=count):
            return Step(count)
        case _:
            return _PLAIN[name]
