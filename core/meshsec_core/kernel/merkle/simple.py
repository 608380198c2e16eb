"""A small sorted map under one root: the names of the stores and the roots of their trees.

The tree is RFC 6962's, whose left part is the largest power of two below its size; leaves hash as in the stores' trees. So a
proof in it has the form of the Cosmos SDK's multistore proofs. Names are fixed when the map is made; replacing values makes a map
that shares the parts without changes.

Source: RFC 6962 §2.1; cosmos/ics23, `TendermintSpec`.
"""

from collections.abc import Mapping, Sequence
from hashlib import sha256

import msgspec

from meshsec_core.kernel.errors import InvariantViolated
from meshsec_core.kernel.merkle.critbit import RIGHT, leaf_hash
from meshsec_core.kernel.wire.ics23 import HASH_SHA256, TENDERMINT_SPEC, ExistenceProof, InnerOp


class _Span(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A run of neighbouring leaves."""

    digest: bytes
    preimage: bytes = b""
    """01 ‖ digest of the left part ‖ digest of the right part; empty for a single leaf."""
    left: "_Span | None" = None
    right: "_Span | None" = None


class SimpleMap(msgspec.Struct, frozen=True, eq=False, gc=False):
    """An immutable map from names to non-empty values; `build` makes one."""

    names: tuple[str, ...]
    values: tuple[bytes, ...]
    span: _Span

    @property
    def root(self) -> bytes:
        """The hash over all names and values."""
        return self.span.digest

    def replace(self, changes: Mapping[str, bytes]) -> "SimpleMap":
        """Return the map with other values under some of its names.

        Raises:
            InvariantViolated: a name is not in the map, or a value is empty.
        """
        if not all(name in self.names and value for name, value in changes.items()):
            raise InvariantViolated("the names of a map are fixed, and its values are not empty")
        values = tuple([changes.get(name, value) for name, value in zip(self.names, self.values, strict=True)])
        leaves = {at: leaf_hash(name.encode(), changes[name]) for at, name in enumerate(self.names) if name in changes}
        return SimpleMap(self.names, values, _rebuild(self.span, leaves, 0, len(values)))

    def prove(self, name: str) -> ExistenceProof:
        """Prove the value of a name.

        Raises:
            InvariantViolated: the name is not in the map.
        """
        if name not in self.names:
            raise InvariantViolated(f"no {name!r} in the map")
        place = at = self.names.index(name)
        span: _Span | None = self.span
        size = len(self.names)
        steps: list[InnerOp] = []
        while span is not None and size > 1:
            middle = _middle(size)
            if at < middle:
                steps.append(InnerOp(HASH_SHA256, b"\x01", span.preimage[RIGHT:]))
                span, size = span.left, middle
            else:
                steps.append(InnerOp(HASH_SHA256, span.preimage[:RIGHT]))
                span, at, size = span.right, at - middle, size - middle
        return ExistenceProof(name.encode(), self.values[place], TENDERMINT_SPEC.leaf_spec, tuple(reversed(steps)))


def build(values: Mapping[str, bytes]) -> SimpleMap:
    """Make the map of one or more names.

    Raises:
        InvariantViolated: there is none, or a name or value is empty: ICS-23 could not prove it.
    """
    names = tuple(sorted(values, key=str.encode))
    if not names or not all(name and values[name] for name in names):
        raise InvariantViolated("a map needs names and values, none of them empty")
    ordered = tuple([values[name] for name in names])
    hashes = [leaf_hash(name.encode(), value) for name, value in zip(names, ordered, strict=True)]
    return SimpleMap(names, ordered, _build(hashes))


def _middle(size: int) -> int:
    """Return the largest power of two below a size of two or more."""
    return 1 << ((size - 1).bit_length() - 1)


def _over(left: _Span, right: _Span) -> _Span:
    preimage = b"\x01" + left.digest + right.digest
    return _Span(sha256(preimage).digest(), preimage, left, right)


def _build(hashes: Sequence[bytes]) -> _Span:
    if len(hashes) == 1:
        return _Span(hashes[0])
    middle = _middle(len(hashes))
    return _over(_build(hashes[:middle]), _build(hashes[middle:]))


def _rebuild(span: _Span, leaves: Mapping[int, bytes], low: int, high: int) -> _Span:
    """Return the span of positions [low, high) with new hashes at some; parts without any are shared."""
    if not any(low <= at < high for at in leaves):
        return span
    if span.left is None or span.right is None:
        return _Span(leaves[low])
    middle = low + _middle(high - low)
    return _over(_rebuild(span.left, leaves, low, middle), _rebuild(span.right, leaves, middle, high))
