"""What a proof must not get away with: each lie, and the code that refuses it."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.merkle.ics23 import (
    IAVL_SPEC,
    NESTED_SPECS,
    SMT_SPEC,
    check,
    check_leaf,
    is_first,
    is_last,
    verify_absence,
    verify_non_membership,
    verify_value,
)
from meshsec_core.kernel.merkle.operations import apply_leaf, calculate, hashed
from meshsec_core.kernel.store.state import State
from meshsec_core.kernel.wire.ics23 import (
    TENDERMINT_SPEC,
    CommitmentProof,
    ExistenceProof,
    InnerOp,
    LeafOp,
    MerkleProof,
    NonExistenceProof,
    ProofSpec,
)
from meshsec_core.kernel.wire.proto import decode, encode

STATE = State(("auth", "bank", "ibc"))
STATE.commit(0, STATE.preview({f"bank/{key}": key.encode() for key in ("a", "b", "c", "d", "e", "f", "g", "h")}))
ROOT = STATE.app_hash(0)


def levels(path: str) -> tuple[CommitmentProof, CommitmentProof]:
    inner, outer = decode(MerkleProof, STATE.prove(path, 0)[1]).proofs
    return inner, outer


def existing(key: str) -> ExistenceProof:
    proof = levels(f"bank/{key}")[0]
    assert isinstance(proof, ExistenceProof)
    return proof


def absent(key: str) -> NonExistenceProof:
    proof = levels(f"bank/{key}")[0]
    assert isinstance(proof, NonExistenceProof)
    return proof


OUTER = levels("bank/a")[1]
assert isinstance(OUTER, ExistenceProof)
D = existing("d")
GAP = absent("dd")
STEP = D.path[0]


def bent(inner: CommitmentProof, outer: CommitmentProof = OUTER) -> bytes:
    return encode(MerkleProof((inner, outer)))


def refusal_of(function: Callable[..., object], *question: object) -> str:
    """The code with which a question is refused, or nothing."""
    try:
        function(*question)
    except Rejected as refusal:
        return refusal.code
    return ""


def test_the_truth_is_accepted() -> None:
    verify_value(ROOT, "bank", b"d", b"d", bent(D))
    verify_absence(ROOT, "bank", b"dd", bent(GAP))
    verify_absence(ROOT, "bank", b"ddd", bent(GAP))


@pytest.mark.parametrize(
    ("proof", "code"),
    [
        pytest.param(bent(GAP), "proof/wrong-kind", id="absence for existence"),
        pytest.param(bent(existing("e")), "proof/wrong-key", id="another key"),
        pytest.param(bent(replace(D, key=b"e", value=b"d")), "proof/wrong-key", id="another key's name"),
        pytest.param(bent(replace(D, value=b"e")), "proof/wrong-value", id="another value"),
        pytest.param(bent(D, levels("auth/a")[1]), "proof/wrong-key", id="another store"),
        pytest.param(bent(D, GAP), "proof/wrong-kind", id="absence of the store"),
        pytest.param(bent(D, replace(OUTER, value=bytes(32))), "proof/wrong-value", id="another root of the store"),
        pytest.param(bent(D, replace(OUTER, path=OUTER.path[:-1])), "proof/wrong-root", id="store without its last step"),
        pytest.param(bent(replace(D, path=D.path[1:])), "proof/wrong-value", id="key without its first step"),
        pytest.param(bent(replace(D, leaf=LeafOp(1, 0, 0, 1, b"\x00"))), "proof/bad-leaf", id="value not hashed"),
        pytest.param(bent(replace(D, leaf=LeafOp(1, 0, 1, 1, b"\x01"))), "proof/bad-leaf", id="leaf as a branch"),
        pytest.param(bent(replace(D, path=(replace(STEP, prefix=b"\x00"),))), "proof/bad-step", id="branch as a leaf"),
        pytest.param(bent(replace(D, path=(replace(STEP, hash=2),))), "proof/bad-step", id="another hash"),
        pytest.param(bent(replace(D, path=(InnerOp(1, b"", bytes(32)),))), "proof/bad-step", id="no prefix"),
        pytest.param(bent(replace(D, path=(InnerOp(1, b"\x01" + bytes(33)),))), "proof/bad-step", id="long prefix"),
        pytest.param(bent(replace(D, path=(InnerOp(1, b"\x01", bytes(31)),))), "proof/bad-step", id="short suffix"),
        pytest.param(bent(replace(D, path=(STEP,) * 129)), "proof/bad-depth", id="129 steps"),
        pytest.param(bent(replace(D, path=(STEP,) * 128)), "proof/wrong-value", id="128 steps"),
        pytest.param(encode(MerkleProof((D,))), "proof/wrong-levels", id="one level"),
        pytest.param(encode(MerkleProof((D, OUTER, OUTER))), "proof/wrong-levels", id="three levels"),
        pytest.param(encode(MerkleProof(())), "proof/wrong-levels", id="nothing"),
        pytest.param(b"\x0a", "wire/truncated", id="no proof at all"),
    ],
)
def test_a_false_proof_of_a_value_is_refused(proof: bytes, code: str) -> None:
    assert refusal_of(verify_value, ROOT, "bank", b"d", b"d", proof) == code


@pytest.mark.parametrize(
    ("key", "proof", "code"),
    [
        pytest.param(b"dd", bent(D), "proof/wrong-kind", id="existence for absence"),
        pytest.param(b"d", bent(GAP), "proof/out-of-order", id="left neighbour"),
        pytest.param(b"e", bent(GAP), "proof/out-of-order", id="right neighbour"),
        pytest.param(b"f", bent(GAP), "proof/out-of-order", id="beyond the gap"),
        pytest.param(b"d", bent(NonExistenceProof(b"d", existing("c"), existing("e"))), "proof/not-neighbours", id="passed over"),
        pytest.param(b"d", bent(NonExistenceProof(b"d", existing("a"), existing("h"))), "proof/not-neighbours", id="far apart"),
        pytest.param(b"d", bent(NonExistenceProof(b"d", existing("c"), None)), "proof/not-neighbours", id="no right neighbour"),
        pytest.param(b"d", bent(NonExistenceProof(b"d", None, existing("e"))), "proof/not-neighbours", id="no left neighbour"),
        pytest.param(b"dd", bent(replace(GAP, right=None)), "proof/not-neighbours", id="left out"),
        pytest.param(b"dd", bent(NonExistenceProof(b"dd", GAP.right, GAP.left)), "proof/out-of-order", id="exchanged"),
        pytest.param(b"dd", bent(NonExistenceProof(b"dd", None, None)), "proof/empty", id="no neighbour"),
        pytest.param(b"dd", bent(replace(GAP, right=replace(existing("e"), value=b"x"))), "proof/wrong-root", id="two trees"),
        pytest.param(b"dd", bent(GAP, levels("auth/a")[1]), "proof/wrong-key", id="another store"),
        pytest.param(b"dd", bent(replace(GAP, left=replace(D, leaf=LeafOp()))), "proof/bad-leaf", id="bent neighbour"),
    ],
)
def test_a_false_proof_of_absence_is_refused(key: bytes, proof: bytes, code: str) -> None:
    assert refusal_of(verify_absence, ROOT, "bank", key, proof) == code


def test_two_leaves_under_one_path_are_no_neighbours() -> None:
    """A path that begins where the other ends, or is the other, parts nowhere."""
    same = NonExistenceProof(b"dd", D, replace(D, key=b"e"))
    assert refusal_of(verify_absence, ROOT, "bank", b"dd", bent(same)) == "proof/wrong-root"
    alone = State(["ibc"])
    alone.commit(0, alone.preview({}))
    _, raw = alone.prove("ibc/a", 0)
    inner, outer = decode(MerkleProof, raw).proofs
    assert isinstance(inner, NonExistenceProof)
    twice = NonExistenceProof(b"_", inner.left, inner.left)
    assert refusal_of(verify_absence, alone.app_hash(0), "ibc", b"_", bent(twice, outer)) == "proof/out-of-order"


def test_leaves_that_lie_in_the_wrong_order_show_no_gap() -> None:
    """Given a hand-made tree with `b` left of `a`: their paths part in the wrong direction."""
    hashes = {key: apply_leaf(TENDERMINT_SPEC.leaf_spec, key, b"v") for key in (b"a", b"b")}
    left = ExistenceProof(b"a", b"v", TENDERMINT_SPEC.leaf_spec, (InnerOp(1, b"\x01" + hashes[b"b"]),))
    right = ExistenceProof(b"b", b"v", TENDERMINT_SPEC.leaf_spec, (InnerOp(1, b"\x01", hashes[b"a"]),))
    assert calculate(left) == calculate(right)
    lie = NonExistenceProof(b"aa", left, right)
    assert refusal_of(verify_non_membership, TENDERMINT_SPEC, calculate(left), lie, b"aa") == "proof/not-neighbours"


def leaf_of(key: bytes, spec: ProofSpec = TENDERMINT_SPEC) -> bytes:
    return apply_leaf(spec.leaf_spec, key, b"v")


def under(key: bytes, *steps: InnerOp, spec: ProofSpec = TENDERMINT_SPEC) -> ExistenceProof:
    return ExistenceProof(key, b"v", spec.leaf_spec, steps)


def gap(left: ExistenceProof, right: ExistenceProof, key: bytes, spec: ProofSpec = TENDERMINT_SPEC) -> str:
    """The code with which two leaves of one tree are refused as the neighbours of a key."""
    assert calculate(left) == calculate(right)
    return refusal_of(verify_non_membership, spec, calculate(left), NonExistenceProof(key, left, right), key)


def test_a_key_right_below_where_two_paths_part_is_not_passed_over() -> None:
    """Given the tree ((a b)(c d))
    Then b and c are neighbours, and neither a and c nor b and d are
    """
    a, b, c, d = (leaf_of(key) for key in (b"a", b"b", b"c", b"d"))
    left, right = hashed(1, b"\x01" + a + b), hashed(1, b"\x01" + c + d)
    first, second = InnerOp(1, b"\x01", right), InnerOp(1, b"\x01" + left)
    on_a, on_b = under(b"a", InnerOp(1, b"\x01", b), first), under(b"b", InnerOp(1, b"\x01" + a), first)
    on_c, on_d = under(b"c", InnerOp(1, b"\x01", d), second), under(b"d", InnerOp(1, b"\x01" + c), second)

    assert gap(on_b, on_c, b"bb") == ""
    assert gap(on_a, on_c, b"b") == "proof/not-neighbours"
    assert gap(on_b, on_d, b"c") == "proof/not-neighbours"


def test_a_branch_with_three_children_hides_none_of_them() -> None:
    """Given a spec with room for it, a branch over a, b and c, and one in which the second child comes before the first."""
    spec = replace(TENDERMINT_SPEC, inner_spec=replace(TENDERMINT_SPEC.inner_spec, max_prefix_length=65))
    a, b, c = (leaf_of(key) for key in (b"a", b"b", b"c"))

    assert gap(under(b"a", InnerOp(1, b"\x01", b + c)), under(b"c", InnerOp(1, b"\x01" + a + b)), b"b", spec) == (
        "proof/not-neighbours"
    )
    turned = gap(under(b"a", InnerOp(1, b"\x01" + c, b)), under(b"c", InnerOp(1, b"\x01", a + b)), b"b", spec)
    assert turned == "proof/not-neighbours"


def test_neighbours_may_each_lie_beside_an_empty_child() -> None:
    spec = replace(SMT_SPEC, prehash_key_before_comparison=False)
    empty = InnerOp(1, b"\x01", bytes(32))
    left, right = (hashed(1, b"\x01" + leaf_of(key, spec) + bytes(32)) for key in (b"a", b"c"))
    on_a = under(b"a", empty, InnerOp(1, b"\x01", right), spec=spec)
    on_c = under(b"c", empty, InnerOp(1, b"\x01" + left), spec=spec)

    assert gap(on_a, on_c, b"b", spec) == ""


@pytest.mark.parametrize("spec", [TENDERMINT_SPEC, SMT_SPEC])
@pytest.mark.parametrize("other", [bytes(32), b"x" * 32])
def test_a_middle_child_is_at_no_edge(spec: ProofSpec, other: bytes) -> None:
    for step in (InnerOp(1, b"\x01" + other, other), InnerOp(1, b"\x01", other + other)):
        assert (is_first(spec.inner_spec, step), is_last(spec.inner_spec, step)) == (False, False)


@pytest.mark.parametrize("first", [True, False])
def test_a_branch_that_is_read_as_a_leaf_is_no_neighbour_of_what_is_below_it(first: bool) -> None:
    """Given a spec whose leaves begin 00 01, whose branches begin 00, and a child whose hash begins 01"""
    spec = replace(TENDERMINT_SPEC, leaf_spec=LeafOp(1, 0, 0, 0, b"\x00\x01"))
    names = (bytes([0 if first else 255, number >> 8, number & 255]) for number in range(65536))
    child = next(name for name in names if leaf_of(name, spec)[0] == 1)
    below = under(child, InnerOp(1, b"\x00", bytes(32)), spec=spec)
    text = leaf_of(child, spec)[1:] + bytes(32)
    above = ExistenceProof(text[:8], text[8:], spec.leaf_spec)

    left, right = (below, above) if first else (above, below)
    assert gap(left, right, left.key + b"\x00", spec) == "proof/not-neighbours"


def test_one_leaf_read_in_two_ways_shows_no_gap() -> None:
    """Under a spec that puts no lengths in front, `a`=`bc` and `ab`=`c` are one leaf."""
    spec = replace(TENDERMINT_SPEC, leaf_spec=LeafOp(1, 0, 0, 0, b"\x00"))
    left = ExistenceProof(b"a", b"bc", spec.leaf_spec, D.path)
    right = ExistenceProof(b"ab", b"c", spec.leaf_spec, D.path)
    assert calculate(left) == calculate(right)
    lie = NonExistenceProof(b"aa", left, right)
    assert refusal_of(verify_non_membership, spec, calculate(left), lie, b"aa") == "proof/not-neighbours"


def test_a_proof_that_is_cut_anywhere_is_refused_or_is_a_shorter_proof_in_its_one_spelling() -> None:
    for proof in (D, existing("e"), OUTER):
        raw = encode(proof)
        shorter = 0
        for size in range(len(raw)):
            try:
                found = decode(ExistenceProof, raw[:size])
            except Rejected:
                continue
            assert encode(found) == raw[:size]
            assert found.path == proof.path[: len(found.path)] != proof.path
            shorter += 1
        assert shorter == len(proof.path)


def test_a_proof_is_checked_by_the_specs_that_are_handed_in() -> None:
    assert refusal_of(verify_value, ROOT, "bank", b"d", b"d", bent(D), NESTED_SPECS) == ""
    assert refusal_of(verify_value, ROOT, "bank", b"d", b"d", bent(D), (IAVL_SPEC, TENDERMINT_SPEC)) == "proof/bad-leaf"
    assert refusal_of(verify_value, ROOT, "bank", b"d", b"d", bent(D), (TENDERMINT_SPEC, IAVL_SPEC)) == "proof/bad-leaf"
    for specs in ((IAVL_SPEC, TENDERMINT_SPEC), (TENDERMINT_SPEC, IAVL_SPEC)):
        assert refusal_of(verify_absence, ROOT, "bank", b"dd", bent(GAP), specs) == "proof/bad-leaf"
    shallow = replace(TENDERMINT_SPEC, max_depth=1)
    assert refusal_of(verify_value, ROOT, "bank", b"d", b"d", bent(D), (shallow, TENDERMINT_SPEC)) == "proof/bad-depth"
    for order in ((1, 0), (0, 1, 2)):
        odd = replace(TENDERMINT_SPEC, inner_spec=replace(TENDERMINT_SPEC.inner_spec, child_order=order))
        assert refusal_of(check, odd, D) == "proof/unsupported"
    empty = replace(TENDERMINT_SPEC, inner_spec=replace(TENDERMINT_SPEC.inner_spec, child_size=0))
    assert refusal_of(check, empty, D) == "proof/unsupported"
    small = replace(TENDERMINT_SPEC, inner_spec=replace(TENDERMINT_SPEC.inner_spec, child_size=1))
    assert refusal_of(check, small, replace(D, path=())) == ""


def test_an_operation_that_is_not_offered_is_refused() -> None:
    assert refusal_of(hashed, 0, b"x") == "proof/unsupported"
    assert refusal_of(apply_leaf, LeafOp(hash=1, length=2), b"k", b"v") == "proof/unsupported"
    assert refusal_of(apply_leaf, LeafOp(hash=1, length=7), b"k", b"v") == "proof/wrong-size"
    assert refusal_of(apply_leaf, LeafOp(1, 1, 1, 8), b"k", b"v") == "proof/wrong-size"
    assert apply_leaf(LeafOp(1, 1, 1, 7), b"k", b"v") == apply_leaf(LeafOp(1, 1, 1, 0), b"k", b"v")


@pytest.mark.parametrize(
    ("steps", "accepted"),
    [
        (["02040220"], True),
        (["02040220", "04060220"], True),
        (["02040220", "02060220"], False),
        (["04040220", "04060220"], True),
        (["00040220"], False),
        (["0204022020"], False),
        (["020402"], False),
        (["02048080"], False),
        (["02040220" + "00" * 32 + "20"], True),
        (["02040220" + "00" * 32], False),
    ],
)
def test_a_step_of_an_iavl_path_is_as_high_as_it_lies_and_quotes_whole_children(steps: list[str], accepted: bool) -> None:
    leaf = replace(IAVL_SPEC.leaf_spec, prefix=bytes.fromhex("000202"))
    path = tuple(InnerOp(1, bytes.fromhex(prefix)) for prefix in steps)
    assert refusal_of(check, IAVL_SPEC, ExistenceProof(b"k", b"v", leaf, path)) == ("" if accepted else "proof/bad-step")


@pytest.mark.parametrize(
    ("prefix", "accepted"),
    [
        ("020402", True),
        ("000000", True),
        ("0204", False),
        ("010402", False),
        ("020302", False),
        ("020401", False),
        ("02040200", False),
        ("028402", False),
    ],
)
def test_the_prefix_of_an_iavl_leaf_is_three_numbers_and_nothing_else(prefix: str, accepted: bool) -> None:
    spec = replace(IAVL_SPEC, leaf_spec=replace(IAVL_SPEC.leaf_spec, prefix=b""))
    proof = ExistenceProof(b"k", b"v", replace(IAVL_SPEC.leaf_spec, prefix=bytes.fromhex(prefix)))
    assert refusal_of(check, spec, proof) == ("" if accepted else "proof/bad-leaf")


@pytest.mark.parametrize(
    "changes",
    [{"child_size": 32}, {"min_prefix_length": 3}, {"max_prefix_length": 13}, {"hash": 2}, {"child_order": (0, 1, 2)}],
)
def test_only_leaves_of_iavl_trees_must_begin_with_three_numbers(changes: dict[str, object]) -> None:
    assert refusal_of(check_leaf, IAVL_SPEC, IAVL_SPEC.leaf_spec) == "proof/bad-leaf"
    other = replace(IAVL_SPEC, inner_spec=replace(IAVL_SPEC.inner_spec, **changes))
    assert refusal_of(check_leaf, other, other.leaf_spec) == ""
    other = replace(IAVL_SPEC, leaf_spec=replace(IAVL_SPEC.leaf_spec, length=0))
    assert refusal_of(check_leaf, other, other.leaf_spec) == ""
