"""Rows on disk: atomic, ordered, durable, for one process and one version."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshsec_core.kernel.errors import Rejected
from meshsec_core.replica.storage import MemoryStorage, Storage, Table, Write
from meshsec_node import storage as disk
from meshsec_node.storage import DiskFailed, SqliteStorage


@pytest.fixture(params=["memory", "disk"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    if request.param == "memory":
        yield MemoryStorage()
        return
    opened = SqliteStorage(tmp_path / "chain.db")
    yield opened
    opened.close()


def put(key: bytes, value: bytes | None, table: Table = Table.STATE) -> Write:
    return Write(table, key, value)


def test_rows_come_back_in_the_order_of_their_bytes(storage: Storage) -> None:
    keys = [b"b", b"a\xff", b"a", b"\x00", b"a/b"]
    storage.apply([put(key, key + b"!") for key in keys])
    assert list(storage.scan(Table.STATE)) == [(key, key + b"!") for key in sorted(keys)]
    assert [key for key, _ in storage.scan(Table.STATE, after=b"a")] == [b"a/b", b"a\xff", b"b"]


def test_a_scan_reaches_beyond_one_page(storage: Storage) -> None:
    rows = [(number.to_bytes(4, "big"), b"v") for number in range(2 * disk.PAGE + 1)]
    storage.apply([put(*row) for row in rows])
    assert list(storage.scan(Table.STATE)) == rows


def test_of_two_writes_to_a_row_the_later_one_holds(storage: Storage) -> None:
    storage.apply([put(b"k", b"1"), put(b"k", None), put(b"l", None), put(b"l", b"2"), put(b"m", b"3"), put(b"m", b"4")])
    assert list(storage.scan(Table.STATE)) == [(b"l", b"2"), (b"m", b"4")]
    assert storage.get(Table.STATE, b"k") is None


def test_tables_do_not_share_rows(storage: Storage) -> None:
    storage.apply([put(b"k", b"1", Table.META), put(b"k", b"2", Table.GUARDS)])
    assert (storage.get(Table.META, b"k"), storage.get(Table.GUARDS, b"k"), storage.get(Table.WAL, b"k")) == (b"1", b"2", None)


def test_rows_are_there_after_the_file_is_opened_again(tmp_path: Path) -> None:
    first = SqliteStorage(tmp_path / "deep" / "chain.db")
    first.apply([put(b"k", b"v")])
    first.close()
    second = SqliteStorage(tmp_path / "deep" / "chain.db")
    assert second.get(Table.STATE, b"k") == b"v"
    second.close()


def test_a_batch_that_fails_half_way_leaves_no_row(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path / "chain.db")
    with pytest.raises(DiskFailed):
        storage.apply([put(b"k", b"v"), put(b"l", ["no bytes"], Table.WAL)])  # type: ignore[arg-type]
    assert list(storage.scan(Table.STATE)) == list(storage.scan(Table.WAL)) == []
    storage.apply([put(b"k", b"v")])
    assert storage.get(Table.STATE, b"k") == b"v"
    storage.close()


def on_disk(path: Path, beside: Path) -> list[tuple[bytes, bytes]]:
    """Return what would be there after a power cut: the rows of a copy of the files as they lie on disk now."""
    beside.mkdir()
    for name in (path.name, path.name + "-wal"):
        (beside / name).write_bytes((path.parent / name).read_bytes())
    copy = SqliteStorage(beside / path.name)
    rows = list(copy.scan(Table.STATE))
    copy.close()
    return rows


def test_what_is_applied_together_is_read_at_once_and_survives_a_power_cut_whole_or_not_at_all(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path / "chain.db")
    storage.apply([put(b"a", b"1")])
    with storage.together():
        storage.apply([put(b"b", b"2")])
        storage.apply([put(b"a", None), put(b"c", b"3")])
        assert list(storage.scan(Table.STATE)) == [(b"b", b"2"), (b"c", b"3")]
        assert on_disk(storage.path, tmp_path / "before") == [(b"a", b"1")]
    assert on_disk(storage.path, tmp_path / "after") == [(b"b", b"2"), (b"c", b"3")]
    storage.close()


@pytest.mark.parametrize("fault", [KeyError("a bug of ours"), sqlite3.OperationalError("disk full")])
def test_of_what_is_applied_together_nothing_stays_if_it_ends_badly(tmp_path: Path, fault: Exception) -> None:
    storage = SqliteStorage(tmp_path / "chain.db")
    storage.apply([put(b"a", b"1")])
    expected = DiskFailed if isinstance(fault, sqlite3.Error) else type(fault)

    def end_badly() -> None:
        with storage.together():
            storage.apply([put(b"b", b"2")])
            raise fault

    with pytest.raises(expected):
        end_badly()
    assert list(storage.scan(Table.STATE)) == [(b"a", b"1")]
    storage.apply([put(b"c", b"3")])
    assert on_disk(storage.path, tmp_path / "after") == [(b"a", b"1"), (b"c", b"3")]
    storage.close()


def test_a_second_process_is_refused_while_the_file_is_open(tmp_path: Path) -> None:
    first = SqliteStorage(tmp_path / "chain.db")
    first.apply([put(b"k", b"v")])
    with pytest.raises(Rejected) as refusal:
        SqliteStorage(tmp_path / "chain.db")
    assert refusal.value.code == disk.LOCKED
    first.close()
    SqliteStorage(tmp_path / "chain.db").close()


def test_a_file_of_another_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    SqliteStorage(tmp_path / "chain.db").close()
    with sqlite3.connect(tmp_path / "chain.db") as base:
        base.execute("UPDATE layout SET version = '99'")
    base.close()
    before = (tmp_path / "chain.db").read_bytes()
    with pytest.raises(Rejected) as refusal:
        SqliteStorage(tmp_path / "chain.db")
    assert (refusal.value.code, refusal.value.facts["found"]) == (disk.OTHER_VERSION, "99")
    assert (tmp_path / "chain.db").read_bytes() == before


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "chain.db") as base:
        base.execute("CREATE TABLE blocks (id INTEGER)")
    base.close()
    with pytest.raises(Rejected) as refusal:
        SqliteStorage(tmp_path / "chain.db")
    assert (refusal.value.code, refusal.value.facts["found"]) == (disk.OTHER_VERSION, "none")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "chain.db").write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(Rejected) as refusal:
        SqliteStorage(tmp_path / "chain.db")
    assert refusal.value.code == disk.CORRUPT


def test_a_path_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Rejected) as refusal:
        SqliteStorage(tmp_path / "file" / "chain.db")
    assert refusal.value.code == disk.UNAVAILABLE


def test_a_full_disk_takes_nothing_of_a_batch_and_says_that_it_is_full(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path / "chain.db")
    storage.apply([put(b"a", b"1")])
    pages = storage._base.execute("PRAGMA page_count").fetchone()[0]
    storage._base.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(DiskFailed) as failure:
        storage.apply([put(number.to_bytes(2, "big"), bytes(4_000)) for number in range(10)])
    assert failure.value.refusal.code == disk.FULL
    assert list(storage.scan(Table.STATE)) == [(b"a", b"1")]
    storage.close()
