"""The state: writes in sorted batches as blocks make them, proofs, memory, and how long it takes to come back."""

import gc
from collections.abc import Iterator, Sequence
from hashlib import sha256

from meshsec.bench import restart
from meshsec.bench.figure import Figure, busy_seconds, figure, scaled
from meshsec.bench.resident import KIB_PER_MIB, resident_mib
from meshsec_core.kernel.merkle import ics23
from meshsec_core.kernel.store.state import State

MICROSECONDS = 1e6
BYTES_PER_MIB = KIB_PER_MIB * 1_024
STORE = "bank"


def measure(tries: int = 5, accounts: int = 1_000_000, writes: int = 1_000, killed: int = 100_000) -> Iterator[Figure]:
    """Measure a store of many accounts: `state.load_s` and `state.bytes_per_key` when its tree is built at once,
    `state.write_us`, a write's share of a block that changes many accounts, and per key `state.prove_us`, `state.verify_us`,
    and the same of keys that are not there; `state.restart_s` of a killed chain, and its processor time in
    `state.restart_cpu_s`.

    Args:
        tries: how many times over.
        accounts: in the store.
        writes: per block; each touches another account.
        killed: accounts of the chain that is killed; 0 leaves it out.
    """
    yield from tree(tries, accounts, writes)
    if killed:
        wall, used = restart.seconds_to_return(tries, killed)
        yield figure("state.restart_s", wall, "s")
        yield figure("state.restart_cpu_s", used, "s")


def tree(tries: int, accounts: int, writes: int) -> Iterator[Figure]:
    """Measure a store in memory: built, written to in batches, and proven from."""
    paths = sorted(f"{STORE}/balances/" + sha256(str(number).encode()).hexdigest() for number in range(accounts))
    opened: list[State] = []
    gc.collect()
    before = resident_mib()
    loaded = busy_seconds(lambda: opened.append(_open(paths)))
    yield figure("state.load_s", [loaded], "s")
    yield figure("state.bytes_per_key", [(resident_mib() - before) * BYTES_PER_MIB / accounts], "bytes")
    state = opened[0]
    taken: dict[str, list[float]] = {name: [] for name in ("write", "prove", "verify", "prove_absent", "verify_absent")}
    for height in range(1, tries + 1):
        touched = paths[height :: accounts // writes][:writes]
        changes: dict[str, bytes | None] = dict.fromkeys(touched, b'"%d"' % height)
        taken["write"].append(busy_seconds(_write, state, changes, height) / len(touched))
        for suffix, keys in (("", touched), ("_absent", [path + "0" for path in touched])):
            proofs: list[tuple[bytes | None, bytes]] = []
            taken["prove" + suffix].append(busy_seconds(_prove, state, keys, proofs) / len(keys))
            taken["verify" + suffix].append(busy_seconds(_verify, state.app_hash(height), keys, proofs) / len(keys))
    for name, found in taken.items():
        yield figure(f"state.{name}_us", scaled(found, MICROSECONDS), "us")


def _open(paths: Sequence[str]) -> State:
    """Build the state from paths in order, as they come from a disk; the accounts differ in what they hold."""
    return State.open(((path, b'"%d"' % (10**6 + number)) for number, path in enumerate(paths)), 0, (STORE,))


def _write(state: State, changes: dict[str, bytes | None], height: int) -> None:
    state.commit(height, state.preview(changes))


def _prove(state: State, paths: Sequence[str], proofs: list[tuple[bytes | None, bytes]]) -> None:
    proofs.extend(state.prove(path, state.height) for path in paths)


def _verify(root: bytes, paths: Sequence[str], proofs: Sequence[tuple[bytes | None, bytes]]) -> None:
    for path, (value, proof) in zip(paths, proofs, strict=True):
        key = path.partition("/")[2].encode()
        if value is None:
            ics23.verify_absence(root, STORE, key, proof)
        else:
            ics23.verify_value(root, STORE, key, value, proof)
