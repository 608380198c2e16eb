"""What a chain forgets when it is told how many blocks to keep, and what it must not forget."""

from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from meshsec.world.sim_chain import SimChain
from meshsec_core.kernel.crypto import sha256
from meshsec_core.kernel.errors import Rejected
from meshsec_core.kernel.types import SECOND
from meshsec_core.modules.bank import Send
from meshsec_core.replica.generations import compare
from meshsec_core.replica.pruning import AT_ONCE, Keep, earliest_of
from meshsec_core.replica.storage import MemoryStorage, Table, Write, height_key
from meshsec_core.runtime.tx import make_tx
from meshsec_node.runner import Runner
from meshsec_node.settings import BlockMode, Settings
from meshsec_node.snapshots import Saved, Snapshots
from meshsec_node.storage import SqliteStorage
from meshsec_node.stream import Position, stream
from meshsec_sdk import names
from meshsec_sdk.mesh_file import genesis_of, topology
from served import over_http, serve

PAIR = topology("pair")
OSMOSIS = PAIR.chain("osmosis")
GENESIS = genesis_of(PAIR, "osmosis")
GIVE = Send(names.address("bob", OSMOSIS.names), OSMOSIS.names.denom, 1)


class Chain:
    """A simulated chain with a transfer in each block, which keeps eight blocks."""

    def __init__(self, blocks: int = 8) -> None:
        self.keep = Keep(5, blocks)
        self.sim = SimChain(OSMOSIS, GENESIS, PAIR)
        self.sim.replica.pruning.keep = self.keep
        self.hashes: list[bytes] = [b""]
        """Of the transaction in each block."""
        self.now = GENESIS.time

    @property
    def storage(self) -> MemoryStorage:
        return self.sim.storage.image

    def blocks(self, count: int) -> None:
        for _ in range(count):
            self.now += SECOND
            raw = make_tx(names.key_of("alice", "osmosis"), "osmo", GENESIS.chain_id, len(self.hashes) - 1, (GIVE,))
            self.hashes.append(self.sim.submit(raw))
            self.sim.make_block(self.now)

    def restart(self, image: MemoryStorage | None = None) -> None:
        self.sim.restart(*([] if image is None else [image]))
        self.sim.replica.pruning.keep = self.keep

    def known(self, height: int) -> list[bool]:
        """Tell whether block, commit, receipts, validators and the transaction of a height are there."""
        replica = self.sim.replica
        found: list[Any] = [replica.block(height), replica.commit(height), replica.results(height)]
        found += [replica.validators_at(height), replica.receipt(self.hashes[height])]
        return [item is not None for item in found]


def test_the_last_blocks_stay_and_those_before_are_forgotten_with_all_that_is_told_of_them() -> None:
    chain = Chain()
    chain.blocks(20)
    assert chain.sim.replica.pruning.earliest == 13
    assert [chain.known(height) for height in (1, 12)] == [[False] * 5] * 2
    assert [chain.known(height) for height in (13, 20)] == [[True] * 5] * 2
    rows = {table: len(list(chain.storage.scan(table))) for table in Table}
    kept = {Table.BLOCKS: 8, Table.COMMITS: 8, Table.RESULTS: 8, Table.TXS: 8, Table.SETS: 10, Table.UNDO: 5}
    assert {table: rows[table] for table in kept} == kept


def test_a_chain_that_keeps_all_forgets_nothing_but_old_states() -> None:
    chain = Chain(blocks=0)
    chain.blocks(20)
    assert (chain.sim.replica.pruning.earliest, chain.known(1)) == (1, [True] * 5)
    assert len(list(chain.storage.scan(Table.UNDO))) == 5


def test_forgetting_changes_no_block() -> None:
    one, other = Chain(), Chain(blocks=0)
    for chain in (one, other):
        chain.blocks(20)
    assert one.sim.replica.tip == other.sim.replica.tip


def test_a_chain_that_starts_again_still_knows_what_it_has_forgotten_and_goes_on() -> None:
    chain, other = Chain(), Chain(blocks=0)
    chain.blocks(20)
    chain.restart()
    assert chain.sim.replica.pruning.earliest == 13
    chain.blocks(1)
    other.blocks(21)
    assert (chain.sim.replica.pruning.earliest, chain.sim.replica.tip) == (14, other.sim.replica.tip)


def test_a_pinned_height_stays_with_all_above_it_and_what_was_held_up_is_forgotten_a_piece_at_a_time() -> None:
    chain = Chain()
    chain.blocks(9)
    chain.sim.replica.pruning.pinned = lambda: 4
    chain.blocks(41)
    assert (chain.sim.replica.pruning.earliest, chain.known(3), chain.known(4)) == (4, [False] * 5, [True] * 5)
    chain.sim.replica.pruning.pinned = lambda: 1
    chain.blocks(1)
    assert chain.sim.replica.pruning.earliest == 4
    chain.sim.replica.pruning.pinned = lambda: None
    chain.blocks(1)
    assert chain.sim.replica.pruning.earliest == 4 + AT_ONCE
    chain.blocks(2)
    assert chain.sim.replica.pruning.earliest == 54 - 8 + 1


def test_votes_for_other_blocks_are_forgotten_with_their_heights() -> None:
    chain = Chain()
    chain.blocks(3)
    chain.storage.apply([Write(Table.STRAYS, height_key(height) + sha256(b"vote"), b"") for height in (2, 3, 9)])
    chain.blocks(7)
    assert chain.sim.replica.pruning.earliest == 3
    assert [int.from_bytes(key[:8]) for key, _ in chain.storage.scan(Table.STRAYS)] == [3, 9]


def test_what_a_revert_gives_up_is_known_to_the_block_while_the_snapshot_pins_it() -> None:
    chain = Chain()
    chain.blocks(3)
    saved = chain.storage.copy()
    chain.sim.replica.pruning.pinned = lambda: 3
    chain.blocks(20)
    fork = compare("osmosis-1", chain.storage, saved)
    assert fork.height == 3
    assert len(fork.abandoned) >= 20


def test_an_image_from_before_what_is_kept_cannot_be_gone_to() -> None:
    chain = Chain()
    chain.blocks(3)
    saved = chain.storage.copy()
    chain.blocks(20)
    with pytest.raises(Rejected) as refusal:
        compare("osmosis-1", chain.storage, saved)
    assert (refusal.value.code, refusal.value.facts) == ("snapshot/pruned", {"height": 3, "earliest": 16})


def test_images_that_part_above_what_is_kept_can_be_compared() -> None:
    chain = Chain()
    chain.blocks(18)
    saved = chain.storage.copy()
    chain.blocks(4)
    assert earliest_of(chain.storage) == 15
    assert compare("osmosis-1", chain.storage, saved).height == 18


@pytest.mark.parametrize(
    ("states", "blocks", "accepted"), [(5, 0, True), (5, 5, True), (5, 4, False), (5, -1, False), (0, 0, False)]
)
def test_no_block_goes_before_a_state_whose_proofs_need_it(states: int, blocks: int, accepted: bool) -> None:
    given = Settings("", "", keep_states=states, keep_blocks=blocks)
    if accepted:
        assert given.keep == Keep(states, blocks)
        return
    with pytest.raises(Rejected) as refusal:
        assert given.keep
    assert refusal.value.code == "node/bad-settings"


def test_the_lowest_snapshot_is_what_is_pinned(tmp_path: Path) -> None:
    storage = SqliteStorage(tmp_path / "chain.db")
    snapshots = Snapshots(storage, tmp_path / "snapshots", "osmosis-1")
    assert snapshots.lowest() is None
    for name, height in (("later", 9), ("early", 4)):
        snapshots.save(Saved(name, height, 0, 1))
    again = Snapshots(storage, tmp_path / "snapshots", "osmosis-1")
    assert (snapshots.lowest(), again.lowest()) == (4, 4)
    snapshots.delete("early")
    assert (snapshots.lowest(), again.lowest()) == (9, 9)
    (tmp_path / "snapshots" / "strange.db").write_bytes(b"nonsense")
    assert again.lowest() == 0
    storage.close()


def test_whoever_asks_for_what_is_forgotten_is_told_so_and_what_is_still_there() -> None:
    async def act(runner: Runner, app: FastAPI) -> None:
        runner.set_mode(BlockMode.MANUAL, None)
        runner.replica.pruning.keep = Keep(3, 4)
        await runner.mine(10)
        async with over_http(app) as http:
            for path in ("/v1/blocks/6", "/v1/blocks/6/txs", "/v1/commits/6", "/v1/validators?height=6"):
                refused = await http.get(path)
                assert (refused.status_code, refused.json()["code"]) == (410, "block/pruned")
                assert refused.json()["facts"] == {"height": "6", "earliest": "7"}
            assert (await http.get("/v1/blocks/11")).json()["code"] == "block/not-found"
            assert (await http.get("/v1/blocks/7")).status_code == 200
            status = (await http.get("/v1/status")).json()
            assert (status["earliest_height"], status["earliest_state"]) == ("7", "0")

    serve(act)


def test_a_reader_who_comes_for_forgotten_blocks_is_told_and_goes_on_with_the_first_that_stays() -> None:
    async def act(runner: Runner, app: FastAPI) -> None:
        runner.set_mode(BlockMode.MANUAL, None)
        runner.replica.pruning.keep = Keep(3, 4)
        await runner.mine(10)
        for since, told in ((2, ["pruned", "block"]), (6, ["block", "block"])):
            reading = stream(runner, Position(0, since, 2**30), "block")
            spelled = [(await anext(reading)).decode() for _ in range(3)][1:]
            assert [text.split("event: ")[1].split("\n")[0] for text in spelled] == told
            assert [text.split("id: 0-")[1].split("-")[0] for text in spelled] == (["6", "7"] if since == 2 else ["7", "8"])
            await reading.aclose()  # type: ignore[attr-defined]

    serve(act)
