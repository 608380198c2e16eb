"""The state trees: writes in sorted batches as blocks make them, and proofs, on a store of many accounts."""

from collections.abc import Iterator
from hashlib import sha256

from meshsec.bench.figure import Figure, busy_seconds, figure
from meshsec_core.kernel.store.state import State

MICROSECONDS = 1e6


def measure(tries: int = 5, accounts: int = 50_000, writes: int = 1_000) -> Iterator[Figure]:
    """Measure `state.write_us`, a write's share of a block that changes many accounts, and `state.prove_us`, one proof.

    Args:
        tries: how many times over.
        accounts: in the store.
        writes: per block; each touches another account.
    """
    paths = ["bank/balances/" + sha256(str(number).encode()).hexdigest() for number in range(accounts)]
    state = State.open(((path, b'"1000000"') for path in paths), 0, ("bank",))
    written, proven = [], []
    for number in range(1, tries + 1):
        touched = paths[number :: accounts // writes][:writes]
        changes: dict[str, bytes | None] = dict.fromkeys(touched, b'"%d"' % number)
        written.append(busy_seconds(_write, state, changes, number) / len(touched))
        proven.append(busy_seconds(_prove, state, touched, number) / len(touched))
    yield figure("state.write_us", min(written) * MICROSECONDS, "us")
    yield figure("state.prove_us", min(proven) * MICROSECONDS, "us")


def _write(state: State, changes: dict[str, bytes | None], height: int) -> None:
    state.commit(height, state.preview(changes))


def _prove(state: State, paths: list[str], height: int) -> None:
    for path in paths:
        state.prove(path, height)
