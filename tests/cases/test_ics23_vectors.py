"""ICS-23's published vectors: whole proofs, and each operation and check on its own."""

from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest

from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.merkle.ics23 import (
    IAVL_SPEC,
    SMT_SPEC,
    check,
    check_leaf,
    is_first,
    is_last,
    verify_membership,
    verify_non_membership,
)
from meshsec_core.kernel.merkle.operations import apply_leaf, apply_step, calculate, hashed
from meshsec_core.kernel.wire.ics23 import (
    TENDERMINT_SPEC,
    ExistenceProof,
    InnerOp,
    InnerSpec,
    LeafOp,
    NonExistenceProof,
    ProofSpec,
    decode_commitment,
    encode_commitment,
)
from support import load_vectors, vectors

SPECS = {"tendermint": TENDERMINT_SPEC, "iavl": IAVL_SPEC, "smt": SMT_SPEC}
PLACES = ("left", "middle", "right")
NOT_OFFERED = {3, 4, 5, 9}
"""Keccak-256, RIPEMD-160, Bitcoin's and BLAKE3."""


def raw(text: str | None) -> bytes:
    return b64decode(text or "")


def leaf_op(found: dict[str, Any]) -> LeafOp:
    hash_op, key, value, length = (found.get(name, 0) for name in ("hash", "prehash_key", "prehash_value", "length"))
    return LeafOp(hash_op, key, value, length, raw(found.get("prefix")))


def inner_op(found: dict[str, Any]) -> InnerOp:
    return InnerOp(found["hash"], raw(found.get("prefix")), raw(found.get("suffix")))


def existence(found: dict[str, Any]) -> ExistenceProof:
    path = tuple(inner_op(step) for step in found.get("path", ()))
    return ExistenceProof(raw(found["key"]), raw(found["value"]), leaf_op(found["leaf"]), path)


def proof_spec(found: dict[str, Any]) -> ProofSpec:
    inner = dict(found["inner_spec"])
    shape = InnerSpec(**inner | {"child_order": tuple(inner["child_order"]), "empty_child": raw(inner.get("empty_child"))})
    return ProofSpec(leaf_op(found["leaf_spec"]), shape, found.get("max_depth", 0), found.get("min_depth", 0))


def refusal_of(function: Callable[..., object], *question: object) -> str:
    """The code with which a question is refused, or nothing."""
    try:
        function(*question)
    except Rejected as refusal:
        return refusal.code
    return ""


@pytest.mark.parametrize("tree", SPECS)
@pytest.mark.parametrize("place", PLACES)
def test_published_proofs_of_existence_are_accepted_for_their_value_and_root_only(tree: str, place: str) -> None:
    case = {name: bytes.fromhex(text) for name, text in load_vectors("ics23", tree, f"exist_{place}.json").items()}
    proof = decode_commitment(case["proof"])
    assert encode_commitment(proof) == case["proof"]
    verify_membership(SPECS[tree], case["root"], proof, case["key"], case["value"])
    for key, value, root, code in (
        (case["key"] + b"x", case["value"], case["root"], "proof/wrong-key"),
        (case["key"], case["value"] + b"x", case["root"], "proof/wrong-value"),
        (case["key"], case["value"], bytes(32), "proof/wrong-root"),
    ):
        assert refusal_of(verify_membership, SPECS[tree], root, proof, key, value) == code
    assert refusal_of(verify_non_membership, SPECS[tree], case["root"], proof, case["key"]) == "proof/wrong-kind"


@pytest.mark.parametrize("tree", SPECS)
@pytest.mark.parametrize("place", PLACES)
def test_published_proofs_of_absence_are_accepted_for_keys_in_the_gap_only(tree: str, place: str) -> None:
    case = {name: bytes.fromhex(text) for name, text in load_vectors("ics23", tree, f"nonexist_{place}.json").items()}
    proof = decode_commitment(case["proof"])
    assert isinstance(proof, NonExistenceProof)
    assert encode_commitment(proof) == case["proof"]
    verify_non_membership(SPECS[tree], case["root"], proof, case["key"])
    for side in (proof.left, proof.right):
        if side is not None:
            assert refusal_of(verify_non_membership, SPECS[tree], case["root"], proof, side.key) == "proof/out-of-order"
    assert refusal_of(verify_non_membership, SPECS[tree], bytes(32), proof, case["key"]) == "proof/wrong-root"
    assert refusal_of(verify_membership, SPECS[tree], case["root"], proof, case["key"], b"x") == "proof/wrong-kind"


def test_published_hashes_are_computed() -> None:
    tried = 0
    for name, case in load_vectors("ics23", "TestDoHashData.json").items():
        preimage = case.get("Preimage") or case.get("PreImage")
        if case["HashOp"] in NOT_OFFERED:
            assert refusal_of(hashed, case["HashOp"], preimage.encode()) == "proof/unsupported"
            continue
        assert hashed(case["HashOp"], preimage.encode()).hex() == case["ExpectedHash"], name
        tried += 1
    assert tried == 5


def test_published_leaf_operations_hash_as_published() -> None:
    cases = load_vectors("ics23", "TestLeafOpData.json")
    for title, case in cases.items():
        question = leaf_op(case["Op"]), raw(case["Key"]), raw(case["Value"])
        if case["IsErr"]:
            assert refusal_of(apply_leaf, *question) == "proof/empty", title
        else:
            assert apply_leaf(*question) == raw(case["Expected"]), title
    assert len(cases) == 11


def test_published_inner_operations_hash_as_published() -> None:
    cases = load_vectors("ics23", "TestInnerOpData.json")
    for title, case in cases.items():
        question = inner_op(case["Op"]), raw(case["Child"])
        if case["IsErr"]:
            assert refusal_of(apply_step, *question) == "proof/empty", title
        else:
            assert apply_step(*question) == raw(case["Expected"]), title
    assert len(cases) == 4


def test_published_paths_lead_to_their_roots() -> None:
    """The other two have no leaf operation, which has no spelling: see below."""
    cases = {
        title: case for title, case in load_vectors("ics23", "TestExistenceProofData.json").items() if "leaf" in case["Proof"]
    }
    for title, case in cases.items():
        assert calculate(existence(case["Proof"])) == raw(case["Expected"]), title
    assert len(cases) == 4


def test_a_proof_without_a_leaf_operation_is_not_decoded() -> None:
    assert refusal_of(decode_commitment, bytes.fromhex("0a0a0a03666f6f1203626172")) == "wire/missing-field"


def test_published_leaves_are_checked_against_their_specs() -> None:
    cases = load_vectors("ics23", "TestCheckLeafData.json")
    for title, case in cases.items():
        spec = ProofSpec(leaf_op(case["Spec"]), TENDERMINT_SPEC.inner_spec)
        assert refusal_of(check_leaf, spec, leaf_op(case["Leaf"])) == ("proof/bad-leaf" if case["IsErr"] else ""), title
    assert len(cases) == 10


def test_published_paths_are_checked_against_their_specs() -> None:
    codes = {"innerOps": "proof/bad-depth", "inner,": "proof/bad-step", "leaf,": "proof/bad-leaf", "": ""}
    cases = {
        title: case for title, case in load_vectors("ics23", "TestCheckAgainstSpecData.json").items() if "leaf" in case["Proof"]
    }
    for title, case in cases.items():
        assert refusal_of(check, proof_spec(case["Spec"]), existence(case["Proof"])) == codes[case["Err"].partition(" ")[0]], (
            title
        )
    assert len(cases) == 10


def test_published_steps_with_empty_neighbours_are_recognised() -> None:
    """The vectors ask whether the other child is empty; we ask whether no key lies on that side, which is so at an edge too."""
    cases = load_vectors("ics23", "TestEmptyBranchData.json")
    for case in cases:
        step, shape = inner_op(case["Op"]), proof_spec(case["Spec"]).inner_spec
        at_left_edge, at_right_edge = bool(step.suffix), not step.suffix
        assert is_first(shape, step) == (case["IsLeft"] or at_left_edge)
        assert is_last(shape, step) == (case["IsRight"] or at_right_edge)
    assert len(cases) == 8


def test_all_vector_files_are_read_here() -> None:
    assert len(list(vectors("ics23").rglob("*.json"))) == 18 + 7
