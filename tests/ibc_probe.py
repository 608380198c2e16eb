"""An IBC application that does what packets tell it: `refuse` is refused, `later` is answered later, all else at once."""

from msgspec.structs import replace

from meshsec_core.ibc.packet import send_packet, write_acknowledgement
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.wire.ibc import Height, Packet
from meshsec_core.runtime.module import Ctx, Module, Msg, Port


class Say(Msg, frozen=True, tag="probe/Say"):
    """Send a packet of this application."""

    channel: str
    data: bytes
    timeout_height: Height = Height()
    timeout_timestamp: int = 0
    port: str = "probe"


class Answer(Msg, frozen=True, tag="probe/Answer"):
    """Acknowledge a packet late."""

    packet: Packet
    acknowledgement: bytes


def _say(ctx: Ctx, msg: Say) -> None:
    send_packet(ctx, msg.port, msg.channel, msg.data, msg.timeout_height, msg.timeout_timestamp)


def _answer(ctx: Ctx, msg: Answer) -> None:
    write_acknowledgement(ctx, msg.packet, msg.acknowledgement)


def _agree(ctx: Ctx, step: str, ordering: str, said: tuple[str, ...]) -> str:
    """Note what this end is told: hop, port, channel, the other's port (and channel), version."""
    hop, port, channel, *theirs, version = said
    ctx.store.set(f"probe/{step}/{channel}", " ".join((ordering, hop, port, *theirs, version)).encode())
    if version == "refuse":
        raise Rejected("probe/refused-version", ordering=ordering)
    return version or "probe-1"


def _note(ctx: Ctx, what: str, packet: Packet) -> None:
    key = f"probe/{what}"
    ctx.store.set(key, (ctx.store.get(key) or b"") + b"%d:%s " % (packet.sequence, packet.data))


def _receive(ctx: Ctx, packet: Packet) -> bytes:
    _note(ctx, "received", packet)
    ctx.emit("probe/received", sequence=packet.sequence)
    if packet.data == b"refuse":
        raise Rejected("probe/refused", sequence=packet.sequence)
    return b"" if packet.data == b"later" else b"ok:" + packet.data


def _acknowledged(ctx: Ctx, packet: Packet, acknowledgement: bytes) -> None:
    _note(ctx, "acknowledged", replace(packet, data=acknowledgement))


def _closing(ctx: Ctx, port: str, channel: str) -> None:
    ctx.store.set(f"probe/closed/{channel}", port.encode())


def _opened(ctx: Ctx, _port: str, channel: str, *said: str) -> None:
    ctx.store.set(f"probe/opened/{channel}", ",".join(("open", *said)).encode())


_PORT = Port(
    on_open_init=lambda ctx, ordering, *said: _agree(ctx, "proposed", ordering, said),
    on_open_try=lambda ctx, ordering, *said: _agree(ctx, "answered", ordering, said),
    on_open_ack=_opened,
    on_open_confirm=_opened,
    on_close_init=_closing,
    on_close_confirm=_closing,
    on_receive=_receive,
    on_acknowledge=_acknowledged,
    on_timeout=lambda ctx, packet: _note(ctx, "timed-out", packet),
)

PROBE: Module[None] = Module("probe", handlers={Say: _say, Answer: _answer}, ports={"probe": _PORT}, stores=("probe",))
