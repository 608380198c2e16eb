"""What a relayer's filter says of one packet: what is denied or oversized is left to others."""

from fnmatch import fnmatchcase

import msgspec

from meshsec_core.kernel.wire.ibc import Packet
from meshsec_sdk.packet_filter import PacketFilter, Pattern


def refusal(which: PacketFilter, chain: str, packet: Packet, kind: str) -> str:
    """Return why a packet is not carried, or nothing.

    Args:
        which: what is carried.
        chain: the chain that sent it.
        packet: the packet.
        kind: what it says.
    """
    names = (chain, packet.source_port, packet.source_channel, kind)
    if any(_matches(pattern, names) for pattern in which.deny):
        return "denied"
    if which.allow and not any(_matches(pattern, names) for pattern in which.allow):
        return "not allowed"
    return _oversized(which, packet) if kind == "transfer" else ""


def _oversized(which: PacketFilter, packet: Packet) -> str:
    try:
        said = msgspec.json.decode(packet.data, type=_Sizes)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    if len(said.memo.encode()) > which.max_memo_bytes:
        return "its memo is too long"
    return "its receiver is too long" if len(said.receiver.encode()) > which.max_receiver_bytes else ""


class _Sizes(msgspec.Struct):
    receiver: str = ""
    memo: str = ""


def _matches(pattern: Pattern, names: tuple[str, str, str, str]) -> bool:
    wanted = (pattern.chain, pattern.port, pattern.channel, pattern.kind)
    return all(fnmatchcase(name, want) for name, want in zip(names, wanted, strict=True))
