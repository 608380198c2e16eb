"""Which packets a relayer takes on: what its configuration and the mesh file say.

Source: Hermes packet_filter, ics20_max_memo_size, ics20_max_receiver_size.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase

import msgspec


class Pattern(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Chooses packets; `*` stands for any text, and so does a field that is left out."""

    chain: str = "*"
    """The chain that sends."""
    port: str = "*"
    """The port that sends, as is the channel."""
    channel: str = "*"
    kind: str = "*"
    """What the packet says: `transfer`, or the tag of its JSON such as `slash`."""

    def names_any(self, chains: Iterable[str]) -> bool:
        """Tell whether any of these chains can be meant."""
        return any(fnmatchcase(chain, self.chain) for chain in chains)


class PacketFilter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is carried: whatever matches `allow` (all, if it is empty) and nothing of `deny`."""

    allow: tuple[Pattern, ...] = ()
    deny: tuple[Pattern, ...] = ()
    max_memo_bytes: int = 32_768
    """Longest memo of a transfer that is carried."""
    max_receiver_bytes: int = 2_048
    """Longest receiver of a transfer that is carried."""
