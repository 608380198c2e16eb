"""What both ends of a link share: how packets leave, also when the way is blocked.

Nothing that a state machine must do may fail because a light client has expired meanwhile. A packet that cannot leave is
kept, and leaves, in order, before the next one that can.
"""

from enum import StrEnum

from meshsec_core.ibc.connection import UNORDERED
from meshsec_core.ibc.packet import send_packet
from meshsec_core.kernel import codec
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.store.windows import Item, Map, Raw
from meshsec_core.kernel.types import LinkId
from meshsec_core.kernel.wire.ibc import Height
from meshsec_core.runtime.module import Ctx
from meshsec_core.security.mesh.packets import (
    CONSUMER_PORT,
    CONSUMER_TIMEOUT,
    PROVIDER_PORT,
    PROVIDER_TIMEOUT,
    REPORT_TIMEOUT,
    ToConsumer,
    ToProvider,
    ValsetUpdate,
)

UNKNOWN_LINK = "mesh/unknown-link"
NOT_UNORDERED = "mesh/not-unordered"
WRONG_PORT = "mesh/wrong-port"
LINK_NOT_OPEN = "mesh/link-not-open"
NOT_UNWOUND = "mesh/not-unwound"
BAD_PARAMS = "mesh/bad-params"

ANY_HEIGHT = Height(0, 0)


class Phase(StrEnum):
    """Where a link is in its life; the channel is what opens and closes it."""

    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"
    """Packets pass, but nothing new is lent; the channel closes once nothing is."""
    CLOSED = "closed"

    @property
    def is_live(self) -> bool:
        """Whether packets pass."""
        return self in (Phase.OPEN, Phase.CLOSING)


KEPT: Map[bytes] = Map("mesh/kept", Raw(), parts=3)
"""(port, link, ordinal) to a packet's data that could not leave yet."""
NEXT_KEPT: Item[int] = Item("mesh/next-kept", int, default=0)
BLOCKED: Map[bool] = Map("mesh/blocked", bool, parts=2)
"""(port, link) is there while packets are kept."""


def check_proposal(ordering: str, counterparty_port: str, expected: str) -> None:
    """Refuse a channel that cannot carry a link, whichever end proposes it.

    Raises:
        Rejected: `mesh/not-unordered`, `mesh/wrong-port`.
    """
    if ordering != UNORDERED:
        raise Rejected(NOT_UNORDERED, ordering=ordering[:50])
    if counterparty_port != expected:
        raise Rejected(WRONG_PORT, port=counterparty_port[:128])


def send_to_consumer(ctx: Ctx, link: LinkId, packet: ToConsumer) -> None:
    """Send a packet that answers a user: if it cannot leave, the user's message is refused.

    Raises:
        Rejected: the channel is not open, or the client is not active.
    """
    flush(ctx, PROVIDER_PORT, link)
    send_packet(ctx, PROVIDER_PORT, link, codec.encode(packet), ANY_HEIGHT, ctx.time + PROVIDER_TIMEOUT)


def tell_consumer(ctx: Ctx, link: LinkId, packet: ToConsumer) -> None:
    """Send a packet that must go out sooner or later."""
    _tell(ctx, PROVIDER_PORT, link, codec.encode(packet), PROVIDER_TIMEOUT)


def tell_provider(ctx: Ctx, link: LinkId, packet: ToProvider) -> None:
    """Send a packet that must go out sooner or later."""
    timeout = REPORT_TIMEOUT if isinstance(packet, ValsetUpdate) else CONSUMER_TIMEOUT
    _tell(ctx, CONSUMER_PORT, link, codec.encode(packet), timeout)


def tell_provider_again(ctx: Ctx, link: LinkId, data: bytes) -> None:
    """Send a packet of the consumer once more that has timed out."""
    _tell(ctx, CONSUMER_PORT, link, data, REPORT_TIMEOUT)


def tell_consumer_again(ctx: Ctx, link: LinkId, data: bytes) -> None:
    """Send a packet of the provider once more that has timed out."""
    _tell(ctx, PROVIDER_PORT, link, data, PROVIDER_TIMEOUT)


def _tell(ctx: Ctx, port: str, link: LinkId, data: bytes, timeout: int) -> None:
    if flush(ctx, port, link) and _try(ctx, port, link, data, timeout):
        return
    number = NEXT_KEPT.get(ctx.store)
    NEXT_KEPT.put(ctx.store, number + 1)
    KEPT.put(ctx.store, port, link, number, data)
    BLOCKED.put(ctx.store, port, link, True)
    ctx.emit("mesh/packet-kept", port=port, link=link)


def flush(ctx: Ctx, port: str, link: LinkId) -> bool:
    """Send what was kept; tell whether the way is free."""
    if not BLOCKED.has(ctx.store, port, link):
        return True
    timeout = PROVIDER_TIMEOUT if port == PROVIDER_PORT else REPORT_TIMEOUT
    for (number,), data in KEPT.items(ctx.store, port, link):
        if not _try(ctx, port, link, data, timeout):
            return False
        KEPT.delete(ctx.store, port, link, int(number))
    BLOCKED.delete(ctx.store, port, link)
    return True


def forget_kept(ctx: Ctx, port: str, link: LinkId) -> None:
    """Drop what could not leave: the way is closed for ever."""
    if BLOCKED.has(ctx.store, port, link):
        for (number,), _ in KEPT.items(ctx.store, port, link):
            KEPT.delete(ctx.store, port, link, int(number))
        BLOCKED.delete(ctx.store, port, link)


def is_silent(ctx: Ctx, port: str, link: LinkId) -> bool:
    """Tell whether nothing that this end has said is unanswered or waits to be said."""
    flying = ctx.store.scan(f"ibc/commitments/ports/{port}/channels/{link}/sequences/")
    return not BLOCKED.has(ctx.store, port, link) and next(flying, None) is None


def _try(ctx: Ctx, port: str, link: LinkId, data: bytes, timeout: int) -> bool:
    try:
        with ctx.branch() as inner:
            send_packet(inner, port, link, data, ANY_HEIGHT, ctx.time + timeout)
    except Rejected:
        return False
    return True
