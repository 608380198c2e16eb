"""Reads the files of chains that are not running: what validators signed, and what executing every block from genesis gives."""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from meshsec.home import Home
from meshsec_core.consensus.guard import LastSigned
from meshsec_core.kernel.crypto import MemoVerifier
from meshsec_core.kernel.wire.proto import decode
from meshsec_core.kernel.wire.tendermint import Block, Commit
from meshsec_core.replica.chain import advance, as_seen_by_app, seal
from meshsec_core.replica.replica import Replica
from meshsec_core.replica.storage import MemoryStorage, Table, height_key
from meshsec_node.settings import read_genesis
from meshsec_node.storage import SqliteStorage
from meshsec_sdk.models import load_models

MEMORY = 100_000
"""Signatures whose verdict is remembered while blocks are executed again."""


@contextmanager
def copied(home: Home, chain: str, beside: Path) -> Iterator[SqliteStorage]:
    """Open a copy of what a dead chain left: file and write-ahead log."""
    beside.mkdir(parents=True, exist_ok=True)
    for file in home.chain(chain).glob("chain.db*"):
        shutil.copy(file, beside / file.name)
    try:
        with closing(SqliteStorage(beside / "chain.db")) as storage:
            yield storage
    finally:
        shutil.rmtree(beside)


def signed(storage: SqliteStorage) -> dict[tuple[str, int, int, int], bytes]:
    """(validator, height, round, step) to the bytes that it signed last."""
    found = {address.hex(): msgspec.msgpack.decode(raw, type=LastSigned) for address, raw in storage.scan(Table.GUARDS)}
    return {(validator, last.height, last.round, last.step): last.sign_bytes for validator, last in found.items()}


def execute_again(home: Home, chain: str) -> tuple[int, str]:
    """Execute every block of a chain that has ended, from genesis; return its height and app hash.

    Raises:
        AssertionError: a header carries another app hash than execution gives.
    """
    genesis = read_genesis(home.chain(chain) / "genesis.json")
    fresh = Replica.open(genesis, {}, MemoryStorage(), verify=MemoVerifier(MEMORY), models=load_models(genesis.models))
    app, tip = fresh.app, fresh.tip
    with closing(SqliteStorage(home.chain(chain) / "chain.db")) as storage:
        for number, (_, raw) in enumerate(storage.scan(Table.BLOCKS), 1):
            block = decode(Block, raw)
            if block.header.height != number or block.header.app_hash != tip.app_hash:
                raise AssertionError(
                    f"{chain}: block {number} says {block.header.app_hash.hex()}, execution {tip.app_hash.hex()}"
                )
            identity, _ = seal(block)
            commit = storage.get(Table.COMMITS, height_key(number))
            if commit is None:
                raise AssertionError(f"{chain}: block {number} has no commit")
            executed = app.finalize_block(as_seen_by_app(tip, block, identity), block.txs)
            app.commit(number, executed)
            hashes = (executed.app_hash, executed.results_hash)
            tip = advance(tip, block, identity, decode(Commit, commit), executed.powers, hashes)
    return tip.height, tip.app_hash.hex()
