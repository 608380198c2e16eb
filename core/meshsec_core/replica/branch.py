"""Branches: another future of a chain, made by validators who sign there without regard to what they sign on the chain.

A branch is a replica of the same genesis that opens from a copy of the chain's rows and hosts only those validators. Nothing of
it reaches the chain: neither blocks nor guards. If they have more than two thirds of the power, both sides go on, and every
light client that sees only one of them is convinced.
"""

from collections.abc import Collection, Mapping

from meshsec_core.kernel.crypto import PrivateKey
from meshsec_core.kernel.errors import Rejected
from meshsec_core.replica.replica import UNKNOWN_VALIDATOR
from meshsec_core.replica.storage import MemoryStorage, Storage, Table, Write

OWN = (Table.GUARDS, Table.WAL)
"""Tables that a branch begins afresh: what was signed, and the height in progress."""


def branch_of(storage: Storage) -> MemoryStorage:
    """Copy a chain's rows as of its last block, without what its validators have signed since."""
    image = MemoryStorage()
    for table in Table:
        if table not in OWN:
            image.apply([Write(table, key, value) for key, value in storage.scan(table)])
    return image


def keys_of(keys: Mapping[str, PrivateKey], validators: Collection[str]) -> dict[str, PrivateKey]:
    """Return the keys of the validators who make a branch.

    Raises:
        Rejected: `dev/unknown-validator`.
    """
    for name in validators:
        if name not in keys:
            raise Rejected(UNKNOWN_VALIDATOR, validator=name[:100], known=", ".join(keys))
    return {name: key for name, key in keys.items() if name in validators}
