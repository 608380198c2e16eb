"""The committed state: previews, commits, history, proofs and the rebuild after a restart."""

from collections.abc import Mapping

import pytest

from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.kernel.merkle import critbit, simple
from meshsec_core.kernel.merkle.ics23 import verify_absence, verify_value
from meshsec_core.kernel.store.overlay import Overlay
from meshsec_core.kernel.store.state import State, Undo
from meshsec_core.kernel.wire.ics23 import MerkleProof
from meshsec_core.kernel.wire.proto import decode, encode

STORES = ("bank", "auth", "ibc")


def committed(state: State, height: int, changes: Mapping[str, bytes | None]) -> Undo:
    return state.commit(height, state.preview(changes))


def three_heights(keep: int = 1000) -> State:
    state = State(STORES, keep=keep)
    committed(state, 0, {"bank/a": b"1", "bank/b": b"2"})
    committed(state, 1, {"bank/a": b"11", "bank/c": b"3", "auth/x": b"y"})
    committed(state, 2, {"bank/b": None, "ibc/clients/07-tendermint-0/clientState": b"s"})
    return state


def test_every_store_holds_its_sentinel_before_anything_is_committed() -> None:
    state = State(STORES)
    assert list(state.rows()) == [("auth/_", b"meshsec"), ("bank/_", b"meshsec"), ("ibc/_", b"meshsec")]
    sentinel = critbit.leaf_hash(b"_", b"meshsec")
    assert state.preview({}).app_hash == simple.build(dict.fromkeys(STORES, sentinel)).root
    assert state.preview({}).roots == dict.fromkeys(sorted(STORES), sentinel)


def test_a_preview_changes_nothing_and_several_may_rest_on_one_parent() -> None:
    state = three_heights()
    before = list(state.rows()), state.app_hash(2)
    one = state.preview({"bank/a": b"one"})
    other = state.preview({"bank/a": b"other"})
    assert (list(state.rows()), state.app_hash(2)) == before
    assert len({one.app_hash, other.app_hash, state.app_hash(2)}) == 3
    assert state.preview({"bank/a": b"one"}).app_hash == one.app_hash
    state.commit(3, other)
    assert state.get("bank/a") == b"other"
    assert state.app_hash(3) == other.app_hash


def test_a_preview_keeps_what_it_was_asked_though_the_asker_goes_on_writing() -> None:
    state = three_heights()
    changes: dict[str, bytes | None] = {"bank/a": b"one"}
    prepared = state.preview(changes)
    changes["bank/a"] = b"two"
    state.commit(3, prepared)
    assert state.get("bank/a") == b"one"


def test_a_commit_needs_the_next_height_and_a_preview_of_the_latest_state() -> None:
    state = three_heights()
    prepared = state.preview({"bank/a": b"x"})
    for height in (2, 4):
        with pytest.raises(InvariantViolated):
            state.commit(height, prepared)
    committed(state, 3, {"bank/z": b"z"})
    with pytest.raises(InvariantViolated):
        state.commit(4, prepared)
    assert (state.height, state.get("bank/a")) == (3, b"11")


def test_a_commit_returns_what_it_replaced() -> None:
    state = three_heights()
    undo = committed(state, 3, {"bank/c": b"33", "auth/x": None, "bank/a": b"11", "bank/new": b"n", "ibc/none": None})
    assert undo == (("auth/x", b"y"), ("bank/c", b"3"), ("bank/new", None))


def test_the_root_depends_on_contents_only() -> None:
    state = three_heights()
    fresh = State(STORES)
    committed(fresh, 0, {path: value for path, value in state.rows() if not path.endswith("/_")})
    assert fresh.app_hash(0) == state.app_hash(2)
    assert State.open(state.rows(), 2, STORES).app_hash(2) == state.app_hash(2)
    assert State.open([], 0, reversed(STORES)).app_hash(0) == State(STORES).preview({}).app_hash


def test_every_kept_height_reads_and_proves_what_it_held() -> None:
    state = three_heights()
    held = {0: {"bank/a": b"1", "bank/b": b"2", "bank/c": None}, 1: {"bank/a": b"11", "bank/c": b"3"}, 2: {"bank/b": None}}
    for height, values in held.items():
        for path, value in values.items():
            assert state.at(height).get(path) == value
            proven, proof = state.prove(path, height)
            assert proven == value
            store, _, key = path.partition("/")
            if value is None:
                verify_absence(state.app_hash(height), store, key.encode(), proof)
            else:
                verify_value(state.app_hash(height), store, key.encode(), value, proof)
    assert list(state.at(0).scan("bank/")) == [("bank/_", b"meshsec"), ("bank/a", b"1"), ("bank/b", b"2")]


def test_a_proof_is_the_same_bytes_whatever_was_proven_before_and_spells_both_levels_at_once() -> None:
    state = three_heights()
    paths = ["bank/a", "bank/b", "ibc/nothing", "auth/x", "bank/a"]
    together = [state.prove(path, height) for height in (1, 2, 1) for path in paths]
    alone = [three_heights().prove(path, height) for height in (1, 2, 1) for path in paths]
    assert together == alone
    for _, proof in together:
        assert encode(decode(MerkleProof, proof)) == proof


def test_a_proof_does_not_hold_at_another_height() -> None:
    state = three_heights()
    _, proof = state.prove("bank/a", 0)
    with pytest.raises(Rejected) as refusal:
        verify_value(state.app_hash(1), "bank", b"a", b"1", proof)
    assert refusal.value.code == "proof/wrong-root"


def test_absence_is_proven_in_a_store_that_holds_its_sentinel_only() -> None:
    state = State(STORES)
    committed(state, 0, {})
    for key in ("!", "a", "_/"):
        value, proof = state.prove(f"ibc/{key}", 0)
        assert value is None
        verify_absence(state.app_hash(0), "ibc", key.encode(), proof)


def test_the_state_before_genesis_is_no_height() -> None:
    state = three_heights()
    for height in (-1, -2):
        with pytest.raises(Rejected) as refusal:
            state.at(height)
        assert refusal.value.code == "state/pruned"


def test_heights_are_forgotten_when_there_are_more_than_are_kept() -> None:
    state = three_heights(keep=2)
    assert state.at(1).get("bank/b") == b"2"
    for height, code in ((0, "state/pruned"), (-1, "state/pruned"), (3, "state/future-height")):
        for ask in (state.at, state.app_hash, lambda height: state.prove("bank/a", height)):
            with pytest.raises(Rejected) as refusal:
                ask(height)
            assert refusal.value.code == code


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("mint/a", "state/unknown-store"),
        ("", "state/unknown-store"),
        ("ban", "state/unknown-store"),
        ("bank", "state/bad-path"),
        ("bank/", "state/bad-path"),
    ],
)
def test_a_path_that_cannot_exist_is_not_proven_and_reads_as_nothing(path: str, code: str) -> None:
    state = three_heights()
    with pytest.raises(Rejected) as refusal:
        state.prove(path, 2)
    assert refusal.value.code == code
    assert state.get(path) is None
    assert state.at(2).get(path) is None


def test_a_path_that_is_no_text_reads_as_nothing_and_is_proven_absent() -> None:
    state = three_heights()
    assert state.get("bank/\ud800") is None
    assert list(state.scan("bank/\ud800")) == []
    assert state.prove("bank/\ud800é", 2)[0] is None


@pytest.mark.parametrize("path", ["mint/a", "bank", "bank/", "bank/_", "bank/é", "bank/a\n", "bank/\x00"])
def test_a_path_that_must_not_exist_is_not_written(path: str) -> None:
    state = three_heights()
    for value in (b"1", None):
        with pytest.raises(InvariantViolated):
            state.preview({path: value})
    with pytest.raises(InvariantViolated):
        state.preview({"bank/ok": b""})


@pytest.mark.parametrize("stores", [[], [""], ["a/b"]])
def test_stores_need_names_without_slashes(stores: list[str]) -> None:
    with pytest.raises(InvariantViolated):
        State(stores)


def test_a_scan_goes_over_stores_in_the_order_of_paths() -> None:
    """`a-b/` sorts before `a/`, though `a` sorts before `a-b`."""
    state = State(["a", "a-b", "b"])
    committed(state, 0, {"a/x": b"1", "a-b/x": b"2", "b/x": b"3"})
    paths = ["a-b/_", "a-b/x", "a/_", "a/x", "b/_", "b/x"]
    assert [path for path, _ in state.scan("")] == paths == sorted(paths)
    assert [path for path, _ in state.scan("a")] == paths[:4]
    assert [path for path, _ in state.scan("a/")] == paths[2:4]
    assert [path for path, _ in state.scan("a/x")] == ["a/x"]
    assert [path for path, _ in state.scan("", "a-b/x")] == paths[2:]
    assert [path for path, _ in state.scan("", "a.")] == paths[2:]
    assert [path for path, _ in state.scan("", "a/~")] == paths[4:]
    assert [path for path, _ in state.scan("a", "a-b/_")] == paths[1:4]
    assert [path for path, _ in state.scan("b/", "a/x")] == paths[4:]
    assert list(state.scan("a/x", "a/x")) == list(state.scan("c")) == list(state.scan("a/x/")) == []


def test_a_scan_that_is_under_way_does_not_see_a_commit() -> None:
    state = three_heights()
    walk = state.scan("bank/")
    assert next(walk) == ("bank/_", b"meshsec")
    committed(state, 3, {"bank/a": None, "bank/b": b"new"})
    assert list(walk) == [("bank/a", b"11"), ("bank/c", b"3")]


def test_an_overlay_rests_on_a_state() -> None:
    state = three_heights()
    overlay = Overlay(state)
    overlay.set("bank/b", b"new")
    overlay.delete("bank/a")
    assert list(overlay.scan("bank/")) == [("bank/_", b"meshsec"), ("bank/b", b"new"), ("bank/c", b"3")]
    prepared = state.preview(overlay.changes)
    state.commit(3, prepared)
    assert list(state.scan("bank/")) == list(overlay.scan("bank/"))


def test_a_restarted_state_answers_for_the_heights_behind_it() -> None:
    state = State(STORES)
    undos = [committed(state, 0, {"bank/a": b"1"})]
    undos += [committed(state, height, {"bank/a": b"%d" % height, f"auth/{height}": b"x", "ibc/b": None}) for height in (1, 2, 3)]
    reopened = State.open(state.rows(), 3, STORES)
    with pytest.raises(Rejected) as refusal:
        reopened.at(2)
    assert refusal.value.code == "state/pruned"
    reopened.restore_history(reversed(undos[1:]))
    for height in range(4):
        assert reopened.app_hash(height) == state.app_hash(height)
        assert reopened.prove("bank/a", height) == state.prove("bank/a", height)
    committed(reopened, 4, {"bank/a": b"4"})
    assert reopened.get("bank/a") == b"4"


def test_a_restarted_state_restores_no_more_heights_than_it_keeps() -> None:
    state = State(STORES)
    undos = [committed(state, height, {"bank/a": b"%d" % (height + 1)}) for height in range(6)]
    reopened = State.open(state.rows(), 5, STORES, keep=3)
    reopened.restore_history(reversed(undos))
    assert reopened.at(3).get("bank/a") == b"4"
    with pytest.raises(Rejected) as refusal:
        reopened.at(2)
    assert refusal.value.code == "state/pruned"
    committed(reopened, 6, {})
    with pytest.raises(Rejected):
        reopened.at(3)


def test_rows_of_a_store_that_does_not_exist_are_not_opened() -> None:
    with pytest.raises(InvariantViolated):
        State.open([("mint/a", b"1")], 1, STORES)
