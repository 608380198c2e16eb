"""A persistent Merkle tree of sorted keys whose shape, and so whose root, depends on its contents only.

The bits of a key are, for each byte, a one and then its eight bits, most significant first, and a closing zero; so a key sorts
before the keys it is a prefix of. A branch stands at the first bit in which the keys below it differ, zeros to the left. Nodes
never change: a write copies the path from the root, and whoever holds an older root still reads the older tree.

Hashes are those of ICS-23's TendermintSpec, which fixes how nodes hash and not which shape they form: a leaf is
H(00 ‖ len(key) ‖ key ‖ 20 ‖ H(value)) and a branch H(01 ‖ left ‖ right). A branch keeps the bytes it hashes, which are also what
the proof of a key below it quotes; a leaf keeps no hash.

Source: D. J. Bernstein, "Crit-bit trees"; cosmos/ics23, `TendermintSpec`.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from hashlib import sha256
from operator import itemgetter

import msgspec

from meshsec_core.kernel.errors import InvariantViolated
from meshsec_core.kernel.wire.ics23 import (
    HASH_SHA256,
    TENDERMINT_SPEC,
    CommitmentProof,
    ExistenceProof,
    InnerOp,
    NonExistenceProof,
)
from meshsec_core.kernel.wire.scalars import varint

EMPTY_ROOT = sha256(b"").digest()
"""Root of the tree without keys. It proves nothing: ICS-23 shows absence by a neighbour, so a store is never left empty."""

MAX_DEPTH = 120
"""Branches above a leaf that is written. Verifiers accept 128; honest keys stay near 2·log2(n), only hostile ones come here."""

RIGHT = 33
"""Offset of the right child's hash in the bytes that a branch hashes."""


class Leaf(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One key and its value. Nodes form no cycles, so the collector need not walk a million of them.

    A leaf that takes another value keeps its key's object, so that whoever else holds the keys shares them with every version.
    """

    key: bytes
    value: bytes


class Branch(msgspec.Struct, frozen=True, eq=False, gc=False):
    """Where keys part: at the bit `mask` of the byte `index` of their wide spelling, see `_widen`."""

    index: int
    mask: int
    left: "Node"
    right: "Node"
    preimage: bytes
    """01 ‖ hash of the left child ‖ hash of the right child."""


Node = Leaf | Branch


class Tree(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A node and its hash. The tree without keys is None."""

    node: Node
    root: bytes


Change = tuple[bytes, bytes | None]
"""A key and its new value, or None to remove it."""


def root(tree: Tree | None) -> bytes:
    """Return the root hash."""
    return EMPTY_ROOT if tree is None else tree.root


def leaf_hash(key: bytes, value: bytes) -> bytes:
    """Return the hash of a leaf."""
    return sha256(b"\x00%b%b\x20%b" % (varint(len(key)), key, sha256(value).digest())).digest()


def get(tree: Tree | None, key: bytes) -> bytes | None:
    """Return the value of a key, or None."""
    if tree is None:
        return None
    leaf = _nearest(tree.node, _widen(key))
    return leaf.value if leaf.key == key else None


def scan(tree: Tree | None, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
    """Yield (key, value) in ascending order from the first key that is not below `start`; what lies before it is not walked."""
    waiting = [] if tree is None else _not_below(tree.node, start)
    while waiting:
        node = waiting.pop()
        while isinstance(node, Branch):
            waiting.append(node.right)
            node = node.left
        yield node.key, node.value


def prove(tree: Tree, key: bytes) -> CommitmentProof:
    """Prove the value of a key, or that it is absent."""
    leaf, branches = _trace(tree.node, _widen(key))
    if leaf.key == key:
        return _existence(leaf, branches)
    below, above = _neighbours(tree.node, key, leaf, branches)
    left = None if below is None else _existence(*_trace(tree.node, _widen(below.key)))
    right = None if above is None else _existence(*_trace(tree.node, _widen(above.key)))
    return NonExistenceProof(key, left, right)


def _existence(leaf: Leaf, branches: list[Branch]) -> ExistenceProof:
    """Spell a path as a proof: each step quotes the branch's bytes on both sides of the child that it passes."""
    child: Node = leaf
    steps = []
    for branch in reversed(branches):
        preimage = branch.preimage
        if branch.left is child:
            steps.append(InnerOp(HASH_SHA256, b"\x01", preimage[RIGHT:]))
        else:
            steps.append(InnerOp(HASH_SHA256, preimage[:RIGHT]))
        child = branch
    return ExistenceProof(leaf.key, leaf.value, TENDERMINT_SPEC.leaf_spec, tuple(steps))


def _neighbours(node: Node, key: bytes, leaf: Leaf, branches: list[Branch]) -> tuple[Leaf | None, Leaf | None]:
    """Return the leaves next below and next above an absent key, whose search took `branches` and ended at `leaf`.

    The keys under the node at which `key` would part from the tree are all on one side of it; its other neighbour is the nearest
    leaf on the other side of the last branch above.
    """
    index, mask = _fork(key, leaf.key)
    below: Node | None = None
    above: Node | None = None
    for branch in branches:
        if _above(index, mask, branch):
            break
        if _bit(key, branch.index, branch.mask):
            below, node = branch.left, branch.right
        else:
            node, above = branch.left, branch.right
    if leaf.key < key:
        below = node
    else:
        above = node
    while isinstance(below, Branch):
        below = below.right
    while isinstance(above, Branch):
        above = above.left
    return below, above


def write(tree: Tree | None, changes: Sequence[Change]) -> Tree | None:
    """Return the tree after changes that are sorted and name each key once; every new branch is hashed once.

    Raises:
        InvariantViolated: a key or value is empty, the changes are out of order, or a leaf would lie deeper than `MAX_DEPTH`.
    """
    before = b""
    for key, value in changes:
        if key <= before:
            raise InvariantViolated(f"{key!r} does not follow {before!r} in a write set")
        if value == b"":
            raise InvariantViolated(f"empty value under {key!r}")
        before = key
    if not changes:
        return tree
    if tree is None:
        return _plant(changes, 0, len(changes), 0)
    return _Batch(changes).merge(tree, 0, len(changes), 0)


def _widen(key: bytes) -> bytearray:
    """Spell a key with a byte 1 before each of its bytes: the bits of a key in their order, with zeros between and behind."""
    wide = bytearray(b"\x01") * (2 * len(key))
    wide[1::2] = key
    return wide


def _bit(key: bytes, index: int, mask: int) -> int:
    """Return a bit of a key's wide spelling, as 0 or not 0."""
    byte = index >> 1
    if byte >= len(key):
        return 0
    return key[byte] & mask if index & 1 else 1


def _fork(one: bytes, other: bytes) -> tuple[int, int]:
    """Return (index, mask) of the first bit in which two keys differ; for equal keys their closing bit."""
    shared = min(len(one), len(other))
    difference = int.from_bytes(one[:shared]) ^ int.from_bytes(other[:shared])
    if difference:
        highest = difference.bit_length() - 1
        return 2 * (shared - (highest >> 3)) - 1, 1 << (highest & 7)
    return 2 * shared, 1


def _above(index: int, mask: int, branch: Branch) -> bool:
    """Tell whether a bit comes before the one at which a branch stands."""
    return index < branch.index or (index == branch.index and mask > branch.mask)


def _nearest(node: Node, wide: bytearray) -> Leaf:
    """Follow the bits of a key down to a leaf; indexes grow on the way, so past the key's end it is left all the way."""
    try:
        while isinstance(node, Branch):
            node = node.right if wide[node.index] & node.mask else node.left
    except IndexError:
        while isinstance(node, Branch):
            node = node.left
    return node


def _trace(node: Node, wide: bytearray) -> tuple[Leaf, list[Branch]]:
    """Do what `_nearest` does and keep the branches."""
    size = len(wide)
    branches = []
    while isinstance(node, Branch):
        branches.append(node)
        node = node.right if node.index < size and wide[node.index] & node.mask else node.left
    return node, branches


def _not_below(node: Node, start: bytes) -> list[Node]:
    """Return the disjoint subtrees that together hold exactly the keys ≥ `start`, the least one last."""
    leaf = _nearest(node, _widen(start))
    index, mask = _fork(start, leaf.key)
    waiting: list[Node] = []
    while isinstance(node, Branch) and not _above(index, mask, node):
        if _bit(start, node.index, node.mask):
            node = node.right
        else:
            waiting.append(node.right)
            node = node.left
    if leaf.key >= start:
        waiting.append(node)
    return waiting


def _join(index: int, mask: int, left: Tree | None, right: Tree | None) -> Tree | None:
    """Put two trees under one branch; where one is empty the other takes its place."""
    if left is None:
        return right
    if right is None:
        return left
    preimage = b"\x01" + left.root + right.root
    return Tree(Branch(index, mask, left.node, right.node, preimage), sha256(preimage).digest())


def _check_depth(depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InvariantViolated(f"a leaf would lie under {depth} branches, {MAX_DEPTH} are allowed")


def _plant(changes: Sequence[Change], low: int, high: int, depth: int) -> Tree | None:
    """Build a tree of the values in a slice of sorted changes."""
    if high - low > 1:
        index, mask = _fork(changes[low][0], changes[high - 1][0])
        middle = _split(changes, low, high, index, mask)
        left = _plant(changes, low, middle, depth + 1)
        return _join(index, mask, left, _plant(changes, middle, high, depth + 1))
    _check_depth(depth)
    key, value = changes[low]
    return None if value is None else Tree(Leaf(key, value), leaf_hash(key, value))


def _split(changes: Sequence[Change], low: int, high: int, index: int, mask: int) -> int:
    """Return where in a slice, whose keys agree before it, a bit turns from 0 to 1."""
    while low < high:
        middle = (low + high) // 2  # down: a probe inside the slice
        if _bit(changes[middle][0], index, mask):
            high = middle
        else:
            low = middle + 1
    return low


def _replace(branches: list[Branch], old: Node, new: Tree | None) -> Tree | None:
    """Return the tree in which `new` stands for `old`, the node below the last of `branches`."""
    if new is None:
        if not branches:
            return None
        parent = branches.pop()
        if parent.left is old:
            new = Tree(parent.right, parent.preimage[RIGHT:])
        else:
            new = Tree(parent.left, parent.preimage[1:RIGHT])
        old = parent
    node, digest = new.node, new.root
    for branch in reversed(branches):
        if branch.left is old:
            preimage = b"\x01" + digest + branch.preimage[RIGHT:]
            node = Branch(branch.index, branch.mask, node, branch.right, preimage)
        else:
            preimage = branch.preimage[:RIGHT] + digest
            node = Branch(branch.index, branch.mask, branch.left, node, preimage)
        digest = sha256(preimage).digest()
        old = branch
    return Tree(node, digest)


class _Batch:
    """A write set on its way down. Each slice [low, high) shares all bits above the node that it has reached."""

    __slots__ = ("_changes", "_forks", "_wide")

    def __init__(self, changes: Sequence[Change]) -> None:
        self._changes = changes
        self._wide = [_widen(key) for key, _ in changes]
        self._forks: list[tuple[int, int] | None] = [None] * len(changes)

    def merge(self, tree: Tree, low: int, high: int, depth: int) -> Tree | None:
        """Return a subtree after the slice; the same object if nothing in it changes, unless it is a single leaf."""
        if high - low < 2:
            return self._merge_one(tree, low, depth) if low < high else tree
        node = tree.node
        if isinstance(node, Leaf):
            return self._merge_leaf(node, low, high, depth)
        index, mask, stranger = self._first_fork(node, low, high)
        if _above(index, mask, node):
            middle = _split(self._changes, low, high, index, mask)
            if _bit(self._changes[stranger][0], index, mask):
                outside = _plant(self._changes, middle, high, depth + 1)
                return _join(index, mask, self.merge(tree, low, middle, depth + 1), outside)
            outside = _plant(self._changes, low, middle, depth + 1)
            return _join(index, mask, outside, self.merge(tree, middle, high, depth + 1))
        middle = _split(self._changes, low, high, node.index, node.mask)
        left = self.merge(Tree(node.left, node.preimage[1:RIGHT]), low, middle, depth + 1)
        right = self.merge(Tree(node.right, node.preimage[RIGHT:]), middle, high, depth + 1)
        if left is not None and right is not None and left.node is node.left and right.node is node.right:
            return tree
        return _join(node.index, node.mask, left, right)

    def _merge_one(self, tree: Tree, at: int, depth: int) -> Tree | None:
        key, value = self._changes[at]
        leaf, branches = _trace(tree.node, self._wide[at])
        old: Node = leaf
        if leaf.key == key:
            if leaf.value == value:
                return tree
            return _replace(branches, old, None if value is None else Tree(Leaf(leaf.key, value), leaf_hash(key, value)))
        if value is None:
            return tree
        index, mask = _fork(key, leaf.key)
        while branches and _above(index, mask, branches[-1]):
            old = branches.pop()
        _check_depth(depth + len(branches) + 1)
        digest = tree.root
        if branches:
            parent = branches[-1]
            digest = parent.preimage[1:RIGHT] if parent.left is old else parent.preimage[RIGHT:]
        inside, outside = Tree(old, digest), Tree(Leaf(key, value), leaf_hash(key, value))
        left, right = (inside, outside) if _bit(key, index, mask) else (outside, inside)
        return _replace(branches, old, _join(index, mask, left, right))

    def _merge_leaf(self, leaf: Leaf, low: int, high: int, depth: int) -> Tree | None:
        changes = list(self._changes[low:high])
        at = bisect_left(changes, leaf.key, key=itemgetter(0))
        if at < len(changes) and changes[at][0] == leaf.key:
            changes[at] = (leaf.key, changes[at][1])
        else:
            changes.insert(at, (leaf.key, leaf.value))
        return _plant(changes, 0, len(changes), depth)

    def _first_fork(self, node: Branch, low: int, high: int) -> tuple[int, int, int]:
        """Return where the slice first leaves the keys below `node`, and which change does.

        Changes are sorted and the keys below a node are one run in that order, so it is the first or the last of the slice.
        """
        first, last = self._fork_of(node, low), self._fork_of(node, high - 1)
        if (first[0], -first[1]) <= (last[0], -last[1]):
            return first[0], first[1], low
        return last[0], last[1], high - 1

    def _fork_of(self, node: Branch, at: int) -> tuple[int, int]:
        """Return where a change leaves the tree; asked at a higher node before, the answer holds here too."""
        fork = self._forks[at]
        if fork is None:
            fork = self._forks[at] = _fork(self._changes[at][0], _nearest(node, self._wide[at]).key)
        return fork
