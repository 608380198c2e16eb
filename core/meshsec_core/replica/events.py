"""What goes into a replica and what comes out of it."""

import msgspec

from meshsec_core.kernel.wire.tendermint import Block, Proposal, Vote
from meshsec_core.replica.storage import Write


class Proposed(msgspec.Struct, frozen=True):
    """A proposal on its way to the voters, with the block it is for."""

    proposal: Proposal
    block: Block
    proposer: bytes
    """Consensus address."""


Message = Proposed | Vote


ARRIVAL = "arrival"
"""Kind of the timer after which others hear what a slow validator said; its `round` is the number of what was said."""
RESENT = "resent"
"""Kind of the timer after which everybody hears what a lossy network has kept from some; `round` is as for `ARRIVAL`."""


class Timer(msgspec.Struct, frozen=True):
    """A voter's timeout: consensus address, height, round, and what it waits for."""

    voter: bytes
    height: int
    round: int
    kind: str


class Tick(msgspec.Struct, frozen=True):
    """Start the next height; ignored while one is under way."""


class Fire(msgspec.Struct, frozen=True):
    """A timer has run out."""

    timer: Timer


class Deliver(msgspec.Struct, frozen=True):
    """Messages for all voters. As an effect: hand it back at once, after the `Persist` before it."""

    proposals: tuple[Proposed, ...]
    votes: tuple[Vote, ...]


class Persist(msgspec.Struct, frozen=True):
    """Rows that must be durable before anything after this effect happens."""

    writes: tuple[Write, ...]


class SetTimer(msgspec.Struct, frozen=True):
    """Fire this timer after so many nanoseconds of logical time, unless the height is decided before."""

    timer: Timer
    after: int


class Committed(msgspec.Struct, frozen=True):
    """A block has been decided, executed and handed to `Persist`."""

    height: int


class Halted(msgspec.Struct, frozen=True):
    """The replica will not go on; `reason` says why."""

    reason: str


Event = Tick | Fire | Deliver
Effect = Persist | Deliver | SetTimer | Committed | Halted
