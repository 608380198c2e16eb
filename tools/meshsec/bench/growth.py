"""Memory of a state that is written to without end: what heights that are forgotten leave behind."""

from hashlib import sha256

from meshsec.bench.resident import resident_mib
from meshsec_core.kernel.store.state import KEEP, State

ACCOUNTS = 50_000
WRITES = 100
"""In each block."""
STRIDE = 997
"""Between two accounts of one block, and of two blocks; a prime, so that all have their turn."""


def mib(blocks: int) -> float:
    """Write blocks; return by how many MiB this process grows from twice as many blocks as are kept to the last.

    Args:
        blocks: in all, more than twice as many as are kept.
    """
    paths = ["bank/balances/" + sha256(str(number).encode()).hexdigest() for number in range(ACCOUNTS)]
    state = State.open(((path, b'"1000000"') for path in paths), 0, ("bank",))
    begun = resident_mib()
    for height in range(1, blocks + 1):
        turns = range(height * WRITES, (height + 1) * WRITES)
        changes: dict[str, bytes | None] = {paths[turn * STRIDE % ACCOUNTS]: b'"%d"' % turn for turn in turns}
        state.commit(height, state.preview(changes))
        if height == 2 * KEEP:
            begun = resident_mib()
    return resident_mib() - begun
