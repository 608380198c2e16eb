"""The crit-bit tree and the map of stores, against hashes put together by hand."""

from hashlib import sha256
from itertools import chain, combinations, product

import pytest

from meshsec_core.kernel.errors import InvariantViolated
from meshsec_core.kernel.merkle import critbit, simple
from meshsec_core.kernel.merkle.critbit import Change, Leaf, Node, Tree
from meshsec_core.kernel.merkle.ics23 import verify_membership, verify_non_membership
from meshsec_core.kernel.wire.ics23 import TENDERMINT_SPEC, ExistenceProof, NonExistenceProof


def h(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()


def leaf(key: bytes, value: bytes) -> bytes:
    return h(b"\x00", bytes([len(key)]), key, b"\x20", h(value))


def branch(left: bytes, right: bytes) -> bytes:
    return h(b"\x01", left, right)


def tree_of(**values: bytes) -> Tree:
    tree = critbit.write(None, sorted((key.encode(), value) for key, value in values.items()))
    assert tree is not None
    return tree


def shape(node: Node) -> tuple[object, ...]:
    """Everything that a node says, and all below it."""
    if isinstance(node, Leaf):
        return node.key, node.value
    return node.index, node.mask, node.preimage, shape(node.left), shape(node.right)


def same(one: Tree | None, other: Tree | None) -> bool:
    if one is None or other is None:
        return one is other
    return (one.root, shape(one.node)) == (other.root, shape(other.node))


def test_the_root_of_no_keys_is_the_hash_of_nothing() -> None:
    assert critbit.write(None, []) is None
    assert critbit.root(None).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert critbit.get(None, b"a") is None
    assert list(critbit.scan(None)) == []


def test_the_root_of_one_key_is_its_leaf() -> None:
    assert tree_of(_=b"meshsec").root == leaf(b"_", b"meshsec")
    assert leaf(b"_", b"meshsec").hex() == "c2b64d8f35a5e64ddf3d8e9553c81b368c79f3deae4205f3d6f25c6141311ed3"


def test_keys_part_at_their_first_differing_bit_and_a_prefix_goes_left_of_its_extensions() -> None:
    """a = 61, b = 62: they differ in the seventh bit, and `a` and `ab` only in that `a` ends."""
    tree = tree_of(a=b"1", ab=b"2", b=b"3")
    assert tree.root == branch(branch(leaf(b"a", b"1"), leaf(b"ab", b"2")), leaf(b"b", b"3"))


def test_a_key_is_not_the_same_as_that_key_with_a_zero_byte() -> None:
    tree = critbit.write(None, [(b"a", b"1"), (b"a\x00", b"2"), (b"a\x00\x00", b"3")])
    a, b, c = leaf(b"a", b"1"), leaf(b"a\x00", b"2"), leaf(b"a\x00\x00", b"3")
    assert critbit.root(tree) == branch(a, branch(b, c))
    assert [critbit.get(tree, key) for key in (b"a", b"a\x00", b"a\x00\x00", b"a\x00\x00\x00", b"")] == [
        b"1",
        b"2",
        b"3",
        None,
        None,
    ]


def test_a_key_of_128_bytes_or_more_has_a_length_of_two_bytes() -> None:
    key = b"k" * 300
    tree = critbit.write(None, [(key, b"v")])
    assert critbit.root(tree) == h(b"\x00\xac\x02", key, b"\x20", h(b"v"))


def test_a_write_leaves_the_older_tree_readable() -> None:
    older = tree_of(a=b"1", b=b"2", c=b"3")
    newer = critbit.write(older, [(b"a", None), (b"b", b"22"), (b"d", b"4")])
    assert list(critbit.scan(older)) == [(b"a", b"1"), (b"b", b"2"), (b"c", b"3")]
    assert list(critbit.scan(newer)) == [(b"b", b"22"), (b"c", b"3"), (b"d", b"4")]


def test_a_tree_shares_what_a_write_did_not_touch() -> None:
    older = tree_of(a=b"1", b=b"2", p=b"3", q=b"4")
    newer = critbit.write(older, [(b"a", b"11")])
    assert newer is not None
    assert isinstance(older.node, critbit.Branch)
    assert isinstance(newer.node, critbit.Branch)
    assert newer.node.right is older.node.right


def test_changes_that_change_nothing_give_the_same_tree() -> None:
    tree = tree_of(a=b"1", b=b"2", c=b"3", d=b"4")
    assert critbit.write(tree, []) is tree
    assert critbit.write(tree, [(b"b", b"2")]) is tree
    assert critbit.write(tree, [(b"aa", None)]) is tree
    assert critbit.write(tree, [(b"aa", None), (b"c", b"3"), (b"x", None)]) is tree


def test_a_new_value_keeps_the_key_that_all_versions_share() -> None:
    old, new = b"shared key", b"".join([b"shared ", b"key"])
    tree = critbit.write(critbit.write(None, [(old, b"1")]), [(new, b"2")])
    assert tree is not None
    assert isinstance(tree.node, Leaf)
    assert tree.node.key is old
    tree = critbit.write(tree, [(new, b"3"), (b"t", b"4")])
    assert next(key for key, _ in critbit.scan(tree)) is old


def test_removing_all_keys_gives_the_empty_tree() -> None:
    tree = tree_of(a=b"1", ab=b"2")
    assert critbit.write(tree, [(b"a", None), (b"ab", None), (b"c", None)]) is None
    assert critbit.write(critbit.write(tree, [(b"a", None)]), [(b"ab", None)]) is None


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param([(b"b", b"1"), (b"a", b"1")], id="out of order"),
        pytest.param([(b"a", b"1"), (b"a", b"2")], id="twice"),
        pytest.param([(b"", b"1")], id="empty key"),
        pytest.param([(b"a", b"")], id="empty value"),
    ],
)
def test_a_write_set_that_cannot_be_proven_or_is_not_sorted_is_a_bug(changes: list[tuple[bytes, bytes | None]]) -> None:
    for tree in (None, tree_of(x=b"1")):
        with pytest.raises(InvariantViolated):
            critbit.write(tree, changes)


def test_a_leaf_may_lie_under_120_branches_and_is_proven_there_but_not_under_more() -> None:
    chain = [(b"a" * length, b"v") for length in range(1, 123)]
    for keys in (chain[:121], chain[:1] + chain[2:122]):
        tree = critbit.write(None, keys)
        assert tree is not None
        proof = critbit.prove(tree, keys[-1][0])
        assert isinstance(proof, ExistenceProof)
        assert len(proof.path) == 120
        verify_membership(TENDERMINT_SPEC, tree.root, proof, *keys[-1])
    with pytest.raises(InvariantViolated):
        critbit.write(None, chain)
    deep = critbit.write(None, chain[:121])
    for more in ([chain[121]], [(b"0", b"v"), chain[121]]):
        with pytest.raises(InvariantViolated):
            critbit.write(deep, more)


@pytest.mark.parametrize(
    "universe",
    [
        pytest.param((b"a", b"a\x00", b"ab", b"b", b"q"), id="prefixes"),
        pytest.param((b"\x00", b"\x01", b"\x03", b"\x7f", b"\x80"), id="bits"),
        pytest.param((b"a1", b"a2", b"b1", b"b2", b"b3"), id="halves"),
        pytest.param((b"\x10", b"\x50\x01", b"\x50\x02", b"\x58", b"\xd0"), id="one byte"),
    ],
)
def test_every_batch_on_every_tree_of_five_keys_gives_the_one_tree_of_its_contents(universe: tuple[bytes, ...]) -> None:
    """Whatever was there, whatever is set or removed: all 32 trees, all 243 batches."""
    planted: dict[tuple[tuple[bytes, bytes], ...], Tree | None] = {}
    for contents in product((None, b"1", b"2"), repeat=5):
        entries = tuple((key, value) for key, value in zip(universe, contents, strict=True) if value is not None)
        planted[entries] = critbit.write(None, entries)
    for present in chain.from_iterable(combinations(universe, size) for size in range(6)):
        before = tuple((key, b"1") for key in present)
        for changes in product(("keep", None, b"2"), repeat=5):
            batch: list[Change] = [
                (key, value) for key, value in zip(universe, changes, strict=True) if not isinstance(value, str)
            ]
            after = tuple(sorted((key, value) for key, value in (dict(before) | dict(batch)).items() if value is not None))
            written = critbit.write(planted[before], batch)
            assert same(written, planted[after]), (before, batch)


LEFT_CHAIN = [(b"\x00" * zeros + b"\x01", b"v") for zeros in reversed(range(122))]
RIGHT_CHAIN = [(b"a" * length, b"v") for length in range(1, 123)]


@pytest.mark.parametrize("deep", [pytest.param(LEFT_CHAIN, id="left"), pytest.param(RIGHT_CHAIN, id="right")])
@pytest.mark.parametrize("size", [1, 2, 3, 60, 119])
def test_however_a_leaf_comes_under_120_branches_one_more_is_refused(deep: list[tuple[bytes, bytes]], size: int) -> None:
    """The deepest leaf, and others at every height above it, come in one batch."""
    for keys, allowed in ((deep[:120] + deep[121:], True), (deep, False)):
        end = 0 if deep is LEFT_CHAIN else len(keys) - 1
        for at in range(0, len(keys) - size, 7):
            batch = sorted({keys[end], *keys[at : at + size]})
            before = critbit.write(None, [entry for entry in keys if entry not in batch][:121])
            if allowed:
                assert same(critbit.write(before, batch), critbit.write(None, keys))
            else:
                with pytest.raises(InvariantViolated):
                    critbit.write(before, batch)


@pytest.mark.parametrize("inside", [(b"\x00\x00", b"\x00\x01"), (b"z1", b"z2")])
def test_a_chain_that_leaves_a_tree_at_its_top_may_have_119_branches(inside: tuple[bytes, bytes]) -> None:
    before = critbit.write(None, [(key, b"v") for key in inside])
    for more in ([], [(inside[0] + b"x", b"v")]):
        for deep in (RIGHT_CHAIN, [(b"a" + key, value) for key, value in LEFT_CHAIN]):
            allowed = sorted(deep[:120] + more)
            assert same(critbit.write(before, allowed), critbit.write(None, sorted([*allowed, *((key, b"v") for key in inside)])))
            with pytest.raises(InvariantViolated):
                critbit.write(before, sorted(deep[:121] + more))


def test_a_scan_starts_at_the_first_key_that_is_not_below_the_start() -> None:
    tree = tree_of(**{f"k{number:05d}": b"v" for number in range(2000)})
    starts = (b"", b"k01000", b"k01000/", b"k019", b"k02")
    first = [next(critbit.scan(tree, start), None) for start in starts]
    assert first == [(b"k00000", b"v"), (b"k01000", b"v"), (b"k01001", b"v"), (b"k01900", b"v"), None]


def test_a_scan_does_not_walk_the_keys_before_its_start() -> None:
    """The left half of the tree is exchanged for something that cannot be read."""
    node = tree_of(a=b"1", b=b"2", p=b"3", q=b"4").node
    assert isinstance(node, critbit.Branch)
    half = critbit.Branch(node.index, node.mask, object(), node.right, node.preimage)  # type: ignore[arg-type]
    assert list(critbit.scan(Tree(half, b""), b"p")) == [(b"p", b"3"), (b"q", b"4")]
    assert list(critbit.scan(Tree(half, b""), b"pp")) == [(b"q", b"4")]


def test_absence_is_proven_by_both_neighbours_or_by_the_one_at_an_edge() -> None:
    tree = tree_of(b=b"1", d=b"2", db=b"3", f=b"4")
    neighbours = {}
    for key in (b"a", b"c", b"da", b"dc", b"e", b"g", b"fa"):
        proof = critbit.prove(tree, key)
        assert isinstance(proof, NonExistenceProof)
        verify_non_membership(TENDERMINT_SPEC, tree.root, proof, key)
        neighbours[key] = tuple(side.key if side else None for side in (proof.left, proof.right))
    assert neighbours == {
        b"a": (None, b"b"),
        b"c": (b"b", b"d"),
        b"da": (b"d", b"db"),
        b"dc": (b"db", b"f"),
        b"e": (b"db", b"f"),
        b"g": (b"f", None),
        b"fa": (b"f", None),
    }


def test_the_map_of_five_stores_puts_four_on_the_left() -> None:
    roots = {name: h(name.encode()) for name in ("bank", "auth", "mint", "ibc", "mesh")}
    a, b, i, m, t = (leaf(name.encode(), roots[name]) for name in ("auth", "bank", "ibc", "mesh", "mint"))
    stores = simple.build(roots)
    assert stores.names == ("auth", "bank", "ibc", "mesh", "mint")
    assert stores.root == branch(branch(branch(a, b), branch(i, m)), t)


@pytest.mark.parametrize("size", range(1, 18))
def test_a_map_with_replaced_values_is_the_map_built_of_them(size: int) -> None:
    values = {f"s{number:02d}": h(bytes([number])) for number in range(size)}
    stores = simple.build(values)
    for name in values:
        changes = {name: b"new", "s00": b"first"}
        assert stores.replace(changes).root == simple.build(values | changes).root
        verify_membership(TENDERMINT_SPEC, stores.root, stores.prove(name), name.encode(), values[name])
    assert stores.replace({}).root == stores.root
    assert stores.root == simple.build(values).root


def test_a_map_refuses_names_it_was_not_made_with_and_what_cannot_be_proven() -> None:
    stores = simple.build({"bank": b"1"})
    with pytest.raises(InvariantViolated):
        stores.replace({"mint": b"1"})
    with pytest.raises(InvariantViolated):
        stores.replace({"bank": b""})
    with pytest.raises(InvariantViolated):
        stores.prove("mint")
    for values in ({}, {"": b"1"}, {"bank": b""}, {"bank": b"1", "mint": b""}, {"": b"1", "bank": b"1"}):
        with pytest.raises(InvariantViolated):
            simple.build(values)
