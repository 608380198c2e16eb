"""One validator hosted here: its key, its double-sign guard, its faults, and its vote machine for the height in progress.

Each voter verifies, locks and signs on its own; that they share a process saves only repeated work, never a check.
"""

import msgspec

from meshsec_core.consensus.guard import LastSigned, guard, time_of
from meshsec_core.consensus.step import State
from meshsec_core.kernel.crypto import PrivateKey, address_of
from meshsec_core.kernel.errors import Rejected
from meshsec_core.replica.faults import HONEST, Fault, conduct_of
from meshsec_core.replica.storage import Storage, Table


class Voter:
    """A validator's key and what it may still sign."""

    def __init__(self, name: str, key: PrivateKey, last: LastSigned | None) -> None:
        self.name = name
        self.key = key
        self.address = address_of(key.public_key)
        self.last = last
        self.conduct = HONEST
        """How it behaves at the height in progress, or at the next one."""
        self.state: State | None = None
        """Its vote machine; None until it takes part in the height."""
        self.missed: list[int] = []
        """What has been said at this height and has not reached it, by number."""
        self._faults: dict[str, tuple[Fault, int]] = {}

    @classmethod
    def of(cls, name: str, key: PrivateKey, storage: Storage) -> "Voter":
        """Return a validator that remembers what it has signed last."""
        raw = storage.get(Table.GUARDS, address_of(key.public_key))
        return cls(name, key, None if raw is None else msgspec.msgpack.decode(raw, type=LastSigned))

    @property
    def faults(self) -> tuple[str, ...]:
        """Kinds of the faults that it has."""
        return tuple(self._faults)

    def misbehave(self, kind: str, fault: Fault, height: int) -> None:
        """Begin a fault at a height; it takes the place of one of the same kind."""
        self._faults[kind] = (fault, height)
        self.turn(height)

    def turn(self, height: int) -> None:
        """Settle how it behaves at a height."""
        self.conduct = conduct_of(self._faults.values(), height) if self._faults else HONEST

    def spend(self, kind: str, height: int) -> None:
        """End a fault that happens once."""
        self._faults.pop(kind, None)
        self.turn(height)

    def heal(self) -> None:
        """End all faults."""
        self._faults.clear()
        self.conduct = HONEST

    def sign(self, height: int, number: int, step: int, sign_bytes: bytes, time: int) -> tuple[int, bytes] | None:
        """Sign, or repeat what was signed for the same content; None if the guard forbids it.

        Args:
            number: the round.
            step: as the guard counts.
            time: the one in the sign-bytes, nanoseconds.

        Returns:
            The time that is signed, which is the earlier one if a signature is repeated, and the signature.
        """
        try:
            stored = guard(self.last, height, number, step, sign_bytes)
        except Rejected:
            return None
        if stored is not None:
            return time_of(stored.sign_bytes), stored.signature
        signature = self.key.sign(sign_bytes)
        self.last = LastSigned(height, number, step, sign_bytes, signature)
        return time, signature
