"""Trees and states behave as dictionaries, their roots depend on contents only, and proofs show exactly what is there."""

from collections.abc import Callable
from hashlib import sha256

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.merkle import critbit
from meshsec_core.kernel.merkle.critbit import Tree
from meshsec_core.kernel.merkle.ics23 import verify_absence, verify_membership, verify_non_membership, verify_value
from meshsec_core.kernel.store.state import State
from meshsec_core.kernel.wire.ics23 import (
    TENDERMINT_SPEC,
    CommitmentProof,
    ExistenceProof,
    NonExistenceProof,
    decode_commitment,
    encode_commitment,
)

KEYS = st.one_of(
    st.text("ab", min_size=1, max_size=6).map(str.encode),
    st.lists(st.sampled_from((b"\x00", b"\x01", b"\x7f", b"\x80", b"\xff")), min_size=1, max_size=4).map(b"".join),
)
"""Few enough to meet again, many of them prefixes of others, all bits at both values."""

VALUES = st.binary(min_size=1, max_size=3)
WRITES = st.dictionaries(KEYS, st.none() | VALUES, max_size=12)
CONTENTS = st.dictionaries(KEYS, VALUES, min_size=1, max_size=20)


def changed(model: dict[bytes, bytes], writes: dict[bytes, bytes | None]) -> dict[bytes, bytes]:
    merged = model | writes
    return {key: value for key, value in merged.items() if value is not None}


def planted(contents: dict[bytes, bytes]) -> Tree:
    tree = critbit.write(None, sorted(contents.items()))
    assert tree is not None
    return tree


def bits(key: bytes) -> str:
    return "".join(f"1{byte:08b}" for byte in key) + "0"


def root_by_definition(contents: dict[str, tuple[bytes, bytes]], at: int = 0) -> bytes:
    """The root of (bits of the key: key, value): nothing but the definition of the tree, with no tree."""
    if not contents:
        return sha256(b"").digest()
    if len(contents) == 1:
        ((key, value),) = contents.values()
        return sha256(b"\x00" + bytes([len(key)]) + key + b"\x20" + sha256(value).digest()).digest()
    zeros = {spelled: entry for spelled, entry in contents.items() if spelled[at] == "0"}
    ones = {spelled: entry for spelled, entry in contents.items() if spelled[at] == "1"}
    if not zeros or not ones:
        return root_by_definition(contents, at + 1)
    return sha256(b"\x01" + root_by_definition(zeros, at + 1) + root_by_definition(ones, at + 1)).digest()


def refused(check: Callable[..., None], *question: object) -> bool:
    try:
        check(*question)
    except Rejected as refusal:
        return refusal.code.startswith(("proof/", "wire/"))
    return False


@given(st.lists(WRITES, max_size=8))
@settings(max_examples=300, deadline=None)
def test_a_tree_is_a_sorted_dictionary_and_its_root_is_that_of_its_contents(history: list[dict[bytes, bytes | None]]) -> None:
    tree: Tree | None = None
    model: dict[bytes, bytes] = {}
    seen = []
    for writes in history:
        tree = critbit.write(tree, sorted(writes.items()))
        model = changed(model, writes)
        seen.append((tree, sorted(model.items())))
        assert critbit.root(tree) == root_by_definition({bits(key): (key, value) for key, value in model.items()})
        assert all(critbit.get(tree, key) == model.get(key) for key in writes)
    for version, contents in seen:
        assert list(critbit.scan(version)) == contents


@given(st.dictionaries(KEYS, VALUES, max_size=20), KEYS)
@settings(max_examples=200, deadline=None)
def test_a_scan_yields_the_keys_from_its_start(contents: dict[bytes, bytes], start: bytes) -> None:
    tree = critbit.write(None, sorted(contents.items()))
    assert list(critbit.scan(tree, start)) == [(key, value) for key, value in sorted(contents.items()) if key >= start]


@given(CONTENTS, st.lists(WRITES, max_size=3), KEYS)
@settings(max_examples=300, deadline=None)
def test_each_key_is_proven_to_be_there_or_not_and_never_the_opposite(
    contents: dict[bytes, bytes], history: list[dict[bytes, bytes | None]], asked: bytes
) -> None:
    tree = planted(contents)
    for writes in history:
        tree = critbit.write(tree, sorted(writes.items())) or tree
    model = dict(critbit.scan(tree))
    for key in (asked, *contents):
        proof = decode_commitment(encode_commitment(critbit.prove(tree, key)))
        there = model.get(key)
        assert isinstance(proof, ExistenceProof if there else NonExistenceProof)
        if there is not None:
            verify_membership(TENDERMINT_SPEC, tree.root, proof, key, there)
            assert refused(verify_membership, TENDERMINT_SPEC, tree.root, proof, key, there + b"x")
            assert refused(verify_non_membership, TENDERMINT_SPEC, tree.root, proof, key)
        else:
            verify_non_membership(TENDERMINT_SPEC, tree.root, proof, key)
            assert refused(verify_membership, TENDERMINT_SPEC, tree.root, proof, key, b"x")
            for present in model:
                assert refused(verify_non_membership, TENDERMINT_SPEC, tree.root, proof, present)


@given(CONTENTS, KEYS)
@settings(max_examples=200, deadline=None)
def test_no_two_leaves_with_a_key_between_them_show_its_absence(contents: dict[bytes, bytes], key: bytes) -> None:
    """A liar may quote any existing leaves as neighbours; with the key there, no pair of them passes."""
    tree = planted(contents | {key: b"there"})
    leaves: list[CommitmentProof | None] = [None, *(critbit.prove(tree, other) for other in contents if other != key)]
    for left in leaves:
        for right in leaves:
            assert not isinstance(left, NonExistenceProof)
            assert not isinstance(right, NonExistenceProof)
            lie = NonExistenceProof(key, left, right)
            assert refused(verify_non_membership, TENDERMINT_SPEC, tree.root, lie, key)


PATHS = st.builds(
    lambda store, rest: f"{store}/{rest}", st.sampled_from(("a", "a-b", "b")), st.text("ab/~", min_size=1, max_size=4)
)


@given(st.lists(st.dictionaries(PATHS, st.none() | VALUES, max_size=8), min_size=1, max_size=5), PATHS, PATHS)
@settings(max_examples=150, deadline=None)
def test_every_height_of_a_state_is_a_dictionary_and_so_it_is_after_a_restart(
    history: list[dict[str, bytes | None]], prefix: str, after: str
) -> None:
    state = State(("b", "a-b", "a"))
    model = {f"{store}/_": b"meshsec" for store in ("a", "a-b", "b")}
    models, undos = [], []
    for height, changes in enumerate(history):
        undos.append(state.commit(height, state.preview(changes)))
        model = {path: value for path, value in (model | changes).items() if value is not None}
        models.append(model)
    reopened = State.open(state.rows(), len(history) - 1, ("a", "b", "a-b"))
    reopened.restore_history(undos[:0:-1])
    for height, contents in enumerate(models):
        assert reopened.app_hash(height) == state.app_hash(height)
        for reader in (state.at(height), reopened.at(height)):
            assert list(reader.scan("")) == sorted(contents.items())
            for front in ("", "a", prefix[:-1]):
                wanted = sorted((p, v) for p, v in contents.items() if p.startswith(front) and p > after)
                assert list(reader.scan(front, after)) == wanted
            assert reader.get(prefix) == contents.get(prefix)
    assert [state.get(path) for path in (prefix, after)] == [model.get(path) for path in (prefix, after)]


@given(st.dictionaries(PATHS, VALUES, max_size=8), PATHS, st.data())
@settings(max_examples=150, deadline=None)
def test_a_proof_with_any_byte_changed_shows_nothing(contents: dict[str, bytes], path: str, data: st.DataObject) -> None:
    """Except in the key that an absence proof quotes, which names no leaf: the gap it shows is the same."""
    state = State(("a", "a-b", "b"))
    state.commit(0, state.preview(contents))
    value, proof = state.prove(path, 0)
    store, _, key = path.partition("/")
    root = state.app_hash(0)

    def check(raw: bytes) -> None:
        if value is None:
            verify_absence(root, store, key.encode(), raw)
        else:
            verify_value(root, store, key.encode(), value, raw)

    check(proof)
    spared = range(0)
    if value is None:
        found = proof.index(b"\x0a" + bytes([len(key)]) + key.encode()) + 2
        spared = range(found, found + len(key))
    for _ in range(5):
        at = data.draw(st.integers(0, len(proof) - 1).filter(lambda at: at not in spared))
        turned = proof[at] ^ data.draw(st.integers(1, 255))
        assert refused(check, proof[:at] + bytes([turned]) + proof[at + 1 :])
    for cut in (proof[:-1], proof + b"\x00", proof + proof, b""):
        assert refused(check, cut)


@given(CONTENTS, st.data())
@settings(max_examples=100, deadline=None)
def test_a_path_with_a_step_left_out_doubled_or_turned_round_is_refused(
    contents: dict[bytes, bytes], data: st.DataObject
) -> None:
    tree = planted(contents | {b"a": b"1", b"b": b"2"})
    key = data.draw(st.sampled_from([key for key, _ in critbit.scan(tree)]))
    proof = critbit.prove(tree, key)
    assert isinstance(proof, ExistenceProof)
    at = data.draw(st.integers(0, len(proof.path) - 1))
    step = proof.path[at]
    turned = (
        msgspec.structs.replace(step, prefix=b"\x01" + step.suffix, suffix=b"")
        if step.suffix
        else msgspec.structs.replace(step, prefix=b"\x01", suffix=step.prefix[1:])
    )
    for path in (
        proof.path[:at] + proof.path[at + 1 :],
        proof.path[: at + 1] + proof.path[at:],
        (*proof.path[:at], turned, *proof.path[at + 1 :]),
    ):
        bent = msgspec.structs.replace(proof, path=path)
        assert refused(verify_membership, TENDERMINT_SPEC, tree.root, bent, key, proof.value)
