"""Branches: another future of a chain, made by validators who sign there without regard to what they sign on the chain.

A branch is a replica of the same genesis that opens from a copy of the chain's rows and hosts only those validators. Nothing of
it reaches the chain: neither blocks nor guards. If they have more than two thirds of the power, both sides go on, and every
light client that sees only one of them is convinced.
"""

from collections.abc import Collection, Mapping

import msgspec

from meshsec_core.consensus.guard import STEP_PROPOSE, LastSigned
from meshsec_core.consensus.step import Timer as TimerKind
from meshsec_core.kernel.crypto import PrivateKey
from meshsec_core.kernel.errors import Rejected
from meshsec_core.replica.chain import Tip, seal
from meshsec_core.replica.events import Fire, Timer
from meshsec_core.replica.history import log_row
from meshsec_core.replica.network import UNKNOWN_VALIDATOR
from meshsec_core.replica.storage import MemoryStorage, Storage, Table, Write, height_key

OWN = (Table.GUARDS, Table.WAL)
"""Tables that a branch begins afresh: what was signed, and the height in progress."""


def branch_of(storage: Storage, tip: Tip, *, late: bool = False) -> MemoryStorage:
    """Copy a chain's rows as of its last block, without what its validators have signed since.

    Args:
        storage: of the chain.
        tip: of the chain.
        late: nobody proposes in round 0 of the branch's first block, so that it is decided in another round than the chain's.
    """
    image = MemoryStorage()
    for table in Table:
        if table not in OWN:
            image.apply([Write(table, key, value) for key, value in storage.scan(table)])
    if late:
        image.apply(_silence(tip.validators.proposer.address, tip.height + 1))
    return image


def _silence(proposer: bytes, height: int) -> list[Write]:
    """Return the rows of a proposer who thinks that it has proposed in round 0 of a height, and has lost patience since."""
    spoken = LastSigned(height, 0, STEP_PROPOSE, b"", b"")
    impatient = Fire(Timer(proposer, height, 0, TimerKind.PROPOSE))
    return [
        Write(Table.GUARDS, proposer, msgspec.msgpack.encode(spoken)),
        Write(Table.WAL, height_key(1), log_row(impatient, seal)),
    ]


def keys_of(keys: Mapping[str, PrivateKey], validators: Collection[str]) -> dict[str, PrivateKey]:
    """Return the keys of the validators who make a branch.

    Raises:
        Rejected: `dev/unknown-validator`.
    """
    for name in validators:
        if name not in keys:
            raise Rejected(UNKNOWN_VALIDATOR, validator=name[:100], known=", ".join(keys))
    return {name: key for name, key in keys.items() if name in validators}
