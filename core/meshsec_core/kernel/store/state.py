"""The committed state: every store's tree at the last heights, and a flat map of the latest values.

A height is a set of tree roots. Trees share what did not change, so a thousand heights cost what was written in them. Reads of
the latest value hit the flat map; order, history and proofs come from the trees. Every store holds a sentinel key, because ICS-23
proves absence by a neighbour and could prove nothing about an empty store.

The state after block H is what the header of H + 1 commits to: a proof at height H verifies against that header's app hash.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.kernel.merkle import critbit, simple
from meshsec_core.kernel.merkle.critbit import Change, Tree
from meshsec_core.kernel.merkle.simple import SimpleMap
from meshsec_core.kernel.store.overlay import BAD_PATH
from meshsec_core.kernel.wire.ics23 import ExistenceProof, MerkleProof
from meshsec_core.kernel.wire.proto import encode

PRUNED = "state/pruned"
FUTURE_HEIGHT = "state/future-height"
UNKNOWN_STORE = "state/unknown-store"

SENTINEL = b"_"
"""The key that every store holds from the start and nobody writes."""

SENTINEL_VALUE = b"meshsec"

KEEP = 1000
"""How many heights answer reads and proofs unless told otherwise."""

UNCOMMITTED = -1
"""The height of a state into which nothing has been committed."""

Undo = tuple[tuple[str, bytes | None], ...]
"""The paths that a height changed and the values they had before, None where there was none."""


class Snapshot:
    """All paths at one height. It never changes."""

    __slots__ = ("_map", "_outer", "_trees")

    def __init__(self, trees: Mapping[str, Tree], roots: SimpleMap) -> None:
        self._trees = trees
        self._map = roots
        self._outer: dict[str, bytes] = {}
        """Spelled proofs of the stores' roots, which the proofs of all keys of a store end with."""

    @property
    def app_hash(self) -> bytes:
        """The hash over all stores' roots."""
        return self._map.root

    def roots(self) -> dict[str, bytes]:
        """Return the root of every store."""
        return dict(zip(self._map.names, self._map.values, strict=True))

    def get(self, key: str) -> bytes | None:
        """Return the value under a full path, or None."""
        store, name = _split(key)
        return critbit.get(self._trees.get(store), name)

    def scan(self, prefix: str, after: str = "") -> Iterator[tuple[str, bytes]]:
        """Yield (path, value) of all paths that start with `prefix` and are greater than `after`, in ascending order."""
        store, slash, _ = prefix.partition("/")
        chosen = [store] if slash and store in self._trees else self._trees
        for front in sorted(name + "/" for name in chosen):
            if not (front.startswith(prefix) or prefix.startswith(front)) or (after > front and not after.startswith(front)):
                continue
            wanted = _key(prefix[len(front) :])
            start = max(wanted, _key(after[len(front) :]) + b"\x00") if after >= front else wanted
            for key, value in critbit.scan(self._trees[front[:-1]], start):
                if not key.startswith(wanted):
                    break
                yield front + key.decode(), value

    def prove(self, path: str) -> tuple[bytes | None, bytes]:
        """Return the value under a path, or None, and the protobuf of the MerkleProof that shows it.

        Raises:
            Rejected: UNKNOWN_STORE, or BAD_PATH if nothing follows the store's name.
        """
        store, key = _split(path)
        if store not in self._trees:
            raise Rejected(UNKNOWN_STORE, path=path[:100])
        if not key:
            raise Rejected(BAD_PATH, path=path[:100])
        tree = self._trees[store]
        proof = critbit.prove(tree, key)
        value = proof.value if isinstance(proof, ExistenceProof) else None
        outer = self._outer.get(store)
        if outer is None:
            outer = self._outer[store] = encode(MerkleProof((self._map.prove(store),)))
        return value, encode(MerkleProof((proof,))) + outer  # a list's spelling is that of its elements, one after another

    def changed(self, grouped: Mapping[str, list[Change]]) -> "Snapshot":
        """Return the snapshot after changes, which are sorted within each store."""
        trees = dict(self._trees)
        roots = {}
        for store, changes in grouped.items():
            tree = critbit.write(trees[store], changes)
            if tree is None:
                raise InvariantViolated(f"store {store} lost its sentinel")
            if tree is not trees[store]:
                trees[store] = tree
                roots[store] = tree.root
        return Snapshot(trees, self._map.replace(roots))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A state that could follow the latest one. It may be kept, committed or dropped; any number may rest on one parent."""

    parent_hash: bytes
    changes: Mapping[str, list[Change]]
    """By store, sorted by key."""
    snapshot: Snapshot

    @property
    def app_hash(self) -> bytes:
        """The hash over all stores' roots."""
        return self.snapshot.app_hash

    @property
    def roots(self) -> dict[str, bytes]:
        """The root of every store."""
        return self.snapshot.roots()


class State:
    """The latest height, readable as it is, and the heights behind it."""

    __slots__ = ("_keep", "_latest", "_snapshots", "height")

    def __init__(self, stores: Iterable[str], keep: int = KEEP) -> None:
        """Make the state before genesis: every store holds its sentinel and nothing else.

        Args:
            stores: names of all stores there will be.
            keep: how many heights, the latest included, can be read and proven.

        Raises:
            InvariantViolated: a name is empty or holds a slash, or there is no store.
        """
        self._keep = keep
        self._load({store: {} for store in stores}, UNCOMMITTED)

    @classmethod
    def open(cls, rows: Iterable[tuple[str, bytes]], height: int, stores: Iterable[str], keep: int = KEEP) -> "State":
        """Rebuild the state at a height from all its paths; `restore_history` adds the heights behind it.

        Raises:
            InvariantViolated: a path belongs to no store, or is one that could not have been written.
        """
        state = cls(stores, keep)
        latest: dict[str, dict[bytes, bytes]] = {store: {} for store in state._latest}
        for path, value in rows:
            store, key = _written(path, latest)
            latest[store][key] = value
        state._load(latest, height)
        return state

    def _load(self, latest: dict[str, dict[bytes, bytes]], height: int) -> None:
        trees = {}
        for store, values in latest.items():
            if not store or "/" in store:
                raise InvariantViolated(f"{store!r} cannot name a store")
            values[SENTINEL] = SENTINEL_VALUE
            tree = critbit.write(None, sorted(values.items()))
            if tree is not None:
                trees[store] = tree
        self._latest = latest
        self._snapshots = {height: Snapshot(trees, simple.build({store: tree.root for store, tree in trees.items()}))}
        self.height = height

    def get(self, key: str) -> bytes | None:
        """Return the latest value under a full path, or None."""
        store, _, name = key.partition("/")
        values = self._latest.get(store)
        return None if values is None else values.get(_key(name))

    def scan(self, prefix: str, after: str = "") -> Iterator[tuple[str, bytes]]:
        """Yield (path, value) as `Snapshot.scan` does; a commit during the walk does not change what it yields."""
        return self._snapshots[self.height].scan(prefix, after)

    @property
    def earliest(self) -> int:
        """The lowest height that can be read and proven."""
        return self.height - len(self._snapshots) + 1

    def keys(self) -> dict[str, int]:
        """Return how many keys every store holds, its sentinel included."""
        return {store: len(values) for store, values in self._latest.items()}

    def rows(self) -> Iterator[tuple[str, bytes]]:
        """Yield all latest paths in ascending order, sentinels included."""
        return self.scan("")

    def preview(self, changes: Mapping[str, bytes | None]) -> Prepared:
        """Return the state that would follow if these paths got these values, or were removed where the value is None. Pure.

        Raises:
            InvariantViolated: a path belongs to no store, is not printable ASCII or is a sentinel's; a key or value is empty.
        """
        snapshot = self._snapshots[self.height]
        grouped = _group(changes, self._latest)
        return Prepared(snapshot.app_hash, grouped, snapshot.changed(grouped))

    def commit(self, height: int, prepared: Prepared) -> Undo:
        """Make a previewed state the latest one and forget the height that is now too old. The first commit chooses its height.

        Returns:
            What `restore_history` needs to come back to the height before.

        Raises:
            InvariantViolated: the height does not follow, or `prepared` rests on another parent.
        """
        if height != self.height + 1 and self.height != UNCOMMITTED:
            raise InvariantViolated(f"height {height} does not follow {self.height}")
        if prepared.parent_hash != self._snapshots[self.height].app_hash:
            raise InvariantViolated(f"what is committed at {height} was not prepared on {self.height}")
        undo: list[tuple[str, bytes | None]] = []
        for store, changes in prepared.changes.items():
            values = self._latest[store]
            for key, value in changes:
                old = values.get(key)
                if old == value:
                    continue
                undo.append((f"{store}/{key.decode()}", old))
                if value is None:
                    del values[key]
                else:
                    values[key] = value
        if self.height == UNCOMMITTED:
            del self._snapshots[UNCOMMITTED]
        self._snapshots[height] = prepared.snapshot
        self._snapshots.pop(height - self._keep, None)
        self.height = height
        return tuple(undo)

    def restore_history(self, undos: Iterable[Undo]) -> None:
        """Rebuild the heights behind the oldest one that is kept.

        Args:
            undos: what `commit` returned, from the oldest kept height downwards; those beyond `keep` are not read.
        """
        height = min(self._snapshots)
        for undo in undos:
            if len(self._snapshots) >= self._keep:
                break
            self._snapshots[height - 1] = self._snapshots[height].changed(_group(dict(undo), self._latest))
            height -= 1

    def at(self, height: int) -> Snapshot:
        """Return all paths as they were after a block.

        Raises:
            Rejected: PRUNED, FUTURE_HEIGHT.
        """
        snapshot = self._snapshots.get(height)
        if snapshot is None:
            raise Rejected(FUTURE_HEIGHT if height > self.height else PRUNED, height=height, latest=self.height)
        return snapshot

    def app_hash(self, height: int) -> bytes:
        """Return the hash of the state after a block, which the next header carries.

        Raises:
            Rejected: PRUNED, FUTURE_HEIGHT.
        """
        return self.at(height).app_hash

    def prove(self, path: str, height: int) -> tuple[bytes | None, bytes]:
        """Return the value that a path had after a block, or None, and its proof for the header of `height` + 1.

        Raises:
            Rejected: PRUNED, FUTURE_HEIGHT, UNKNOWN_STORE, BAD_PATH.
        """
        return self.at(height).prove(path)


def _key(name: str) -> bytes:
    return name.encode("utf-8", "surrogatepass")


def _split(path: str) -> tuple[str, bytes]:
    store, _, name = path.partition("/")
    return store, _key(name)


def _written(path: str, stores: Mapping[str, object]) -> tuple[str, bytes]:
    """Split a path that is written, after checking it."""
    store, key = _split(path)
    if store not in stores:
        raise InvariantViolated(f"{path!r} cannot be written: no module of this chain lists `{store}` among its `stores`")
    if not (path.isascii() and path.isprintable()):
        raise InvariantViolated(f"{path!r} cannot be written")
    return store, key


def _group(changes: Mapping[str, bytes | None], stores: Mapping[str, object]) -> dict[str, list[Change]]:
    """Sort changes and part them by store."""
    grouped: dict[str, list[Change]] = {}
    for path in sorted(changes):
        store, key = _written(path, stores)
        if key == SENTINEL:
            raise InvariantViolated(f"{path} is a sentinel")
        grouped.setdefault(store, []).append((key, changes[path]))
    return grouped
