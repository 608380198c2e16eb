"""Which packets a relayer takes on at all, by its configuration: what is denied or oversized is left to others.

Source: Hermes packet_filter, ics20_max_memo_size, ics20_max_receiver_size.
"""

from fnmatch import fnmatchcase

import msgspec

from meshsec_core.kernel.wire.ibc import Packet


class Pattern(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Chooses packets; `*` stands for any text, and so does a field that is left out."""

    chain: str = "*"
    """The chain that sends."""
    port: str = "*"
    """The port that sends, as is the channel."""
    channel: str = "*"
    kind: str = "*"
    """What the packet says: `transfer`, or the tag of its JSON such as `slash`."""


class PacketFilter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is carried: whatever matches `allow` (all, if it is empty) and nothing of `deny`."""

    allow: tuple[Pattern, ...] = ()
    deny: tuple[Pattern, ...] = ()
    max_memo_bytes: int = 32_768
    """Longest memo of a transfer that is carried."""
    max_receiver_bytes: int = 2_048
    """Longest receiver of a transfer that is carried."""

    def refusal(self, chain: str, packet: Packet, kind: str) -> str:
        """Return why a packet is not carried, or nothing.

        Args:
            chain: the chain that sent it.
            packet: the packet.
            kind: what it says.
        """
        names = (chain, packet.source_port, packet.source_channel, kind)
        if any(_matches(pattern, names) for pattern in self.deny):
            return "denied"
        if self.allow and not any(_matches(pattern, names) for pattern in self.allow):
            return "not allowed"
        return self._oversized(packet) if kind == "transfer" else ""

    def _oversized(self, packet: Packet) -> str:
        try:
            said = msgspec.json.decode(packet.data, type=_Sizes)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return ""
        if len(said.memo.encode()) > self.max_memo_bytes:
            return "its memo is too long"
        return "its receiver is too long" if len(said.receiver.encode()) > self.max_receiver_bytes else ""


class _Sizes(msgspec.Struct):
    receiver: str = ""
    memo: str = ""


def _matches(pattern: Pattern, names: tuple[str, str, str, str]) -> bool:
    wanted = (pattern.chain, pattern.port, pattern.channel, pattern.kind)
    return all(fnmatchcase(name, want) for name, want in zip(names, wanted, strict=True))
