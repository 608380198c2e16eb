"""Whose turn it is among relayers that serve the same paths.

Packets are shared out by sequence, in runs that fill transactions well. Whoever comes second waits until the first would have
been done, and acts only if nothing has happened: with all of them alive nothing is carried twice, with one left everything is
carried. Nobody has to agree on anything but who takes part.
"""

import msgspec

from meshsec_core.kernel.types import SECOND

RUN = 50
"""Sequences in a row that are one relayer's."""

PATIENCE = 3 * SECOND
"""How long to leave something to the relayer whose turn it is, and again as long to each after it; nanoseconds."""


class Turns(msgspec.Struct, frozen=True):
    """The place of one relayer among its peers."""

    name: str
    peers: tuple[str, ...] = ()
    """All that take part, in an order that they agree on; none for a relayer that is alone."""

    @property
    def patience(self) -> int:
        """How long to leave what belongs to no packet to those before this relayer, nanoseconds."""
        return self.peers.index(self.name) * PATIENCE if self.name in self.peers else 0

    def first(self, sequence: int) -> str:
        """Return whose turn a packet is."""
        return self.peers[sequence // RUN % len(self.peers)] if self.name in self.peers else self.name  # rounds down

    def wait(self, sequence: int) -> int:
        """Return how long to leave a packet to others, nanoseconds."""
        if self.name not in self.peers:
            return 0
        return (self.peers.index(self.name) - self.peers.index(self.first(sequence))) % len(self.peers) * PATIENCE
