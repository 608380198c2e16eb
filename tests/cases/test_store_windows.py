"""Overlays that leave no trace when they are dropped, and typed windows on them."""

import msgspec
import pytest

from meshsec_core.kernel.errors import InvariantViolated, Rejected
from meshsec_core.kernel.store.overlay import BAD_PATH, Empty, Overlay
from meshsec_core.kernel.store.windows import Item, Map, Raw


class Coin(msgspec.Struct, frozen=True):
    denom: str
    amount: int


COUNT = Item("demo/count", int, default=0)
OWNER = Item("demo/owner", str)
COINS = Map("demo/coins", Coin)
PAIRS = Map("demo/pairs", int, parts=2, default=0)
BLOBS = Map("demo/blobs", Raw())


def store_of(**values: int) -> Overlay:
    store = Overlay(Empty())
    for key, value in values.items():
        store.set(key, str(value).encode())
    return store


def contents(store: Overlay, prefix: str = "") -> dict[str, bytes]:
    return dict(store.scan(prefix))


def test_a_dropped_overlay_leaves_no_trace() -> None:
    base = store_of(a=1, b=2)
    layer = Overlay(base)
    layer.set("a", b"9")
    layer.set("c", b"3")
    layer.delete("b")
    assert contents(layer) == {"a": b"9", "c": b"3"}
    assert contents(base) == {"a": b"1", "b": b"2"}


def test_a_merged_overlay_becomes_part_of_its_parent_deletions_included() -> None:
    base = store_of(a=1, b=2)
    layer = Overlay(base)
    layer.set("a", b"9")
    layer.delete("b")
    layer.merge()
    assert base.changes == {"a": b"9", "b": None}
    assert contents(base) == {"a": b"9"}


@pytest.mark.parametrize("text", ["é", "a\x00b", "\n", "\u202e", "\U0001f600"])
def test_a_path_that_no_state_can_hold_is_refused_before_anything_is_merged(text: str) -> None:
    parent = store_of(**{"demo/count": 1})
    layer = Overlay(parent)
    COUNT.put(layer, 2)
    COINS.put(layer, text, Coin("uosmo", 1))
    with pytest.raises(Rejected) as refusal:
        layer.merge()
    assert (refusal.value.code, contents(parent)) == (BAD_PATH, {"demo/count": b"1"})


def test_only_an_overlay_can_be_merged_into() -> None:
    with pytest.raises(InvariantViolated):
        Overlay(Empty()).merge()


def test_an_empty_value_is_our_bug_because_it_could_not_be_proven() -> None:
    with pytest.raises(InvariantViolated):
        Overlay(Empty()).set("a", b"")


def test_a_scan_is_ordered_across_layers_and_stops_at_its_prefix() -> None:
    base = Overlay(Empty())
    for key in ("x/1", "x/3", "x/5", "y/1", "w"):
        base.set(key, b"base")
    layer = Overlay(base)
    layer.set("x/4", b"layer")
    layer.set("x/2", b"layer")
    layer.set("x/3", b"layer")
    layer.delete("x/5")
    layer.set("xx", b"layer")
    assert list(layer.scan("x/")) == [("x/1", b"base"), ("x/2", b"layer"), ("x/3", b"layer"), ("x/4", b"layer")]
    assert list(layer.scan("x/", "x/2")) == [("x/3", b"layer"), ("x/4", b"layer")]
    assert list(layer.scan("x/", "x/9")) == []
    assert list(layer.scan("x/", "a")) == list(layer.scan("x/"))


def test_a_scan_sees_what_was_written_since_the_last_scan() -> None:
    store = store_of(b=2)
    assert list(contents(store)) == ["b"]
    store.set("a", b"1")
    store.set("c", b"3")
    store.delete("b")
    assert contents(store) == {"a": b"1", "c": b"3"}


def test_reads_writes_and_scanned_entries_count_as_operations_and_are_kept_when_merged() -> None:
    base = store_of(a=1, b=2)
    assert base.operations == 2
    layer = Overlay(base)
    layer.get("nothing")
    layer.set("c", b"3")
    list(layer.scan(""))
    assert layer.operations == 5
    before = base.operations
    layer.merge()
    assert base.operations > before


def test_an_item_answers_with_its_default_until_it_is_written() -> None:
    store = Overlay(Empty())
    assert COUNT.get(store) == 0
    COUNT.put(store, 41)
    assert COUNT.get(store) == 41
    assert store.changes == {"demo/count": b'"41"'}


def test_an_item_without_value_and_default_is_our_bug() -> None:
    with pytest.raises(InvariantViolated):
        OWNER.get(Overlay(Empty()))


def test_a_map_keeps_canonical_json_under_readable_paths() -> None:
    store = Overlay(Empty())
    COINS.put(store, "alice", Coin("uosmo", 7))
    assert store.changes == {"demo/coins/alice": b'{"amount":"7","denom":"uosmo"}'}
    assert COINS.get(store, "alice") == Coin("uosmo", 7)
    assert COINS.has(store, "alice")
    assert not COINS.has(store, "ali")
    assert COINS.find(store, "bob") is None


def test_a_map_without_value_and_default_is_our_bug_and_find_ignores_the_default() -> None:
    store = Overlay(Empty())
    with pytest.raises(InvariantViolated):
        COINS.get(store, "bob")
    assert PAIRS.get(store, "a", "b") == 0
    assert PAIRS.find(store, "a", "b") is None


def test_a_deleted_entry_is_gone() -> None:
    store = Overlay(Empty())
    COINS.put(store, "alice", Coin("uosmo", 7))
    COINS.delete(store, "alice")
    COINS.delete(store, "never-there")
    assert COINS.find(store, "alice") is None
    assert list(COINS.items(store)) == []


def test_numbers_in_keys_sort_as_numbers() -> None:
    store = Overlay(Empty())
    for number in (10, 9, 100, 2**64 - 1):
        PAIRS.put(store, "q", number, 1)
    assert [int(key[0]) for key, _ in PAIRS.items(store, "q")] == [9, 10, 100, 2**64 - 1]
    assert PAIRS.key("q", 9) == "demo/pairs/q/00000000000000000009"


def test_items_yield_the_key_parts_behind_the_leading_ones() -> None:
    store = Overlay(Empty())
    PAIRS.put(store, "a", "x", 1)
    PAIRS.put(store, "a", "y", 2)
    PAIRS.put(store, "ab", "x", 3)
    assert list(PAIRS.items(store)) == [(("a", "x"), 1), (("a", "y"), 2), (("ab", "x"), 3)]
    assert list(PAIRS.items(store, "a")) == [(("x",), 1), (("y",), 2)]
    assert list(PAIRS.items(store, "a", after=("x",))) == [(("y",), 2)]
    assert list(PAIRS.items(store, after=("a", "x"))) == [(("a", "y"), 2), (("ab", "x"), 3)]
    assert list(PAIRS.items(store, "b")) == []


def test_the_last_part_of_a_key_may_hold_slashes() -> None:
    store = Overlay(Empty())
    PAIRS.put(store, "alice", "ibc/27/AB", 5)
    assert list(PAIRS.items(store)) == [(("alice", "ibc/27/AB"), 5)]
    assert list(PAIRS.items(store, "alice")) == [(("ibc/27/AB",), 5)]


def test_items_walked_are_those_there_were_whatever_is_written_meanwhile() -> None:
    store = Overlay(Empty())
    for name in ("a", "b", "c"):
        COINS.put(store, name, Coin("u", 1))
    walked = []
    for (name,), coin in COINS.items(store):
        walked.append(name)
        for each in ("a", "b", "c"):
            COINS.delete(store, each)
        COINS.put(store, name + "2", coin)
    assert walked == ["a", "b", "c"]
    assert [key for key, _ in COINS.items(store)] == [("a2",), ("b2",), ("c2",)]


def test_raw_windows_keep_bytes_as_they_are() -> None:
    store = Overlay(Empty())
    BLOBS.put(store, "x", b"\x00\xff")
    assert store.changes == {"demo/blobs/x": b"\x00\xff"}
    assert BLOBS.get(store, "x") == b"\x00\xff"
